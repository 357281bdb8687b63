//! Why a command failed, how it is shown, and which exit code it has.

use std::error::Error;
use std::path::PathBuf;

use cdc_config::Problems;
use cdc_core::{Classify, Halt};
use cdc_engine::PipelineError;
use cdc_rules::RuleError;
use cdc_stack::StackError;

use crate::exit::Exit;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("cannot read the configuration file {path}")]
    ReadFile {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{0}")]
    Problems(Problems),
    #[error("cannot {attempt}")]
    End {
        attempt: &'static str,
        halt: Halt,
        hint: Option<String>,
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    #[error("the pipeline stopped")]
    Pipeline {
        #[source]
        source: Box<PipelineError>,
    },
    #[error("the rules of the table {table} do not fit its columns")]
    Rules {
        table: String,
        hint: Option<String>,
        #[source]
        source: Box<RuleError>,
    },
    #[error("{count} finding(s) stand in the way, listed above")]
    Findings { count: usize, exit: Exit },
    #[error("cannot {attempt}")]
    Stack {
        attempt: &'static str,
        #[source]
        source: Box<StackError>,
    },
    #[error("the warehouse differs from the source: {0}")]
    Differs(String),
    #[error("{what} did not happen within {seconds} s")]
    TimedOut { what: &'static str, seconds: u64 },
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

    pub(crate) fn stack(attempt: &'static str) -> impl FnOnce(StackError) -> Self {
        move |source| Self::Stack { attempt, source: Box::new(source) }
    }

    pub(crate) fn system(attempt: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::System { attempt, source }
    }

    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::ReadFile { .. } | Self::Problems(_) | Self::Rules { .. } => Exit::Configuration,
            Self::Findings { exit, .. } => *exit,
            Self::End { halt, .. } => (*halt).into(),
            Self::Pipeline { source } => {
                let in_time = !matches!(**source, PipelineError::DrainLimit { .. });
                if in_time { source.halt().into() } else { Exit::DrainLimit }
            }
            Self::Differs(_) => Exit::Data,
            Self::Stack { .. } | Self::System { .. } | Self::TimedOut { .. } => Exit::Environment,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::ReadFile { .. } => Some(
                "name an existing file with --config; `cdc-pipeline run --help` shows one"
                    .to_owned(),
            ),
            Self::End { hint, .. } | Self::Rules { hint, .. } => hint.clone(),
            Self::Pipeline { source } => source.hint().map(str::to_owned),
            Self::Problems(_)
            | Self::Findings { .. }
            | Self::Stack { .. }
            | Self::Differs(_)
            | Self::TimedOut { .. }
            | Self::System { .. } => None,
        }
    }

    /// The failure, its causes and what to do, for a person.
    pub(crate) fn report(&self) -> String {
        let mut text = format!("error: {self}");
        let mut cause = self.source();
        while let Some(error) = cause {
            text.push_str("\n  because: ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        if let Some(hint) = self.hint() {
            text.push_str("\n  hint: ");
            text.push_str(&hint);
        }
        text
    }
}

impl From<PipelineError> for Failure {
    fn from(error: PipelineError) -> Self {
        Self::Pipeline { source: Box::new(error) }
    }
}
