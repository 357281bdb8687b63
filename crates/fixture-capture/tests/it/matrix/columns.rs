//! The columns of the captured tables as a server's catalog has them: their names for the report, the
//! types that they declare, and those that they are written to.

use std::collections::BTreeMap;

use cdc_testkit::captures::About;
use debezium_envelope::{
    BinaryMode, CatalogKind, CatalogType, ConnectorModes, DecimalMode, Declarations, HstoreMode,
    IntervalMode, SemanticType, TimeMode,
};
use serde::Deserialize;

use super::Server;

/// A column of a captured table.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct SourceColumn {
    pub(super) table: String,
    pub(super) column: String,
    /// Its type in SQL.
    pub(super) sql: String,
    typmod: i32,
    name: String,
    kind: String,
    element: Option<String>,
    element_kind: Option<String>,
    base: Option<String>,
    base_kind: Option<String>,
    base_typmod: i32,
    base_sql: Option<String>,
    element_base_sql: Option<String>,
}

/// Types of extensions, and a type in the place of each that every server has.
const STAND_INS: [(&str, &str); 8] = [
    ("geometry", "bytea"),
    ("geography", "bytea"),
    ("vector", "real[]"),
    ("halfvec", "real[]"),
    ("sparsevec", "text"),
    // Of these only the text form is sent, as bytes.
    ("box2d", "bytea"),
    ("box3d", "bytea"),
    ("isbn", "text"),
];

impl SourceColumn {
    /// The type of the column that it is written to.
    pub(super) fn written_as(&self, server: Server) -> String {
        let name = self.element.as_ref().unwrap_or(&self.name);
        let stand_in = STAND_INS.iter().find(|(own, _)| own == name);
        match (server, stand_in) {
            (Server::Plain, Some((_, plain))) if self.element.is_some() => {
                format!("{}[]", plain.trim_end_matches("[]"))
            }
            (Server::Plain, Some((_, plain))) => (*plain).to_owned(),
            (Server::Plain, None) | (Server::Extended, _) => self.sql.clone(),
        }
    }

    /// What the report calls its type.
    pub(super) fn label(&self) -> String {
        match (self.kind.as_str(), self.element_kind.as_deref()) {
            ("e", _) => "enum".to_owned(),
            ("c", _) => "row type".to_owned(),
            ("d", _) => {
                format!("domain over {}", short(self.base_sql.as_deref().unwrap_or_default()))
            }
            (_, Some("e")) => "enum[]".to_owned(),
            (_, Some("d")) => {
                let base = self.element_base_sql.as_deref().unwrap_or_default();
                format!("(domain over {})[]", short(base))
            }
            _ => short(&self.sql),
        }
    }

    /// The type under which a connector with these options sends it.
    pub(super) fn semantic(&self, modes: &ConnectorModes) -> Option<SemanticType> {
        let named = |name, typmod| CatalogType { name, typmod, kind: CatalogKind::Named };
        let simple = |name, typmod, kind: &str| CatalogType {
            name,
            typmod,
            kind: match kind {
                "e" => CatalogKind::Enum,
                "b" | "r" => CatalogKind::Named,
                // The base of a domain over a domain does not matter to how it is sent.
                _ => CatalogKind::Other,
            },
        };
        let base = self.base.as_deref().map(|base| {
            simple(base, self.base_typmod, self.base_kind.as_deref().unwrap_or_default())
        });
        let nothing = named("", -1);
        let element = self.element.as_deref().map(|element| {
            let kind = self.element_kind.as_deref().unwrap_or_default();
            match kind {
                "d" => {
                    CatalogType { name: element, typmod: -1, kind: CatalogKind::Domain(&nothing) }
                }
                kind => simple(element, -1, kind),
            }
        });
        let column = match (&base, &element) {
            (Some(base), _) => CatalogType {
                name: &self.name,
                typmod: self.typmod,
                kind: CatalogKind::Domain(base),
            },
            (None, Some(element)) => CatalogType {
                name: &self.name,
                typmod: self.typmod,
                kind: CatalogKind::Array(element),
            },
            (None, None) => simple(&self.name, self.typmod, &self.kind),
        };
        SemanticType::of_catalog(&column, modes)
    }
}

/// A type's name as most people write it.
fn short(sql: &str) -> String {
    let name = sql.replace(" without time zone", "").replace("character varying", "varchar");
    let name = name.replace("character(", "char(");
    if !name.contains(" with time zone") {
        return name;
    }
    let name = name.replace(" with time zone", "");
    let zoned = |plain: &str, zoned: &str| Some(format!("{zoned}{}", name.strip_prefix(plain)?));
    zoned("timestamp", "timestamptz").or_else(|| zoned("time", "timetz")).unwrap_or(name)
}

/// The columns by table and name.
pub(super) type Columns = BTreeMap<(String, String), SourceColumn>;

pub(super) fn parse(lines: &str) -> Columns {
    let column = |line| -> SourceColumn { serde_json::from_str(line).unwrap() };
    let columns = lines.lines().map(column);
    columns.map(|column| ((column.table.clone(), column.column.clone()), column)).collect()
}

/// The options of a capture's connector.
pub(super) fn modes(about: &About) -> ConnectorModes {
    let option = |name: &str| about.options.get(name).map(String::as_str);
    let mut version = about.debezium.split('.').map(|part| part.parse().unwrap_or_default());
    ConnectorModes {
        version: (version.next().unwrap(), version.next().unwrap()),
        decimal: option("decimal.handling.mode")
            .map_or_else(DecimalMode::default, |mode| DecimalMode::parse(mode).unwrap()),
        time: option("time.precision.mode")
            .map_or_else(TimeMode::default, |mode| TimeMode::parse(mode).unwrap()),
        binary: option("binary.handling.mode")
            .map_or_else(BinaryMode::default, |mode| BinaryMode::parse(mode).unwrap()),
        interval: option("interval.handling.mode")
            .map_or_else(IntervalMode::default, |mode| IntervalMode::parse(mode).unwrap()),
        hstore: option("hstore.handling.mode")
            .map_or_else(HstoreMode::default, |mode| HstoreMode::parse(mode).unwrap()),
        unknown_types: option("include.unknown.datatypes") == Some("true"),
        ..ConnectorModes::default()
    }
}

/// What the catalog lets declare about the tables of a capture.
pub(super) fn declarations(columns: &Columns, about: &About) -> Declarations {
    let modes = modes(about);
    let mut declarations = Declarations::none();
    for column in columns.values().filter(|column| about.tables.contains(&column.table)) {
        if let Some(semantic) = column.semantic(&modes) {
            declarations.declare(&column.table, &column.column, semantic);
        }
    }
    declarations
}

/// Whether the connector is configured to send the column at all.
pub(super) fn is_included(about: &About, column: &str) -> bool {
    let Some(list) = about.options.get("column.include.list") else { return true };
    let list = list.strip_prefix(r".*\.(").and_then(|list| list.strip_suffix(')')).unwrap();
    list.split('|').any(|wanted| match wanted.strip_suffix(".*") {
        Some(prefix) => column.starts_with(prefix),
        None => column == wanted,
    })
}
