//! What a lane's thread does with a change: the message becomes a row, the row becomes `COPY` bytes.
//!
//! A real server says which columns the targets have; nothing is written to it while time is taken.
#![expect(clippy::print_stdout, reason = "the comparison at the end is for people")]

use std::hint::black_box;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use benches::by_hand::{COPY_HEADER, OrderChange};
use benches::every_type::EveryType;
use benches::inputs::{self, OwnedMessage};
use benches::ratio::Ratio;
use cdc_config::Secret;
use cdc_core::{
    Body as _, ByteBudget, Column, Decoded, Decoder as _, NextOffset, Offset, Partition,
    RecordBatch, RecordBatchBuilder, RecordParts, RecordRef, RowShape, Sink as _, SourceTable,
    Staged, Stager as _, TableId, Writer as _,
};
use cdc_debezium::{DebeziumDecoder, TableDeclarations, TableMap};
use cdc_postgres::{
    Adopt, Deletes, Mode, PipelineName, PostgresBody, PostgresSettings, PostgresSink,
    PostgresStager, PostgresWriter, SnapshotSweep, TableSettings, TargetName, Truncates, init,
};
use cdc_stack::postgres::Cluster;
use cdc_workload::SchemaBlock;
use criterion::{Criterion, Throughput};
use debezium_envelope::{Limits, SchemaBlock as Block};
use tokio::runtime::Runtime;

/// As many as a full batch holds, so that the body's memory is in no cache either.
const CHANGES: usize = 10_000;
/// As many as the bench of the decoder has, for ratios that compare.
const UPDATES: usize = 1_000;
/// The row of every type is some fifteen times as large as an order.
const EVERY_TYPE_ROWS: usize = 100;

const SHAPES: [(&str, SchemaBlock); 2] =
    [("bare", SchemaBlock::Without), ("schema_block", SchemaBlock::With)];

fn main() -> Result<()> {
    let mut criterion = Criterion::default().configure_from_args();
    let runtime = Runtime::new().context("a runtime for the connection")?;
    traffic(&mut criterion, &runtime)?;
    updates(&mut criterion, &runtime)?;
    every_type(&mut criterion, &runtime)?;
    criterion.final_summary();
    // Under `cargo test` and `--list` nothing is to be measured.
    let has = |wanted: &str| std::env::args().any(|argument| argument == wanted);
    if has("--bench") && !has("--list") && !has("--test") {
        print_ratios(&runtime)?;
    }
    Ok(())
}

/// Inserts, updates, deletes and tombstones as they come, for both ways to keep a table.
fn traffic(criterion: &mut Criterion, runtime: &Runtime) -> Result<()> {
    let mirror = Mode::Mirror { deletes: Deletes::Hard, truncates: Truncates::Ignore };
    for (name, target, mode) in
        [("history", "orders_fact", Mode::History), ("mirror", "orders_current", mirror)]
    {
        let mut group = criterion.benchmark_group(format!("stage/{name}"));
        for (shape, block) in SHAPES {
            let messages = inputs::messages(block, CHANGES);
            let records = records(&messages)?;
            let mut staging = runtime.block_on(Staging::of_orders(target, mode))?;
            runtime.block_on(staging.warm_up(&records, CHANGES))?;
            group.throughput(throughput(&messages));
            group.bench_function(shape, |bencher| {
                bencher.iter(|| staging.stage_all(black_box(&records)));
            });
        }
        group.finish();
    }
    Ok(())
}

/// Updates alone into the history: by the pipeline, and by structs and a COPY written by hand.
fn updates(criterion: &mut Criterion, runtime: &Runtime) -> Result<()> {
    for (name, block) in SHAPES {
        let messages = update_messages(block);
        let records = records(&messages)?;
        let mut staging = runtime.block_on(Staging::of_updates(&records, block))?;
        let mut group = criterion.benchmark_group(format!("stage/update/{name}"));
        group.throughput(throughput(&messages));
        group.bench_function("pipeline", |bencher| {
            bencher.iter(|| staging.stage_all(black_box(&records)));
        });
        let mut out = Vec::new();
        group.bench_function("by_hand", |bencher| {
            bencher.iter(|| write_all_by_hand(black_box(&records), block, &mut out));
        });
        group.finish();
    }
    Ok(())
}

/// Rows of every type that a server without further extensions has a column for.
fn every_type(criterion: &mut Criterion, runtime: &Runtime) -> Result<()> {
    let row = EveryType::on_a_plain_server()?;
    let mut group = criterion.benchmark_group("stage/every_type");
    for (name, block) in [("bare", Block::Absent), ("schema_block", Block::Present)] {
        let value = row.insert(block)?;
        let message = OwnedMessage { key: Vec::new(), value: Some(value) };
        let messages = vec![message; EVERY_TYPE_ROWS];
        let records = records(&messages)?;
        let mut staging = runtime.block_on(Staging::of_every_type(row.shape()))?;
        runtime.block_on(staging.warm_up(&records, EVERY_TYPE_ROWS))?;
        group.throughput(throughput(&messages));
        group.bench_function(name, |bencher| {
            bencher.iter(|| staging.stage_all(black_box(&records)));
        });
    }
    group.finish();
    Ok(())
}

/// How the rates compare, for people and for the report of all steps.
fn print_ratios(runtime: &Runtime) -> Result<()> {
    println!("Rate of the pipeline divided by that of structs and COPY written by hand:");
    for (name, block) in SHAPES {
        let records = records(&update_messages(block))?;
        let mut staging = runtime.block_on(Staging::of_updates(&records, block))?;
        let mut out = Vec::new();
        let ratio = Ratio::measure(
            &format!("stage/update/{name}"),
            || {
                black_box(staging.stage_all(black_box(&records)));
            },
            || write_all_by_hand(black_box(&records), block, &mut out),
        );
        println!("  {ratio}");
        ratio.keep()?;
    }
    Ok(())
}

fn update_messages(block: SchemaBlock) -> Vec<OwnedMessage> {
    let values = inputs::updates(block, UPDATES).into_iter();
    values.map(|value| OwnedMessage { key: Vec::new(), value: Some(value) }).collect()
}

fn throughput(messages: &[OwnedMessage]) -> Throughput {
    let bytes: usize = messages.iter().map(OwnedMessage::bytes).sum();
    Throughput::ElementsAndBytes {
        elements: u64::try_from(messages.len()).unwrap_or(u64::MAX),
        bytes: u64::try_from(bytes).unwrap_or(u64::MAX),
    }
}

/// The messages as one range of a partition.
fn records(messages: &[OwnedMessage]) -> Result<RecordBatch> {
    let partition = Partition::new("dbserver1.public.orders", 0, 0)?;
    let mut builder = RecordBatchBuilder::new(partition, 1, NextOffset::ZERO);
    for (index, message) in messages.iter().enumerate() {
        builder.push(&RecordParts {
            offset: Offset::try_new(i64::try_from(index)?)?,
            timestamp_ms: None,
            key: Some(&message.key).filter(|key| !key.is_empty()).map(Vec::as_slice),
            value: message.value.as_deref(),
            headers: &[],
        });
    }
    Ok(builder.finish(ByteBudget::new(1 << 20).charge(0)))
}

/// The same rows of the history as the pipeline writes.
fn write_all_by_hand(records: &RecordBatch, block: SchemaBlock, out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(COPY_HEADER);
    let mut scratch = Vec::new();
    for index in 0..records.len() {
        let record = records.get(index).expect("a record of the batch");
        let value = record.value.expect("an update has a value").joined(&mut scratch);
        let change = match block {
            SchemaBlock::Without => OrderChange::bare(value),
            SchemaBlock::With => OrderChange::described(value),
        };
        let change = change.expect("the workload writes valid messages");
        let written = change.put_history(out, 0, record.offset.get());
        written.expect("orders fit their table");
    }
    black_box(out);
}

/// The type of a column that holds every value of a declared type.
fn column_type(declared: &str) -> String {
    if let Some(element) = declared.strip_prefix("array(").and_then(|rest| rest.strip_suffix(')')) {
        return format!("{}[]", column_type(element));
    }
    let name = match declared.split('(').next().unwrap_or(declared) {
        "decimal" | "bits" | "varbits" => {
            let named = declared.replace("decimal", "numeric");
            return named.replace("varbits", "bit varying").replace("bits", "bit");
        }
        "int16" => "smallint",
        "int32" | "year" => "integer",
        "int64" => "bigint",
        "float32" => "real",
        "float64" => "double precision",
        "bytes" => "bytea",
        "json" => "jsonb",
        "enum" => "text",
        "map" => "hstore",
        "vector" | "halfvec" => "real[]",
        same => same,
    };
    name.to_owned()
}

/// What a lane's thread owns, and the writer that plans for it.
struct Staging {
    decoder: DebeziumDecoder,
    stager: PostgresStager,
    writer: PostgresWriter,
    body: PostgresBody,
    table: TableId,
}

impl Staging {
    /// Orders into a target of their own, which is created.
    async fn of_orders(target: &str, mode: Mode) -> Result<Self> {
        let source = SourceTable::new("public", "orders");
        Self::open(source, target, mode, (&*inputs::order_shape(), "")).await
    }

    /// Updates into the history. The rows written by hand must have as many bytes.
    async fn of_updates(records: &RecordBatch, block: SchemaBlock) -> Result<Self> {
        let mut staging = Self::of_orders("orders_fact", Mode::History).await?;
        staging.warm_up(records, records.len()).await?;
        let mut out = Vec::new();
        write_all_by_hand(records, block, &mut out);
        let places = records.len() * size_of::<RecordRef>();
        let staged = staging.stage_all(records);
        let by_hand = out.len() + places;
        ensure!(staged == by_hand, "{staged} bytes by the pipeline, {by_hand} by hand");
        Ok(staging)
    }

    /// The row of every type into a table with a column for each.
    async fn of_every_type(shape: &Arc<RowShape>) -> Result<Self> {
        let column = |column: &Column| {
            format!("{} {}, ", column.name, column_type(&column.semantic.to_string()))
        };
        let columns: String = shape.columns().iter().map(column).collect();
        let sql = format!(
            "CREATE EXTENSION hstore; CREATE EXTENSION ltree;
             CREATE TABLE every_type ({columns} cdc_generation int, cdc_partition int,
                                      cdc_offset bigint, cdc_ordinal int)"
        );
        let source = SourceTable::new("public", "every_type");
        Self::open(source, "every_type", Mode::History, (&**shape, &*sql)).await
    }

    /// For a target in a new database of the shared server, in which some SQL is run first.
    async fn open(
        source: SourceTable,
        target: &str,
        mode: Mode,
        (shape, sql): (&RowShape, &str),
    ) -> Result<Self> {
        let table = TableId::new(0);
        let cluster = Cluster::shared();
        let database = cluster.fresh_database("stage")?;
        if !sql.is_empty() {
            cluster.psql(&database, sql)?;
        }
        let url = Secret::new(cluster.url(&database));
        let settings = PostgresSettings::new(url, PipelineName::parse("stage")?);
        let target = TargetName::parse(target)?;
        let tables = vec![TableSettings {
            id: table,
            source: source.clone(),
            target,
            mode,
            snapshot_sweep: SnapshotSweep::Apply,
        }];
        init(&settings, &tables, Adopt::No).await?;
        let (stager, writer) = PostgresSink::new(settings, tables).open_lane().await?;
        let mut columns = TableDeclarations::new(source.clone());
        for column in shape.columns() {
            columns.declare(&column.name, &column.semantic.to_string())?;
        }
        let tables = TableMap::new([(source, table)])?;
        let decoder = DebeziumDecoder::new(tables, [columns], Limits::default());
        Ok(Self { decoder, stager, writer, body: PostgresBody::default(), table })
    }

    /// Stages everything once, and asks for the plans that this needs.
    async fn warm_up(&mut self, records: &RecordBatch, rows_min: usize) -> Result<()> {
        let mut rows = 0_usize;
        for index in 0..records.len() {
            loop {
                match self.stage_one(records, index) {
                    Progress::Staged => rows = rows.saturating_add(1),
                    Progress::Skipped => {}
                    Progress::NeedsPlan(shape) => {
                        let plan = self.writer.plan(self.table, &shape).await?;
                        self.stager.adopt(self.table, shape, plan);
                        continue;
                    }
                    Progress::Refused(reason) => bail!("record {index} is refused: {reason}"),
                }
                break;
            }
        }
        ensure!(rows >= rows_min, "{rows} rows were staged of {rows_min} changes");
        Ok(())
    }

    /// One batch, as a lane stages it.
    fn stage_all(&mut self, records: &RecordBatch) -> usize {
        self.body.clear();
        for index in 0..records.len() {
            let progress = self.stage_one(records, index);
            let is_done = matches!(progress, Progress::Staged | Progress::Skipped);
            assert!(is_done, "every record was staged before");
        }
        self.body.bytes()
    }

    fn stage_one(&mut self, records: &RecordBatch, index: usize) -> Progress {
        let Some(record) = records.get(index) else {
            return Progress::Refused("no such record".to_owned());
        };
        let record_number = u32::try_from(index).unwrap_or(u32::MAX);
        let at = RecordRef { batch: 0, record: record_number };
        let event = match self.decoder.decode(record) {
            Ok(Decoded::Change(event)) => event,
            Ok(_) => return Progress::Skipped,
            Err(rejection) => return Progress::Refused(rejection.message),
        };
        match self.stager.stage(&mut self.body, at, &event) {
            Staged::Row => Progress::Staged,
            Staged::NeedsPlan => event
                .change
                .shape()
                .map_or(Progress::Skipped, |shape| Progress::NeedsPlan(Arc::clone(shape))),
            Staged::Rejected(rejection) => Progress::Refused(rejection.message),
        }
    }
}

/// What became of a record.
enum Progress {
    Staged,
    Skipped,
    NeedsPlan(Arc<RowShape>),
    Refused(String),
}
