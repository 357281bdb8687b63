//! The configuration of a Debezium connector for PostgreSQL, as Kafka Connect wants it.

use serde_json::{Map, Value};

/// Whether each message describes its own schema (`schema` beside `payload`) or is the bare
/// payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaBlock {
    /// Messages carry their schema.
    On,
    /// Messages are the payload alone, and types must be declared to whoever reads them.
    Off,
}

/// What a connector captures and how.
///
/// Everything not named here is Debezium's default: exact decimals as bytes, timestamps in the
/// source column's precision, a tombstone after each delete. Truncates are captured, which they are
/// not by default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectorConfig {
    /// The connector's name in Connect.
    pub name: String,
    /// The source server's host, as Connect reaches it.
    pub host: String,
    /// The source server's port.
    pub port: u16,
    /// The source database.
    pub database: String,
    /// The role which reads the source; it needs the right to replicate.
    pub user: String,
    /// First part of each topic's name: `prefix.schema.table`.
    pub topic_prefix: String,
    /// The captured tables, as "public.orders".
    pub tables: Vec<String>,
    /// The replication slot; one per connector.
    pub slot: String,
    /// The publication, which the connector creates for exactly its tables.
    pub publication: String,
    /// Whether messages carry their schema.
    pub schemas: SchemaBlock,
    /// Debezium's `snapshot.mode`, as "initial" or "never".
    pub snapshot_mode: String,
    /// How long the connector rests when it found nothing, in milliseconds. Debezium's default of
    /// 500 would be most of the pipeline's latency.
    pub poll_interval_ms: u32,
    /// Further settings, which win over all others.
    pub extra: Vec<(String, String)>,
}

impl ConnectorConfig {
    /// A connector for the table `public.orders` of a local source, with the topic
    /// `dbserver1.public.orders` and messages without schema.
    pub fn orders(port: u16) -> Self {
        Self {
            name: "orders".to_owned(),
            host: "127.0.0.1".to_owned(),
            port,
            database: "orders_db".to_owned(),
            user: "postgres".to_owned(),
            topic_prefix: "dbserver1".to_owned(),
            tables: vec!["public.orders".to_owned()],
            slot: "orders_cdc".to_owned(),
            publication: "orders_cdc".to_owned(),
            schemas: SchemaBlock::Off,
            snapshot_mode: "initial".to_owned(),
            poll_interval_ms: 10,
            extra: Vec::new(),
        }
    }

    /// A connector of a test's own: name, topic prefix, slot and publication follow from `name`,
    /// so that tests on one Connect worker and one server do not meet.
    ///
    /// `name` should be lower-case letters, digits and underscores, since it names a slot.
    pub fn isolated(name: &str, port: u16, database: &str, tables: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            database: database.to_owned(),
            topic_prefix: name.to_owned(),
            tables: tables.iter().map(|table| (*table).to_owned()).collect(),
            slot: name.to_owned(),
            publication: name.to_owned(),
            ..Self::orders(port)
        }
    }

    /// The topic of a captured table, given as "public.orders".
    pub fn topic(&self, table: &str) -> String {
        format!("{}.{table}", self.topic_prefix)
    }

    /// The configuration as Connect's `PUT /connectors/<name>/config` takes it; all values are
    /// strings there.
    pub fn to_json(&self) -> Value {
        const JSON_CONVERTER: &str = "org.apache.kafka.connect.json.JsonConverter";
        let schemas = match self.schemas {
            SchemaBlock::On => "true",
            SchemaBlock::Off => "false",
        };
        let (port, poll) = (self.port.to_string(), self.poll_interval_ms.to_string());
        let tables = self.tables.join(",");
        let own = [
            ("connector.class", "io.debezium.connector.postgresql.PostgresConnector"),
            ("tasks.max", "1"),
            ("plugin.name", "pgoutput"),
            ("database.hostname", &self.host),
            ("database.port", &port),
            ("database.user", &self.user),
            ("database.dbname", &self.database),
            ("topic.prefix", &self.topic_prefix),
            ("table.include.list", &tables),
            ("slot.name", &self.slot),
            ("publication.name", &self.publication),
            ("publication.autocreate.mode", "filtered"),
            // A restarted connector often meets its own slot still in use for a moment. Looking twice
            // a second instead of every ten keeps the minute of patience that Debezium has.
            ("slot.max.retries", "120"),
            ("slot.retry.delay.ms", "500"),
            ("snapshot.mode", &self.snapshot_mode),
            // Debezium leaves truncates out unless told to leave out nothing: rows that the source
            // no longer has would stay in the warehouse for ever.
            ("skipped.operations", "none"),
            ("poll.interval.ms", &poll),
            ("key.converter", JSON_CONVERTER),
            ("key.converter.schemas.enable", schemas),
            ("value.converter", JSON_CONVERTER),
            ("value.converter.schemas.enable", schemas),
            // The brokers do not create topics on first use; Connect does, with these.
            ("topic.creation.default.partitions", "1"),
            ("topic.creation.default.replication.factor", "1"),
        ];
        let own = own.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let all = own.chain(self.extra.iter().cloned());
        Value::Object(all.map(|(name, value)| (name, value.into())).collect::<Map<_, _>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_for_humans_and_compose_is_the_same_connector() {
        let file = include_str!("../../../debezium/orders-connector.json");
        let file: Value = serde_json::from_str(file).unwrap();
        // Only the address differs: between containers the source has its service's name.
        let inside = ConnectorConfig { host: "source".to_owned(), ..ConnectorConfig::orders(5432) };
        assert_eq!(file, inside.to_json());
    }

    #[test]
    fn extra_settings_win() {
        let extra = vec![("tasks.max".to_owned(), "2".to_owned())];
        let config = ConnectorConfig { extra, ..ConnectorConfig::orders(1) };
        assert_eq!(config.to_json().get("tasks.max"), Some(&Value::from("2")));
    }

    #[test]
    fn isolated_connectors_share_no_name_on_the_server() {
        let [a, b] = ["a", "b"].map(|name| ConnectorConfig::isolated(name, 1, "db", &["public.t"]));
        assert_ne!(a.slot, b.slot);
        assert_ne!(a.publication, b.publication);
        assert_eq!(a.topic("public.t"), "a.public.t");
    }
}
