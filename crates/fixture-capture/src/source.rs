//! The source: its tables, what is done to them, and its own account of that.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use cdc_stack::postgres::{Cluster, ClusterOptions, Durability};
use cdc_testkit::captures::RowEvent;

use crate::modes::History;

/// The database that is captured.
pub const DATABASE: &str = "capture";

const AUDIT: &str = include_str!("../sql/audit.sql");

/// Tables, values of types, and the rows that connectors find.
const CORE: [&str; 3] = [
    include_str!("../sql/tables.sql"),
    include_str!("../sql/values.sql"),
    include_str!("../sql/snapshot.sql"),
];
const CORE_CHANGES: &str = include_str!("../sql/changes.sql");

const EXTENSIONS: [&str; 3] = [
    include_str!("../sql/extensions/tables.sql"),
    include_str!("../sql/extensions/values.sql"),
    include_str!("../sql/extensions/snapshot.sql"),
];
const EXTENSIONS_CHANGES: &str = include_str!("../sql/extensions/changes.sql");

/// The extensions that a server needs for the history with their types, and how Debian gets them.
const NEEDED: [(&str, &str); 2] = [
    ("postgis", "apt-get install postgresql-{major}-postgis-3"),
    (
        "vector",
        "apt-get install postgresql-{major}-pgvector; where that package does not exist, apt-get install \
         postgresql-server-dev-{major} and build https://github.com/pgvector/pgvector with make install",
    ),
];

/// One line of JSON for each column of each table in the schema `public`.
pub const CATALOG: &str = include_str!("../sql/catalog.sql");

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
    history: History,
}

impl Source {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// When PostgreSQL or one of its extensions is missing.
    pub fn start(history: History) -> Result<Self> {
        let options = ClusterOptions { durability: Durability::Relaxed, ..Default::default() };
        let cluster = Cluster::start(options)?;
        cluster.create_database(DATABASE)?;
        let preparation = match history {
            History::Core => CORE,
            History::Extensions => {
                ensure_extensions(&cluster)?;
                EXTENSIONS
            }
        };
        for sql in [AUDIT].into_iter().chain(preparation) {
            cluster.psql(DATABASE, sql)?;
        }
        Ok(Self { cluster, history })
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
        let changes = match self.history {
            History::Core => CORE_CHANGES,
            History::Extensions => EXTENSIONS_CHANGES,
        };
        self.cluster.psql(DATABASE, changes).map(drop).context("cannot make the changes")
    }

    /// The columns of the tables, a line for each.
    ///
    /// # Errors
    ///
    /// When the catalog cannot be read.
    pub fn catalog(&self) -> Result<String> {
        Ok(self.cluster.psql(DATABASE, CATALOG)?.trim_end().to_owned() + "\n")
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

/// Names everything that the server lacks, with the line that installs it.
fn ensure_extensions(cluster: &Cluster) -> Result<()> {
    let has = cluster.psql(DATABASE, "select name from pg_available_extensions")?;
    let number = cluster.psql(DATABASE, "show server_version_num")?;
    let number: u32 = number.trim().parse().context("the server's version is not a number")?;
    let major = (number / 10_000).to_string();
    let lacking = NEEDED.iter().filter(|(name, _)| !has.lines().any(|line| line == *name));
    let lines: Vec<String> = lacking
        .map(|(name, install)| format!("  {name}: {}", install.replace("{major}", &major)))
        .collect();
    if lines.is_empty() {
        return Ok(());
    }
    bail!("the server of PostgreSQL {major} lacks extensions; install\n{}", lines.join("\n"))
}
