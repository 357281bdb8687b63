//! Rejected records, stored in the transaction that moves the checkpoint past them, without
//! [what rules hide](crate::masks).

use std::borrow::Cow;

use cdc_core::{Headers, REDACTED, RecordValue, Redactions, WriteBatch};

use crate::body::PostgresBody;
use crate::error::{PostgresError, from_driver};
use crate::masks::{self, LetterMasks};
use crate::session::Session;
use crate::settings::PipelineName;
use crate::tables::Tables;

/// Rows of one statement: bounds the size of its parameters together with [`STATEMENT_BYTES`].
const STATEMENT_ROWS: usize = 1_000;
/// Raw bytes of one statement; a single record may pass it.
const STATEMENT_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of all headers beside a masked copy. They carry what was added on the way, no row; what is
/// larger than that could carry anything and is not stored.
const MASKED_HEADERS_BYTES: usize = 16 * 1024;

const INSERT: &str = r#"
INSERT INTO cdc.dead_letter AS held
       (pipeline, topic, generation, partition, "offset", source_table, target_table, stage, reason,
        message, column_name, sqlstate, hint, raw_key, raw_value, raw_headers, timestamp_ms,
        masked, withheld, key_hidden, key_bytes, value_bytes, digest, hashed_by, deleted_in)
SELECT $1, letter.topic, letter.generation, letter.partition, letter."offset", letter.source_table,
       letter.target_table, letter.stage, letter.reason, letter.message, letter.column_name,
       letter.sqlstate, letter.hint, letter.raw_key, letter.raw_value, letter.raw_headers::json,
       letter.timestamp_ms, letter.masked, letter.withheld, letter.key_hidden, letter.key_bytes,
       letter.value_bytes, letter.digest, letter.hashed_by,
       CASE WHEN letter.watched THEN '{}'::text[] END
  FROM unnest($2::text[], $3::int4[], $4::int4[], $5::int8[], $6::text[], $7::text[], $8::text[],
              $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::bytea[],
              $15::bytea[], $16::text[], $17::int8[], $18::bool[], $19::text[], $20::bool[],
              $21::int8[], $22::int8[], $23::bytea[], $24::bytea[], $25::bool[])
       AS letter (topic, generation, partition, "offset", source_table, target_table, stage, reason,
                  message, column_name, sqlstate, hint, raw_key, raw_value, raw_headers,
                  timestamp_ms, masked, withheld, key_hidden, key_bytes, value_bytes, digest,
                  hashed_by, watched)
    ON CONFLICT (pipeline, topic, generation, partition, "offset") "#;

/// What becomes of the letter that a place has already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Earlier {
    /// A record that is read again, because its pipeline started over, may be refused again: then it is
    /// as open as it was at first, and stored as the rules of today want it. What somebody put aside
    /// stays aside.
    Opens,
    /// Whoever reads beside the pipeline changes nothing of what is known of a letter.
    Stays,
}

impl Earlier {
    fn sql(self) -> &'static str {
        match self {
            Self::Opens => REOPEN,
            Self::Stays => "DO NOTHING",
        }
    }
}

const REOPEN: &str = "DO UPDATE
   SET state = 'open', stage = excluded.stage, reason = excluded.reason,
       message = excluded.message, column_name = excluded.column_name,
       sqlstate = excluded.sqlstate, hint = excluded.hint, source_table = excluded.source_table,
       target_table = excluded.target_table, deleted_in = excluded.deleted_in,
       raw_key = excluded.raw_key, raw_value = excluded.raw_value,
       raw_headers = excluded.raw_headers, timestamp_ms = excluded.timestamp_ms,
       masked = excluded.masked, withheld = excluded.withheld, key_hidden = excluded.key_hidden,
       key_bytes = excluded.key_bytes, value_bytes = excluded.value_bytes,
       digest = excluded.digest, hashed_by = excluded.hashed_by,
       holds = true, blocked_by = NULL,
       resolution = NULL, resolved_by = NULL, resolved_at = NULL
 WHERE held.state <> 'discarded'";

/// The parameters of one statement, column by column.
#[derive(Debug, Default)]
struct Letters<'b> {
    topic: Vec<&'b str>,
    generation: Vec<i32>,
    partition: Vec<i32>,
    offset: Vec<i64>,
    source_table: Vec<Option<String>>,
    target_table: Vec<Option<String>>,
    stage: Vec<&'static str>,
    reason: Vec<String>,
    message: Vec<String>,
    column_name: Vec<Option<String>>,
    sqlstate: Vec<Option<String>>,
    hint: Vec<Option<String>>,
    raw_key: Vec<Option<Cow<'b, [u8]>>>,
    raw_value: Vec<Option<Vec<u8>>>,
    raw_headers: Vec<String>,
    timestamp_ms: Vec<Option<i64>>,
    masked: Masked,
    bytes: usize,
}

/// Those that say what is not as it came.
#[derive(Debug, Default)]
struct Masked {
    is: Vec<bool>,
    withheld: Vec<Option<&'static str>>,
    key_hidden: Vec<bool>,
    key_bytes: Vec<Option<i64>>,
    value_bytes: Vec<Option<i64>>,
    digest: Vec<Option<Vec<u8>>>,
    hashed_by: Vec<Option<Vec<u8>>>,
    watched: Vec<bool>,
}

/// Stores the dead letters of a batch; the caller owns the transaction.
pub(crate) async fn insert(
    session: &mut Session,
    (pipeline, masks): (&PipelineName, &LetterMasks),
    tables: &Tables,
    batch: &WriteBatch<PostgresBody>,
    earlier: Earlier,
) -> Result<(), PostgresError> {
    let mut letters = Letters::default();
    for letter in batch.dead_letters() {
        letters.push((tables, masks), batch, letter);
        if letters.topic.len() >= STATEMENT_ROWS || letters.bytes >= STATEMENT_BYTES {
            std::mem::take(&mut letters).store(session, pipeline, earlier).await?;
        }
    }
    if letters.topic.is_empty() { Ok(()) } else { letters.store(session, pipeline, earlier).await }
}

impl<'b> Letters<'b> {
    fn push(
        &mut self,
        (tables, masks): (&Tables, &'b LetterMasks),
        batch: &'b WriteBatch<PostgresBody>,
        letter: &cdc_core::DeadLetter,
    ) {
        // The engine made the reference from this very batch.
        let Some(record) = batch.record(letter.at) else { return };
        let rejection = &letter.rejection;
        let settings = rejection.table.and_then(|table| tables.get(table));
        let generation = record.partition.generation().get();
        self.topic.push(record.partition.topic().as_str());
        self.generation.push(i32::try_from(generation).unwrap_or(i32::MAX));
        self.partition.push(record.partition.number().get());
        self.offset.push(record.offset.get());
        self.source_table.push(settings.map(|table| storable(&table.source.to_string())));
        self.target_table.push(settings.map(|table| table.target.to_string()));
        self.stage.push(rejection.stage.name());
        self.reason.push(storable(&rejection.reason));
        self.message.push(storable(&rejection.message));
        self.column_name.push(rejection.column.as_deref().map(storable));
        self.sqlstate.push(rejection.sqlstate.as_deref().map(storable));
        self.hint.push(rejection.hint.as_deref().map(storable));
        let length = |bytes: usize| i64::try_from(bytes).unwrap_or(i64::MAX);
        let sizes = [record.key.map(<[u8]>::len), record.value.map(RecordValue::len)];
        let (headers, stored) = json(record.headers, masks.columns(rejection));
        let value = record.value.map(RecordValue::to_vec);
        let kept = masks.kept(rejection, (record.key, value), stored);
        self.bytes += sizes.iter().flatten().sum::<usize>() + headers.len();
        let [key_bytes, value_bytes] =
            sizes.map(|size| size.filter(|_| kept.is_masked).map(length));
        self.masked.watched.push(kept.is_watched());
        self.masked.is.push(kept.is_masked);
        self.masked.withheld.push(kept.withheld);
        self.masked.key_hidden.push(kept.key_form == masks::KeyForm::Hidden);
        self.masked.key_bytes.push(key_bytes);
        self.masked.value_bytes.push(value_bytes);
        self.masked.digest.push(kept.digest);
        self.masked.hashed_by.push(kept.hashed_by);
        self.raw_key.push(kept.key);
        self.raw_value.push(kept.value);
        self.raw_headers.push(headers);
        self.timestamp_ms.push(record.timestamp_ms);
    }

    async fn store(
        self,
        session: &mut Session,
        pipeline: &PipelineName,
        earlier: Earlier,
    ) -> Result<(), PostgresError> {
        let statement = [INSERT, earlier.sql()].concat();
        sqlx::query(&statement)
            .bind(pipeline.as_str())
            .bind(self.topic)
            .bind(self.generation)
            .bind(self.partition)
            .bind(self.offset)
            .bind(self.source_table)
            .bind(self.target_table)
            .bind(self.stage)
            .bind(self.reason)
            .bind(self.message)
            .bind(self.column_name)
            .bind(self.sqlstate)
            .bind(self.hint)
            .bind(self.raw_key.iter().map(Option::as_deref).collect::<Vec<_>>())
            .bind(self.raw_value)
            .bind(self.raw_headers)
            .bind(self.timestamp_ms)
            .bind(self.masked.is)
            .bind(self.masked.withheld)
            .bind(self.masked.key_hidden)
            .bind(self.masked.key_bytes)
            .bind(self.masked.value_bytes)
            .bind(self.masked.digest)
            .bind(self.masked.hashed_by)
            .bind(self.masked.watched)
            .execute(session.driver())
            .await
            .map_err(|error| from_driver("storing dead letters", error))?;
        Ok(())
    }
}

/// Texts may come from hostile messages; a text with U+0000 could not be stored, and a dead letter
/// must never be what stops a pipeline.
pub(crate) fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// Headers as JSON: names as text, values as hexadecimal digits, order and repetition kept. Beside a copy
/// without the values of columns a header that is named like one has no value either, as a transform may
/// have moved it there.
fn json(headers: Headers<'_>, columns: Option<&Redactions>) -> (String, masks::Headers) {
    let bytes = headers.into_iter().map(|(name, value)| name.len() + value.map_or(0, <[u8]>::len));
    if columns.is_some() && bytes.sum::<usize>() > MASKED_HEADERS_BYTES {
        return ("[]".to_owned(), masks::Headers::Masked);
    }
    let mut stored = masks::Headers::Whole;
    let entries: Vec<String> = headers
        .into_iter()
        .map(|(name, value)| {
            let is_masked = columns.is_some_and(|columns| columns.contains_key(name));
            let value = if is_masked && value.is_some() {
                stored = masks::Headers::Masked;
                Some(REDACTED.as_bytes())
            } else {
                value
            };
            let name: String = name.chars().flat_map(escaped).collect();
            match value {
                Some(value) => format!(r#"{{"name":"{name}","value":"{}"}}"#, hexadecimal(value)),
                None => format!(r#"{{"name":"{name}","value":null}}"#),
            }
        })
        .collect();
    (format!("[{}]", entries.join(",")), stored)
}

fn escaped(c: char) -> Vec<char> {
    match c {
        '"' | '\\' => vec!['\\', c],
        c if c.is_control() => format!("\\u{:04x}", u32::from(c)).chars().collect(),
        c => vec![c],
    }
}

pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(value.into(), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_postgresql_cannot_store_are_marked() {
        assert_eq!(storable("a\0b"), "a\u{fffd}b");
    }

    #[test]
    fn header_names_cannot_break_out_of_their_json() {
        let name: String = "x\":\0\u{85}\n\\é".chars().flat_map(escaped).collect();
        assert_eq!(name, "x\\\":\\u0000\\u0085\\u000a\\\\é");
        assert_eq!(hexadecimal(&[0, 0x1f, 0xff]), "001fff");
    }
}
