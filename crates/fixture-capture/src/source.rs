//! The source: its tables, what is done to them, and its own account of that.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use cdc_stack::postgres::{Cluster, ClusterOptions, Durability};
use cdc_testkit::captures::RowEvent;

/// The database that is captured.
pub const DATABASE: &str = "capture";

const PREPARATION: [&str; 4] = [
    include_str!("../sql/audit.sql"),
    include_str!("../sql/tables.sql"),
    include_str!("../sql/values.sql"),
    include_str!("../sql/snapshot.sql"),
];
const CHANGES: &str = include_str!("../sql/changes.sql");

const STREAMING: &str = "select count(*) from pg_stat_replication where state = 'streaming'";

/// How often the server is asked.
const POLL: Duration = Duration::from_millis(200);

const ACCOUNT: &str = "select json_build_object('table', relation, 'op', op, 'identity', identity, \
                       'transaction', xid, 'before', before, 'after', after) \
                       from audit.event order by n";

/// A server with the tables and the rows that a snapshot finds.
#[derive(Debug)]
pub struct Source {
    /// The server.
    pub cluster: Cluster,
}

impl Source {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// When PostgreSQL or one of its extensions is missing.
    pub fn start() -> Result<Self> {
        let options = ClusterOptions { durability: Durability::Relaxed, ..Default::default() };
        let cluster = Cluster::start(options)?;
        cluster.create_database(DATABASE)?;
        for sql in PREPARATION {
            cluster.psql(DATABASE, sql)?;
        }
        Ok(Self { cluster })
    }

    /// Waits until so many connectors stream: each has finished its snapshot then.
    ///
    /// # Errors
    ///
    /// When they do not within the limit.
    pub fn wait_streaming(&self, connectors: usize, limit: Duration) -> Result<()> {
        let begin = Instant::now();
        loop {
            let active = self.cluster.psql(DATABASE, STREAMING)?;
            if active == connectors.to_string() {
                return Ok(());
            }
            if begin.elapsed() > limit {
                bail!("{active} of {connectors} connectors stream after {limit:?}");
            }
            thread::sleep(POLL);
        }
    }

    /// Makes the changes.
    ///
    /// # Errors
    ///
    /// When the server refuses one.
    pub fn change(&self) -> Result<()> {
        self.cluster.psql(DATABASE, CHANGES).map(drop).context("cannot make the changes")
    }

    /// The source's account of everything so far.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn account(&self) -> Result<Vec<RowEvent>> {
        let text = self.cluster.psql(DATABASE, ACCOUNT)?;
        text.lines()
            .map(|line| {
                serde_json::from_str(line).context("an event of the source is not as expected")
            })
            .collect()
    }

    /// The server's version.
    ///
    /// # Errors
    ///
    /// When it does not answer.
    pub fn version(&self) -> Result<String> {
        let full = self.cluster.psql(DATABASE, "show server_version")?;
        // Without the distribution's name for its package.
        Ok(full.split(' ').next().unwrap_or_default().to_owned())
    }
}
