//! From the messages of the stream to records: which transaction, which of its changes, and whether a
//! change is a record of ours.
//!
//! Whatever is published counts as a change of its transaction, so that the place of a record does not
//! depend on which tables are configured. Only changes of configured tables become records.

use std::collections::BTreeMap;

use super::known::{KnownRelation, Seen};
use super::outbox::{Open, Parts};
use super::place::{Incarnation, StreamPlace};
use crate::ReplicationError;
use crate::frame::{self, ChangeHead, FrameChange, NO_RELATION, changes_key};
use crate::lsn::Lsn;
use crate::pgoutput::{Begin, Message, Old, OldKind, Tuple, TupleColumn};

/// The prefix of the messages by which the slot moves while the tables are idle.
pub(crate) const HEARTBEAT_PREFIX: &str = "cdc.heartbeat";

/// The transaction whose changes are coming.
#[derive(Debug, Clone, Copy)]
struct Current {
    begin: Begin,
    /// The number of the next change.
    ordinal: u64,
    /// Changes before this one are known.
    known_until: u64,
}

/// Turns messages into records.
#[derive(Debug)]
pub(crate) struct Transactions {
    of: Incarnation,
    /// The record behind which the stream begins.
    resume: Option<StreamPlace>,
    /// Whether the record behind which the stream begins is still to come.
    awaits_known: bool,
    current: Option<Current>,
    /// The configured tables among the relations of the stream; `None` for the others.
    relations: BTreeMap<u32, Option<KnownRelation>>,
    /// The newest commit of which a record was made.
    newest: Lsn,
    value: Vec<u8>,
    key: Vec<u8>,
    place: String,
}

/// A message with where it stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrived<'m> {
    pub(crate) message: Message<'m>,
    pub(crate) lsn: Lsn,
    pub(crate) at_ms: i64,
}

/// A change that is about to become a record.
struct Change<'c> {
    relation: u32,
    what: FrameChange<'c>,
    /// The row that names the key.
    named_by: Option<Tuple<'c>>,
}

impl Transactions {
    pub(crate) fn new(of: Incarnation, resume: Option<StreamPlace>) -> Self {
        Self {
            of,
            resume,
            awaits_known: resume.is_some_and(|place| is_of_a_transaction(place.commit)),
            current: None,
            relations: BTreeMap::new(),
            newest: resume.map_or(Lsn::new(0), |place| place.commit),
            value: Vec::new(),
            key: Vec::new(),
            place: String::new(),
        }
    }

    /// Whether changes of a transaction are still to come.
    pub(crate) fn is_inside(&self) -> bool {
        self.current.is_some()
    }

    /// The commit of the newest record.
    pub(crate) fn newest(&self) -> Lsn {
        self.newest
    }

    /// Notes what a relation is. `None` for one that is not configured.
    pub(crate) fn describe(&mut self, oid: u32, relation: Option<KnownRelation>) {
        self.relations.insert(oid, relation);
    }

    /// Takes a message, and puts what becomes of it into the batch.
    ///
    /// # Errors
    ///
    /// A message that cannot stand where it stands, and a truncate that falls between two snapshots of a
    /// table.
    pub(crate) fn take(
        &mut self,
        arrived: &Arrived<'_>,
        batch: &mut Open,
    ) -> Result<(), ReplicationError> {
        match arrived.message {
            Message::Begin(begin) => {
                self.meet_known(begin.final_lsn)?;
                let known_until = self
                    .resume
                    .filter(|resume| resume.commit == begin.final_lsn)
                    .map_or(0, |resume| resume.ordinal.saturating_add(1));
                self.current = Some(Current { begin, ordinal: 0, known_until });
                Ok(())
            }
            Message::Commit(_) => {
                self.current = None;
                Ok(())
            }
            Message::Insert(insert) => {
                let change = FrameChange::Insert { new: insert.new.raw() };
                self.row(arrived, insert.relation, change, Some(insert.new), batch)
            }
            Message::Update(update) => {
                self.update(arrived, update.relation, (update.old, update.new), batch)
            }
            Message::Delete(delete) => {
                let Old { kind, tuple } = delete.old;
                let change = FrameChange::Delete { old: (kind, tuple.raw()) };
                self.row(arrived, delete.relation, change, Some(tuple), batch)
            }
            Message::Truncate(truncate) => {
                for relation in truncate.relations() {
                    self.row(arrived, relation, FrameChange::Truncate, None, batch)?;
                }
                Ok(())
            }
            Message::Logical(logical) => {
                if logical.prefix == HEARTBEAT_PREFIX && !logical.is_transactional {
                    let place = place_of_message(logical.lsn);
                    self.meet_known(place)?;
                    self.heartbeat(arrived, place, batch);
                }
                Ok(())
            }
            // Relations are described before; types come with the catalog; origins mean nothing here.
            Message::Relation(_) | Message::Type(_) | Message::Origin(_) => Ok(()),
            Message::StreamStart(_)
            | Message::StreamStop
            | Message::StreamCommit(_)
            | Message::StreamAbort(_)
            | Message::BeginPrepare(_)
            | Message::Prepare(_)
            | Message::CommitPrepared(_)
            | Message::RollbackPrepared(_)
            | Message::StreamPrepare(_) => Err(ReplicationError::malformed(
                "reading the stream",
                "whole transactions",
                "a part of a streamed or prepared one",
            )),
        }
    }

    /// The server sends the transaction again at whose commit the stream begins, before any other. A source
    /// that was restored has another one there, or none.
    fn meet_known(&mut self, at: Lsn) -> Result<(), ReplicationError> {
        let Some(resume) = self.resume.filter(|_| self.awaits_known) else { return Ok(()) };
        if at > resume.commit {
            return Err(super::prepare::another_log(resume.commit, at));
        }
        self.awaits_known = at < resume.commit;
        Ok(())
    }

    /// A change of a key is the end of one row and the beginning of another, as it is for Debezium.
    fn update(
        &mut self,
        arrived: &Arrived<'_>,
        relation: u32,
        (old, new): (Option<Old<'_>>, Tuple<'_>),
        batch: &mut Open,
    ) -> Result<(), ReplicationError> {
        let known = self.relations.get(&relation).and_then(Option::as_ref);
        let moved = old.filter(|old| {
            known.is_some_and(|known| changes_key(&known.description, old.tuple.raw(), new.raw()))
        });
        if let Some(old) = moved {
            let old_kind = old.kind;
            let delete = FrameChange::Delete { old: (old.kind, old.tuple.raw()) };
            self.row(arrived, relation, delete, Some(old.tuple), batch)?;
            // What was left alone stands in the old row, which the insert does not carry.
            let mut filled = Vec::with_capacity(new.raw().len());
            let columns = new.columns().zip(old.tuple.columns()).map(|(new, old)| match new {
                TupleColumn::Unchanged if old_kind == OldKind::Full => old,
                TupleColumn::Unchanged
                | TupleColumn::Null
                | TupleColumn::Text(_)
                | TupleColumn::Binary(_) => new,
            });
            Tuple::write(&mut filled, columns);
            let insert = FrameChange::Insert { new: &filled };
            return self.row(arrived, relation, insert, Some(new), batch);
        }
        let old = old.map(|old| (old.kind, old.tuple.raw()));
        let change = FrameChange::Update { old, new: new.raw() };
        self.row(arrived, relation, change, Some(new), batch)
    }

    fn row(
        &mut self,
        arrived: &Arrived<'_>,
        relation: u32,
        change: FrameChange<'_>,
        named_by: Option<Tuple<'_>>,
        batch: &mut Open,
    ) -> Result<(), ReplicationError> {
        let Some(current) = &mut self.current else {
            return Err(ReplicationError::malformed(
                "reading the stream",
                "changes between a begin and a commit",
                "one outside",
            ));
        };
        let ordinal = current.ordinal;
        current.ordinal = ordinal.saturating_add(1);
        if ordinal < current.known_until {
            return Ok(());
        }
        let begin = current.begin;
        let change = Change { relation, what: change, named_by };
        if self.is_known_by_snapshot(&change, &begin)? {
            return Ok(());
        }
        self.put(arrived, &begin, ordinal, &change, batch);
        Ok(())
    }

    /// Whether a snapshot that is newer than the slot saw what the change did.
    fn is_known_by_snapshot(
        &self,
        change: &Change<'_>,
        begin: &Begin,
    ) -> Result<bool, ReplicationError> {
        let known = self.relations.get(&change.relation).and_then(Option::as_ref);
        let Some((known, overlap)) = known.and_then(|known| Some((known, known.overlap.as_ref()?)))
        else {
            return Ok(false);
        };
        if begin.final_lsn.get() >= overlap.ends_at() {
            return Ok(false);
        }
        let seen = match change.named_by {
            Some(row) => {
                let key = frame::key_texts(&known.description, row.raw()).unwrap_or_default();
                overlap.saw_row(begin.xid, &key)
            }
            None => overlap.saw_all(begin.xid),
        };
        match seen {
            Seen::Yes => Ok(true),
            Seen::No => Ok(false),
            Seen::Partly => Err(super::prepare::truncated_between(&known.description)),
        }
    }

    fn put(
        &mut self,
        arrived: &Arrived<'_>,
        begin: &Begin,
        ordinal: u64,
        change: &Change<'_>,
        batch: &mut Open,
    ) {
        let known = self.relations.get(&change.relation).and_then(Option::as_ref);
        let Some(known) = known else { return };
        let head = ChangeHead {
            commit_lsn: begin.final_lsn,
            row_lsn: arrived.lsn,
            xid: begin.xid,
            committed_at_us: begin.committed_at_us,
            captured_at_ms: arrived.at_ms,
            place: None,
        };
        self.value.clear();
        frame::write(&mut self.value, &known.bytes, &head, &change.what);
        self.key.clear();
        if let Some(row) = change.named_by {
            frame::write_key(&mut self.key, &known.description, row.raw());
        }
        let place = StreamPlace { of: self.of, commit: begin.final_lsn, ordinal };
        place.write(&mut self.place);
        self.newest = begin.final_lsn;
        let key = (!self.key.is_empty()).then_some(&*self.key);
        batch.push(&Parts {
            captured_at_ms: arrived.at_ms,
            key,
            value: &self.value,
            place: &self.place,
        });
    }

    /// A message of ours that stands outside transactions. The server does not send it again when the stream
    /// begins behind it.
    fn heartbeat(&mut self, arrived: &Arrived<'_>, lsn: Lsn, batch: &mut Open) {
        if self.resume.is_some_and(|resume| lsn <= resume.commit) {
            return;
        }
        let head = ChangeHead::without_transaction(lsn, arrived.at_ms);
        self.value.clear();
        let change = FrameChange::Message { prefix: HEARTBEAT_PREFIX, content: b"" };
        frame::write(&mut self.value, NO_RELATION, &head, &change);
        StreamPlace { of: self.of, commit: lsn, ordinal: 0 }.write(&mut self.place);
        self.newest = lsn;
        batch.push(&Parts {
            captured_at_ms: arrived.at_ms,
            key: None,
            value: &self.value,
            place: &self.place,
        });
    }
}

/// The place of a message outside transactions, of which the server says where it ends. The next record begins
/// there, and may be the commit of a transaction with other changes: so it is the byte before.
fn place_of_message(end: Lsn) -> Lsn {
    Lsn::new(end.get().saturating_sub(1))
}

/// Whether a record of the source's log may begin here: all begin at multiples of this.
fn is_of_a_transaction(place: Lsn) -> bool {
    const ALIGNMENT: u64 = 8;

    place.get().is_multiple_of(ALIGNMENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_does_not_stand_where_the_next_commit_does() {
        let end = Lsn::new(0x1FF_F7E0);
        assert!(is_of_a_transaction(end), "the commit of a transaction may stand there");
        assert!(!is_of_a_transaction(place_of_message(end)) && place_of_message(end) < end);
    }
}
