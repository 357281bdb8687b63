//! Where records come from: Kafka, or the source's own log.
//!
//! `[source.kafka]` decides. Without it `[source.postgres]` is what the pipeline reads; beside it that
//! section only says where commands find the source's database to look into.

use std::sync::Arc;

use cdc_config::Section;
use cdc_core::{Classify, ErrorClass, Generation, Halt, Redact, TopicName};
use cdc_debezium::DebeziumRedactor;
use cdc_kafka::KafkaSettings;
use cdc_postgres::{
    PipelineName, PostgresSettings, SourceSettings, SynchronousCommit, read_source_settings,
};
use cdc_replication::{ReplicationRedactor, ReplicationSettings, SlotName};

/// What stands in `[source.postgres]` only where the pipeline reads from there.
const OF_REPLICATION: [&str; 7] = [
    "slot",
    "publication",
    "snapshot_parallel",
    "chunk_rows",
    "heartbeat",
    "silence_limit",
    "connect_patience",
];

/// Where records come from.
#[derive(Debug, Clone)]
pub enum Origin {
    /// Debezium's messages in Kafka.
    Kafka(KafkaSettings),
    /// The source's own log, through a replication slot.
    Replication {
        /// How to read it.
        settings: ReplicationSettings,
        /// The generation in which the slot is followed.
        generation: Generation,
    },
}

impl Origin {
    /// Follows a topic in this generation; a topic of another pipeline is not looked at.
    pub fn follow(&mut self, topic: TopicName, followed: Generation) {
        match self {
            Self::Kafka(kafka) => *kafka = kafka.clone().with_generation(topic, followed),
            Self::Replication { settings, generation } => {
                if settings.slot.as_str() == topic.as_str() {
                    *generation = followed;
                }
            }
        }
    }

    /// What takes values out of its records.
    pub(crate) fn redactor(&self) -> Arc<dyn Redact> {
        match self {
            Self::Kafka(_) => Arc::new(DebeziumRedactor::default()),
            Self::Replication { .. } => Arc::new(ReplicationRedactor),
        }
    }
}

/// Something needs Kafka, and the pipeline reads the source's own log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the pipeline reads the slot {slot} of its source, and no Kafka")]
pub struct NoKafka {
    /// The slot.
    pub slot: SlotName,
}

impl Classify for NoKafka {
    fn class(&self) -> ErrorClass {
        ErrorClass::Fatal(Halt::Configuration)
    }

    fn hint(&self) -> Option<String> {
        Some("use it with a pipeline that has a section [source.kafka]".to_owned())
    }
}

/// Where records come from, and where the source's database is, if anything says so.
#[derive(Debug)]
pub(crate) struct Ends {
    pub(crate) origin: Origin,
    pub(crate) database: Option<SourceSettings>,
}

/// Whether the pipeline reads the source itself.
pub(crate) fn is_direct(source: &Section<'_>) -> bool {
    source.contains("postgres") && !source.contains("kafka")
}

/// Reads the sections under `[source]`. `None` after a problem, which the section has recorded.
pub(crate) fn read(source: &Section<'_>, pipeline: Option<&PipelineName>) -> Option<Ends> {
    match (source.contains("kafka"), source.optional_section("postgres")) {
        (true, None) => kafka(source).map(|origin| Ends { origin, database: None }),
        (true, Some(section)) => {
            for key in OF_REPLICATION.into_iter().filter(|key| section.contains(key)) {
                let hint = "remove the key, or remove [source.kafka] to read the source itself";
                section.problem(key, "no such key beside [source.kafka]", Some(hint));
            }
            let (origin, database) = (kafka(source), read_source_settings(&section));
            // A section with a mistake in it leaves nothing, like every other.
            origin.zip(database).map(|(origin, database)| Ends { origin, database: Some(database) })
        }
        (false, Some(section)) => replication(&section, pipeline),
        (false, None) => {
            source.section_problem(EXPECTED, Some(HINT));
            None
        }
    }
}

/// Says that nothing says where records come from.
pub(crate) fn report_none(root: &Section<'_>) {
    root.problem("source", EXPECTED, Some(HINT));
}

const EXPECTED: &str = "a section [source.kafka] or [source.postgres]";

const HINT: &str = "write [source.postgres] with url to read PostgreSQL itself, or [source.kafka] with \
                    brokers, topics and group to read what Debezium writes";

fn kafka(source: &Section<'_>) -> Option<Origin> {
    KafkaSettings::read(&source.section("kafka")).map(Origin::Kafka)
}

fn replication(section: &Section<'_>, pipeline: Option<&PipelineName>) -> Option<Ends> {
    if section.contains("connector") {
        let hint =
            "remove the key: values come from the source itself, as Debezium sends them by default";
        section.problem("connector", "no such key without [source.kafka]", Some(hint));
    }
    let name = pipeline.map_or("unnamed", PipelineName::as_str);
    let settings = cdc_replication::read_settings(section, name)?;
    let mut database = SourceSettings::new(settings.url.clone());
    database.connect_patience = settings.connect_patience;
    let origin = Origin::Replication { settings, generation: Generation::default() };
    Some(Ends { origin, database: Some(database) })
}

/// What is acknowledged is gone from the source, so it must have reached the warehouse's disk.
pub(crate) fn report_unsafe_commits(sink: &Section<'_>, settings: Option<&PostgresSettings>) {
    let is_off =
        |settings: &PostgresSettings| settings.synchronous_commit == SynchronousCommit::Off;
    if settings.is_some_and(is_off) {
        let hint = "remove the key: the source drops its log of what was acknowledged, and a crash of the \
                    warehouse would take it back";
        sink.problem("synchronous_commit", "\"on\" without [source.kafka]", Some(hint));
    }
}

/// Types come from the source's catalog, and old rows as its replica identity has them.
pub(crate) fn report_declarations(table: &Section<'_>) {
    for key in ["columns", "before"] {
        if table.contains(key) {
            let hint = "remove the key: the source itself says what its columns mean and which old rows \
                        are whole";
            table.problem(key, "no such key without [source.kafka]", Some(hint));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::Settings;

    const REST: &str = "[sink.postgres]\nurl = \"postgres://localhost/analytics\"\n\
                        [[table]]\nsource = \"public.orders\"\ntarget = \"public.orders_fact\"\n\
                        mode = \"history\"\n";
    const KAFKA: &str =
        "[source.kafka]\nbrokers = \"localhost:9092\"\ntopics = [\"a\"]\ngroup = \"g\"\n";
    const POSTGRES: &str = "[source.postgres]\nurl = \"postgres://localhost/shop\"\n";

    fn parse(text: &str) -> Result<Settings, String> {
        let text = format!("[pipeline]\nname = \"shop-orders\"\n{text}");
        Settings::parse("pipeline.toml", &text, Path::new(".")).map_err(|error| error.to_string())
    }

    #[track_caller]
    fn refused(text: &str, words: &[&str]) {
        let problems = parse(text).expect_err("mistakes");
        for words in words {
            assert!(problems.contains(words), "{words:?} is missing in:\n{problems}");
        }
    }

    #[test]
    fn the_source_is_read_itself_where_there_is_no_kafka() {
        let settings = parse(&[POSTGRES, REST].concat()).unwrap();
        let Origin::Replication { settings: replication, generation } = &settings.origin else {
            panic!("{:?}", settings.origin);
        };
        assert_eq!((replication.slot.as_str(), generation.get()), ("shop_orders", 0));
        assert!(settings.source.is_some(), "`verify` knows the source without another section");
        let without = settings.kafka().unwrap_err().to_string();
        assert!(without.contains("reads the slot shop_orders"), "{without}");
    }

    #[test]
    fn beside_kafka_the_source_is_only_looked_into() {
        let settings = parse(&[KAFKA, POSTGRES, REST].concat()).unwrap();
        assert!(settings.kafka().is_ok() && settings.source.is_some());
        assert!(parse(&[KAFKA, REST].concat()).unwrap().source.is_none());
    }

    #[test]
    fn a_pipeline_without_any_source_is_told_which_there_are() {
        for text in [REST, &["[source]\n", REST].concat()] {
            refused(text, &[EXPECTED, "write [source.postgres] with url"]);
        }
    }

    #[test]
    fn keys_of_a_slot_mean_nothing_beside_kafka() {
        let text = [KAFKA, POSTGRES, "slot = \"orders\"\nchunk_rows = 10\n", REST].concat();
        let places = ["source.postgres.slot", "source.postgres.chunk_rows", ":9:", ":10:"];
        refused(&text, &places);
        refused(&text, &["no such key beside [source.kafka]", "remove the key, or remove"]);
    }

    #[test]
    fn what_a_source_of_its_own_makes_wrong_is_refused_together() {
        let unsafe_sink =
            REST.replace("analytics\"\n", "analytics\"\nsynchronous_commit = \"off\"\n");
        let text = [
            POSTGRES,
            "slot = \"Not-A-Slot\"\nconnector = { version = \"3.4\" }\n",
            &unsafe_sink,
            "columns = { amount = \"decimal(10,2)\" }\nbefore = \"full\"\n",
        ]
        .concat();
        refused(
            &text,
            &[
                "source.postgres.slot",
                "a-z, 0-9 and _",
                "source.postgres.connector",
                "sink.postgres.synchronous_commit",
                "would take it back",
                "table[0].columns",
                "table[0].before",
                "no such key without [source.kafka]",
            ],
        );
    }

    #[test]
    fn a_slot_is_followed_in_its_own_generation_alone() {
        let mut origin = parse(&[POSTGRES, REST].concat()).unwrap().origin;
        let topic = |name| TopicName::parse(name).unwrap();
        origin.follow(topic("another"), Generation::new(7));
        origin.follow(topic("shop_orders"), Generation::new(2));
        let Origin::Replication { generation, .. } = origin else { panic!("{origin:?}") };
        assert_eq!(generation.get(), 2);
    }
}
