//! Writes messages as the server does, by the same documentation and with no line in common with the
//! parser: what is written and read back must be the same.

use super::{
    BeginPrepare, Commit, Delete, Insert, LogicalMessage, Message, Prepare, Relation,
    RollbackPrepared, StreamAbort, Truncate, Update,
};

struct Out(Vec<u8>);

impl Out {
    fn kind(mut self, kind: u8) -> Self {
        self.0.push(kind);
        self
    }

    fn number(mut self, number: u32) -> Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    fn signed(mut self, number: i32) -> Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    fn lsn(mut self, lsn: crate::Lsn) -> Self {
        self.0.extend_from_slice(&lsn.get().to_be_bytes());
        self
    }

    fn time(mut self, time: i64) -> Self {
        self.0.extend_from_slice(&time.to_be_bytes());
        self
    }

    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes()).bytes(&[0])
    }

    fn xid(self, xid: Option<u32>) -> Self {
        match xid {
            Some(xid) => self.number(xid),
            None => self,
        }
    }

    fn commit(self, commit: &Commit) -> Self {
        self.kind(0).lsn(commit.commit_lsn).lsn(commit.end_lsn).time(commit.committed_at_us)
    }

    fn prepare(self, prepare: &Prepare<'_>) -> Self {
        self.lsn(prepare.prepare_lsn)
            .lsn(prepare.end_lsn)
            .time(prepare.prepared_at_us)
            .number(prepare.xid)
            .text(prepare.gid)
    }
}

pub(super) fn relation(oid: u32, names: (&str, &str), identity: u8, columns: &[u8]) -> Vec<u8> {
    let out = Out(Vec::new()).kind(b'R').number(oid).text(names.0).text(names.1).kind(identity);
    out.bytes(columns).0
}

pub(super) fn column(is_key: bool, name: &str, type_oid: u32, type_modifier: i32) -> Vec<u8> {
    let out = Out(Vec::new()).kind(u8::from(is_key)).text(name);
    out.number(type_oid).signed(type_modifier).0
}

fn relation_message(out: Out, message: &Relation<'_>) -> Out {
    let mut out = out.kind(b'R').xid(message.xid).number(message.oid);
    out = out.text(message.schema).text(message.name).kind(message.identity.letter());
    out = out.bytes(&u16::try_from(message.len()).unwrap().to_be_bytes());
    for part in message.columns() {
        out = out.bytes(&column(part.is_key, part.name, part.type_oid, part.type_modifier));
    }
    out
}

fn truncate(out: Out, message: &Truncate<'_>) -> Out {
    let flags = u8::from(message.cascades()) + 2 * u8::from(message.restarts_identity());
    let count = u32::try_from(message.relations().len()).unwrap();
    let out = out.kind(b'T').xid(message.xid).number(count).kind(flags);
    message.relations().fold(out, Out::number)
}

fn logical(out: Out, message: &LogicalMessage<'_>) -> Out {
    out.kind(b'M')
        .xid(message.xid)
        .kind(u8::from(message.is_transactional))
        .lsn(message.lsn)
        .text(message.prefix)
        .number(u32::try_from(message.content.len()).unwrap())
        .bytes(message.content)
}

fn rollback_prepared(out: Out, message: &RollbackPrepared<'_>) -> Out {
    out.kind(b'r')
        .kind(0)
        .lsn(message.prepare_end_lsn)
        .lsn(message.rollback_end_lsn)
        .time(message.prepared_at_us)
        .time(message.rolled_back_at_us)
        .number(message.xid)
        .text(message.gid)
}

fn abort(out: Out, message: &StreamAbort) -> Out {
    let out = out.kind(b'A').number(message.xid).number(message.subxid);
    match message.aborted {
        Some(aborted) => out.lsn(aborted.lsn).time(aborted.aborted_at_us),
        None => out,
    }
}

pub(super) fn write(message: &Message<'_>) -> Vec<u8> {
    let out = Out(Vec::new());
    let out = match message {
        Message::Begin(begin) => {
            out.kind(b'B').lsn(begin.final_lsn).time(begin.committed_at_us).number(begin.xid)
        }
        Message::Commit(commit) => out.kind(b'C').commit(commit),
        Message::Origin(origin) => out.kind(b'O').lsn(origin.commit_lsn).text(origin.name),
        Message::Relation(relation) => relation_message(out, relation),
        Message::Type(name) => {
            out.kind(b'Y').xid(name.xid).number(name.oid).text(name.schema).text(name.name)
        }
        Message::Insert(Insert { xid, relation, new }) => {
            out.kind(b'I').xid(*xid).number(*relation).kind(b'N').bytes(new.raw())
        }
        Message::Update(Update { xid, relation, old, new }) => {
            let mut out = out.kind(b'U').xid(*xid).number(*relation);
            if let Some(old) = old {
                out = out.kind(old.kind.letter()).bytes(old.tuple.raw());
            }
            out.kind(b'N').bytes(new.raw())
        }
        Message::Delete(Delete { xid, relation, old }) => {
            let out = out.kind(b'D').xid(*xid).number(*relation);
            out.kind(old.kind.letter()).bytes(old.tuple.raw())
        }
        Message::Truncate(message) => truncate(out, message),
        Message::Logical(message) => logical(out, message),
        Message::StreamStart(start) => {
            out.kind(b'S').number(start.xid).kind(u8::from(start.is_first))
        }
        Message::StreamStop => out.kind(b'E'),
        Message::StreamCommit(message) => {
            out.kind(b'c').number(message.xid).commit(&message.commit)
        }
        Message::StreamAbort(message) => abort(out, message),
        Message::BeginPrepare(begin) => {
            let BeginPrepare { prepare_lsn, end_lsn, prepared_at_us, xid, gid } = *begin;
            out.kind(b'b').prepare(&Prepare { prepare_lsn, end_lsn, prepared_at_us, xid, gid })
        }
        Message::Prepare(message) => out.kind(b'P').kind(0).prepare(message),
        Message::CommitPrepared(message) => {
            out.kind(b'K').commit(&message.commit).number(message.xid).text(message.gid)
        }
        Message::RollbackPrepared(message) => rollback_prepared(out, message),
        Message::StreamPrepare(message) => out.kind(b'p').kind(0).prepare(message),
    };
    out.0
}
