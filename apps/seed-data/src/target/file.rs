//! Messages into a capture file.

use std::fs::File;
use std::io::{BufWriter, Read};
use std::path::Path;

use anyhow::Context;
use cdc_workload::capture::{CaptureRecord, CaptureWriter};
use cdc_workload::{EnvelopeOptions, EnvelopeWriter, Transaction, partition_of};

use super::Target;
use crate::arguments;
use crate::failure::Failure;

/// How every capture starts.
const HEADER: &[u8] = b"{\"capture\":";

/// A capture file, and the next offset of each of its partitions.
#[derive(Debug)]
pub(crate) struct FileTarget {
    envelopes: EnvelopeWriter,
    capture: CaptureWriter<BufWriter<File>>,
    topic: String,
    offsets: Vec<i64>,
}

impl FileTarget {
    pub(crate) fn create(
        arguments: &arguments::File,
        options: &EnvelopeOptions,
    ) -> Result<Self, Failure> {
        refuse_other_files(&arguments.path)?;
        Ok(Self {
            envelopes: EnvelopeWriter::new(options),
            capture: CaptureWriter::create(&arguments.path)?,
            topic: arguments.messages.topic.clone(),
            offsets: vec![0; usize::try_from(arguments.partitions)?],
        })
    }
}

impl Target for FileTarget {
    fn send(&mut self, transaction: &Transaction) -> Result<(), Failure> {
        let partitions = u32::try_from(self.offsets.len())?;
        self.envelopes.write(transaction, |record| -> anyhow::Result<()> {
            let partition = partition_of(record.key, partitions);
            let offset = usize::try_from(partition)
                .ok()
                .and_then(|partition| self.offsets.get_mut(partition))
                .context("the partition has no offset")?;
            self.capture.write(&CaptureRecord {
                topic: &self.topic,
                partition: i32::try_from(partition)?,
                offset: *offset,
                timestamp_millis: record.timestamp_millis,
                key: Some(record.key),
                value: record.value,
                headers: &[],
            })?;
            *offset += 1;
            Ok(())
        })?;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), Failure> {
        self.capture.finish()?;
        Ok(())
    }
}

/// A mistyped path must not cost a file that is something else. What is no plain file, such as a
/// pipe, holds nothing to lose.
fn refuse_other_files(path: &Path) -> Result<(), Failure> {
    if !path.is_file() {
        return Ok(());
    }
    let mut start = [0; HEADER.len()];
    let mut file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let is_empty = file.metadata().is_ok_and(|metadata| metadata.len() == 0);
    if is_empty || (file.read_exact(&mut start).is_ok() && start == HEADER) {
        return Ok(());
    }
    Err(Failure::Usage(anyhow::anyhow!(
        "{} exists and is not a capture; name another file or remove it",
        path.display()
    )))
}
