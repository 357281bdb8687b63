//! Messages without the values of some columns, for whoever keeps a message that may not be kept whole.
//!
//! What is left is the same text, byte for byte, but for the values that are taken out. It is only given
//! where it is certain which values those are: where a text is no JSON, or has members at whose place a
//! row could hide, there is no such text, and nothing of the message can be trusted.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use crate::json::{JsonError, JsonKind, Reader};
use crate::limits::Limits;

/// What stands at the place of a value that was taken out.
pub const REDACTED: &str = "\"***\"";

/// When a column's value is taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Redaction {
    /// Unless it is null, which says something of the column and nothing of a person.
    UnlessNull,
    /// Whatever it is.
    Always,
}

/// The columns whose values are taken out, by the names that they have in messages.
pub type Redactions = BTreeMap<String, Redaction>;

/// Why there is no redacted form of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RedactError {
    /// It is no JSON text, or passes a limit.
    #[error("expected JSON text")]
    NotJson,
    /// It is no change, row or key of a known form.
    #[error("expected a change, or a row without its envelope")]
    UnknownShape,
}

impl RedactError {
    /// A word for it, which does not change.
    pub fn code(self) -> &'static str {
        match self {
            Self::NotJson => "not_json",
            Self::UnknownShape => "unknown_shape",
        }
    }
}

impl From<JsonError> for RedactError {
    fn from(_: JsonError) -> Self {
        Self::NotJson
    }
}

/// The message with the values of these columns replaced by [`REDACTED`]: in the rows of a change, in a row
/// without its envelope, with and without a schema block. A text that has none of them comes back as it is.
///
/// ```
/// use debezium_envelope::{Limits, Redaction, Redactions, redact_value};
///
/// let columns = Redactions::from([("email".to_owned(), Redaction::Always)]);
/// let value = br#"{"op":"c","source":{},"after":{"id": 7, "email":"a@b.c"}}"#;
/// let redacted = redact_value(value, &columns, &Limits::default())?;
/// assert_eq!(&*redacted, br#"{"op":"c","source":{},"after":{"id": 7, "email":"***"}}"#);
/// # Ok::<(), debezium_envelope::RedactError>(())
/// ```
///
/// # Errors
///
/// When it is not certain where the values of columns stand.
pub fn redact_value<'m>(
    message: &'m [u8],
    columns: &Redactions,
    limits: &Limits,
) -> Result<Cow<'m, [u8]>, RedactError> {
    let mut redactor = Redactor::new(message, columns, limits)?;
    redactor.document()?;
    if redactor.cuts.is_empty() {
        return Ok(Cow::Borrowed(message));
    }
    let mut out = Vec::with_capacity(message.len());
    let mut kept = 0;
    for cut in redactor.cuts {
        out.extend_from_slice(message.get(kept..cut.start).unwrap_or_default());
        out.extend_from_slice(REDACTED.as_bytes());
        kept = cut.end;
    }
    out.extend_from_slice(message.get(kept..).unwrap_or_default());
    Ok(Cow::Owned(out))
}

/// Whether it is certain that a record's key holds no value of these columns.
pub fn key_is_free_of(key: &[u8], columns: &Redactions, limits: &Limits) -> bool {
    let held = Redactor::new(key, columns, limits).and_then(|mut redactor| {
        redactor.key()?;
        Ok(redactor.cuts.is_empty())
    });
    held.unwrap_or(false)
}

struct Redactor<'m> {
    reader: Reader<'m>,
    columns: &'m Redactions,
    /// Where values stand that are taken out, in the order of the text.
    cuts: Vec<Range<usize>>,
}

/// A member of an object that has been looked at and not yet passed.
type Member<'m> = (Cow<'m, str>, JsonKind);

impl<'m> Redactor<'m> {
    /// Begins with a text of which every byte is known to be JSON.
    fn new(
        message: &'m [u8],
        columns: &'m Redactions,
        limits: &Limits,
    ) -> Result<Self, RedactError> {
        if message.len() > limits.record_bytes() {
            return Err(RedactError::NotJson);
        }
        let text = str::from_utf8(message).map_err(|_| RedactError::NotJson)?;
        let reader = Reader::new(text, limits).over_rows();
        let mut whole = reader.clone();
        whole.skip_value()?;
        whole.end()?;
        Ok(Self { reader, columns, cuts: Vec::new() })
    }

    /// The next member of an object, with the cursor on its value.
    fn member(&mut self, first: bool) -> Result<Option<Member<'m>>, RedactError> {
        let Some(token) = self.reader.member(first)? else { return Ok(None) };
        let name = self.reader.characters(&token);
        Ok(Some((name, self.reader.kind()?)))
    }

    /// Goes through the members of the object at the cursor; `each` goes over the value of its own.
    fn each_member(
        &mut self,
        mut each: impl FnMut(&mut Self, &str, JsonKind) -> Result<(), RedactError>,
    ) -> Result<(), RedactError> {
        self.reader.open_object()?;
        let mut first = true;
        while let Some((name, kind)) = self.member(first)? {
            first = false;
            each(self, &name, kind)?;
        }
        Ok(())
    }

    /// All members of the object at the cursor, which does not move.
    fn members(&mut self) -> Result<Vec<Member<'m>>, RedactError> {
        let begin = self.reader.at();
        let mut members = Vec::new();
        self.reader.open_object()?;
        while let Some(member) = self.member(members.is_empty())? {
            members.push(member);
            self.reader.skip_value()?;
        }
        self.reader.seek(begin);
        Ok(members)
    }

    fn skip(&mut self) -> Result<(), RedactError> {
        self.reader.skip_value()?;
        Ok(())
    }

    fn cut(&mut self) -> Result<(), RedactError> {
        let value = self.reader.skip_value()?;
        self.cuts.push(value);
        Ok(())
    }

    /// Goes into the payload of a document that has a schema block; otherwise the document is one.
    fn document(&mut self) -> Result<(), RedactError> {
        self.unwrapped(Self::payload)
    }

    fn key(&mut self) -> Result<(), RedactError> {
        self.unwrapped(Self::anywhere)
    }

    fn unwrapped(
        &mut self,
        mut inside: impl FnMut(&mut Self) -> Result<(), RedactError>,
    ) -> Result<(), RedactError> {
        if self.reader.kind()? != JsonKind::Object {
            return Err(RedactError::UnknownShape);
        }
        let members = self.members()?;
        let is_wrapper = members.iter().all(|(name, _)| matches!(&**name, "schema" | "payload"));
        if !is_wrapper || !members.iter().any(|(name, _)| name == "payload") {
            return inside(self);
        }
        self.each_member(|this, name, kind| match (name, kind) {
            (_, JsonKind::Null) | ("schema", JsonKind::Object) => this.skip(),
            ("payload", JsonKind::Object) => inside(this),
            _ => Err(RedactError::UnknownShape),
        })
    }

    /// A change, or the row of one without its envelope.
    fn payload(&mut self) -> Result<(), RedactError> {
        let members = self.members()?;
        let has = |wanted: &str| members.iter().any(|(name, _)| name == wanted);
        if has("before") || has("after") || (has("op") && has("source")) {
            self.envelope()
        } else {
            self.anywhere()
        }
    }

    /// A change. A member that Debezium does not write could hold anything.
    fn envelope(&mut self) -> Result<(), RedactError> {
        self.each_member(|this, name, kind| match (name, kind) {
            ("before" | "after", JsonKind::Object) => this.row(),
            ("source", JsonKind::Object) => this.source(),
            // An operation is one letter. What is longer is something else.
            ("op", JsonKind::String) if this.reader.string()?.range.len() <= 1 => Ok(()),
            ("transaction", JsonKind::Object)
            | ("ts_ms" | "ts_us" | "ts_ns", JsonKind::Number)
            | (
                "before" | "after" | "source" | "transaction" | "ts_ms" | "ts_us" | "ts_ns",
                JsonKind::Null,
            ) => this.skip(),
            _ => Err(RedactError::UnknownShape),
        })
    }

    /// The columns of a row. What is inside a column's value has names that are none of columns.
    fn row(&mut self) -> Result<(), RedactError> {
        self.each_member(
            |this, name, kind| {
                if this.is_meant(name, kind) { this.cut() } else { this.skip() }
            },
        )
    }

    /// Where a change comes from. Some connectors quote the statement that made it.
    fn source(&mut self) -> Result<(), RedactError> {
        self.each_member(|this, name, kind| {
            if name == "query" && kind != JsonKind::Null { this.cut() } else { this.skip() }
        })
    }

    /// A value of no known form: a member with the name of a column is taken out wherever it stands. The
    /// text is known to be no deeper than the limit.
    fn anywhere(&mut self) -> Result<(), RedactError> {
        match self.reader.kind()? {
            JsonKind::Object => self.each_member(|this, name, kind| {
                if this.is_meant(name, kind) { this.cut() } else { this.anywhere() }
            }),
            JsonKind::Array => {
                self.reader.open_array()?;
                let mut first = true;
                while self.reader.element(first)? {
                    first = false;
                    self.anywhere()?;
                }
                Ok(())
            }
            JsonKind::Null | JsonKind::Boolean | JsonKind::Number | JsonKind::String => self.skip(),
        }
    }

    fn is_meant(&self, column: &str, kind: JsonKind) -> bool {
        match self.columns.get(column) {
            None => false,
            Some(Redaction::Always) => true,
            Some(Redaction::UnlessNull) => kind != JsonKind::Null,
        }
    }
}

#[cfg(test)]
mod tests;
