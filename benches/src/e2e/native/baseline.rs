//! What PostgreSQL's own programs take for the same work: `pg_recvlogical` for the stream, two psql with a
//! pipe between them for the snapshot.

use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;

use super::super::stage::Warehouse;
use super::source::{COPIED, PUBLICATION, STREAMED, Source};

const LIMIT: Duration = Duration::from_mins(30);

/// The plain table that the pipe fills: the source's columns and its key, and nothing else.
const PLAIN_TABLE: &str = "CREATE TABLE public.orders (order_id int PRIMARY KEY, customer_id int NOT NULL, \
    product_name varchar(255), amount decimal(10, 2), status varchar(50), created_at timestamp, \
    updated_at timestamp)";

/// What a program of PostgreSQL took.
#[derive(Debug, Clone, Serialize)]
pub struct Baseline {
    /// From its start to its end.
    pub seconds: f64,
    /// Processor time of the source meanwhile.
    pub source_cpu_seconds: f64,
    /// Processor time of the warehouse meanwhile.
    pub warehouse_cpu_seconds: f64,
}

/// A slot that waits to be read by `pg_recvlogical`.
#[derive(Debug)]
pub(crate) struct RawSlot(String);

impl RawSlot {
    /// Creates it, before there is anything to read.
    pub(crate) fn create(source: &Source, run: u32) -> Result<Self> {
        let name = format!("raw_{run}");
        let sql = format!("SELECT pg_create_logical_replication_slot('{name}', 'pgoutput')");
        source.cluster.psql(STREAMED, &sql)?;
        Ok(Self(name))
    }

    /// Reads everything up to `end` and throws it away.
    pub(crate) fn receive(
        self,
        source: &Source,
        warehouse: &Warehouse,
        end: &str,
    ) -> Result<Baseline> {
        let mut command = Command::new(source.cluster.binaries().program("pg_recvlogical"));
        command.args(["--start", "--no-loop", "--file=/dev/null", "--option=proto_version=1"]);
        command.arg(format!("--option=publication_names={PUBLICATION}"));
        command.arg(format!("--slot={}", self.0)).arg(format!("--endpos={end}"));
        command.arg(format!("--dbname={}", source.cluster.url(STREAMED)));
        let taken = timed(source, warehouse, || {
            let mut child = Ended(command.spawn().context("cannot run pg_recvlogical")?);
            child.wait("pg_recvlogical")
        })?;
        source.drop_slot(&self.0)?;
        Ok(taken)
    }
}

/// The position of the source's log behind everything that was written. Something small is written
/// behind it, so that a reader learns that it has passed.
pub(crate) fn end_of_log(source: &Source) -> Result<String> {
    let end = source.cluster.psql(STREAMED, "SELECT pg_current_wal_insert_lsn()")?;
    source.cluster.psql(STREAMED, "CREATE TABLE passed (); DROP TABLE passed; CHECKPOINT")?;
    Ok(end)
}

/// `COPY … TO` piped into `COPY … FROM`, into a plain table of a new database.
pub(crate) fn pipe(source: &Source, warehouse: &Warehouse, rows: u64) -> Result<Baseline> {
    let database = warehouse.cluster.fresh_database("pipe")?;
    warehouse.sql(&database, PLAIN_TABLE)?;
    source.settle()?;
    warehouse.settle(&database)?;
    let psql = |url: String, copy: &str| {
        let mut command = Command::new(&warehouse.psql);
        command.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", &url, "-c", copy]);
        command
    };
    let taken = timed(source, warehouse, || {
        let mut out = psql(source.cluster.url(COPIED), "COPY public.orders TO STDOUT");
        let mut out = Ended(out.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?);
        let rows = out.0.stdout.take().context("the output of psql is not connected")?;
        let mut into = psql(warehouse.cluster.url(&database), "COPY public.orders FROM STDIN");
        let mut into = Ended(into.stdin(rows).stdout(Stdio::null()).spawn()?);
        out.wait("COPY … TO")?;
        into.wait("COPY … FROM")
    })?;
    let found = warehouse.number(&database, "SELECT count(*) FROM public.orders")?;
    ensure!(found == rows, "the pipe carried {found} of {rows} rows");
    warehouse.drop_database(&database)?;
    Ok(taken)
}

fn timed(
    source: &Source,
    warehouse: &Warehouse,
    work: impl FnOnce() -> Result<()>,
) -> Result<Baseline> {
    let (source_before, warehouse_before) = (source.cpu()?, warehouse.cpu()?);
    let started = Instant::now();
    work()?;
    let seconds = started.elapsed().as_secs_f64();
    let source_cpu = source.cpu()?.saturating_sub(source_before);
    let warehouse_cpu = warehouse.cpu()?.saturating_sub(warehouse_before);
    Ok(Baseline {
        seconds,
        source_cpu_seconds: source_cpu.as_secs_f64(),
        warehouse_cpu_seconds: warehouse_cpu.as_secs_f64(),
    })
}

/// A child that does not outlive its measurement.
struct Ended(Child);

impl Ended {
    fn wait(&mut self, name: &str) -> Result<()> {
        let deadline = Instant::now() + LIMIT;
        loop {
            if let Some(status) = self.0.try_wait()? {
                ensure!(status.success(), "{name} ended with {status}");
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "{name} did not end within {} s", LIMIT.as_secs());
            thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        // Both fail when it has ended, which is what is wanted.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}
