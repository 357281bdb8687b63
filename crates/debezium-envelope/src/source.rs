//! The `source` and `transaction` blocks, read into spans that are resolved when all is known.

use std::ops::Range;

use crate::error::{DecodeError, Side};
use crate::json::{JsonError, JsonKind, MemberGuess, Reader, StringToken};
use crate::limits::Limits;
use crate::lsn::{Lsn, Sequence};
use crate::message::{SnapshotMarker, SourceInfo, TransactionBlock};

/// Text without lifetime: a range of the record, or of the decoder's store of unescaped names.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct TextSpan {
    /// The highest bit says that it is the store: records are limited to far less than 2 GiB.
    start: u32,
    end: u32,
}

impl TextSpan {
    const UNESCAPED: u32 = 1 << 31;

    fn of_record(range: &Range<usize>) -> Self {
        let place = |at: usize| u32::try_from(at).ok().filter(|at| *at < Self::UNESCAPED);
        // A place beyond the limit of records cannot be; it would read as empty text.
        Self {
            start: place(range.start).unwrap_or_default(),
            end: place(range.end).unwrap_or_default(),
        }
    }

    fn of_unescaped(range: &Range<usize>) -> Self {
        let span = Self::of_record(range);
        Self { start: span.start | Self::UNESCAPED, ..span }
    }
}

/// The two texts that spans point into.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Texts<'d> {
    pub(crate) record: &'d str,
    pub(crate) unescaped: &'d str,
}

impl<'d> Texts<'d> {
    pub(crate) fn get(self, span: TextSpan) -> &'d str {
        let text = if span.start & TextSpan::UNESCAPED == 0 { self.record } else { self.unescaped };
        let place = |at: u32| usize::try_from(at).unwrap_or(usize::MAX);
        let (start, end) = (place(span.start & !TextSpan::UNESCAPED), place(span.end));
        text.get(start..end).unwrap_or_default()
    }
}

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RawSource {
    version: TextSpan,
    connector: TextSpan,
    name: TextSpan,
    pub(crate) db: TextSpan,
    pub(crate) schema: TextSpan,
    pub(crate) table: TextSpan,
    snapshot: SnapshotMarker,
    ts_ms: Option<i64>,
    ts_us: Option<i64>,
    ts_ns: Option<i64>,
    tx_id: Option<i64>,
    lsn: Option<i64>,
    sequence: Option<Sequence>,
    xmin: Option<i64>,
    origin: TextSpan,
    origin_lsn: Option<i64>,
    /// The whole block.
    json: TextSpan,
}

impl RawSource {
    pub(crate) fn resolve(self, texts: Texts<'_>) -> SourceInfo<'_> {
        SourceInfo {
            version: texts.get(self.version),
            connector: texts.get(self.connector),
            name: texts.get(self.name),
            db: texts.get(self.db),
            schema: texts.get(self.schema),
            table: texts.get(self.table),
            snapshot: self.snapshot,
            ts_ms: self.ts_ms,
            ts_us: self.ts_us,
            ts_ns: self.ts_ns,
            tx_id: self.tx_id,
            lsn: self.lsn.map(Lsn::from_signed),
            sequence: self.sequence,
            xmin: self.xmin,
            origin: texts.get(self.origin),
            origin_lsn: self.origin_lsn.map(Lsn::from_signed),
        }
    }

    /// The block as it stands in the record.
    pub(crate) fn json(self, texts: Texts<'_>) -> &str {
        texts.get(self.json)
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct RawTransaction {
    id: TextSpan,
    total_order: i64,
    data_collection_order: i64,
}

impl RawTransaction {
    pub(crate) fn resolve(self, texts: Texts<'_>) -> TransactionBlock<'_> {
        TransactionBlock {
            id: texts.get(self.id),
            total_order: self.total_order,
            data_collection_order: self.data_collection_order,
        }
    }
}

/// Reads the frame of a message, the part around its rows.
pub(crate) struct FrameReader<'c, 't> {
    pub(crate) reader: &'c mut Reader<'t>,
    pub(crate) unescaped: &'c mut String,
    pub(crate) limits: &'c Limits,
}

/// The prefix and the content of a logical message.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RawLogical {
    pub(crate) prefix: TextSpan,
    pub(crate) content: TextSpan,
}

/// The source block's members in the order of all versions since 1.9; the two finer times came with
/// 2.6 and the origin with 3.5.
const SOURCE_MEMBERS: &[&str] = &[
    ",\"version\":",
    ",\"connector\":",
    ",\"name\":",
    ",\"ts_ms\":",
    ",\"snapshot\":",
    ",\"db\":",
    ",\"sequence\":",
    ",\"ts_us\":",
    ",\"ts_ns\":",
    ",\"schema\":",
    ",\"table\":",
    ",\"txId\":",
    ",\"lsn\":",
    ",\"xmin\":",
    ",\"origin\":",
    ",\"origin_lsn\":",
];

const TRANSACTION_MEMBERS: &[&str] =
    &[",\"id\":", ",\"total_order\":", ",\"data_collection_order\":"];

const MESSAGE_MEMBERS: &[&str] = &[",\"prefix\":", ",\"content\":"];

impl<'t> FrameReader<'_, 't> {
    pub(crate) fn json(&self, error: JsonError) -> DecodeError {
        DecodeError::json(Side::Value, self.limits, error)
    }

    fn span(&mut self, token: &StringToken) -> TextSpan {
        if !token.escaped {
            return TextSpan::of_record(&token.range);
        }
        let start = self.unescaped.len();
        self.reader.unescape_into(token, self.unescaped);
        TextSpan::of_unescaped(&(start..self.unescaped.len()))
    }

    fn kind(&mut self) -> Result<JsonKind, DecodeError> {
        self.reader.kind().map_err(|error| self.json(error))
    }

    /// A string, or empty text for null.
    fn text(&mut self, path: &'static str) -> Result<TextSpan, DecodeError> {
        if self.reader.eat_null() {
            return Ok(TextSpan::default());
        }
        if self.kind()? != JsonKind::String {
            return Err(DecodeError::InvalidField { path, expected: "a string or null" });
        }
        let token = self.reader.string().map_err(|error| self.json(error))?;
        Ok(self.span(&token))
    }

    /// A 64-bit integer, or `None` for null.
    pub(crate) fn integer(&mut self, path: &'static str) -> Result<Option<i64>, DecodeError> {
        if let Some(number) = self.reader.short_integer() {
            return Ok(Some(number));
        }
        if self.reader.eat_null() {
            return Ok(None);
        }
        let invalid = DecodeError::InvalidField { path, expected: "a 64-bit integer or null" };
        if self.kind()? != JsonKind::Number {
            return Err(invalid);
        }
        let number = self.reader.number().map_err(|error| self.json(error))?;
        number.text.parse().map(Some).map_err(|_| invalid)
    }

    pub(crate) fn skip(&mut self) -> Result<(), DecodeError> {
        self.reader.skip_value().map(drop).map_err(|error| self.json(error))
    }

    /// The next member of a block, which has not been met before if its name is an expected one.
    fn member(
        &mut self,
        block: &'static str,
        first: bool,
        guess: &mut MemberGuess,
    ) -> Result<Option<&'t str>, DecodeError> {
        let member = self.reader.guessed_member(first, guess);
        match member.map_err(|error| self.json(error))? {
            Some(member) if member.again => {
                let path = format!("{block}.{}", member.name).into();
                Err(DecodeError::DuplicateField { path })
            }
            member => Ok(member.map(|member| member.name)),
        }
    }

    /// The `source` object at the cursor.
    pub(crate) fn source(&mut self) -> Result<RawSource, DecodeError> {
        let mut source = RawSource::default();
        let start = self.reader.at();
        self.reader.open_object().map_err(|error| self.json(error))?;
        let mut first = true;
        let mut guess = MemberGuess::new(SOURCE_MEMBERS);
        let mut last_snapshot_record = false;
        while let Some(name) = self.member("source", first, &mut guess)? {
            first = false;
            match name {
                "version" => source.version = self.text("source.version")?,
                "connector" => source.connector = self.text("source.connector")?,
                "name" => source.name = self.text("source.name")?,
                "ts_ms" => source.ts_ms = self.integer("source.ts_ms")?,
                "ts_us" => source.ts_us = self.integer("source.ts_us")?,
                "ts_ns" => source.ts_ns = self.integer("source.ts_ns")?,
                "snapshot" => source.snapshot = self.snapshot()?,
                // The layout of before 1.0, which 1.x could still be told to write.
                "last_snapshot_record" => {
                    last_snapshot_record = self.reader.rest().starts_with(b"true");
                    self.skip()?;
                }
                "db" => source.db = self.text("source.db")?,
                "sequence" => source.sequence = self.sequence(source.connector)?,
                "schema" => source.schema = self.text("source.schema")?,
                // MongoDB's collections are what tables are elsewhere.
                "table" | "collection" => source.table = self.text("source.table")?,
                "txId" => source.tx_id = self.number_of(source.connector, "source.txId")?,
                "lsn" => source.lsn = self.number_of(source.connector, "source.lsn")?,
                "xmin" if self.reader.eat_null() => {}
                "xmin" => source.xmin = self.number_of(source.connector, "source.xmin")?,
                "origin" => source.origin = self.text("source.origin")?,
                "origin_lsn" => source.origin_lsn = self.integer("source.origin_lsn")?,
                _ => self.skip()?,
            }
        }
        if last_snapshot_record && source.snapshot == SnapshotMarker::True {
            source.snapshot = SnapshotMarker::Last;
        }
        source.json = TextSpan::of_record(&(start..self.reader.at()));
        Ok(source)
    }

    /// A number of PostgreSQL's, which other connectors' blocks may have under the same name in a form
    /// of their own: a transaction is text in Oracle's.
    fn number_of(
        &mut self,
        connector: TextSpan,
        path: &'static str,
    ) -> Result<Option<i64>, DecodeError> {
        if matches!(self.kind()?, JsonKind::Number | JsonKind::Null) {
            return self.integer(path);
        }
        let texts = Texts { record: self.reader.text(), unescaped: self.unescaped };
        if texts.get(connector) == "postgresql" {
            return Err(DecodeError::InvalidField { path, expected: "a 64-bit integer or null" });
        }
        self.skip().map(|()| None)
    }

    /// Text in all known versions; documentation shows booleans too, and null means the default.
    fn snapshot(&mut self) -> Result<SnapshotMarker, DecodeError> {
        const INVALID: DecodeError =
            DecodeError::InvalidField { path: "source.snapshot", expected: "a snapshot marker" };
        if self.reader.eat_null() {
            return Ok(SnapshotMarker::False);
        }
        match self.kind()? {
            JsonKind::Boolean => {
                let marker = self.reader.boolean().map_err(|error| self.json(error))?;
                Ok(if marker { SnapshotMarker::True } else { SnapshotMarker::False })
            }
            JsonKind::String => {
                let token = self.reader.string().map_err(|error| self.json(error))?;
                SnapshotMarker::parse(self.reader.slice(token.range)).ok_or(INVALID)
            }
            JsonKind::Null | JsonKind::Number | JsonKind::Array | JsonKind::Object => Err(INVALID),
        }
    }

    /// PostgreSQL's pair of positions. Other connectors may put other texts here; they are not ours
    /// to judge.
    fn sequence(&mut self, connector: TextSpan) -> Result<Option<Sequence>, DecodeError> {
        let at = self.reader.at();
        if let Some(sequence) = self.plain_sequence() {
            return Ok(Some(sequence));
        }
        self.reader.seek(at);
        let mark = self.unescaped.len();
        let span = self.text("source.sequence")?;
        let texts = Texts { record: self.reader.text(), unescaped: self.unescaped };
        let text = texts.get(span);
        let parsed = Sequence::parse(text);
        let bad = !text.is_empty() && parsed.is_none() && texts.get(connector) == "postgresql";
        self.unescaped.truncate(mark);
        if bad {
            return Err(DecodeError::InvalidField {
                path: "source.sequence",
                expected: "a pair of log positions",
            });
        }
        Ok(parsed)
    }

    /// The sequence in the form that PostgreSQL's connector writes, without unescaping it first.
    fn plain_sequence(&mut self) -> Option<Sequence> {
        let half = |reader: &mut Reader<'_>| {
            if reader.eat(b"null") {
                return Some(None);
            }
            let number = reader.eat(b"\\\"").then(|| reader.short_integer())??;
            reader.eat(b"\\\"").then_some(Some(Lsn::from_signed(number)))
        };
        if !self.reader.eat(b"\"[") {
            return None;
        }
        let last_commit = half(self.reader)?;
        if !self.reader.eat(b",") {
            return None;
        }
        let lsn = half(self.reader)?;
        self.reader.eat(b"]\"").then_some(Sequence { last_commit, lsn })
    }

    /// The `message` object at the cursor.
    pub(crate) fn logical(&mut self) -> Result<RawLogical, DecodeError> {
        let mut message = RawLogical::default();
        self.reader.open_object().map_err(|error| self.json(error))?;
        let (mut first, mut guess) = (true, MemberGuess::new(MESSAGE_MEMBERS));
        while let Some(name) = self.member("message", first, &mut guess)? {
            first = false;
            match name {
                "prefix" => message.prefix = self.text("message.prefix")?,
                "content" => message.content = self.text("message.content")?,
                _ => self.skip()?,
            }
        }
        Ok(message)
    }

    /// The `transaction` block at the cursor, or `None` for null.
    pub(crate) fn transaction(&mut self) -> Result<Option<RawTransaction>, DecodeError> {
        if self.reader.eat_null() {
            return Ok(None);
        }
        self.reader.open_object().map_err(|error| self.json(error))?;
        let mut block =
            RawTransaction { id: TextSpan::default(), total_order: 0, data_collection_order: 0 };
        let (mut first, mut guess) = (true, MemberGuess::new(TRANSACTION_MEMBERS));
        while let Some(name) = self.member("transaction", first, &mut guess)? {
            first = false;
            match name {
                "id" => block.id = self.text("transaction.id")?,
                "total_order" => {
                    block.total_order = self.integer("transaction.total_order")?.unwrap_or(0);
                }
                "data_collection_order" => {
                    let path = "transaction.data_collection_order";
                    block.data_collection_order = self.integer(path)?.unwrap_or(0);
                }
                _ => self.skip()?,
            }
        }
        Ok(Some(block))
    }
}
