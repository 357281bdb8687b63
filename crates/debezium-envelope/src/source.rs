//! The `source` and `transaction` blocks, read into spans that are resolved when all is known.

use crate::error::{DecodeError, Side};
use crate::json::{JsonError, JsonKind, Reader, StringToken};
use crate::limits::Limits;
use crate::lsn::{Lsn, Sequence};
use crate::message::{SnapshotMarker, SourceInfo, TransactionBlock};

/// Text without lifetime: a range of the record, or of the decoder's store of unescaped names.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct TextSpan {
    start: usize,
    end: usize,
    unescaped: bool,
}

/// The two texts that spans point into.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Texts<'d> {
    pub(crate) record: &'d str,
    pub(crate) unescaped: &'d str,
}

impl<'d> Texts<'d> {
    pub(crate) fn get(self, span: TextSpan) -> &'d str {
        let text = if span.unescaped { self.unescaped } else { self.record };
        text.get(span.start..span.end).unwrap_or_default()
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct RawSource {
    version: TextSpan,
    connector: TextSpan,
    name: TextSpan,
    pub(crate) db: TextSpan,
    pub(crate) schema: TextSpan,
    pub(crate) table: TextSpan,
    snapshot: SnapshotMarker,
    ts_ms: Option<i64>,
    tx_id: Option<i64>,
    lsn: Option<i64>,
    sequence: Option<Sequence>,
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
            tx_id: self.tx_id,
            lsn: self.lsn.map(Lsn::from_signed),
            sequence: self.sequence,
        }
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

/// The source block's members in the order of version 2.4, the shared part of all later ones.
const SOURCE_MEMBERS: &[&str] = &[
    ",\"version\":",
    ",\"connector\":",
    ",\"name\":",
    ",\"ts_ms\":",
    ",\"snapshot\":",
    ",\"db\":",
    ",\"sequence\":",
    ",\"schema\":",
    ",\"table\":",
    ",\"txId\":",
    ",\"lsn\":",
    ",\"xmin\":",
];

impl<'t> FrameReader<'_, 't> {
    pub(crate) fn json(&self, error: JsonError) -> DecodeError {
        DecodeError::json(Side::Value, self.limits, error)
    }

    fn span(&mut self, token: &StringToken) -> TextSpan {
        if !token.escaped {
            return TextSpan { start: token.range.start, end: token.range.end, unescaped: false };
        }
        let start = self.unescaped.len();
        self.reader.unescape_into(token, self.unescaped);
        TextSpan { start, end: self.unescaped.len(), unescaped: true }
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

    /// The `source` object at the cursor.
    pub(crate) fn source(&mut self) -> Result<RawSource, DecodeError> {
        let mut source = RawSource {
            version: TextSpan::default(),
            connector: TextSpan::default(),
            name: TextSpan::default(),
            db: TextSpan::default(),
            schema: TextSpan::default(),
            table: TextSpan::default(),
            snapshot: SnapshotMarker::False,
            ts_ms: None,
            tx_id: None,
            lsn: None,
            sequence: None,
        };
        self.reader.open_object().map_err(|error| self.json(error))?;
        let mut first = true;
        let mut predicted = SOURCE_MEMBERS.iter();
        while let Some(name) = self.source_member(first, &mut predicted)? {
            first = false;
            match name {
                "version" => source.version = self.text("source.version")?,
                "connector" => source.connector = self.text("source.connector")?,
                "name" => source.name = self.text("source.name")?,
                "ts_ms" => source.ts_ms = self.integer("source.ts_ms")?,
                "snapshot" => source.snapshot = self.snapshot()?,
                "db" => source.db = self.text("source.db")?,
                "sequence" => source.sequence = self.sequence(source.connector)?,
                "schema" => source.schema = self.text("source.schema")?,
                "table" => source.table = self.text("source.table")?,
                // A transaction number is text in Oracle's source block.
                "txId" if self.kind()? != JsonKind::String => {
                    source.tx_id = self.integer("source.txId")?;
                }
                "lsn" => source.lsn = self.integer("source.lsn")?,
                _ => self.skip()?,
            }
        }
        Ok(source)
    }

    /// The next member's name, tried first as the one that PostgreSQL's connector writes there. Names
    /// with escapes are none of ours.
    fn source_member(
        &mut self,
        first: bool,
        predicted: &mut std::slice::Iter<'_, &'static str>,
    ) -> Result<Option<&'t str>, DecodeError> {
        if let Some(key) = predicted.as_slice().first()
            && self.reader.eat_member(first, key.as_bytes())
        {
            predicted.next();
            let name = key.strip_prefix(",\"").and_then(|key| key.strip_suffix("\":"));
            return Ok(Some(name.unwrap_or_default()));
        }
        let token = self.reader.member(first).map_err(|error| self.json(error))?;
        let name = token.map(|token| self.reader.slice(token.range));
        let place = predicted.as_slice().iter().position(|key| {
            key.strip_prefix(",\"").and_then(|key| key.strip_suffix("\":")) == name
        });
        if let Some(place) = place {
            // From here on the prediction is right again.
            predicted.nth(place);
        }
        Ok(name)
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

    /// The `transaction` block at the cursor, or `None` for null.
    pub(crate) fn transaction(&mut self) -> Result<Option<RawTransaction>, DecodeError> {
        if self.reader.eat_null() {
            return Ok(None);
        }
        self.reader.open_object().map_err(|error| self.json(error))?;
        let mut block =
            RawTransaction { id: TextSpan::default(), total_order: 0, data_collection_order: 0 };
        let mut first = true;
        while let Some(token) = self.reader.member(first).map_err(|error| self.json(error))? {
            first = false;
            match self.reader.slice(token.range) {
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
