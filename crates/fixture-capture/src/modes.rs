//! What is captured: releases of Debezium, and the options of the connectors that run side by side.

use cdc_stack::connector::SchemaBlock;

/// A release of Debezium with a Connect worker of its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Release {
    /// The name in folders: "2.4.2".
    pub name: &'static str,
    /// As Maven names it.
    pub debezium: &'static str,
    /// The Connect worker's version, as Maven names it.
    pub kafka: &'static str,
    /// The modes of this release.
    pub modes: &'static [&'static str],
}

/// What the source goes through while connectors follow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum History {
    /// Tables of types that come with PostgreSQL.
    Core,
    /// Tables of types of `PostGIS` and `pgvector`, for which the server needs both.
    Extensions,
}

/// A connector's options beyond the defaults.
#[derive(Debug, Clone, Copy)]
pub struct Mode {
    /// The name in folders: "decimal-string".
    pub name: &'static str,
    /// Whether messages carry their schema.
    pub schemas: SchemaBlock,
    /// What it follows.
    pub history: History,
    /// The tables that are captured.
    pub tables: &'static [&'static str],
    /// Debezium's options.
    pub options: &'static [(&'static str, &'static str)],
}

impl Mode {
    /// Name of slot and publication, and first part of the topics' names.
    pub fn prefix(&self) -> String {
        // Debezium quotes neither: a bare `default` would be SQL.
        format!("capture_{}", self.name.replace('-', "_"))
    }

    /// Whether the connector writes bare rows instead of envelopes.
    pub fn is_flattened(&self) -> bool {
        self.option("transforms").is_some()
    }

    /// The value of an option, when it is set.
    pub fn option(&self, name: &str) -> Option<&'static str> {
        self.options.iter().find(|(key, _)| *key == name).map(|(_, value)| *value)
    }
}

/// The releases: that of the stack, and those with other encodings.
pub const RELEASES: [Release; 3] = [
    Release {
        name: "2.4.2",
        debezium: "2.4.2.Final",
        kafka: "3.7.2",
        modes: &[
            "default-schema",
            "default",
            "decimal-string",
            "decimal-double",
            "time-adaptive-micros",
            "time-connect",
            "binary-base64",
            "binary-base64-url-safe",
            "binary-hex",
            "interval-string",
            "hstore-map",
            "unknown-types",
            "flattened",
            "transactions",
            "extensions-schema",
            "extensions",
            "extensions-unknown-types",
        ],
    },
    Release {
        name: "3.4.0",
        debezium: "3.4.0.Final",
        kafka: "4.1.1",
        modes: &[
            "default-schema",
            "default",
            "decimal-string",
            "decimal-double",
            "time-adaptive-micros",
            "time-connect",
            "time-isostring",
            "time-microseconds",
            "time-nanoseconds",
            "binary-base64",
            "binary-base64-url-safe",
            "binary-hex",
            "interval-string",
            "hstore-map",
            "unknown-types",
            "flattened-rewrite",
            "transactions",
            "extensions-schema",
            "extensions",
            "extensions-unknown-types",
        ],
    },
    Release {
        name: "3.7.0",
        debezium: "3.7.0.Final",
        kafka: "4.1.1",
        // What this release encodes in another way. In the modes of the others it stops: on the table
        // that is altered, and on required times in nanoseconds, which it has no stand-in for.
        modes: &[
            "time-isostring",
            "time-structured",
            "unknown-types",
            "extensions-schema",
            "extensions",
            "extensions-unknown-types",
        ],
    },
];

/// Every table that is not captured for its types alone.
const SHAPES: [&str; 6] = [
    "public.required",
    "public.defaulted",
    "public.evolving",
    "public.keyless",
    "public.Odd Name",
    "public.fence",
];

const ALL: &[&str] = &[
    "public.all_types",
    "public.big_values",
    "public.required",
    "public.defaulted",
    "public.evolving",
    "public.keyless",
    "public.Odd Name",
    "public.fence",
];

const EXTENSIONS: &[&str] = &[
    "public.extension_types",
    "public.extension_vector_arrays",
    "public.extension_big_values",
    "public.fence",
];

/// For options that change the values of columns and no event.
const VALUES: &[&str] =
    &["public.all_types", "public.big_values", "public.required", "public.fence"];

/// Keys, and the columns that the mode's option is about: everything else is as by default.
const NUMBERS: (&str, &str) =
    ("column.include.list", r".*\.(id|label|a|b|c_numeric.*|c_money|c_domain_numeric)");
const TIMES: (&str, &str) = (
    "column.include.list",
    r".*\.(id|label|a|b|c_date.*|c_time.*|c_interval.*|c_tsrange|c_tstzrange)",
);
const BYTES: (&str, &str) = ("column.include.list", r".*\.(id|label|a|b|c_bytea.*)");
const INTERVALS: (&str, &str) = ("column.include.list", r".*\.(id|label|a|b|c_interval.*)");
const HSTORES: (&str, &str) = ("column.include.list", r".*\.(id|label|a|b|c_hstore.*)");

const UNWRAP: (&str, &str) = ("transforms", "unwrap");
const UNWRAP_TYPE: (&str, &str) =
    ("transforms.unwrap.type", "io.debezium.transforms.ExtractNewRecordState");
const UNWRAP_FIELDS: (&str, &str) =
    ("transforms.unwrap.add.fields", "op,table,lsn,source.ts_ms,transaction.id");
const UNWRAP_HEADERS: (&str, &str) = ("transforms.unwrap.add.headers", "op");

/// All modes of all releases.
pub const MODES: [Mode; 22] = [
    schema("default-schema", ALL, &[]),
    Mode { schemas: SchemaBlock::Off, ..schema("default", ALL, &[]) },
    schema("decimal-string", VALUES, &[("decimal.handling.mode", "string"), NUMBERS]),
    schema("decimal-double", VALUES, &[("decimal.handling.mode", "double"), NUMBERS]),
    schema(
        "time-adaptive-micros",
        VALUES,
        &[("time.precision.mode", "adaptive_time_microseconds"), TIMES],
    ),
    schema("time-connect", VALUES, &[("time.precision.mode", "connect"), TIMES]),
    schema("time-isostring", VALUES, &[("time.precision.mode", "isostring"), TIMES]),
    schema("time-microseconds", VALUES, &[("time.precision.mode", "microseconds"), TIMES]),
    schema("time-nanoseconds", VALUES, &[("time.precision.mode", "nanoseconds"), TIMES]),
    schema("time-structured", VALUES, &[("time.precision.mode", "structured"), TIMES]),
    schema("binary-base64", VALUES, &[("binary.handling.mode", "base64"), BYTES]),
    schema("binary-base64-url-safe", VALUES, &[("binary.handling.mode", "base64-url-safe"), BYTES]),
    schema("binary-hex", VALUES, &[("binary.handling.mode", "hex"), BYTES]),
    schema("interval-string", VALUES, &[("interval.handling.mode", "string"), INTERVALS]),
    schema("hstore-map", VALUES, &[("hstore.handling.mode", "map"), HSTORES]),
    schema("unknown-types", VALUES, &[("include.unknown.datatypes", "true")]),
    schema(
        "flattened",
        ALL,
        &[
            UNWRAP,
            UNWRAP_TYPE,
            UNWRAP_FIELDS,
            UNWRAP_HEADERS,
            ("transforms.unwrap.delete.handling.mode", "rewrite"),
            ("transforms.unwrap.drop.tombstones", "false"),
        ],
    ),
    schema(
        "flattened-rewrite",
        ALL,
        &[
            UNWRAP,
            UNWRAP_TYPE,
            UNWRAP_FIELDS,
            UNWRAP_HEADERS,
            ("transforms.unwrap.delete.tombstone.handling.mode", "rewrite-with-tombstone"),
        ],
    ),
    schema(
        "transactions",
        &SHAPES,
        &[("provide.transaction.metadata", "true"), ("heartbeat.interval.ms", "1000")],
    ),
    extensions("extensions-schema", &[]),
    Mode { schemas: SchemaBlock::Off, ..extensions("extensions", &[]) },
    extensions("extensions-unknown-types", &[("include.unknown.datatypes", "true")]),
];

const fn schema(
    name: &'static str,
    tables: &'static [&'static str],
    options: &'static [(&'static str, &'static str)],
) -> Mode {
    Mode { name, schemas: SchemaBlock::On, history: History::Core, tables, options }
}

const fn extensions(name: &'static str, options: &'static [(&'static str, &'static str)]) -> Mode {
    Mode { history: History::Extensions, ..schema(name, EXTENSIONS, options) }
}

/// The folder of the source's account of a history.
pub fn account_of(release: &Release, history: History) -> String {
    match history {
        History::Core => release.name.to_owned(),
        // Without a hyphen, which would make it the folder of a mode.
        History::Extensions => format!("{}+extensions", release.name),
    }
}

/// The modes of a release.
///
/// # Panics
///
/// When the release names a mode that is not in [`MODES`].
pub fn modes_of(release: &Release) -> Vec<Mode> {
    let find = |name: &&str| MODES.iter().find(|mode| mode.name == *name).copied();
    release.modes.iter().map(|name| find(name).expect("a release names known modes")).collect()
}

/// The columns of a table's key, none for the keyless one.
pub fn key_of(table: &str) -> &'static [&'static str] {
    match table {
        "public.keyless" => &[],
        "public.required" => &["b", "a"],
        "public.Odd Name" => &["Key"],
        _ => &["id"],
    }
}

/// A name as Debezium makes it fit for a topic.
pub fn topic_of(prefix: &str, table: &str) -> String {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let table: String = table.chars().map(|c| if legal(c) { c } else { '_' }).collect();
    format!("{prefix}.{table}")
}
