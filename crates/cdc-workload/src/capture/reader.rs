//! Reads a capture, one line at a time, and gives back exactly the bytes that were recorded.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{CaptureHeader, CaptureRecord, VERSION};
use crate::WorkloadError;

/// Longest line: a record of the largest size that brokers are set to, with room for its escapes.
const LINE_BYTES_MAX: u64 = 256 << 20;

/// Reads records in the order of the file.
///
/// It keeps one line and its decoded bytes in memory.
#[derive(Debug)]
pub struct CaptureReader<R> {
    input: R,
    line: Vec<u8>,
    line_number: u64,
    topic: Vec<u8>,
    key: Vec<u8>,
    value: Vec<u8>,
    headers: Vec<CaptureHeader>,
}

#[derive(Deserialize)]
struct Header<'l> {
    capture: &'l str,
    version: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'l> {
    #[serde(borrow)]
    topic: &'l RawValue,
    partition: i32,
    offset: i64,
    timestamp: i64,
    #[serde(borrow)]
    key: &'l RawValue,
    #[serde(borrow)]
    value: &'l RawValue,
    #[serde(borrow, default)]
    headers: Vec<(String, &'l RawValue)>,
}

impl CaptureReader<BufReader<File>> {
    /// Opens a capture file and reads its header.
    ///
    /// # Errors
    ///
    /// [`WorkloadError::CaptureFile`] when it cannot be opened, otherwise as
    /// [`try_new`](Self::try_new).
    pub fn open(path: &Path) -> Result<Self, WorkloadError> {
        let file = File::open(path).map_err(|source| WorkloadError::CaptureFile {
            attempt: "open",
            path: path.to_owned(),
            source,
        })?;
        Self::try_new(BufReader::with_capacity(1 << 18, file))
    }
}

impl<R: BufRead> CaptureReader<R> {
    /// Reads the header.
    ///
    /// # Errors
    ///
    /// [`WorkloadError::CaptureHeader`] when this is no capture,
    /// [`WorkloadError::CaptureVersion`] when it is one of a later format, and the errors of
    /// [`read`](Self::read).
    pub fn try_new(input: R) -> Result<Self, WorkloadError> {
        let (line, topic, key, value, headers) = Default::default();
        let mut reader = Self { input, line, line_number: 0, topic, key, value, headers };
        reader.read_line()?;
        let header: Header<'_> =
            serde_json::from_slice(&reader.line).map_err(|_| WorkloadError::CaptureHeader)?;
        if header.capture != "cdc" {
            return Err(WorkloadError::CaptureHeader);
        }
        if header.version != VERSION {
            return Err(WorkloadError::CaptureVersion { found: header.version, known: VERSION });
        }
        Ok(reader)
    }

    /// Gives the next record, or nothing at the end. Its bytes are valid until the next call.
    ///
    /// # Errors
    ///
    /// [`WorkloadError::CaptureLine`] when a line is no record; the next call goes on behind that
    /// line. [`WorkloadError::CaptureIo`] when the input fails and
    /// [`WorkloadError::CaptureLineLength`] when a line has no end: nothing useful follows these.
    pub fn read(&mut self) -> Result<Option<CaptureRecord<'_>>, WorkloadError> {
        if !self.read_line()? {
            return Ok(None);
        }
        let number = self.line_number;
        let wrong = |reason| WorkloadError::CaptureLine { line: number, reason };
        if self.line.last() != Some(&b'\n') {
            return Err(wrong("it has no line end, so it was cut short"));
        }
        let line: Line<'_> = serde_json::from_slice(&self.line).map_err(|_| {
            wrong("expected an object of topic, partition, offset, timestamp, key and value")
        })?;
        if line.partition < 0 || line.offset < 0 {
            return Err(wrong("partition and offset start at 0"));
        }
        let (partition, offset, timestamp_millis) = (line.partition, line.offset, line.timestamp);
        if !decode(line.topic, &mut self.topic).map_err(wrong)? {
            return Err(wrong("the topic is null"));
        }
        let has_key = decode(line.key, &mut self.key).map_err(wrong)?;
        let has_value = decode(line.value, &mut self.value).map_err(wrong)?;
        self.headers.clear();
        for (name, field) in line.headers {
            let mut bytes = Vec::new();
            let has_bytes = decode(field, &mut bytes).map_err(wrong)?;
            self.headers.push((name, has_bytes.then_some(bytes)));
        }
        Ok(Some(CaptureRecord {
            topic: str::from_utf8(&self.topic).map_err(|_| wrong("the topic is not text"))?,
            partition,
            offset,
            timestamp_millis,
            key: has_key.then_some(&*self.key),
            value: has_value.then_some(&*self.value),
            headers: &self.headers,
        }))
    }

    /// Number of the line that was read last; the header is line 1.
    pub fn line_number(&self) -> u64 {
        self.line_number
    }

    fn read_line(&mut self) -> Result<bool, WorkloadError> {
        self.line.clear();
        self.line_number += 1;
        let read = (&mut self.input)
            .take(LINE_BYTES_MAX)
            .read_until(b'\n', &mut self.line)
            .map_err(|source| WorkloadError::CaptureIo { attempt: "read", source })?;
        if u64::try_from(read).unwrap_or(u64::MAX) >= LINE_BYTES_MAX {
            return Err(WorkloadError::CaptureLineLength {
                line: self.line_number,
                limit: LINE_BYTES_MAX,
            });
        }
        Ok(read > 0)
    }
}

/// Puts the bytes of a field into `out` and tells whether there are any: null has none.
fn decode(field: &RawValue, out: &mut Vec<u8>) -> Result<bool, &'static str> {
    out.clear();
    Field { out }
        .deserialize(&mut serde_json::Deserializer::from_str(field.get()))
        .map_err(|_| "expected text, {\"base64\":\"…\"} or null")
}

/// Reads a field straight into a buffer, so that a record costs no allocation.
struct Field<'b> {
    out: &'b mut Vec<u8>,
}

impl<'de> DeserializeSeed<'de> for Field<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Field<'_> {
    type Value = bool;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("text, an object with base64, or null")
    }

    fn visit_unit<E: de::Error>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<bool, E> {
        self.out.extend_from_slice(text.as_bytes());
        Ok(true)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        let Some(("base64", text)) = map.next_entry::<&str, &str>()? else {
            return Err(de::Error::custom("not base64"));
        };
        STANDARD.decode_vec(text, self.out).map_err(de::Error::custom)?;
        Ok(true)
    }
}
