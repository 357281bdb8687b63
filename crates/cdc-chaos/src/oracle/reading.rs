//! Reading what the oracle looks at: the journal and rows of the source, the log, and the warehouse's
//! tables in one transaction.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use cdc_kafka::preflight::{self, SampleRecord};
use serde_json::Value;

use super::account::{
    Account, Change, Entry, Letter, Log, Logged, Operation, Place, Row, State, Tables,
};
use crate::load::GARBAGE;
use crate::members::PIPELINE;
use crate::stage::{DATABASE, HISTORY, MIRROR, Stage};

/// The columns of a state, in the order in which they are read.
const STATE: &str = "key, version, previous, hash, amount::text, note";

/// How many columns that are.
const STATE_COLUMNS: usize = 6;

/// The lines between the tables. It ends with no blank, which would be trimmed behind an empty table.
const HEADING: &str = "==table==";

/// Reads everything, after all of it has come to rest.
pub(crate) fn read(stage: &Stage) -> Result<Account> {
    let journal = copy(&format!(
        "select operation, {} from load.journal order by number",
        STATE.replace("::text", "")
    ));
    let source = copy(&format!("select {STATE} from public.{MIRROR}"));
    let journal = stage.source.psql(DATABASE, &journal)?;
    let journal = journal.lines().map(change).collect::<Result<_>>().context("in the journal")?;
    let source = stage.source.psql(DATABASE, &source)?;
    let source: Vec<State> =
        source.lines().map(|line| state(&mut Fields::of(line))).collect::<Result<_>>()?;
    let (log, ends) = read_log(stage)?;
    Ok(Account {
        journal,
        source: source.into_iter().map(|row| (row.key, row)).collect(),
        log,
        ends,
        tables: read_tables(stage, "", HISTORY)?,
    })
}

/// Reads the tables of the warehouse, the history from the table of this name. What `before` does to
/// them is seen, and undone at the end.
pub(crate) fn read_tables(stage: &Stage, before: &str, history: &str) -> Result<Tables> {
    let history = format!(
        "select {STATE}, operation_type, cdc_generation, cdc_partition, cdc_offset, cdc_ordinal, \
         coalesce(cardinality(unavailable), 0) from public.{history} \
         order by cdc_generation, cdc_partition, cdc_offset, cdc_ordinal"
    );
    let mirror =
        format!("select {STATE}, cdc_generation, cdc_offset from public.{MIRROR} order by key");
    let ledger = format!(
        "select topic, partition, first_offset, until_offset, read, written, folded, skipped, \
         coalesce((skipped_by->>'sent_again')::bigint, 0), \
         (select coalesce(sum(value::bigint), 0) from jsonb_each_text(skipped_by)), dead_lettered \
         from cdc.ledger where pipeline = '{PIPELINE}' and run = 0"
    );
    let checkpoints = format!(
        "select topic, partition, next_offset from cdc.checkpoint \
         where pipeline = '{PIPELINE}' and next_offset is not null"
    );
    let letters = format!(
        "select topic, partition, \"offset\", coalesce(encode(raw_value, 'hex'), '') \
         from cdc.dead_letter where pipeline = '{PIPELINE}'"
    );
    let mut script = format!("begin isolation level repeatable read;\n{before};\n");
    for query in [&history, &mirror, &ledger, &checkpoints, &letters] {
        writeln!(script, "select '{HEADING}';\n{}", copy(query))?;
    }
    script.push_str("rollback;\n");
    let text = stage.warehouse.psql(DATABASE, &script)?;
    let mut sections = text.split(HEADING).skip(1).map(str::lines);
    let mut section = || {
        let lines = sections.next().ok_or_else(|| anyhow!("a table is missing in the answer"))?;
        // The rest of the heading's own line is empty.
        Ok::<_, anyhow::Error>(lines.filter(|line| !line.is_empty()))
    };
    let mut tables = Tables::default();
    for line in section()? {
        tables.history.push(row(line)?);
    }
    for line in section()? {
        tables.mirror.push(state(&mut Fields::of(line))?);
        tables.mirror_lines.push(line.to_owned());
    }
    for line in section()? {
        tables.ledger.push(entry(line)?);
    }
    for line in section()? {
        let mut fields = Fields::of(line);
        let log = Log { topic: fields.text()?, partition: fields.number()? };
        tables.checkpoints.insert(log, fields.number()?);
    }
    for line in section()? {
        let mut fields = Fields::of(line);
        let log = Log { topic: fields.text()?, partition: fields.number()? };
        let place = Place { log, offset: fields.number()? };
        tables.letters.push(Letter { place, hex: fields.text()? });
    }
    Ok(tables)
}

/// The statement that prints a query. A last column keeps an empty or blank one from being trimmed.
fn copy(query: &str) -> String {
    format!("copy (select asked.*, '.' from ({query}) as asked) to stdout;")
}

/// The fields of a line in COPY's text form.
struct Fields<'l>(std::str::Split<'l, char>);

impl<'l> Fields<'l> {
    fn of(line: &'l str) -> Self {
        Self(line.split('\t'))
    }

    fn optional(&mut self) -> Result<Option<String>> {
        let field = self.0.next().ok_or_else(|| anyhow!("a column is missing in the answer"))?;
        Ok((field != "\\N").then(|| unescaped(field)))
    }

    fn text(&mut self) -> Result<String> {
        // A column that may not be NULL and is: shown as what no value looks like.
        Ok(self.optional()?.unwrap_or_else(|| "NULL".to_owned()))
    }

    fn number<N: std::str::FromStr<Err = std::num::ParseIntError>>(&mut self) -> Result<N> {
        let text = self.text()?;
        text.parse().with_context(|| format!("expected a number, not {text:?}"))
    }
}

/// Undoes the escapes of COPY's text form.
fn unescaped(field: &str) -> String {
    let mut text = String::with_capacity(field.len());
    let mut letters = field.chars();
    while let Some(letter) = letters.next() {
        match (letter, letter == '\\') {
            (_, true) => text.push(match letters.next() {
                Some('n') => '\n',
                Some('t') => '\t',
                Some('r') => '\r',
                Some('b') => '\u{8}',
                Some('f') => '\u{c}',
                Some('v') => '\u{b}',
                Some(other) => other,
                None => '\\',
            }),
            (letter, false) => text.push(letter),
        }
    }
    text
}

fn state(fields: &mut Fields<'_>) -> Result<State> {
    Ok(State {
        key: fields.number()?,
        version: fields.number()?,
        previous: fields.text()?,
        hash: fields.text()?,
        amount: fields.optional()?,
        note: fields.optional()?,
    })
}

fn change(line: &str) -> Result<Change> {
    let mut fields = Fields::of(line);
    let letter = fields.text()?;
    let operation = Operation::of(&letter).ok_or_else(|| anyhow!("no operation: {letter}"))?;
    Ok(Change { operation, state: state(&mut fields)? })
}

fn row(line: &str) -> Result<Row> {
    let mut fields = Fields::of(line);
    let state = state(&mut fields)?;
    let letter = fields.text()?;
    // A row of a snapshot can only be wrong here; as an update it breaks its key's chain.
    let operation = Operation::of(&letter).unwrap_or(Operation::Updated);
    let generation: i32 = fields.number()?;
    ensure!(generation == 0, "a row is of generation {generation}, and there is only one");
    let [topic, _] = Stage::topics();
    let log = Log { topic, partition: fields.number()? };
    let place = Place { log, offset: fields.number()? };
    let ordinal = fields.number()?;
    let unavailable: usize = fields.number()?;
    ensure!(unavailable <= STATE_COLUMNS, "more columns are unavailable than there are");
    Ok(Row { change: Change { operation, state }, place, ordinal })
}

fn entry(line: &str) -> Result<Entry> {
    let mut fields = Fields::of(line);
    Ok(Entry {
        log: Log { topic: fields.text()?, partition: fields.number()? },
        first: fields.number()?,
        until: fields.number()?,
        read: fields.number()?,
        written: fields.number()?,
        folded: fields.number()?,
        skipped: fields.number()?,
        skipped_as_sent_again: fields.number()?,
        skipped_by_reason: fields.number()?,
        dead_lettered: fields.number()?,
    })
}

type Records = BTreeMap<Place, Logged>;

/// Every record of both topics, and where the logs end.
fn read_log(stage: &Stage) -> Result<(Records, BTreeMap<Log, i64>)> {
    let settings = stage.kafka()?;
    let report = preflight::probe(&settings, settings.retry_for())?;
    let (mut records, mut ends) = (Records::new(), BTreeMap::new());
    for topic in report.topics() {
        let held = usize::try_from(topic.offsets_held())?;
        let name = topic.name().to_string();
        for partition in topic.partitions() {
            let log = Log { topic: name.clone(), partition: partition.number.get() };
            ends.insert(log, partition.end.get());
        }
        let sample = preflight::sample(&settings, topic.name(), held)?;
        ensure!(sample.len() == held, "{} of {held} records of {name} were read", sample.len());
        for record in sample {
            let log = Log { topic: name.clone(), partition: record.partition.get() };
            let place = Place { log, offset: record.offset.get() };
            let logged = logged(&record).with_context(|| format!("in the record {place}"))?;
            records.insert(place, logged);
        }
    }
    Ok((records, ends))
}

fn logged(record: &SampleRecord) -> Result<Logged> {
    let Some(value) = &record.value else { return Ok(Logged::Tombstone) };
    if value.starts_with(GARBAGE.as_bytes()) {
        let hex = value.iter().fold(String::new(), |mut hex, byte| {
            // Writing into a text does not fail.
            write!(hex, "{byte:02x}").ok();
            hex
        });
        return Ok(Logged::Unreadable { hex });
    }
    let value: Value = serde_json::from_slice(value).context("it is no JSON")?;
    let letter = value.get("op").and_then(Value::as_str).unwrap_or_default();
    let Some(operation) = Operation::of(letter) else { bail!("it has the operation {letter:?}") };
    let side = if operation == Operation::Deleted { "before" } else { "after" };
    let row = value.get(side).ok_or_else(|| anyhow!("it has no {side}"))?;
    let number = |name| row.get(name).and_then(Value::as_i64);
    let (Some(key), Some(version)) = (number("key"), number("version")) else {
        bail!("it has no key or version");
    };
    let hash = row.get("hash").and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok(Logged::Change { operation, key, version, hash })
}

#[cfg(test)]
mod tests {
    use super::unescaped;

    #[test]
    fn the_escapes_of_copy_are_undone() {
        assert_eq!(unescaped(r"a\tb\nc\\N \\."), "a\tb\nc\\N \\.");
    }
}
