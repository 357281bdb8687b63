//! The history's own rows once more, by plain COPY on one connection: the ceiling of the database.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde::Serialize;
use tempfile::{NamedTempFile, TempPath};

use super::pipeline::Setup;
use super::stage::Warehouse;

/// A folder in memory on Linux.
const MEMORY_FOLDER: &str = "/dev/shm";

/// The columns that the pipeline writes; the server fills the others.
const COLUMNS: &str = "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) \
    FROM pg_attribute WHERE attrelid = 'public.orders_fact'::regclass \
    AND attnum > 0 AND NOT attisdropped AND attname NOT IN ('id', 'processed_at')";

/// What COPY of the same rows took.
#[derive(Debug, Clone, Serialize)]
pub struct RawCopy {
    /// The statement's time, as psql measures it.
    pub seconds: f64,
    /// Rows copied.
    pub rows: u64,
    /// Processor time of all of PostgreSQL's processes meanwhile.
    pub postgres_cpu_seconds: f64,
}

/// The rows of a history in binary form, in memory.
#[derive(Debug)]
pub(crate) struct Rows {
    columns: String,
    file: TempPath,
}

impl Rows {
    /// Takes the rows that a drain wrote, in the order in which it wrote them.
    pub(crate) fn export(warehouse: &Warehouse, setup: &Setup) -> Result<Self> {
        let columns = warehouse.sql(&setup.database, COLUMNS)?;
        let memory = PathBuf::from(MEMORY_FOLDER);
        let folder = if memory.is_dir() { memory } else { std::env::temp_dir() };
        let file = NamedTempFile::with_prefix_in("cdc-bench-", folder)?.into_temp_path();
        let export = format!(
            "\\copy (SELECT {columns} FROM public.orders_fact ORDER BY id) TO '{}' (FORMAT binary)",
            file.display()
        );
        warehouse.sql(&setup.database, &export)?;
        Ok(Self { columns, file })
    }

    /// Empties the drain's table and copies the rows into it again.
    pub(crate) fn copy(&self, warehouse: &Warehouse, setup: &Setup) -> Result<RawCopy> {
        let database = &setup.database;
        warehouse.sql(database, "TRUNCATE public.orders_fact RESTART IDENTITY")?;
        warehouse.settle(database)?;
        let before = warehouse.cpu()?;
        let copy = format!(
            "\\timing on\n\\copy public.orders_fact ({}) FROM '{}' WITH (FORMAT binary)",
            self.columns,
            self.file.display()
        );
        let seconds = seconds(&warehouse.sql(database, &copy)?)?;
        let postgres = warehouse.cpu()?.saturating_sub(before);
        let rows = warehouse.number(database, "SELECT count(*) FROM public.orders_fact")?;
        Ok(RawCopy { seconds, rows, postgres_cpu_seconds: postgres.as_secs_f64() })
    }
}

/// Reads `Time: 5321.123 ms (00:05.321)`.
fn seconds(output: &str) -> Result<f64> {
    let line = output.lines().find_map(|line| line.strip_prefix("Time: "));
    let millis = line.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
    millis.map(|millis| millis / 1_000.0).with_context(|| format!("no time in {output:?}"))
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn the_time_is_read_from_among_other_lines() {
        let read = seconds("COPY 5\nTime: 1500.000 ms (00:01.500)\n").unwrap();
        assert!((read - 1.5).abs() < 1e-9);
        assert!(seconds("COPY 5").is_err());
    }
}
