//! The section `[source.postgres]` of a pipeline that reads its source itself: how to reach it, and the
//! names that the pipeline has there.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use cdc_config::{Secret, Section};

/// PostgreSQL keeps this many bytes of a name and drops the rest (`NAMEDATALEN - 1`).
const NAME_BYTES_MAX: usize = 63;

/// The name of a replication slot, which is the name of the pipeline's only topic as well.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotName(String);

/// A name that a slot cannot have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected the name of a slot: 1 to {NAME_BYTES_MAX} of the characters a-z, 0-9 and _")]
pub struct SlotNameError;

impl SlotName {
    /// A name.
    ///
    /// # Errors
    ///
    /// What PostgreSQL itself refuses: an empty or long name, or one with other characters.
    pub fn parse(text: &str) -> Result<Self, SlotNameError> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let fits = (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(allowed);
        if fits { Ok(Self(text.to_owned())) } else { Err(SlotNameError) }
    }

    /// The name as text. It needs no quoting anywhere.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SlotName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a publication: any identifier, taken literally.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicationName(String);

/// A name that a publication cannot have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected the name of a publication: 1 to {NAME_BYTES_MAX} bytes without control characters"
)]
pub struct PublicationNameError;

impl PublicationName {
    /// A name.
    ///
    /// # Errors
    ///
    /// An empty name, one that PostgreSQL would cut, or one with control characters.
    pub fn parse(text: &str) -> Result<Self, PublicationNameError> {
        let fits = !text.trim().is_empty() && text.len() <= NAME_BYTES_MAX;
        if !fits || text.chars().any(char::is_control) {
            return Err(PublicationNameError);
        }
        Ok(Self(text.to_owned()))
    }

    /// The name as text, without quotes.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PublicationName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How to reach the source, and how to read it.
#[derive(Debug, Clone)]
pub struct ReplicationSettings {
    /// `postgres://user:password@host:port/database?sslmode=…`. The role needs REPLICATION and SELECT on
    /// the tables.
    pub url: Secret,
    /// The slot that keeps the pipeline's place in the source. Default: the pipeline's name with `_` for
    /// `-`.
    pub slot: SlotName,
    /// The publication that says which tables are sent. Default: as the slot.
    pub publication: PublicationName,
    /// How long a source that cannot be reached is tried before that is an error. Default 10 s; with zero
    /// it is tried once.
    pub connect_patience: Duration,
    /// How many sessions read the snapshot. Default 2: more help only where the source has idle
    /// processors.
    pub snapshot_parallel: NonZeroU32,
    /// How many rows one piece of the snapshot has. Default 50,000: the most that is read again after an
    /// interruption, while the beginning of a piece costs next to nothing.
    pub chunk_rows: NonZeroU32,
    /// How often the source writes a message of ours into its log, so that the slot moves while the
    /// tables are idle. Default 10 s; every message costs the source some 100 bytes of log.
    pub heartbeat: Duration,
    /// After how long without one byte from the server the connection is given up as dead. Default 30 s.
    pub silence_limit: Duration,
}

impl ReplicationSettings {
    /// Settings with every default.
    pub fn new(url: Secret, slot: SlotName, publication: PublicationName) -> Self {
        Self {
            url,
            slot,
            publication,
            connect_patience: Duration::from_secs(10),
            snapshot_parallel: NonZeroU32::MIN.saturating_add(1),
            chunk_rows: NonZeroU32::MIN.saturating_add(49_999),
            heartbeat: Duration::from_secs(10),
            silence_limit: Duration::from_secs(30),
        }
    }
}

/// Reads `[source.postgres]`. `None` after a problem, which the section has recorded.
pub fn read_settings(section: &Section<'_>, pipeline: &str) -> Option<ReplicationSettings> {
    let url = section.required_secret_or_plain_url("url");
    let own_name = pipeline.replace('-', "_");
    let slot = section.optional_parsed("slot", SlotName::parse);
    let slot = slot.or_else(|| SlotName::parse(&own_name).ok());
    if slot.is_none() && !section.contains("slot") {
        let hint = "write slot = \"…\": the pipeline's own name has characters that no slot's has";
        section.problem("slot", SlotNameError.to_string(), Some(hint));
    }
    let publication = section.optional_parsed("publication", PublicationName::parse);
    let publication = publication.or_else(|| PublicationName::parse(&own_name).ok());
    if publication.is_none() && !section.contains("publication") {
        section.problem("publication", PublicationNameError.to_string(), None);
    }
    let unnamed = SlotName("unnamed".to_owned());
    let default = ReplicationSettings::new(
        url.clone().unwrap_or_else(|| Secret::new("")),
        slot.clone().unwrap_or(unnamed),
        publication.clone().unwrap_or_else(|| PublicationName("unnamed".to_owned())),
    );
    let settings = ReplicationSettings {
        connect_patience: section.duration("connect_patience", default.connect_patience),
        snapshot_parallel: section.positive("snapshot_parallel", default.snapshot_parallel),
        chunk_rows: section.positive("chunk_rows", default.chunk_rows),
        heartbeat: interval(section, "heartbeat", default.heartbeat),
        silence_limit: interval(section, "silence_limit", default.silence_limit),
        ..default
    };
    // Read by their names above; a problem with one of them leaves no settings.
    url.and(slot).and(publication).map(|_| settings)
}

/// The shortest time that makes sense between two questions to the server.
const INTERVAL_MIN: Duration = Duration::from_millis(100);

fn interval(section: &Section<'_>, key: &str, default: Duration) -> Duration {
    let interval = section.duration(key, default);
    if interval < INTERVAL_MIN {
        section.problem(key, "a duration of at least 100ms", None);
    }
    interval
}

#[cfg(test)]
mod tests {
    use cdc_config::Document;

    use super::*;

    fn read(text: &str, pipeline: &str) -> Result<ReplicationSettings, String> {
        let document = Document::parse("pipeline.toml", text);
        let section = document.root().section("source").section("postgres");
        let settings = read_settings(&section, pipeline);
        document.into_result(settings).map_err(|problems| problems.to_string())
    }

    const URL: &str = "[source.postgres]\nurl = \"postgres://localhost/shop\"\n";

    #[test]
    fn slot_and_publication_have_the_name_of_the_pipeline() {
        let settings = read(URL, "shop-orders").unwrap();
        assert_eq!(settings.slot.as_str(), "shop_orders");
        assert_eq!(settings.publication.as_str(), "shop_orders");
        assert_eq!(settings.snapshot_parallel.get(), 2);
        assert_eq!(settings.chunk_rows.get(), 50_000);
        assert_eq!(settings.heartbeat, Duration::from_secs(10));
        assert_eq!(settings.silence_limit, Duration::from_secs(30));
    }

    #[test]
    fn every_key_can_be_set() {
        let text = format!(
            "{URL}slot = \"s_1\"\npublication = \"Every Table\"\nconnect_patience = \"1m\"\n\
             snapshot_parallel = 4\nchunk_rows = 10\nheartbeat = \"1s\"\nsilence_limit = \"5s\"\n"
        );
        let settings = read(&text, "Shop!").unwrap();
        assert_eq!(settings.slot.as_str(), "s_1");
        assert_eq!(settings.publication.as_str(), "Every Table");
        assert_eq!(settings.connect_patience, Duration::from_mins(1));
        assert_eq!(settings.snapshot_parallel.get(), 4);
        assert_eq!(settings.chunk_rows.get(), 10);
        assert_eq!(settings.heartbeat, Duration::from_secs(1));
        assert_eq!(settings.silence_limit, Duration::from_secs(5));
    }

    #[test]
    fn names_that_the_server_would_refuse_are_mistakes() {
        let problems = read(URL, "Shop!").unwrap_err();
        assert!(problems.contains("source.postgres.slot"), "{problems}");
        let text = format!("{URL}slot = \"Shop\"\nheartbeat = \"0s\"\n");
        let problems = read(&text, "shop").unwrap_err();
        assert!(problems.contains("source.postgres.slot"), "{problems}");
        assert!(problems.contains("source.postgres.heartbeat"), "{problems}");
        assert!(!problems.contains("url"), "{problems}");
        for name in ["", "ä", "A", "a-b", &"a".repeat(64)] {
            assert_eq!(SlotName::parse(name), Err(SlotNameError), "{name:?}");
        }
        for name in ["", " ", "a\0", &"a".repeat(64)] {
            assert_eq!(PublicationName::parse(name), Err(PublicationNameError), "{name:?}");
        }
    }
}
