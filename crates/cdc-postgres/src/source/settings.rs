//! The section `[source.postgres]`: how to reach the source, and the connector's options.

use std::time::Duration;

use cdc_config::{Secret, Section};
use cdc_core::{
    BinaryMode, ConnectorModes, DecimalMode, HstoreMode, IntervalMode, ParseModeError, TimeMode,
};

/// How to reach the source's catalog, and how the connector sends what it finds there.
#[derive(Debug, Clone)]
pub struct SourceSettings {
    /// `postgres://user:password@host:port/database?sslmode=…`. The least rights suffice: to connect,
    /// and SELECT on `pg_catalog`, which everybody has.
    pub url: Secret,
    /// The connector's options that decide how values are sent. Default: the connector's own.
    pub connector: ConnectorModes,
    /// How long one attempt to connect may take. Default 10 s.
    pub connect_patience: Duration,
}

impl SourceSettings {
    /// Settings with every default.
    pub fn new(url: Secret) -> Self {
        let connect_patience = Duration::from_secs(10);
        Self { url, connector: ConnectorModes::default(), connect_patience }
    }
}

/// Reads `[source.postgres]`. `None` after a problem, which the section has recorded.
///
/// | key of `connector` | the connector's option |
/// |---|---|
/// | `version` | Debezium's version, such as `"3.4"`; default `"2.4"` |
/// | `decimal_handling_mode` | `decimal.handling.mode` |
/// | `time_precision_mode` | `time.precision.mode` |
/// | `binary_handling_mode` | `binary.handling.mode` |
/// | `interval_handling_mode` | `interval.handling.mode` |
/// | `hstore_handling_mode` | `hstore.handling.mode` |
/// | `money_fraction_digits` | `money.fraction.digits` |
/// | `include_unknown_datatypes` | `include.unknown.datatypes` |
pub fn read_source_settings(section: &Section<'_>) -> Option<SourceSettings> {
    let url = section.required_secret_or_plain_url("url");
    let connector = section.optional_section("connector");
    let connector = connector.map(|section| modes(&section)).unwrap_or_default();
    Some(SourceSettings { connector, ..SourceSettings::new(url?) })
}

fn modes(section: &Section<'_>) -> ConnectorModes {
    let default = ConnectorModes::default();
    ConnectorModes {
        version: section.parsed("version", default.version, version),
        decimal: section.parsed(
            "decimal_handling_mode",
            default.decimal,
            named(DecimalMode::parse),
        ),
        time: section.parsed("time_precision_mode", default.time, named(TimeMode::parse)),
        binary: section.parsed("binary_handling_mode", default.binary, named(BinaryMode::parse)),
        interval: section.parsed(
            "interval_handling_mode",
            default.interval,
            named(IntervalMode::parse),
        ),
        hstore: section.parsed("hstore_handling_mode", default.hstore, named(HstoreMode::parse)),
        money_fraction_digits: section.integer(
            "money_fraction_digits",
            0..=MONEY_DIGITS_MAX,
            default.money_fraction_digits,
        ),
        unknown_types: section.boolean("include_unknown_datatypes", default.unknown_types),
    }
}

/// Far more digits than any currency has.
const MONEY_DIGITS_MAX: u16 = 18;

/// The words that a mode has, as the report of a mistake shows them.
fn named<T>(
    parse: fn(&str) -> Result<T, ParseModeError>,
) -> impl FnOnce(&str) -> Result<T, String> {
    move |text| parse(text).map_err(|error| format!("one of {}", error.expected))
}

/// Major and minor version, with or without what follows.
fn version(text: &str) -> Result<(u16, u16), &'static str> {
    let mut parts = text.split('.').map(|part| part.parse::<u16>().ok());
    match (parts.next().flatten(), parts.next().flatten()) {
        (Some(major), Some(minor)) => Ok((major, minor)),
        (_, _) => Err("a version of Debezium such as \"3.4\""),
    }
}

#[cfg(test)]
mod tests {
    use cdc_config::Document;

    use super::*;

    fn read(text: &str) -> Result<SourceSettings, String> {
        let document = Document::parse("pipeline.toml", text);
        let section = document.root().section("source").section("postgres");
        let settings = read_source_settings(&section);
        document.into_result(settings).map_err(|problems| problems.to_string())
    }

    #[test]
    fn options_are_those_of_the_connector_unless_told_otherwise() {
        let settings = read("[source.postgres]\nurl = \"postgres://localhost/shop\"\n").unwrap();
        assert_eq!(settings.connector, ConnectorModes::default());
        let text = "[source.postgres]\nurl = \"postgres://localhost/shop\"\n\
                    connector = { version = \"3.4.0.Final\", decimal_handling_mode = \"string\", \
                    include_unknown_datatypes = true, money_fraction_digits = 4 }\n";
        let expected = ConnectorModes {
            version: (3, 4),
            decimal: DecimalMode::String,
            unknown_types: true,
            money_fraction_digits: 4,
            ..ConnectorModes::default()
        };
        assert_eq!(read(text).unwrap().connector, expected);
    }

    #[test]
    fn mistakes_are_named_with_what_was_expected() {
        let text = "[source.postgres]\nconnector = { version = \"new\", \
                    decimal_handling_mode = \"exact\", time_mode = \"connect\" }\n";
        let problems = read(text).unwrap_err();
        for words in [
            "url",
            "a version of Debezium such as \"3.4\"",
            "one of precise, double, string",
            "time_mode",
        ] {
            assert!(problems.contains(words), "{words} is missing in:\n{problems}");
        }
    }
}
