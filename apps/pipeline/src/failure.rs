//! Why a command failed, how it is shown, and which exit code it has.

use std::error::Error;
use std::path::{Path, PathBuf};

use cdc_config::Problems;
use cdc_core::{Classify, Halt, with_causes};
use cdc_engine::PipelineError;
use cdc_setup::SettingsError;
use cdc_stack::StackError;

use crate::advice;
use crate::config::NoKafka;
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
    #[error("{}, listed above", standing_in_the_way(*count))]
    Findings { count: usize, exit: Exit },
    #[error("cannot {attempt}")]
    Stack {
        attempt: &'static str,
        #[source]
        source: Box<StackError>,
    },
    #[error("the books do not balance: {}, listed above", places(*count))]
    Unbalanced { count: usize },
    #[error("the warehouse differs from the source: {0}")]
    Differs(String),
    #[error("{message}")]
    Undecidable { message: String, hint: String },
    #[error("{0}")]
    StillDead(String),
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

    /// Something that cannot be done without Kafka, and what to do instead.
    pub(crate) fn without_kafka(attempt: &'static str, missing: NoKafka, instead: String) -> Self {
        let halt = missing.class().halt();
        Self::End { attempt, halt, hint: Some(instead), source: Box::new(missing) }
    }

    pub(crate) fn stack(attempt: &'static str) -> impl FnOnce(StackError) -> Self {
        move |source| Self::Stack { attempt, source: Box::new(source) }
    }

    pub(crate) fn system(attempt: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::System { attempt, source }
    }

    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::ReadFile { .. } | Self::Problems(_) => Exit::Configuration,
            Self::Findings { exit, .. } => *exit,
            Self::End { halt, .. } => (*halt).into(),
            Self::Pipeline { source } => {
                let in_time = !matches!(**source, PipelineError::DrainLimit { .. });
                if in_time { source.halt().into() } else { Exit::DrainLimit }
            }
            Self::Differs(_)
            | Self::Unbalanced { .. }
            | Self::Undecidable { .. }
            | Self::StillDead(_) => Exit::Data,
            Self::Stack { .. } | Self::System { .. } | Self::TimedOut { .. } => Exit::Environment,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::ReadFile { .. } => Some(
                "name an existing file with --config; `cdc-pipeline help run` shows one".to_owned(),
            ),
            Self::End { hint, .. } => hint.clone(),
            Self::Undecidable { hint, .. } => Some(hint.clone()),
            Self::Pipeline { source } => source.hint().map(str::to_owned),
            Self::Problems(_)
            | Self::Findings { .. }
            | Self::Stack { .. }
            | Self::Differs(_)
            | Self::Unbalanced { .. }
            | Self::StillDead(_)
            | Self::TimedOut { .. }
            | Self::System { .. } => None,
        }
    }

    /// The failure, its causes and what to do, for a person who gave this configuration file.
    pub(crate) fn report(&self, config: Option<&Path>) -> String {
        let mut text = format!("error: {}", with_causes(self));
        if let Some(hint) = self.hint() {
            text.push_str("\n  hint: ");
            text.push_str(
                &config.map_or(hint.clone(), |config| advice::with_config(&hint, config)),
            );
        }
        text
    }
}

fn places(count: usize) -> String {
    match count {
        1 => "1 place".to_owned(),
        more => format!("{more} places"),
    }
}

fn standing_in_the_way(findings: usize) -> String {
    match findings {
        1 => "1 finding stands in the way".to_owned(),
        more => format!("{more} findings stand in the way"),
    }
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        match error {
            SettingsError::ReadFile { path, source } => Self::ReadFile { path, source },
            SettingsError::Problems(problems) => Self::Problems(problems),
        }
    }
}

impl From<NoKafka> for Failure {
    fn from(missing: NoKafka) -> Self {
        Self::end("look into Kafka", missing)
    }
}

impl From<PipelineError> for Failure {
    fn from(error: PipelineError) -> Self {
        Self::Pipeline { source: Box::new(error) }
    }
}
