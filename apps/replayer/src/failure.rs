//! Why a replay failed, how it is shown, and which exit code it has.

use std::error::Error;

use cdc_core::{Classify, Halt, with_causes};
use cdc_engine::PipelineError;
use cdc_kafka::BoundError;
use cdc_replay::CaptureFileError;
use cdc_setup::{NoKafka, SettingsError};

/// The exit code of a run that was stopped before its end.
pub(crate) const INTERRUPTED: u8 = 130;

/// Why a replay failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("cannot use {option}: {error}")]
    Bound { option: &'static str, error: BoundError },
    #[error("cannot use {option}: expected a position such as lsn:16/B374D848")]
    Lsn { option: &'static str },
    #[error("{message}")]
    Tables { message: String, hint: String },
    #[error("cannot {attempt}")]
    End {
        attempt: &'static str,
        halt: Halt,
        hint: Option<String>,
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    #[error(transparent)]
    Capture(#[from] CaptureFileError),
    #[error("{message}")]
    Data { message: String, hint: String },
    #[error("{shadow} and {live} differ in {rows} rows")]
    Differs { shadow: String, live: String, rows: u64 },
    #[error("the replay stopped")]
    Pipeline(#[source] Box<PipelineError>),
    #[error("stopped before the end")]
    Stopped { again: &'static str },
    #[error("cannot {attempt}")]
    System {
        attempt: &'static str,
        #[source]
        source: std::io::Error,
    },
}

impl Failure {
    /// A failure of one of the ends.
    pub(crate) fn end<E: Classify>(attempt: &'static str, error: E) -> Self {
        let halt = error.class().halt();
        Self::End { attempt, halt, hint: error.hint(), source: Box::new(error) }
    }

    /// The same with another hint.
    pub(crate) fn with_hint(mut self, other: String) -> Self {
        if let Self::End { hint, .. } = &mut self {
            *hint = Some(other);
        }
        self
    }

    pub(crate) fn system(attempt: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::System { attempt, source }
    }

    /// The exit code; what each means stands in the help.
    pub(crate) fn exit(&self) -> u8 {
        let of = |halt| match halt {
            Halt::Configuration => 2,
            Halt::Data => 3,
            Halt::Environment => 4,
        };
        match self {
            Self::Settings(_)
            | Self::Bound { .. }
            | Self::Lsn { .. }
            | Self::Tables { .. }
            | Self::Capture(CaptureFileError::Exists { .. }) => 2,
            Self::End { halt, .. } => of(*halt),
            Self::Pipeline(error) => {
                let in_time = !matches!(**error, PipelineError::DrainLimit { .. });
                if in_time { of(error.halt()) } else { 5 }
            }
            Self::Stopped { .. } => INTERRUPTED,
            Self::Differs { .. } | Self::Data { .. } => 3,
            Self::Capture(_) | Self::System { .. } => 4,
        }
    }

    fn hint(&self) -> Option<&str> {
        match self {
            Self::Settings(_)
            | Self::Bound { .. }
            | Self::Lsn { .. }
            | Self::Differs { .. }
            | Self::System { .. } => None,
            Self::Tables { hint, .. } | Self::Data { hint, .. } => Some(hint),
            Self::End { hint, .. } => hint.as_deref(),
            Self::Capture(error) => Some(error.hint()),
            Self::Pipeline(error) => error.hint(),
            Self::Stopped { again } => Some(again),
        }
    }

    /// The failure, its causes and what to do.
    pub(crate) fn report(&self) -> String {
        let text = format!("error: {}", with_causes(self));
        self.hint().map_or(text.clone(), |hint| format!("{text}\n  hint: {hint}"))
    }
}

impl From<NoKafka> for Failure {
    fn from(missing: NoKafka) -> Self {
        // What a slot has sent and was told to be durable cannot be read again.
        Self::end("read a part of the log again", missing).with_hint(
            "compare with `cdc-pipeline verify`; what is missing comes back by a new snapshot alone, as \
             \"Starting over\" in the README says"
                .to_owned(),
        )
    }
}

impl From<PipelineError> for Failure {
    fn from(error: PipelineError) -> Self {
        Self::Pipeline(Box::new(error))
    }
}
