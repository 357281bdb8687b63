//! The schema block's text, in the member order of Kafka's converter.

use std::fmt::Write as _;

use super::EncodeError;
use super::json::put_string;
use crate::row::{Column, IntervalForm, RowShape, SemanticType, StructuredType, TimeUnit};

fn quoted(text: &str) -> String {
    let mut out = Vec::new();
    put_string(&mut out, text);
    String::from_utf8(out).unwrap_or_default()
}

/// A Connect type as the converter writes it.
struct Connect {
    kind: &'static str,
    /// Members between the type and whether it is optional, each with its comma: what an array, a map
    /// or a struct is made of.
    inside: String,
    /// Name and version.
    name: Option<(&'static str, u8)>,
    doc: Option<&'static str>,
    /// JSON text of the parameters' members.
    parameters: String,
}

impl Connect {
    fn plain(kind: &'static str) -> Self {
        Self { kind, inside: String::new(), name: None, doc: None, parameters: String::new() }
    }

    fn named(kind: &'static str, name: &'static str) -> Self {
        Self { name: Some((name, 1)), ..Self::plain(kind) }
    }

    /// A struct with these members: their names, types and whether they are optional.
    fn record(name: &'static str, members: &[(&str, &str, Presence)]) -> Self {
        let member = |(field, kind, presence): &(&str, &str, Presence)| {
            let optional = *presence == Presence::Optional;
            format!(r#"{{"type":"{kind}","optional":{optional},"field":"{field}"}}"#)
        };
        let members: Vec<String> = members.iter().map(member).collect();
        let inside = format!(r#""fields":[{}],"#, members.join(","));
        Self { inside, ..Self::named("struct", name) }
    }

    fn of(semantic: &SemanticType) -> Option<Self> {
        Some(match semantic {
            SemanticType::Boolean => Self::plain("boolean"),
            SemanticType::Int16 => Self::plain("int16"),
            SemanticType::Int32 => Self::plain("int32"),
            SemanticType::Int64 => Self::plain("int64"),
            SemanticType::Float32 => Self::plain("float"),
            SemanticType::Float64 => Self::plain("double"),
            SemanticType::Text | SemanticType::EncodedBytes(_) => Self::plain("string"),
            SemanticType::Bytes => Self::plain("bytes"),
            SemanticType::Uuid => Self::named("string", "io.debezium.data.Uuid"),
            SemanticType::Json => Self::named("string", "io.debezium.data.Json"),
            SemanticType::Xml => Self::named("string", "io.debezium.data.Xml"),
            SemanticType::Ltree => Self::named("string", "io.debezium.data.Ltree"),
            SemanticType::Tsvector => Self::named("string", "io.debezium.data.Tsvector"),
            SemanticType::Year => Self::named("int32", "io.debezium.time.Year"),
            SemanticType::Enum { allowed } => Self::labels("io.debezium.data.Enum", allowed),
            SemanticType::EnumSet { allowed } => Self::labels("io.debezium.data.EnumSet", allowed),
            SemanticType::Bits { length } => Self::bits(*length, ""),
            SemanticType::VarBits { length } => Self::bits(
                length.unwrap_or(UNBOUNDED),
                r#","__debezium.source.column.type":"VARBIT""#,
            ),
            SemanticType::Decimal { precision, scale } => {
                let mut parameters = format!("\"scale\":\"{scale}\"");
                if let Some(precision) = precision {
                    write!(parameters, ",\"connect.decimal.precision\":\"{precision}\"").ok()?;
                }
                Self { parameters, ..Self::named("bytes", "org.apache.kafka.connect.data.Decimal") }
            }
            SemanticType::VariableDecimal => {
                let members = [
                    ("scale", "int32", Presence::Required),
                    ("value", "bytes", Presence::Required),
                ];
                let own = Self::record("io.debezium.data.VariableScaleDecimal", &members);
                Self { doc: Some("Variable scaled decimal"), ..own }
            }
            SemanticType::Date
            | SemanticType::IsoDate
            | SemanticType::Time(_)
            | SemanticType::IsoTime
            | SemanticType::ZonedTime
            | SemanticType::Timestamp(_)
            | SemanticType::IsoTimestamp
            | SemanticType::ZonedTimestamp
            | SemanticType::Interval(_) => Self::temporal(semantic)?,
            SemanticType::Structured(kind) => Self::structured(*kind),
            SemanticType::Array { .. }
            | SemanticType::Map { .. }
            | SemanticType::Vector
            | SemanticType::HalfVector
            | SemanticType::SparseVector
            | SemanticType::Point
            | SemanticType::Geometry
            | SemanticType::Geography
            | SemanticType::Circle
            | SemanticType::Line => Self::nested(semantic)?,
            SemanticType::SelfEvident | SemanticType::Unsupported { .. } => return None,
        })
    }

    /// A comma or a backslash inside a label is escaped, as later versions do.
    fn labels(name: &'static str, allowed: &[String]) -> Self {
        if allowed.is_empty() {
            return Self::named("string", name);
        }
        let escape = |label: &String| label.replace('\\', "\\\\").replace(',', "\\,");
        let labels: Vec<String> = allowed.iter().map(escape).collect();
        let parameters = format!("\"allowed\":{}", quoted(&labels.join(",")));
        Self { parameters, ..Self::named("string", name) }
    }

    fn bits(length: u32, source: &str) -> Self {
        let parameters = format!("\"length\":\"{length}\"{source}");
        Self { parameters, ..Self::named("bytes", "io.debezium.data.Bits") }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the caller names every type and hands over those of this family"
    )]
    fn temporal(semantic: &SemanticType) -> Option<Self> {
        let (kind, name) = match semantic {
            SemanticType::Date => ("int32", "io.debezium.time.Date"),
            SemanticType::IsoDate => ("string", "io.debezium.time.IsoDate"),
            SemanticType::Time(TimeUnit::Millis) => ("int32", "io.debezium.time.Time"),
            SemanticType::Time(TimeUnit::Micros) => ("int64", "io.debezium.time.MicroTime"),
            SemanticType::Time(TimeUnit::Nanos) => ("int64", "io.debezium.time.NanoTime"),
            SemanticType::IsoTime => ("string", "io.debezium.time.IsoTime"),
            SemanticType::ZonedTime => ("string", "io.debezium.time.ZonedTime"),
            SemanticType::Timestamp(TimeUnit::Millis) => ("int64", "io.debezium.time.Timestamp"),
            SemanticType::Timestamp(TimeUnit::Micros) => {
                ("int64", "io.debezium.time.MicroTimestamp")
            }
            SemanticType::Timestamp(TimeUnit::Nanos) => ("int64", "io.debezium.time.NanoTimestamp"),
            SemanticType::IsoTimestamp => ("string", "io.debezium.time.IsoTimestamp"),
            SemanticType::ZonedTimestamp => ("string", "io.debezium.time.ZonedTimestamp"),
            SemanticType::Interval(IntervalForm::Micros) => {
                ("int64", "io.debezium.time.MicroDuration")
            }
            SemanticType::Interval(IntervalForm::Nanos) => {
                ("int64", "io.debezium.time.NanoDuration")
            }
            SemanticType::Interval(IntervalForm::Iso) => ("string", "io.debezium.time.Interval"),
            _ => return None,
        };
        Some(Self::named(kind, name))
    }

    fn structured(kind: StructuredType) -> Self {
        let optional = |members: &[(&'static str, &'static str)]| -> Vec<_> {
            members.iter().map(|(field, kind)| (*field, *kind, Presence::Optional)).collect()
        };
        let date = [("year", "int32"), ("month", "int8"), ("day", "int8")];
        let time = [("hour", "int8"), ("minute", "int8"), ("second", "int8"), ("nanos", "int32")];
        let offset = [("offsetSeconds", "int32")];
        let special = [("specialValue", "string")];
        let span = [
            ("years", "int32"),
            ("months", "int32"),
            ("days", "int32"),
            ("hours", "int32"),
            ("minutes", "int32"),
            ("seconds", "int64"),
            ("nanos", "int32"),
        ];
        let (name, members): (_, &[&[_]]) = match kind {
            StructuredType::Date => ("io.debezium.time.StructuredDate", &[&date, &special]),
            StructuredType::Time => ("io.debezium.time.StructuredTime", &[&time]),
            StructuredType::Timestamp => {
                ("io.debezium.time.StructuredTimestamp", &[&date, &time, &special])
            }
            StructuredType::ZonedTime => {
                ("io.debezium.time.StructuredZonedTime", &[&time, &offset])
            }
            StructuredType::ZonedTimestamp => {
                ("io.debezium.time.StructuredZonedTimestamp", &[&date, &time, &offset, &special])
            }
            StructuredType::Interval => ("io.debezium.time.StructuredDuration", &[&span]),
        };
        Self::record(name, &optional(&members.concat()))
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the caller names every type and hands over those of this family"
    )]
    fn nested(semantic: &SemanticType) -> Option<Self> {
        let array = |element: &SemanticType| {
            let items = Self::of(element)?.close(Presence::Optional, None);
            Some(Self { inside: format!(r#""items":{items},"#), ..Self::plain("array") })
        };
        Some(match semantic {
            SemanticType::Array { element } => array(element)?,
            SemanticType::Vector => {
                let name = Some(("io.debezium.data.DoubleVector", 1));
                Self { name, ..array(&SemanticType::Float64)? }
            }
            SemanticType::HalfVector => {
                let name = Some(("io.debezium.data.FloatVector", 1));
                Self { name, ..array(&SemanticType::Float32)? }
            }
            SemanticType::Map { key, value } => {
                let keys = Self::of(key)?.close(Presence::Required, None);
                let values = Self::of(value)?.close(Presence::Optional, None);
                let inside = format!(r#""keys":{keys},"values":{values},"#);
                Self { inside, ..Self::plain("map") }
            }
            SemanticType::SparseVector => {
                let inside = r#""fields":[{"type":"int16","optional":false,"field":"dimensions"},{"type":"map","keys":{"type":"int16","optional":false},"values":{"type":"double","optional":false},"optional":false,"field":"vector"}],"#;
                let own = Self::named("struct", "io.debezium.data.SparseDoubleVector");
                Self { inside: inside.to_owned(), ..own }
            }
            SemanticType::Point => {
                let members = [
                    ("x", "double", Presence::Required),
                    ("y", "double", Presence::Required),
                    ("wkb", "bytes", Presence::Optional),
                    ("srid", "int32", Presence::Optional),
                ];
                let own = Self::record("io.debezium.data.geometry.Point", &members);
                Self { doc: Some("Geometry (POINT)"), ..own }
            }
            SemanticType::Geometry => {
                let inside = r#""fields":[{"type":"bytes","optional":false,"field":"wkb"},{"type":"int32","optional":true,"field":"srid"},{"type":"map","keys":{"type":"string","optional":false},"values":{"type":"string","optional":true},"optional":true,"field":"extensions"}],"#;
                let name = Some(("io.debezium.data.geometry.Geometry", 2));
                Self { inside: inside.to_owned(), name, ..Self::plain("struct") }
            }
            SemanticType::Geography => {
                let members =
                    [("wkb", "bytes", Presence::Required), ("srid", "int32", Presence::Optional)];
                Self::record("io.debezium.data.geometry.Geography", &members)
            }
            SemanticType::Circle => {
                let center = Self::nested(&SemanticType::Point)?;
                let center = center.close(Presence::Required, Some("center"));
                let inside = format!(
                    r#""fields":[{center},{{"type":"double","optional":false,"field":"radius"}}],"#
                );
                Self { inside, ..Self::named("struct", "io.debezium.data.geometry.Circle") }
            }
            SemanticType::Line => {
                let members = ["a", "b", "c"].map(|name| (name, "double", Presence::Required));
                Self::record("io.debezium.data.geometry.Line", &members)
            }
            _ => return None,
        })
    }

    /// The schema's text, for a member of a struct with its field name.
    fn close(&self, presence: Presence, field: Option<&str>) -> String {
        let Self { kind, inside, .. } = self;
        let optional = presence == Presence::Optional;
        let mut text = format!(r#"{{"type":"{kind}",{inside}"optional":{optional}"#);
        if let Some((name, version)) = self.name {
            write!(text, r#","name":"{name}","version":{version}"#).expect(INFALLIBLE);
        }
        if let Some(doc) = self.doc {
            write!(text, r#","doc":"{doc}""#).expect(INFALLIBLE);
        }
        if !self.parameters.is_empty() {
            write!(text, r#","parameters":{{{}}}"#, self.parameters).expect(INFALLIBLE);
        }
        if let Some(field) = field {
            write!(text, r#","field":{}"#, quoted(field)).expect(INFALLIBLE);
        }
        text.push('}');
        text
    }
}

const INFALLIBLE: &str = "writing to a String cannot fail";

/// Whether a value may be null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    Optional,
    Required,
}

/// The length that the connector gives a bit string without one.
const UNBOUNDED: u32 = 2_147_483_647;

/// The schema of each column as a struct member.
pub(super) fn fields(shape: &RowShape, key: &[usize]) -> Result<Vec<String>, EncodeError> {
    let field = |(index, column): (usize, &Column)| {
        let connect =
            Connect::of(&column.semantic).ok_or_else(|| EncodeError::UnsupportedType {
                column: (&*column.name).into(),
                semantic: column.semantic.to_string().into(),
            })?;
        let presence = if key.contains(&index) { Presence::Required } else { Presence::Optional };
        Ok(connect.close(presence, Some(&column.name)))
    };
    shape.columns().iter().enumerate().map(field).collect()
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
