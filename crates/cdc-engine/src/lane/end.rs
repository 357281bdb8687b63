//! Why the writer task ends.

use super::intake::StagerGone;
use crate::PipelineError;

/// Why the task ends.
pub(super) enum End {
    /// It was told to, or there is nobody left to work for.
    Finished,
    Halted(PipelineError),
}

impl From<StagerGone> for End {
    fn from(_: StagerGone) -> Self {
        Self::Finished
    }
}

impl From<PipelineError> for End {
    fn from(error: PipelineError) -> Self {
        Self::Halted(error)
    }
}
