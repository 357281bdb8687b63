//! Writes a capture, one line into one buffer at a time.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::str;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{CaptureRecord, VERSION};
use crate::{WorkloadError, json};

/// Writes records, in the order of the log, after a header.
///
/// It buffers nothing but one line: give it a buffered writer. Only [`finish`](Self::finish) tells
/// whether everything has been written.
#[derive(Debug)]
pub struct CaptureWriter<W> {
    out: W,
    line: Vec<u8>,
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
        Ok(Self { out, line: Vec::with_capacity(8192) })
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
        push_bytes(record.value, line);
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
    let Some(bytes) = bytes else { return line.extend_from_slice(b"null") };
    if let Ok(text) = str::from_utf8(bytes) {
        return json::push_string(text, line);
    }
    line.extend_from_slice(b"{\"base64\":\"");
    line.extend_from_slice(STANDARD.encode(bytes).as_bytes());
    line.extend_from_slice(b"\"}");
}
