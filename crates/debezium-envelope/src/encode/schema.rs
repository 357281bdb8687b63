//! The schema block's text, in the member order of Kafka's converter.

use std::fmt::Write as _;

use super::cell;
use super::json::put_string;
use super::options::{EncoderOptions, Release, TimeNames};
use super::{EncodeError, unrepresentable};
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

    fn of(semantic: &SemanticType, wire: Wire) -> Option<Self> {
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
            SemanticType::Bits { length } => Self::bits(*length),
            SemanticType::VarBits { length } => Self::bits(length.unwrap_or(UNBOUNDED)),
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
            | SemanticType::Interval(_) => Self::temporal(semantic, wire.time_names)?,
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
            | SemanticType::Line => Self::nested(semantic, wire)?,
            SemanticType::SelfEvident | SemanticType::Unsupported { .. } => return None,
        })
    }

    /// A comma inside a label looks like one between two.
    fn labels(name: &'static str, allowed: &[String]) -> Self {
        if allowed.is_empty() {
            return Self::named("string", name);
        }
        let parameters = format!("\"allowed\":{}", quoted(&allowed.join(",")));
        Self { parameters, ..Self::named("string", name) }
    }

    fn bits(length: u32) -> Self {
        let parameters = format!("\"length\":\"{length}\"");
        Self { parameters, ..Self::named("bytes", "io.debezium.data.Bits") }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the caller names every type and hands over those of this family"
    )]
    fn temporal(semantic: &SemanticType, names: TimeNames) -> Option<Self> {
        let (kind, name) = match semantic {
            SemanticType::Date if names == TimeNames::Connect => {
                ("int32", "org.apache.kafka.connect.data.Date")
            }
            SemanticType::Time(TimeUnit::Millis) if names == TimeNames::Connect => {
                ("int32", "org.apache.kafka.connect.data.Time")
            }
            SemanticType::Timestamp(TimeUnit::Millis) if names == TimeNames::Connect => {
                ("int64", "org.apache.kafka.connect.data.Timestamp")
            }
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
        let zone = [("zoneId", "string")];
        let special = [("specialValue", "string")];
        let precision = [("precision", "int32")];
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
            StructuredType::Time => ("io.debezium.time.StructuredTime", &[&time, &precision]),
            StructuredType::Timestamp => {
                ("io.debezium.time.StructuredTimestamp", &[&date, &time, &special, &precision])
            }
            StructuredType::ZonedTime => {
                ("io.debezium.time.StructuredZonedTime", &[&time, &offset, &precision])
            }
            StructuredType::ZonedTimestamp => (
                "io.debezium.time.StructuredZonedTimestamp",
                &[&date, &time, &offset, &zone, &special, &precision],
            ),
            StructuredType::Interval => {
                ("io.debezium.time.StructuredDuration", &[&span, &precision])
            }
        };
        Self::record(name, &optional(&members.concat()))
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the caller names every type and hands over those of this family"
    )]
    fn nested(semantic: &SemanticType, wire: Wire) -> Option<Self> {
        let array = |element: &SemanticType, presence| {
            let items = Self::of(element, wire)?.close(presence, None, None);
            Some(Self { inside: format!(r#""items":{items},"#), ..Self::plain("array") })
        };
        Some(match semantic {
            SemanticType::Array { element } => {
                // The connector says so of enums, although their arrays may hold NULL.
                let is_enum = matches!(**element, SemanticType::Enum { .. });
                array(element, if is_enum { Presence::Required } else { wire.elements })?
            }
            SemanticType::Vector => {
                let name = Some(("io.debezium.data.DoubleVector", 1));
                Self { name, ..array(&SemanticType::Float64, Presence::Required)? }
            }
            SemanticType::HalfVector => {
                let name = Some(("io.debezium.data.FloatVector", 1));
                Self { name, ..array(&SemanticType::Float32, Presence::Required)? }
            }
            SemanticType::Map { key, value } => {
                let keys = Self::of(key, wire)?.close(Presence::Required, None, None);
                let values = Self::of(value, wire)?.close(Presence::Optional, None, None);
                let inside = format!(r#""keys":{keys},"values":{values},"#);
                Self { inside, ..Self::plain("map") }
            }
            SemanticType::SparseVector => {
                let inside = r#""fields":[{"type":"int16","optional":false,"field":"dimensions"},{"type":"map","keys":{"type":"int16","optional":false},"values":{"type":"double","optional":false},"optional":false,"field":"vector"}],"#;
                let own = Self::named("struct", "io.debezium.data.SparseDoubleVector");
                Self { inside: inside.to_owned(), doc: Some("Sparse double vector"), ..own }
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
            SemanticType::Geometry => Self::geometry(wire.release),
            SemanticType::Geography => Self {
                doc: Some("Geography"),
                ..Self::record("io.debezium.data.geometry.Geography", &SHAPE_MEMBERS)
            },
            SemanticType::Circle => {
                let center = Self::nested(&SemanticType::Point, wire)?;
                let center = center.close(Presence::Required, None, Some("center"));
                let inside = format!(
                    r#""fields":[{center},{{"type":"double","optional":false,"field":"radius"}}],"#
                );
                let own = Self::named("struct", "io.debezium.data.geometry.Circle");
                Self { inside, doc: Some("Geometry (CIRCLE)"), ..own }
            }
            SemanticType::Line => {
                let members = ["a", "b", "c"].map(|name| (name, "double", Presence::Required));
                let own = Self::record("io.debezium.data.geometry.Line", &members);
                Self { doc: Some("Geometry (LINE)"), ..own }
            }
            _ => return None,
        })
    }

    /// The extensions came with 3.7, for PostgreSQL's own shapes.
    fn geometry(release: Release) -> Self {
        let own = Self::record("io.debezium.data.geometry.Geometry", &SHAPE_MEMBERS);
        let own = Self { doc: Some("Geometry"), ..own };
        if release < Release::V3_7 {
            return own;
        }
        let extensions = r#",{"type":"map","keys":{"type":"string","optional":false},"values":{"type":"string","optional":false},"optional":true,"field":"extensions"}],"#;
        let inside = own.inside.replace("],", extensions);
        Self { inside, name: own.name.map(|(name, _)| (name, 2)), ..own }
    }

    /// The schema's text: with a default's JSON text, and for a member of a struct with its field name.
    fn close(&self, presence: Presence, default: Option<&str>, field: Option<&str>) -> String {
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
        if let Some(default) = default {
            write!(text, r#","default":{default}"#).expect(INFALLIBLE);
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

/// What a column's schema depends on besides its type.
#[derive(Debug, Clone, Copy)]
struct Wire {
    release: Release,
    time_names: TimeNames,
    /// Whether elements of an array may be null.
    elements: Presence,
}

const SHAPE_MEMBERS: [(&str, &str, Presence); 2] =
    [("wkb", "bytes", Presence::Required), ("srid", "int32", Presence::Optional)];

/// The length that the connector gives a bit string without one.
const UNBOUNDED: u32 = 2_147_483_647;

/// The schema of each column as a struct member.
pub(super) fn fields(
    shape: &RowShape,
    key: &[usize],
    options: &EncoderOptions,
) -> Result<Vec<String>, EncodeError> {
    let field = |(index, column): (usize, &Column)| {
        let own = options.column(&column.name);
        let elements = if own.required_elements { Presence::Required } else { Presence::Optional };
        let EncoderOptions { release, time_names, .. } = *options;
        let connect = Connect::of(&column.semantic, Wire { release, time_names, elements })
            .ok_or_else(|| EncodeError::UnsupportedType {
                column: (&*column.name).into(),
                semantic: column.semantic.to_string().into(),
            })?;
        let is_required = shape.is_required(index) || key.contains(&index);
        let presence = if is_required { Presence::Required } else { Presence::Optional };
        let default = shape.default_of(index).map(|default| {
            let form = super::form(column, options);
            let mut text = Vec::new();
            let text = cell::put(&mut text, &column.semantic, default, form).map(|()| text);
            let text = text.and_then(|text| String::from_utf8(text).ok());
            text.ok_or_else(|| unrepresentable(column))
        });
        let default = default.transpose()?;
        Ok(connect.close(presence, default.as_deref(), Some(&column.name)))
    };
    shape.columns().iter().enumerate().map(field).collect()
}

/// A member of a frame's struct, with its comma.
fn number(name: &str, presence: Presence) -> String {
    let optional = presence == Presence::Optional;
    format!(r#",{{"type":"int64","optional":{optional},"field":"{name}"}}"#)
}

fn numbers(names: &[&str]) -> String {
    names.iter().map(|name| number(name, Presence::Optional)).collect()
}

fn text(name: &str, presence: Presence) -> String {
    let optional = presence == Presence::Optional;
    format!(r#",{{"type":"string","optional":{optional},"field":"{name}"}}"#)
}

/// The schema of the source block, with its comma.
pub(super) fn source(release: Release) -> String {
    let markers = match release {
        Release::V2_4 => "true,last,false,incremental",
        Release::V3_4 | Release::V3_7 => {
            "true,first,first_in_data_collection,last_in_data_collection,last,false,incremental"
        }
    };
    let required = |names: &[&str]| -> String {
        names.iter().map(|name| text(name, Presence::Required)).collect()
    };
    let mut fields = required(&["version", "connector", "name"]);
    fields.push_str(&number("ts_ms", Presence::Required));
    write!(
        fields,
        r#",{{"type":"string","optional":true,"name":"io.debezium.data.Enum","version":1,"parameters":{{"allowed":"{markers}"}},"default":"false","field":"snapshot"}}"#
    )
    .expect(INFALLIBLE);
    fields.push_str(&text("db", Presence::Required));
    fields.push_str(&text("sequence", Presence::Optional));
    if release > Release::V2_4 {
        fields.push_str(&numbers(&["ts_us", "ts_ns"]));
    }
    fields.push_str(&required(&["schema", "table"]));
    fields.push_str(&numbers(&["txId", "lsn", "xmin"]));
    if release > Release::V3_4 {
        fields.push_str(&text("origin", Presence::Optional));
        fields.push_str(&numbers(&["origin_lsn"]));
    }
    let fields = fields.trim_start_matches(',');
    let version = if release > Release::V2_4 { r#","version":1"# } else { "" };
    format!(
        r#",{{"type":"struct","fields":[{fields}],"optional":false,"name":"io.debezium.connector.postgresql.Source"{version},"field":"source"}}"#
    )
}

/// The schema of the transaction block, with its comma.
pub(super) const TRANSACTION: &str = r#",{"type":"struct","fields":[{"type":"string","optional":false,"field":"id"},{"type":"int64","optional":false,"field":"total_order"},{"type":"int64","optional":false,"field":"data_collection_order"}],"optional":true,"name":"event.block","version":1,"field":"transaction"}"#;

/// Everything before the payload of a value.
pub(super) fn value_head(topic: &str, fields: &[String], release: Release) -> Vec<u8> {
    let row = fields.join(",");
    let row_name = quoted(&format!("{topic}.Value"));
    let name = quoted(&format!("{topic}.Envelope"));
    let image = |name: &str| {
        format!(
            r#"{{"type":"struct","fields":[{row}],"optional":true,"name":{row_name},"field":"{name}"}}"#
        )
    };
    let (before, after, source) = (image("before"), image("after"), source(release));
    let op = text("op", Presence::Required);
    let (rest, version) = match release {
        Release::V2_4 => (format!("{op}{}{TRANSACTION}", numbers(&["ts_ms"])), 1),
        Release::V3_4 | Release::V3_7 => {
            (format!("{TRANSACTION}{op}{}", numbers(&["ts_ms", "ts_us", "ts_ns"])), 2)
        }
    };
    format!(
        r#"{{"schema":{{"type":"struct","fields":[{before},{after}{source}{rest}],"optional":false,"name":{name},"version":{version}}},"payload":"#
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
