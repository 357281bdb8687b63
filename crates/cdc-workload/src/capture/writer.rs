//! Writes a capture, one line into one buffer at a time.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::str;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{CaptureHeader, CaptureRecord, VERSION};
use crate::{WorkloadError, json};

/// Writes records, in the order of the log, after a header.
///
/// It buffers nothing but one line: give it a buffered writer. Only [`finish`](Self::finish) tells
/// whether everything has been written.
#[derive(Debug)]
pub struct CaptureWriter<W> {
    out: W,
    line: Vec<u8>,
    schema: EscapedSchema,
}

/// The schema block that values start with, and its escaped form. It is most of such a value and
/// the same from message to message, so it is escaped once.
#[derive(Debug, Default)]
struct EscapedSchema {
    raw: String,
    escaped: Vec<u8>,
}

/// What follows the schema block in a value that has one.
const PAYLOAD: &str = ",\"payload\":";

impl EscapedSchema {
    /// Appends text in quotes, escaping only what follows a schema block that is known.
    fn push_string(&mut self, text: &str, line: &mut Vec<u8>) {
        let Some(payload) = self.after_schema(text) else { return json::push_string(text, line) };
        line.extend_from_slice(&self.escaped);
        json::push_rest_of_string(payload, line);
    }

    /// What follows the schema block, which is the known one afterwards.
    fn after_schema<'t>(&mut self, text: &'t str) -> Option<&'t str> {
        if self.raw.is_empty() || !text.starts_with(&self.raw) {
            let (schema, _) =
                text.starts_with("{\"schema\":").then(|| text.split_once(PAYLOAD))??;
            schema.clone_into(&mut self.raw);
            self.escaped.clear();
            json::push_string(schema, &mut self.escaped);
            self.escaped.pop();
        }
        text.strip_prefix(&self.raw)
    }
}

impl CaptureWriter<BufWriter<File>> {
    /// Starts a capture in a new file, replacing one that is there.
    ///
    /// # Errors
    ///
    /// [`WorkloadError::CaptureFile`] when the file cannot be created, otherwise as
    /// [`try_new`](Self::try_new).
    pub fn create(path: &Path) -> Result<Self, WorkloadError> {
        let file = File::create(path).map_err(|source| WorkloadError::CaptureFile {
            attempt: "create",
            path: path.to_owned(),
            source,
        })?;
        Self::try_new(BufWriter::with_capacity(1 << 18, file))
    }
}

impl<W: Write> CaptureWriter<W> {
    /// Starts a capture by writing its header.
    ///
    /// # Errors
    ///
    /// [`WorkloadError::CaptureIo`] when it cannot be written.
    pub fn try_new(mut out: W) -> Result<Self, WorkloadError> {
        writeln!(out, "{{\"capture\":\"cdc\",\"version\":{VERSION}}}").map_err(write_error)?;
        Ok(Self { out, line: Vec::with_capacity(8192), schema: EscapedSchema::default() })
    }

    /// Adds one record.
    ///
    /// # Errors
    ///
    /// [`WorkloadError::CaptureIo`] when it cannot be written.
    pub fn write(&mut self, record: &CaptureRecord<'_>) -> Result<(), WorkloadError> {
        let line = &mut self.line;
        line.clear();
        line.extend_from_slice(b"{\"topic\":");
        json::push_string(record.topic, line);
        line.extend_from_slice(b",\"partition\":");
        json::push_integer(record.partition, line);
        line.extend_from_slice(b",\"offset\":");
        json::push_integer(record.offset, line);
        line.extend_from_slice(b",\"timestamp\":");
        json::push_integer(record.timestamp_millis, line);
        line.extend_from_slice(b",\"key\":");
        push_bytes(record.key, line);
        line.extend_from_slice(b",\"value\":");
        push_value(record.value, &mut self.schema, line);
        push_headers(record.headers, line);
        line.extend_from_slice(b"}\n");
        self.out.write_all(line).map_err(write_error)
    }

    /// Writes out what is buffered, and gives the writer back.
    ///
    /// # Errors
    ///
    /// [`WorkloadError::CaptureIo`] when it cannot be written.
    pub fn finish(mut self) -> Result<W, WorkloadError> {
        self.out.flush().map_err(write_error)?;
        Ok(self.out)
    }
}

fn write_error(source: io::Error) -> WorkloadError {
    WorkloadError::CaptureIo { attempt: "write", source }
}

fn push_bytes(bytes: Option<&[u8]>, line: &mut Vec<u8>) {
    match bytes.map(str::from_utf8) {
        Some(Ok(text)) => json::push_string(text, line),
        Some(Err(_)) | None => push_no_text(bytes, line),
    }
}

fn push_value(bytes: Option<&[u8]>, schema: &mut EscapedSchema, line: &mut Vec<u8>) {
    match bytes.map(str::from_utf8) {
        Some(Ok(text)) => schema.push_string(text, line),
        Some(Err(_)) | None => push_no_text(bytes, line),
    }
}

/// Appends the headers, if there are any.
fn push_headers(headers: &[CaptureHeader], line: &mut Vec<u8>) {
    if headers.is_empty() {
        return;
    }
    let mut before = &b",\"headers\":[["[..];
    for (name, value) in headers {
        line.extend_from_slice(before);
        json::push_string(name, line);
        line.push(b',');
        push_bytes(value.as_deref(), line);
        before = b"],[";
    }
    line.extend_from_slice(b"]]");
}

/// Appends `null`, or bytes that are not text.
fn push_no_text(bytes: Option<&[u8]>, line: &mut Vec<u8>) {
    let Some(bytes) = bytes else { return line.extend_from_slice(b"null") };
    line.extend_from_slice(b"{\"base64\":\"");
    line.extend_from_slice(STANDARD.encode(bytes).as_bytes());
    line.extend_from_slice(b"\"}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_with_changing_schema_blocks_are_escaped_as_if_each_stood_alone() {
        let values = [
            r#"{"schema":{"a":"1"},"payload":{"x":"one \"two\""}}"#,
            r#"{"schema":{"a":"1"},"payload":{"x":"\u0007"}}"#,
            r#"{"schema":{"b":"1"},"payload":null}"#,
            r#"{"schema":{"a":"1"}"#,
            r#"{"after":null,"payload":1}"#,
            r#"{"schema":{"b":"1"},"payload":2}"#,
        ];
        let mut schema = EscapedSchema::default();
        for value in values {
            let (mut cached, mut plain) = (Vec::new(), Vec::new());
            schema.push_string(value, &mut cached);
            json::push_string(value, &mut plain);
            assert_eq!(str::from_utf8(&cached), str::from_utf8(&plain));
        }
    }
}
