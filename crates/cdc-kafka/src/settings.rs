//! What a user may say about Kafka, and the client properties that follow from it.
//!
//! The properties which the guarantees of [`KafkaSource`](crate::KafkaSource) rest on are set here
//! last and refused from outside; [`owned_reason`] is the whole list.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use cdc_config::{Secret, Section};
use cdc_core::{Generation, TopicName};
use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

use crate::KafkaError;
use crate::source::DEBUG_CONTEXTS;

/// Default of [`KafkaSettings::with_fetch_bytes`]: a few fetches ahead of the reader. The client
/// library's own default of 64 MiB would dwarf the pipeline's byte budget.
pub const FETCH_BYTES_DEFAULT: u64 = 8 * 1024 * 1024;

/// Default of [`KafkaSettings::with_retry_for`].
pub const RETRY_FOR_DEFAULT: Duration = Duration::from_mins(1);

/// How long a member of the group that has fallen silent keeps its partitions, unless a property says
/// otherwise.
const SESSION_TIMEOUT_MS: u64 = 10_000;

/// Below this a fetch could not hold one usual response.
const FETCH_BYTES_MIN: u64 = 64 * 1024;

/// Above this the client library's own bound (2 GiB, in KiB) is near.
const FETCH_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// The client library wants a response to hold its largest message (1 MB) at least.
const RESPONSE_BYTES_MIN: u64 = 1024 * 1024;

/// The client library refuses larger responses, unless it is told otherwise.
const RESPONSE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// How to reach Kafka and what to read. Cheap to clone; `Debug` shows no property's value.
#[derive(Clone)]
pub struct KafkaSettings {
    brokers: String,
    topics: Vec<TopicName>,
    group: String,
    instance_id: Option<String>,
    properties: BTreeMap<String, Secret>,
    generations: BTreeMap<TopicName, Generation>,
    fetch_bytes: u64,
    retry_for: Duration,
    stall_after: Duration,
}

impl KafkaSettings {
    /// Topics behind bootstrap addresses (`host:port`, separated by commas), read as the group
    /// `cdc-pipeline`.
    pub fn new(brokers: impl Into<String>, topics: Vec<TopicName>) -> Self {
        Self {
            brokers: brokers.into(),
            topics,
            group: "cdc-pipeline".to_owned(),
            instance_id: None,
            properties: BTreeMap::new(),
            generations: BTreeMap::new(),
            fetch_bytes: FETCH_BYTES_DEFAULT,
            retry_for: RETRY_FOR_DEFAULT,
            stall_after: Duration::from_secs(30),
        }
    }

    /// For these topics instead.
    #[must_use]
    pub fn with_topics(mut self, topics: Vec<TopicName>) -> Self {
        self.topics = topics;
        self
    }

    /// Reads as this consumer group. Processes that share a group share the partitions.
    #[must_use]
    pub fn with_group(mut self, group: impl Into<String>) -> Self {
        self.group = group.into();
        self
    }

    /// Joins the group under a name of its own: a member that returns within the session time-out
    /// (10 s) keeps its partitions, so a quick restart moves nothing. Each process needs another.
    #[must_use]
    pub fn with_instance_id(mut self, instance_id: impl Into<String>) -> Self {
        self.instance_id = Some(instance_id.into());
        self
    }

    /// The generation of a topic; without it 0.
    #[must_use]
    pub fn with_generation(mut self, topic: TopicName, generation: Generation) -> Self {
        self.generations.insert(topic, generation);
        self
    }

    /// Bytes fetched ahead of the reader, beside the byte budget. Clamped to 64 KiB and 1 GiB. Small
    /// values cost throughput, large ones memory: what is fetched ahead is thrown away whenever
    /// partitions are paused. Messages are counted as they were before compression, but a single
    /// response, of up to an eighth of this, as it was after it: where messages compress very well
    /// (80 to 1) the memory taken was seen to reach 100 MiB.
    #[must_use]
    pub fn with_fetch_bytes(mut self, bytes: u64) -> Self {
        self.fetch_bytes = bytes.clamp(FETCH_BYTES_MIN, FETCH_BYTES_MAX);
        self
    }

    /// How long a start waits for a broker. A running source waits for ever.
    #[must_use]
    pub fn with_retry_for(mut self, patience: Duration) -> Self {
        self.retry_for = patience;
        self
    }

    /// After how long without a record, while records wait and a broker is connected, the consumer
    /// is taken for stalled and built anew. Default 30 s.
    #[must_use]
    pub fn with_stall_after(mut self, silence: Duration) -> Self {
        self.stall_after = silence;
        self
    }

    /// Hands a property on to the client library, such as `security.protocol`.
    ///
    /// # Errors
    ///
    /// A property that this crate sets itself, or that the library refuses.
    pub fn with_property(mut self, name: &str, value: Secret) -> Result<Self, KafkaError> {
        check_property(name, &value)?;
        self.properties.insert(name.to_owned(), value);
        Ok(self)
    }

    /// Reads a section such as `[source.kafka]`: `brokers`, `topics`, `group`, `instance_id`,
    /// `fetch_bytes`, `retry_for`, and the table `properties`, in which passwords and keys are
    /// secret references. `None` after a problem, which the document holds.
    pub fn read(section: &Section<'_>) -> Option<Self> {
        let brokers = section.required_string("brokers");
        let topics = section.required_parsed_list("topics", |name| {
            TopicName::parse(name)
                .map_err(|_| "a topic name of 1 to 249 of A-Z a-z 0-9 . _ -, not . or ..")
        });
        let group = section.required_string("group");
        let instance_id = section.optional_string("instance_id");
        let fetch_bytes = section.bytes("fetch_bytes", FETCH_BYTES_DEFAULT);
        let retry_for = section.duration("retry_for", RETRY_FOR_DEFAULT);
        let properties = section
            .optional_section("properties")
            .map(|properties| read_properties(&properties))
            .unwrap_or_default();
        let mut settings = Self::new(brokers?, topics)
            .with_group(group?)
            .with_fetch_bytes(fetch_bytes)
            .with_retry_for(retry_for);
        settings.instance_id = instance_id;
        settings.properties = properties;
        Some(settings)
    }

    /// The bootstrap addresses.
    pub fn brokers(&self) -> &str {
        &self.brokers
    }

    /// The topics to read.
    pub fn topics(&self) -> &[TopicName] {
        &self.topics
    }

    /// The consumer group.
    pub fn group(&self) -> &str {
        &self.group
    }

    /// The name of this member in the group, when it has one of its own.
    pub fn instance_id(&self) -> Option<&str> {
        self.instance_id.as_deref()
    }

    /// How long a start waits for a broker.
    pub fn retry_for(&self) -> Duration {
        self.retry_for
    }

    pub(crate) fn stall_after(&self) -> Duration {
        self.stall_after
    }

    /// How long the group waits for a member that was killed.
    pub(crate) fn session_timeout(&self) -> Duration {
        let set = self.properties.get("session.timeout.ms");
        let millis = set.and_then(|value| value.expose().parse().ok());
        Duration::from_millis(millis.unwrap_or(SESSION_TIMEOUT_MS))
    }

    /// In which generation a topic is followed: in the first, unless
    /// [`with_generation`](Self::with_generation) said otherwise.
    pub fn generation(&self, topic: &TopicName) -> Generation {
        self.generations.get(topic).copied().unwrap_or_default()
    }

    /// The properties of a member of the group.
    pub(crate) fn consumer_config(&self) -> ClientConfig {
        let mut config = self.reader_config();
        config
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("statistics.interval.ms", "1000")
            // Where the library says that a topic was created again.
            .set("debug", DEBUG_CONTEXTS)
            .set_log_level(RDKafkaLogLevel::Debug);
        if let Some(instance_id) = &self.instance_id {
            config.set("group.instance.id", instance_id);
        }
        config
    }

    /// The properties of a reader outside any group. The library wants a group's name even where
    /// partitions are assigned by hand, and then nothing joins or commits under it.
    pub(crate) fn reader_config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        let queue_kib = (self.fetch_bytes / 1024).to_string();
        // Both bound compressed bytes, and change messages compress tenfold and better: the queue
        // would be overrun by one response if it were asked for as much as the queue may hold.
        // One partition may fill a response: the library takes turns in asking for them.
        let response_bytes =
            (self.fetch_bytes / 8).clamp(RESPONSE_BYTES_MIN, RESPONSE_BYTES_MAX).to_string();
        // These may be overridden: they tune, and nothing rests on them.
        config
            .set("session.timeout.ms", SESSION_TIMEOUT_MS.to_string())
            .set("check.crcs", "true")
            .set("queued.max.messages.kbytes", queue_kib)
            // The byte bound above is meant to decide, not the number of messages.
            .set("queued.min.messages", "100000")
            .set("fetch.max.bytes", &response_bytes)
            .set("max.partition.fetch.bytes", &response_bytes)
            .set("receive.message.max.bytes", "100000000")
            .set("fetch.queue.backoff.ms", "5")
            .set("fetch.wait.max.ms", "50")
            .set("fetch.error.backoff.ms", "100")
            .set("reconnect.backoff.max.ms", "2000")
            .set("socket.keepalive.enable", "true")
            .set("socket.timeout.ms", "20000")
            // New partitions should not wait five minutes for their first reader.
            .set("topic.metadata.refresh.interval.ms", "30000");
        self.finish(config)
    }

    /// What a client of any kind needs to be let in.
    pub(crate) fn access_config(&self) -> ClientConfig {
        let is_access =
            |name: &str| ["security.", "sasl.", "ssl."].iter().any(|p| name.starts_with(p));
        let mut config = ClientConfig::new();
        for (name, value) in self.properties.iter().filter(|(name, _)| is_access(name)) {
            config.set(name, value.expose());
        }
        config.set("bootstrap.servers", &self.brokers);
        config
    }

    fn finish(&self, mut config: ClientConfig) -> ClientConfig {
        for (name, value) in &self.properties {
            config.set(name, value.expose());
        }
        config
            .set("bootstrap.servers", &self.brokers)
            .set("group.id", &self.group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error")
            .set("isolation.level", "read_committed")
            .set("enable.partition.eof", "true")
            .set("allow.auto.create.topics", "false");
        config
    }
}

impl fmt::Debug for KafkaSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("KafkaSettings")
            .field("brokers", &self.brokers)
            .field("topics", &self.topics)
            .field("group", &self.group)
            .field("instance_id", &self.instance_id)
            .field("properties", &self.properties)
            .field("generations", &self.generations)
            .field("fetch_bytes", &self.fetch_bytes)
            .field("retry_for", &self.retry_for)
            .field("stall_after", &self.stall_after)
            .finish()
    }
}

/// Why a property is not for users, if it is not. Aliases of the client library are listed too.
fn owned_reason(property: &str) -> Option<&'static str> {
    Some(match property {
        "enable.auto.commit"
        | "auto.commit.enable"
        | "auto.commit.interval.ms"
        | "enable.auto.offset.store" => "progress is kept with the data, not in the group",
        "auto.offset.reset" => "a position that the log has lost must halt, not jump",
        "isolation.level" => "records of aborted transactions never happened",
        "partition.assignment.strategy" | "group.protocol" | "group.remote.assignor" => {
            "partitions are handed over one by one, which needs cooperative-sticky"
        }
        "enable.partition.eof" => "the end of a partition is how catching up is noticed",
        "group.id" => "set `group` instead",
        "group.instance.id" => "set `instance_id` instead",
        "bootstrap.servers" | "metadata.broker.list" => "set `brokers` instead",
        "queued.max.messages.kbytes" => "set `fetch_bytes` instead",
        "allow.auto.create.topics" => "a missing topic is a mistake to report, not to create",
        "statistics.interval.ms" | "log_level" | "debug" => "the pipeline's own telemetry sets it",
        "enable.idempotence" | "acks" | "request.required.acks" => {
            "a publisher loses and repeats nothing"
        }
        _ => return None,
    })
}

/// Whether a property holds a secret, which a configuration file may only refer to.
fn is_secret(property: &str) -> bool {
    ["password", "secret", "ssl.key.pem", "sasl.oauthbearer.config"]
        .iter()
        .any(|word| property.contains(word))
}

fn check_property(name: &str, value: &Secret) -> Result<(), KafkaError> {
    if let Some(reason) = owned_reason(name) {
        return Err(KafkaError::OwnedProperty { property: name.to_owned(), reason });
    }
    // The library's own error quotes the value, so it is not kept.
    match ClientConfig::new().set(name, value.expose()).create_native_config() {
        Ok(_) => Ok(()),
        Err(_) => Err(KafkaError::RefusedProperty { property: name.to_owned() }),
    }
}

fn read_properties(section: &Section<'_>) -> BTreeMap<String, Secret> {
    let mut properties = BTreeMap::new();
    for name in section.keys() {
        if let Some(reason) = owned_reason(name) {
            let expected = format!("no property `{name}`: {reason}");
            section.problem(name, expected, Some("remove it"));
            continue;
        }
        let value = if is_secret(name) {
            section.optional_secret(name)
        } else {
            section.optional_string(name).map(Secret::new)
        };
        let Some(value) = value else { continue };
        if check_property(name, &value).is_err() {
            let expected = "a property that the Kafka client library accepts";
            section.problem(name, expected, Some("check its spelling, and put its name in quotes"));
            continue;
        }
        properties.insert(name.to_owned(), value);
    }
    properties
}

#[cfg(test)]
mod tests {
    use cdc_config::{Document, FixedEnvironment};
    use rdkafka::consumer::BaseConsumer;

    use super::*;

    fn settings() -> KafkaSettings {
        KafkaSettings::new("localhost:9092", vec![TopicName::parse("t").unwrap()])
    }

    #[test]
    fn f22_refuses_every_property_that_correctness_rests_on() {
        for property in [
            "enable.auto.commit",
            "enable.auto.offset.store",
            "auto.offset.reset",
            "isolation.level",
            "partition.assignment.strategy",
            "enable.partition.eof",
            "group.id",
            "bootstrap.servers",
        ] {
            let error = settings().with_property(property, Secret::new("x")).unwrap_err();
            assert!(matches!(error, KafkaError::OwnedProperty { .. }), "{property}: {error}");
        }
    }

    #[test]
    fn every_property_set_here_is_owned_or_may_be_tuned() {
        let config = settings().with_instance_id("a").consumer_config();
        assert!(config.create_native_config().is_ok());
        for (name, value) in [
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("auto.offset.reset", "error"),
            ("isolation.level", "read_committed"),
            ("partition.assignment.strategy", "cooperative-sticky"),
            ("queued.max.messages.kbytes", "8192"),
        ] {
            assert_eq!(config.get(name), Some(value), "{name}");
            assert!(owned_reason(name).is_some(), "{name}");
        }
    }

    #[test]
    fn the_smallest_and_the_largest_fetch_make_a_consumer() {
        for bytes in [0, 1 << 20, u64::MAX] {
            let config = settings().with_fetch_bytes(bytes).consumer_config();
            let consumer: Result<BaseConsumer, _> = config.create();
            assert!(consumer.is_ok(), "{bytes}: {:?}", consumer.err());
        }
    }

    #[test]
    fn an_unknown_property_is_refused_without_quoting_its_value() {
        let error =
            settings().with_property("sesion.timeout.ms", Secret::new("hunter2")).unwrap_err();
        assert!(matches!(error, KafkaError::RefusedProperty { .. }), "{error}");
        assert!(!format!("{error:?}").contains("hunter2"));
    }

    #[test]
    fn debug_output_hides_the_values_of_properties() {
        let settings = settings().with_property("sasl.password", Secret::new("hunter2")).unwrap();
        let text = format!("{settings:?}");
        assert!(text.contains("sasl.password") && !text.contains("hunter2"), "{text}");
    }

    #[test]
    fn a_user_property_may_tune_what_is_not_owned() {
        let settings =
            settings().with_property("session.timeout.ms", Secret::new("20000")).unwrap();
        assert_eq!(settings.consumer_config().get("session.timeout.ms"), Some("20000"));
        assert_eq!(settings.session_timeout(), Duration::from_secs(20));
    }

    fn read(text: &str) -> Result<KafkaSettings, String> {
        let environment = FixedEnvironment::new().with_variable("KAFKA_PASSWORD", "hunter2");
        let document = Document::parse("pipeline.toml", text).with_environment(environment);
        let settings = KafkaSettings::read(&document.root().section("source").section("kafka"));
        document.into_result(settings).map_err(|problems| problems.to_string())
    }

    #[test]
    fn reads_its_section_of_the_configuration() {
        let settings = read(
            r#"
            [source.kafka]
            brokers = "localhost:9092"
            topics = ["dbserver1.public.orders"]
            group = "orders-warehouse"
            fetch_bytes = "16 MiB"
            retry_for = "5m"
            [source.kafka.properties]
            "security.protocol" = "sasl_plaintext"
            "sasl.password" = { env = "KAFKA_PASSWORD" }
            "#,
        )
        .unwrap();
        assert_eq!(settings.group(), "orders-warehouse");
        assert_eq!(settings.retry_for(), Duration::from_mins(5));
        let config = settings.consumer_config();
        assert_eq!(config.get("sasl.password"), Some("hunter2"));
        assert_eq!(config.get("queued.max.messages.kbytes"), Some("16384"));
    }

    #[test]
    fn reports_all_mistakes_in_its_section_together() {
        let text = read(
            r#"
            [source.kafka]
            brokers = "localhost:9092"
            topics = []
            [source.kafka.properties]
            "auto.offset.reset" = "latest"
            "sasl.password" = "hunter2"
            "fetch.wait.max.msec" = "5"
            "#,
        )
        .unwrap_err();
        for mistake in ["topics", "group", "auto.offset.reset", "sasl.password", "fetch.wait.max"] {
            assert!(text.contains(mistake), "{mistake} is missing in {text}");
        }
        assert!(!text.contains("hunter2"), "{text}");
    }
}
