//! Records into a capture file that is there as a whole or not at all.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use cdc_core::{Headers, Record, RecordBatch};
use cdc_workload::WorkloadError;
use cdc_workload::capture::{CaptureHeader, CaptureRecord, CaptureWriter};
use tempfile::NamedTempFile;

/// Bytes that are written at once.
const BUFFER_BYTES: usize = 256 * 1024;

/// What stands for a record without a time, as in Kafka itself.
const NO_TIME: i64 = -1;

/// Why a capture file was not made. Nothing is left of it then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaptureFileError {
    /// Something has that name already.
    #[error("{path} exists, and a capture replaces nothing", path = path.display())]
    Exists {
        /// The name.
        path: PathBuf,
    },
    /// The system refuses.
    #[error("cannot {attempt} {path}", path = path.display())]
    System {
        /// What was attempted.
        attempt: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// A record could not be written.
    #[error("cannot write the capture {path}", path = path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the writer says.
        #[source]
        source: WorkloadError,
    },
}

impl CaptureFileError {
    /// What to do.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Exists { .. } => "name another file, or move that one away",
            Self::System { .. } | Self::Write { .. } => {
                "look whether the folder is there, may be written to and has room"
            }
        }
    }
}

/// A capture file in the making.
///
/// It is written beside its place, under a name that begins with a dot and ends in `.part`, and takes its
/// own name when it is [finished](Self::finish): a crash leaves the `.part` behind and nothing else. Only
/// its owner may read it, because it holds rows.
#[derive(Debug)]
pub struct CaptureFile {
    writer: CaptureWriter<BufWriter<NamedTempFile>>,
    path: PathBuf,
    /// Joins values that a batch keeps in two parts.
    scratch: Vec<u8>,
    headers: Vec<CaptureHeader>,
    records: u64,
}

impl CaptureFile {
    /// Begins a file that is to have this name.
    ///
    /// # Errors
    ///
    /// [`CaptureFileError::Exists`] when something has the name, and whatever the system answers.
    pub fn create(path: &Path) -> Result<Self, CaptureFileError> {
        if path.symlink_metadata().is_ok() {
            return Err(CaptureFileError::Exists { path: path.to_owned() });
        }
        let name = path
            .file_name()
            .ok_or_else(|| failed("create", path)(io::ErrorKind::InvalidInput.into()))?;
        let file = tempfile::Builder::new()
            .prefix(&format!(".{}.", name.to_string_lossy()))
            .suffix(".part")
            .tempfile_in(folder(path))
            .map_err(failed("create", path))?;
        let writer = CaptureWriter::try_new(BufWriter::with_capacity(BUFFER_BYTES, file));
        let writer =
            writer.map_err(|source| CaptureFileError::Write { path: path.to_owned(), source })?;
        Ok(Self {
            writer,
            path: path.to_owned(),
            scratch: Vec::new(),
            headers: Vec::new(),
            records: 0,
        })
    }

    /// Adds the records of a batch.
    ///
    /// # Errors
    ///
    /// When they cannot be written.
    pub fn add(&mut self, batch: &RecordBatch) -> Result<(), CaptureFileError> {
        batch.iter().try_for_each(|record| self.write(record))
    }

    fn write(&mut self, record: Record<'_>) -> Result<(), CaptureFileError> {
        let Self { writer, path, scratch, headers, records } = self;
        copy_headers(record.headers, headers);
        let written = writer.write(&CaptureRecord {
            topic: record.partition.topic().as_str(),
            partition: record.partition.number().get(),
            offset: record.offset.get(),
            timestamp_millis: record.timestamp_ms.unwrap_or(NO_TIME),
            key: record.key,
            value: record.value.map(|value| value.joined(scratch)),
            headers,
        });
        *records = records.saturating_add(1);
        written.map_err(|source| CaptureFileError::Write { path: path.clone(), source })
    }

    /// How many records it has.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Makes the file durable and gives it its name. Its size in bytes.
    ///
    /// # Errors
    ///
    /// [`CaptureFileError::Exists`] when somebody has made a file of that name meanwhile, and whatever
    /// the system answers.
    pub fn finish(self) -> Result<u64, CaptureFileError> {
        let Self { writer, path, .. } = self;
        let buffered = writer
            .finish()
            .map_err(|source| CaptureFileError::Write { path: path.clone(), source })?;
        let file =
            buffered.into_inner().map_err(|error| failed("write", &path)(error.into_error()))?;
        file.as_file().sync_all().map_err(failed("write", &path))?;
        let bytes = file.as_file().metadata().map_err(failed("look at", &path))?.len();
        match file.persist_noclobber(&path) {
            Ok(_) => {}
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(CaptureFileError::Exists { path });
            }
            Err(error) => return Err(failed("give its name to", &path)(error.error)),
        }
        // The name is durable when the folder is.
        let folder = File::open(folder(&path)).and_then(|folder| folder.sync_all());
        folder.map_err(failed("make durable the name of", &path))?;
        Ok(bytes)
    }
}

fn failed(attempt: &'static str, path: &Path) -> impl FnOnce(io::Error) -> CaptureFileError {
    move |source| CaptureFileError::System { attempt, path: path.to_owned(), source }
}

/// The folder of a file; a bare name is in the present one.
fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn copy_headers(from: Headers<'_>, to: &mut Vec<CaptureHeader>) {
    to.clear();
    to.extend(from.into_iter().map(|(name, value)| (name.to_owned(), value.map(<[u8]>::to_vec))));
}

#[cfg(test)]
mod tests {
    use std::fs;

    use cdc_core::{
        ByteBudget, NextOffset, Offset, Partition, RecordBatchBuilder, RecordParts, RecordValue,
    };
    use cdc_workload::capture::CaptureReader;

    use super::*;

    fn batch() -> RecordBatch {
        let partition = Partition::new("t", 0, 2).unwrap();
        let mut builder = RecordBatchBuilder::new(partition, 1, NextOffset::ZERO);
        let schema = "a".repeat(1_000);
        let values = [Some(format!("{schema}1").into_bytes()), Some(vec![0xff, 0]), None];
        let values = values.into_iter().chain([Some(format!("{schema}2").into_bytes())]);
        for (offset, value) in (5..).zip(values) {
            builder.push(&RecordParts {
                offset: Offset::try_new(offset).unwrap(),
                timestamp_ms: (offset != 6).then_some(offset),
                key: Some(&[0xfe]),
                value: value.as_deref(),
                headers: &[("h", None), ("h", Some(b"v"))],
            });
        }
        builder.finish(ByteBudget::new(10_000).charge(0))
    }

    #[test]
    fn a_capture_holds_every_byte_of_its_records() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("range.jsonl");
        let mut file = CaptureFile::create(&path).unwrap();
        let batch = batch();
        file.add(&batch).unwrap();
        assert_eq!(file.records(), 4);
        assert_eq!(file.finish().unwrap(), fs::metadata(&path).unwrap().len());
        let mut reader = CaptureReader::open(&path).unwrap();
        for record in batch.iter() {
            let found = reader.read().unwrap().unwrap();
            let place = (found.topic, found.partition, found.offset, found.timestamp_millis);
            let time = record.timestamp_ms.unwrap_or(-1);
            assert_eq!(place, ("t", 2, record.offset.get(), time));
            assert_eq!(found.key, record.key);
            assert_eq!(found.value.map(<[u8]>::to_vec), record.value.map(RecordValue::to_vec));
            let headers = found.headers.iter().map(|(name, value)| (&**name, value.as_deref()));
            assert!(headers.eq(record.headers));
        }
        assert_eq!(reader.read().unwrap(), None);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no other file is left");
    }

    #[test]
    fn what_is_there_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("range.jsonl");
        let file = CaptureFile::create(&path).unwrap();
        fs::write(&path, "mine").unwrap();
        let error = CaptureFile::create(&path).unwrap_err();
        assert!(matches!(error, CaptureFileError::Exists { .. }), "{error}");
        let error = file.finish().unwrap_err();
        assert!(matches!(error, CaptureFileError::Exists { .. }), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no part is left");
    }

    #[test]
    fn nothing_is_there_before_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("range.jsonl");
        let mut file = CaptureFile::create(&path).unwrap();
        file.add(&batch()).unwrap();
        assert!(!path.exists());
        drop(file);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
