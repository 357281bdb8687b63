//! What can be wrong with a description of traffic or with a capture file.

use std::io;
use std::path::PathBuf;

/// Traffic that cannot be made, or a capture that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkloadError {
    /// The text of a mix is not three numbers.
    #[error("the mix {found:?} is not insert:update:delete in whole numbers, such as 4:1:1")]
    MixText {
        /// What was given.
        found: String,
    },
    /// A mix in which no operation ever happens.
    #[error("the mix 0:0:0 has no operation to choose")]
    MixEmpty,
    /// A capture file cannot be opened, read or written.
    #[error("cannot {attempt} the capture")]
    CaptureIo {
        /// What was attempted: open, create, read, write.
        attempt: &'static str,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// As [`CaptureIo`](Self::CaptureIo), with the file's name.
    #[error("cannot {attempt} the capture file {path}", path = path.display())]
    CaptureFile {
        /// What was attempted: open, create.
        attempt: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The first line does not say that this is a capture.
    #[error("the first line is not the header of a capture")]
    CaptureHeader,
    /// A capture of a later version of the format.
    #[error("the capture has version {found} of the format, and the newest known one is {known}")]
    CaptureVersion {
        /// The version in the header.
        found: u32,
        /// The newest version that can be read.
        known: u32,
    },
    /// A line that is not a record.
    #[error("line {line} of the capture is not a record: {reason}")]
    CaptureLine {
        /// Number of the line; the header is line 1.
        line: u64,
        /// What was expected and not found, without any value.
        reason: &'static str,
    },
    /// A line that does not fit into the memory set aside for one.
    #[error("line {line} of the capture is longer than {limit} bytes")]
    CaptureLineLength {
        /// Number of the line; the header is line 1.
        line: u64,
        /// The limit.
        limit: u64,
    },
}
