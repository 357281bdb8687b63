//! Why the repository could not be looked at. What is wrong *in* it is a finding, not an error.

use std::io;
use std::path::PathBuf;

/// A repository that could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TidyError {
    #[error("run cargo metadata")]
    StartCargo { source: io::Error },
    #[error("run cargo metadata: {report}")]
    CargoFailed { report: String },
    #[error("read the answer of cargo metadata")]
    Metadata { source: serde_json::Error },
    #[error("read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("read {path}:{line}: {reason}")]
    Exceptions { path: &'static str, line: usize, reason: String },
}
