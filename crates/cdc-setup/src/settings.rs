//! The configuration file as settings of each part.

use std::error::Error;
use std::fs;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cdc_config::{Document, Problems, ProcessEnvironment, Section};
use cdc_core::{Classify, Generation, Redact, SourceTable, TableId, TopicName};
use cdc_debezium::{AdapterError, BeforeImages, DebeziumDecoder, TableDeclarations, TableMap};
use cdc_engine::{EngineSettings, RejectedShare, SentAgain};
use cdc_kafka::KafkaSettings;
use cdc_postgres::{
    LetterMasks, MaskedTable, PipelineName, PostgresError, PostgresSettings, SourceSettings,
    TableSettings, generations, read_settings, read_table,
};
use cdc_replication::{ReplicationDecoder, ReplicationError};
use cdc_rules::{Masked, RuleSet};
use debezium_envelope::Limits;

use crate::origin::{self, Ends, NoKafka, Origin};

/// Bytes under way by default: enough that batches are large when behind, little enough that the
/// whole process stays below 96 MB.
const MEMORY_DEFAULT: u64 = 32 << 20;

/// The smallest memory that lets a batch hold more than a few records.
const MEMORY_MIN: u64 = 1 << 20;

/// How the rows before deletes are taken, by the word in a `[[table]]`.
const BEFORE: &[(&str, BeforeImages)] =
    &[("auto", BeforeImages::Auto), ("full", BeforeImages::Full), ("key", BeforeImages::Key)];

/// What is done with changes that their connector sends again, by the word in `[pipeline]`.
const SENT_AGAIN: &[(&str, SentAgain)] = &[("skip", SentAgain::Skip), ("apply", SentAgain::Apply)];

/// Why a configuration file gives no settings.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {path}")]
    ReadFile {
        /// Its path.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// What the file says cannot be used: everything that is wrong, with lines.
    #[error("{0}")]
    Problems(Problems),
}

/// Everything that a run needs to know.
#[derive(Debug)]
pub struct Settings {
    /// How the engine runs.
    pub engine: EngineSettings,
    /// Bytes under way at most.
    pub memory: usize,
    /// Where records come from.
    pub origin: Origin,
    /// The source's own database, for commands that look into it.
    pub source: Option<SourceSettings>,
    /// Where changes go, and the pipeline's name.
    pub postgres: PostgresSettings,
    /// The tables in the order of the file, which is that of their numbers.
    pub tables: Vec<Table>,
}

/// One `[[table]]`.
#[derive(Debug, Clone)]
pub struct Table {
    /// Where its changes go.
    pub settings: TableSettings,
    /// What its columns mean.
    pub declarations: TableDeclarations,
    /// What is done with its rows.
    pub rules: RuleSet,
}

impl Settings {
    /// The same settings, with each topic in the generation in which the warehouse says that it is
    /// followed.
    ///
    /// # Errors
    ///
    /// When the warehouse cannot be reached or lacks the state tables.
    pub async fn in_their_generations(self) -> Result<Self, PostgresError> {
        let followed = generations(&self.postgres).await?;
        Ok(self.in_generations(followed))
    }

    /// The same settings, with topics in these generations.
    #[must_use]
    pub fn in_generations(
        mut self,
        followed: impl IntoIterator<Item = (TopicName, Generation)>,
    ) -> Self {
        for (topic, generation) in followed {
            self.origin.follow(topic, generation);
        }
        self
    }

    /// How to reach Kafka, for what cannot be done without it.
    ///
    /// # Errors
    ///
    /// When the pipeline reads the source's own log.
    pub fn kafka(&self) -> Result<&KafkaSettings, NoKafka> {
        match &self.origin {
            Origin::Kafka(kafka) => Ok(kafka),
            Origin::Replication { settings, .. } => Err(NoKafka { slot: settings.slot.clone() }),
        }
    }

    /// Reads the file, with secrets resolved.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, and every mistake in it.
    pub fn load(path: &Path) -> Result<Self, SettingsError> {
        let text = fs::read_to_string(path)
            .map_err(|source| SettingsError::ReadFile { path: path.to_owned(), source })?;
        Self::parse(&path.display().to_string(), &text, path)
    }

    /// Reads configuration text. `path` is where secret files are looked for.
    ///
    /// # Errors
    ///
    /// Every mistake in the text.
    pub fn parse(name: &str, text: &str, path: &Path) -> Result<Self, SettingsError> {
        let document =
            Document::parse(name, text).with_environment(ProcessEnvironment::beside(path));
        let settings = read(&document.root());
        document.into_result(settings).map_err(SettingsError::Problems)
    }

    /// Waits this long for a broker and for a server that cannot be reached, whatever the file says.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.origin = match self.origin {
            Origin::Kafka(kafka) => Origin::Kafka(kafka.with_retry_for(patience)),
            Origin::Replication { mut settings, generation } => {
                settings.connect_patience = patience;
                Origin::Replication { settings, generation }
            }
        };
        self.postgres.connect_patience = patience;
        if let Some(source) = &mut self.source {
            source.connect_patience = patience;
        }
        self
    }
}

/// A decoder for the tables of a configuration.
///
/// # Errors
///
/// Tables that cannot be told apart.
pub fn decoder(tables: &[Table]) -> Result<DebeziumDecoder, AdapterError> {
    let names = tables.iter().map(|table| (table.settings.source.clone(), table.settings.id));
    let declarations = tables.iter().map(|table| table.declarations.clone());
    Ok(DebeziumDecoder::new(TableMap::new(names)?, declarations, Limits::default()))
}

/// A decoder for the tables of a pipeline that reads the source's own log.
///
/// # Errors
///
/// Tables that cannot be told apart.
pub fn replication_decoder(tables: &[Table]) -> Result<ReplicationDecoder, ReplicationError> {
    let names = tables.iter().map(|table| (table.settings.source.clone(), table.settings.id));
    ReplicationDecoder::new(names)
}

fn read(root: &Section<'_>) -> Option<Settings> {
    let pipeline = root.section("pipeline");
    let name = pipeline.required_parsed("name", PipelineName::parse);
    let engine = read_engine(&pipeline);
    let memory = pipeline.bytes("memory", MEMORY_DEFAULT);
    if memory < MEMORY_MIN {
        pipeline.problem("memory", "expected at least 1 MiB", None);
    }
    let source = root.optional_section("source");
    let ends = source.as_ref().and_then(|source| origin::read(source, name.as_ref()));
    let sink = root.section("sink").section("postgres");
    let postgres = read_settings(&sink, name);
    let sections = root.required_sections("table");
    let tables: Option<Vec<_>> =
        (0..).zip(&sections).map(|(index, section)| read_one_table(section, index)).collect();
    report_repeated_sources(&sections, tables.as_deref().unwrap_or_default());
    match &source {
        Some(source) if origin::is_direct(source) => {
            origin::report_unsafe_commits(&sink, postgres.as_ref());
            sections.iter().for_each(origin::report_declarations);
        }
        Some(_) => {}
        None => origin::report_none(root),
    }
    let (mut postgres, tables) = (postgres?, tables?);
    let Ends { origin, database } = ends?;
    postgres.letter_masks = letter_masks(&tables, origin.redactor());
    Some(Settings {
        engine,
        memory: usize::try_from(memory).ok()?,
        origin,
        source: database,
        postgres,
        tables,
    })
}

/// What rules keep out of the warehouse is kept out of its dead letters as well.
fn letter_masks(tables: &[Table], redactor: Arc<dyn Redact>) -> LetterMasks {
    let masked = tables.iter().map(|table| {
        let Masked { columns, keys } = table.rules.masked();
        MaskedTable { id: table.settings.id, columns, keys }
    });
    LetterMasks::new(redactor, masked)
}

fn read_engine(pipeline: &Section<'_>) -> EngineSettings {
    let default = EngineSettings::default();
    let lanes = pipeline.positive("lanes", NonZeroU32::MIN);
    let rejected = default.rejected_max.percent();
    EngineSettings {
        lanes: NonZeroUsize::try_from(lanes).unwrap_or(default.lanes),
        drain_limit: pipeline.duration("drain_limit", Duration::from_secs(30)),
        sent_again: pipeline.one_of("sent_again", SENT_AGAIN, SentAgain::default()),
        rejected_max: RejectedShare::new(pipeline.integer(
            "rejected_percent_max",
            0..=100,
            rejected,
        ))
        .unwrap_or_default(),
        ..default
    }
}

fn read_one_table(section: &Section<'_>, index: u32) -> Option<Table> {
    let source = section.required_parsed("source", SourceTable::parse);
    let settings = read_table(section, TableId::new(index), source.clone());
    let rules = RuleSet::read(section);
    let columns = section.entries("columns");
    // The types are looked at even when the table's name is wrong: all mistakes at once.
    let named = source.clone().unwrap_or_else(|| SourceTable::new("unnamed", "unnamed"));
    let mut declarations = TableDeclarations::new(named);
    declarations.take_before(section.one_of("before", BEFORE, BeforeImages::default()));
    for entry in &columns {
        if let Err(error) = declarations.declare(entry.key(), entry.value()) {
            let text = error.source().map_or_else(|| error.to_string(), ToString::to_string);
            let expected = text.split_once("expected ").map_or(&*text, |(_, expected)| expected);
            section.entry_problem(entry, expected, error.hint().as_deref());
        }
    }
    Some(Table { settings: settings?, declarations, rules: rules? })
}

/// One source table has one target: its records are decoded once and go one way.
fn report_repeated_sources(sections: &[Section<'_>], tables: &[Table]) {
    for (index, (section, table)) in sections.iter().zip(tables).enumerate() {
        let earlier = tables.iter().take(index);
        if earlier.clone().any(|other| other.settings.source == table.settings.source) {
            let hint = "run a second pipeline with another name to write it to two targets";
            section.problem("source", "expected each source table once", Some(hint));
        }
        if earlier.clone().any(|other| other.settings.target == table.settings.target) {
            section.problem("target", "expected each target table once", None);
        }
    }
}
