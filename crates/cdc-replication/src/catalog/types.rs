//! The types of columns with all that they are made of.

use std::collections::BTreeMap;

use cdc_core::{CatalogKind, CatalogType, ConnectorModes, SemanticType};
use serde::Deserialize;

/// A row of `pg_type`.
#[derive(Deserialize)]
pub(super) struct TypeRow {
    oid: u32,
    name: String,
    form: Form,
    /// What a domain is over, or an array's element.
    inner_oid: u32,
    /// The modifier that a domain fixes.
    inner_typmod: i32,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Form {
    Named,
    Enum,
    Domain,
    Array,
    Other,
}

/// More domains over one another than this are taken for a type of unknown form.
const LEVELS_MAX: u32 = 32;

/// The types that columns need, by their number.
pub(super) struct Types(BTreeMap<u32, TypeRow>);

impl Types {
    pub(super) fn new(rows: Vec<TypeRow>) -> Self {
        Self(rows.into_iter().map(|row| (row.oid, row)).collect())
    }

    /// What values of a column of this type mean; `None` when a connector with these options leaves it
    /// out.
    pub(super) fn semantic(
        &self,
        oid: u32,
        typmod: i32,
        modes: &ConnectorModes,
    ) -> Option<SemanticType> {
        let mut semantic = None;
        self.lend(oid, typmod, LEVELS_MAX, &mut |column| {
            semantic = SemanticType::of_catalog(column, modes);
        });
        semantic
    }

    /// Lends a type in the form of its parts, which live as long as the call. A domain's modifier belongs
    /// to what it is over, an array's to its element.
    fn lend(&self, oid: u32, typmod: i32, levels: u32, look: &mut dyn FnMut(&CatalogType<'_>)) {
        let (Some(row), Some(deeper)) = (self.0.get(&oid), levels.checked_sub(1)) else {
            // A type that was dropped meanwhile.
            return look(&CatalogType { name: "", typmod, kind: CatalogKind::Other });
        };
        let name = &*row.name;
        match row.form {
            Form::Named => look(&CatalogType { name, typmod, kind: CatalogKind::Named }),
            Form::Enum => look(&CatalogType { name, typmod, kind: CatalogKind::Enum }),
            Form::Other => look(&CatalogType { name, typmod, kind: CatalogKind::Other }),
            Form::Domain => self.lend(row.inner_oid, row.inner_typmod, deeper, &mut |base| {
                look(&CatalogType { name, typmod, kind: CatalogKind::Domain(base) });
            }),
            Form::Array => self.lend(row.inner_oid, typmod, deeper, &mut |element| {
                look(&CatalogType { name, typmod, kind: CatalogKind::Array(element) });
            }),
        }
    }
}
