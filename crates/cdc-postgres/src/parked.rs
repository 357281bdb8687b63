//! Which rows a mirror lacks a change of, because the change is a dead letter that lets later ones pass.
//!
//! Later changes wait [behind](crate::chain) a letter, but for two kinds. A truncate has no key and comes in
//! its turn: it is noted in all letters before it. And letters that were kept before there were chains go
//! on letting changes of their keys pass. What is said here is about those.
//!
//! A retry compares a letter with the position that the row in the mirror shows. A row that was deleted
//! since shows none: writing the letter would bring it back. So whoever deletes a row notes that in the
//! open letters of its key, before the delete and in its transaction. A retry locks its letters before
//! it writes. Whichever comes second waits for the other and sees what it did: a retry finds the note,
//! a delete finds the row.
//!
//! A change that leaves unchanged values out, as the source does with large ones, is noted as well: the row
//! is newer than the letter then, and may lack what only the letter has.
//!
//! A key has its letters in one partition, until a topic is followed in a new generation: letters of
//! earlier ones are older, wherever they stand.
//!
//! A key that holds masked values is stored as a hash, so changes look for every [form](crate::masks) that a
//! letter may have their key in.
//!
//! Letters are the exception, so the keys that have some are kept in memory, as hashes: a batch that
//! deletes none of them costs nothing.

use std::collections::BTreeSet;
use std::hash::BuildHasher as _;

use cdc_core::{Partition, RecordRef, WriteBatch};
use foldhash::fast::RandomState;
use sqlx::Row as _;

use crate::body::{PostgresBody, TableEvent};
use crate::checkpoint::{Parameters, generation};
use crate::error::{PostgresError, from_driver};
use crate::letters::{open_letters_of, partition};
use crate::masks::LetterMasks;
use crate::session::Session;
use crate::settings::{Mode, PipelineName, TableSettings, Truncates};
use crate::tables::Tables;

/// Beyond so many keys every deleted key is looked up in the warehouse instead.
const KEYS_MAX: usize = 100_000;

const DOING: &str = "noting later changes in dead letters";

const LOAD: &str = "
SELECT letter.topic, letter.generation, letter.partition, letter.raw_key";

/// What a letter has to know of a later change of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Later {
    /// Its row was deleted.
    Deleted,
    /// Its row was changed without some values.
    Overlaid,
}

impl Later {
    /// Notes the target in the open letters of keys, those of earlier generations included.
    fn statement(self) -> String {
        let column = match self {
            Self::Deleted => "deleted_in",
            Self::Overlaid => "overlaid_in",
        };
        format!(
            r#"
UPDATE cdc.dead_letter AS letter
   SET {column} = letter.{column} || $2
  FROM unnest($3::text[], $4::int4[], $5::int4[], $6::int8[], $7::bytea[])
       AS later (topic, generation, partition, "offset", raw_key)
 WHERE letter.pipeline = $1 AND letter.state = 'open' AND letter.raw_key = later.raw_key
   AND letter.topic = later.topic
   AND (letter.generation < later.generation
        OR (letter.generation, letter.partition) = (later.generation, later.partition)
           AND letter."offset" < later."offset")
   AND NOT ($2 = ANY (letter.{column}))"#
        )
    }
}

/// Letters whose keys are hashed with a key that the rules do not have any more: no later change of their
/// rows finds them, so nobody watches them.
const UNWATCH: &str = "
UPDATE cdc.dead_letter AS letter
   SET deleted_in = NULL
 WHERE letter.pipeline = $1 AND letter.state = 'open' AND letter.key_hidden
   AND letter.deleted_in IS NOT NULL AND NOT (letter.hashed_by = ANY ($2))";

/// Truncates are followed by mirrors from topics of one partition only.
const NOTE_TRUNCATE: &str = r#"
UPDATE cdc.dead_letter AS letter
   SET deleted_in = letter.deleted_in || $2
 WHERE letter.pipeline = $1 AND letter.state = 'open' AND letter.topic = $3
   AND (letter.generation, letter."offset") < ($4, $5)
   AND NOT ($2 = ANY (letter.deleted_in))"#;

/// The keys of open letters. It may hold keys whose letters are open no longer, and never lacks one.
#[derive(Debug, Default)]
pub(crate) struct ParkedKeys {
    hasher: RandomState,
    hashes: BTreeSet<u64>,
    /// Whether there were too many to keep.
    all: bool,
}

impl ParkedKeys {
    /// For whoever has not kept any: every deleted key is looked up.
    pub(crate) fn unknown() -> Self {
        Self { all: true, ..Self::default() }
    }

    pub(crate) fn insert(&mut self, partition: &Partition, key: &[u8]) {
        if self.hashes.len() >= KEYS_MAX {
            self.all = true;
            self.hashes.clear();
        }
        if !self.all {
            self.hashes.insert(self.hasher.hash_one((partition.topic(), key)));
        }
    }

    fn may_hold(&self, partition: &Partition, key: &[u8]) -> bool {
        self.all || self.hashes.contains(&self.hasher.hash_one((partition.topic(), key)))
    }

    fn is_empty(&self) -> bool {
        !self.all && self.hashes.is_empty()
    }

    /// The changes of a batch that letters may have to know of.
    pub(crate) fn affected(
        &self,
        batch: &WriteBatch<PostgresBody>,
        (tables, masks): (&Tables, &LetterMasks),
    ) -> Vec<Affected> {
        if self.is_empty() {
            return Vec::new();
        }
        let mut found = Vec::new();
        let may_hold = |at: &RecordRef| {
            batch.record(*at).is_some_and(|record| {
                record.key.is_some_and(|key| {
                    masks.key_forms(key).any(|form| self.may_hold(record.partition, &form))
                })
            })
        };
        for (table, step) in batch.body().mirror_steps() {
            let Some(settings) = tables.get(table) else { continue };
            let deletes = step.fold.deletes().map(|(at, _)| at).filter(may_hold).collect();
            let partials = step.fold.partials().map(|(at, _, _)| at).filter(may_hold).collect();
            for (later, records) in [(Later::Deleted, deletes), (Later::Overlaid, partials)] {
                let records: Vec<RecordRef> = records;
                if !records.is_empty() {
                    let target = settings.target.to_string();
                    found.push(Affected { target, later, records });
                }
            }
        }
        found
    }
}

/// Changes of a mirror of one kind.
#[derive(Debug)]
pub(crate) struct Affected {
    target: String,
    later: Later,
    records: Vec<RecordRef>,
}

/// The keys of letters of these partitions.
pub(crate) async fn load(
    session: &mut Session,
    (pipeline, masks): (&PipelineName, &LetterMasks),
    partitions: &[Partition],
) -> Result<Vec<(Partition, Vec<u8>)>, PostgresError> {
    let failed = |error| from_driver("reading the keys of dead letters", error);
    sqlx::query(UNWATCH)
        .bind(pipeline.as_str())
        .bind(masks.key_names())
        .execute(session.driver())
        .await
        .map_err(failed)?;
    let which = (LOAD, " AND NOT letter.holds");
    let rows = open_letters_of(session, (pipeline, partitions), which, KEYS_MAX);
    let rows = rows.await.map_err(failed)?;
    let read = |row| Ok((partition(row)?, row.try_get("raw_key")?));
    rows.iter().map(read).collect::<Result<_, sqlx::Error>>().map_err(failed)
}

/// Notes in letters what becomes of their rows; the caller owns the transaction, has stored the
/// batch's own letters, and has not touched a mirror's rows.
pub(crate) async fn note(
    session: &mut Session,
    (pipeline, masks): (&PipelineName, &LetterMasks),
    batch: &WriteBatch<PostgresBody>,
    affected: Vec<Affected>,
) -> Result<(), PostgresError> {
    for Affected { target, later, records } in affected {
        let records = records.iter().filter_map(|at| batch.record(*at));
        let forms = records.flat_map(|record| {
            let forms = record.key.into_iter().flat_map(|key| masks.key_forms(key));
            forms.map(move |form| (record, form))
        });
        let forms: Vec<_> = forms.collect();
        let parameters = Parameters::of(forms.iter().map(|(record, _)| record.partition));
        let offsets: Vec<i64> = forms.iter().map(|(record, _)| record.offset.get()).collect();
        let keys: Vec<&[u8]> = forms.iter().map(|(_, form)| &**form).collect();
        sqlx::query(&later.statement())
            .bind(pipeline.as_str())
            .bind(target)
            .bind(parameters.topics)
            .bind(parameters.generations)
            .bind(parameters.numbers)
            .bind(offsets)
            .bind(keys)
            .execute(session.driver())
            .await
            .map_err(|error| from_driver(DOING, error))?;
    }
    Ok(())
}

/// Notes in letters that mirrors were emptied; as [`note`].
pub(crate) async fn note_truncates(
    session: &mut Session,
    (pipeline, tables): (&PipelineName, &Tables),
    batch: &WriteBatch<PostgresBody>,
) -> Result<(), PostgresError> {
    for TableEvent { table, at, .. } in batch.body().events() {
        let (Some(settings), Some(record)) = (tables.get(*table), batch.record(*at)) else {
            continue;
        };
        let follows = match settings.mode {
            Mode::Mirror { truncates: Truncates::Apply, .. } => true,
            Mode::Mirror { truncates: Truncates::Ignore, .. } | Mode::History => false,
        };
        if !follows {
            continue;
        }
        sqlx::query(NOTE_TRUNCATE)
            .bind(pipeline.as_str())
            .bind(settings.target.to_string())
            .bind(record.partition.topic().as_str())
            .bind(generation(record.partition))
            .bind(record.offset.get())
            .execute(session.driver())
            .await
            .map_err(|error| from_driver(DOING, error))?;
    }
    Ok(())
}

/// Notes in letters that a mirror loses what stands before a place and not behind it; as [`note`]. Where
/// the partition is not alone, that is so for what stands in it.
pub(crate) async fn note_sweep(
    session: &mut Session,
    (pipeline, table): (&PipelineName, &TableSettings),
    (partition, begins_at, alone): (&Partition, i64, bool),
) -> Result<(), PostgresError> {
    let within = " AND letter.partition = $6 AND letter.generation = $4";
    let statement = format!("{NOTE_TRUNCATE}{}", if alone { "" } else { within });
    let mut query = sqlx::query(&statement)
        .bind(pipeline.as_str())
        .bind(table.target.to_string())
        .bind(partition.topic().as_str())
        .bind(generation(partition))
        .bind(begins_at);
    if !alone {
        query = query.bind(partition.number().get());
    }
    query.execute(session.driver()).await.map_err(|error| from_driver(DOING, error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_keys_to_keep_are_all_looked_up() {
        let partition = Partition::new("t", 0, 0).unwrap();
        let later = Partition::new("t", 1, 3).unwrap();
        let other = Partition::new("u", 0, 0).unwrap();
        let mut parked = ParkedKeys::default();
        assert!(parked.is_empty());
        parked.insert(&partition, b"1");
        assert!(parked.may_hold(&partition, b"1"));
        assert!(parked.may_hold(&later, b"1"), "a later generation has other partitions");
        assert!(!parked.may_hold(&partition, b"2") && !parked.may_hold(&other, b"1"));
        for key in 0..=KEYS_MAX {
            parked.insert(&partition, &key.to_be_bytes());
        }
        assert!(parked.may_hold(&other, b"anything") && !parked.is_empty());
        assert_eq!(parked.hashes.len(), 0);
    }
}
