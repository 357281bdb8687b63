//! The schema block's text, in the member order of Kafka's converter.

use std::fmt::Write as _;

use super::EncodeError;
use super::json::put_string;
use crate::row::{Column, RowShape, SemanticType, TimeUnit};

fn quoted(text: &str) -> String {
    let mut out = Vec::new();
    put_string(&mut out, text);
    String::from_utf8(out).unwrap_or_default()
}

/// Connect type and, for a named type, its name and parameters (as JSON text).
fn connect(semantic: &SemanticType) -> Option<(&'static str, Option<(&'static str, String)>)> {
    let named = |kind, name| Some((kind, Some((name, String::new()))));
    match semantic {
        SemanticType::Boolean => Some(("boolean", None)),
        SemanticType::Int16 => Some(("int16", None)),
        SemanticType::Int32 => Some(("int32", None)),
        SemanticType::Int64 => Some(("int64", None)),
        SemanticType::Float32 => Some(("float", None)),
        SemanticType::Float64 => Some(("double", None)),
        SemanticType::Text => Some(("string", None)),
        SemanticType::Bytes => Some(("bytes", None)),
        SemanticType::Decimal { precision, scale } => {
            let mut parameters = format!("\"scale\":\"{scale}\"");
            if let Some(precision) = precision {
                write!(parameters, ",\"connect.decimal.precision\":\"{precision}\"").ok()?;
            }
            Some(("bytes", Some(("org.apache.kafka.connect.data.Decimal", parameters))))
        }
        SemanticType::VariableDecimal => named("struct", "io.debezium.data.VariableScaleDecimal"),
        SemanticType::Date => named("int32", "io.debezium.time.Date"),
        SemanticType::Time(TimeUnit::Millis) => named("int32", "io.debezium.time.Time"),
        SemanticType::Time(TimeUnit::Micros) => named("int64", "io.debezium.time.MicroTime"),
        SemanticType::Time(TimeUnit::Nanos) => named("int64", "io.debezium.time.NanoTime"),
        SemanticType::Timestamp(TimeUnit::Millis) => named("int64", "io.debezium.time.Timestamp"),
        SemanticType::Timestamp(TimeUnit::Micros) => {
            named("int64", "io.debezium.time.MicroTimestamp")
        }
        SemanticType::Timestamp(TimeUnit::Nanos) => {
            named("int64", "io.debezium.time.NanoTimestamp")
        }
        SemanticType::ZonedTimestamp => named("string", "io.debezium.time.ZonedTimestamp"),
        SemanticType::Uuid => named("string", "io.debezium.data.Uuid"),
        SemanticType::Json => named("string", "io.debezium.data.Json"),
        SemanticType::Enum { allowed } => {
            let parameters = format!("\"allowed\":{}", quoted(&allowed.join(",")));
            Some(("string", Some(("io.debezium.data.Enum", parameters))))
        }
        SemanticType::SelfEvident | SemanticType::Unsupported { .. } => None,
    }
}

/// The schema of each column as a struct member.
pub(super) fn fields(shape: &RowShape, key: &[usize]) -> Result<Vec<String>, EncodeError> {
    let field = |(index, column): (usize, &Column)| {
        let (kind, named) =
            connect(&column.semantic).ok_or_else(|| EncodeError::UnsupportedType {
                column: (&*column.name).into(),
                semantic: column.semantic.to_string().into(),
            })?;
        let optional = !key.contains(&index);
        Ok(format!("{}\"field\":{}}}", open(kind, named, optional), quoted(&column.name)))
    };
    shape.columns().iter().enumerate().map(field).collect()
}

/// A schema up to where its `field` member goes.
fn open(kind: &str, named: Option<(&str, String)>, optional: bool) -> String {
    let mut text = format!("{{\"type\":\"{kind}\",");
    if kind == "struct" {
        // The only named struct among column types.
        text.push_str(
            "\"fields\":[{\"type\":\"int32\",\"optional\":false,\"field\":\"scale\"},\
             {\"type\":\"bytes\",\"optional\":false,\"field\":\"value\"}],",
        );
    }
    text.push_str(if optional { "\"optional\":true," } else { "\"optional\":false," });
    let Some((name, parameters)) = named else { return text };
    text.push_str("\"name\":\"");
    text.push_str(name);
    text.push_str("\",\"version\":1,");
    if kind == "struct" {
        text.push_str("\"doc\":\"Variable scaled decimal\",");
    }
    if !parameters.is_empty() {
        text.push_str("\"parameters\":{");
        text.push_str(&parameters);
        text.push_str("},");
    }
    text
}

/// The members of the source block of version 2.4.2.
const SOURCE_FIELDS: &str = r#"{"type":"string","optional":false,"field":"version"},{"type":"string","optional":false,"field":"connector"},{"type":"string","optional":false,"field":"name"},{"type":"int64","optional":false,"field":"ts_ms"},{"type":"string","optional":true,"name":"io.debezium.data.Enum","version":1,"parameters":{"allowed":"true,last,false,incremental"},"default":"false","field":"snapshot"},{"type":"string","optional":false,"field":"db"},{"type":"string","optional":true,"field":"sequence"},{"type":"string","optional":false,"field":"schema"},{"type":"string","optional":false,"field":"table"},{"type":"int64","optional":true,"field":"txId"},{"type":"int64","optional":true,"field":"lsn"},{"type":"int64","optional":true,"field":"xmin"}"#;

/// Everything before the payload of a value.
pub(super) fn value_head(topic: &str, fields: &[String]) -> Vec<u8> {
    let row = fields.join(",");
    let row_name = quoted(&format!("{topic}.Value"));
    let envelope_name = quoted(&format!("{topic}.Envelope"));
    let image = |name: &str| {
        format!(
            r#"{{"type":"struct","fields":[{row}],"optional":true,"name":{row_name},"field":"{name}"}}"#
        )
    };
    let (before, after) = (image("before"), image("after"));
    format!(
        r#"{{"schema":{{"type":"struct","fields":[{before},{after},{{"type":"struct","fields":[{SOURCE_FIELDS}],"optional":false,"name":"io.debezium.connector.postgresql.Source","field":"source"}},{{"type":"string","optional":false,"field":"op"}},{{"type":"int64","optional":true,"field":"ts_ms"}},{{"type":"struct","fields":[{{"type":"string","optional":false,"field":"id"}},{{"type":"int64","optional":false,"field":"total_order"}},{{"type":"int64","optional":false,"field":"data_collection_order"}}],"optional":true,"name":"event.block","version":1,"field":"transaction"}}],"optional":false,"name":{envelope_name},"version":1}},"payload":"#
    )
    .into_bytes()
}

/// Everything before the payload of a key.
pub(super) fn key_head(topic: &str, fields: &[String], key: &[usize]) -> Vec<u8> {
    let fields: Vec<&str> =
        key.iter().filter_map(|index| fields.get(*index)).map(String::as_str).collect();
    let name = quoted(&format!("{topic}.Key"));
    let fields = fields.join(",");
    format!(
        r#"{{"schema":{{"type":"struct","fields":[{fields}],"optional":false,"name":{name}}},"payload":"#
    )
    .into_bytes()
}
