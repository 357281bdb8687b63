//! How a column and its counterpart become texts that are equal exactly when their values are.
//!
//! A row is written by the output functions of its types, under pinned settings. Equal values of one
//! type have equal texts with few exceptions; those, and pairs of different types that the pipeline
//! writes, are turned into a common type first. A pair for which neither holds is not compared.

use crate::catalog::TargetColumn;

/// What is written of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rendering {
    /// The value itself.
    Plain,
    /// A number without the zeros that its scale adds.
    Number,
    /// A number of which text is no sure way back, because `lc_monetary` decides on it.
    Money,
    /// A 64-bit float.
    Double,
    /// Text without the blanks that `character(n)` adds.
    Unpadded,
    /// A time of day, moved to UTC: that is how it travels.
    TimeInUtc,
    /// A document without white space and repeated keys, as `jsonb` keeps it.
    Document,
    /// A bit as a number.
    Flag,
}

impl Rendering {
    /// What to write of two columns; `None` when their types have no common form.
    pub(super) fn of(source: &TargetColumn, target: &TargetColumn) -> Option<Self> {
        match (source.element, target.element) {
            (None, None) => scalar(source, target),
            (Some(ours), Some(theirs)) => {
                let (ours, theirs) = (ours.base_oid, theirs.base_oid);
                let alike = ours == theirs && ours != TIMETZ && ours != MONEY;
                let alike = alike && source.type_name == target.type_name;
                let alike = alike || is_integer(ours) && is_integer(theirs);
                let text = |oid| is_text(oid) && oid != BPCHAR;
                (alike || text(ours) && text(theirs) || same_extension(source, target))
                    .then_some(Self::Plain)
            }
            (None, Some(_)) | (Some(_), None) => None,
        }
    }

    /// An expression over an already quoted column.
    pub(super) fn sql(self, column: &str) -> String {
        match self {
            Self::Plain => column.to_owned(),
            Self::Number | Self::Money => format!("pg_catalog.trim_scale({column}::numeric)"),
            Self::Double => format!("{column}::float8"),
            Self::Unpadded => format!("pg_catalog.rtrim({column}::text)"),
            Self::TimeInUtc => format!("({column} AT TIME ZONE 'UTC')"),
            Self::Document => format!("{column}::jsonb"),
            Self::Flag => format!("{column}::int4"),
        }
    }

    /// Whether the written text, cast to the column's own type, finds the row again.
    pub(super) fn can_be_cast_back(self) -> bool {
        match self {
            Self::Plain | Self::Number | Self::Double => true,
            Self::Money | Self::Unpadded | Self::TimeInUtc | Self::Document | Self::Flag => false,
        }
    }
}

fn scalar(source: &TargetColumn, target: &TargetColumn) -> Option<Rendering> {
    let (ours, theirs) = (source.type_oid, target.type_oid);
    let either = |oid: u32| ours == oid || theirs == oid;
    let both = |kind: fn(u32) -> bool| kind(ours) && kind(theirs);
    if both(is_integer) {
        return Some(Rendering::Plain);
    }
    if both(is_number) {
        return Some(if either(MONEY) { Rendering::Money } else { Rendering::Number });
    }
    if both(is_float) {
        return Some(if ours == theirs { Rendering::Plain } else { Rendering::Double });
    }
    if both(|oid| oid == TIMETZ) {
        return Some(Rendering::TimeInUtc);
    }
    if both(|oid| oid == JSON || oid == JSONB) {
        return Some(if ours == theirs { Rendering::Plain } else { Rendering::Document });
    }
    if both(|oid| oid == BOOL || oid == BIT) && ours != theirs {
        return Some(Rendering::Flag);
    }
    if both(|oid| oid == BIT || oid == VARBIT) {
        return Some(Rendering::Plain);
    }
    let written = |column: &TargetColumn| {
        is_text(column.type_oid) || TEXT_FORMS.contains(&column.type_oid) || column.labels.is_some()
    };
    let one_is_text = is_text(ours) || is_text(theirs);
    let ltree = |column: &TargetColumn| column.extension.as_deref() == Some("ltree.ltree");
    if one_is_text && (written(source) || ltree(source)) && (written(target) || ltree(target)) {
        return Some(if either(BPCHAR) { Rendering::Unpadded } else { Rendering::Plain });
    }
    let enums = source.labels.is_some() && target.labels.is_some();
    let builtin = ours == theirs && ours < FIRST_OWN;
    // Own types have numbers of their own in every database.
    let own = source.type_name == target.type_name && ours >= FIRST_OWN && theirs >= FIRST_OWN;
    (builtin || enums || own || same_extension(source, target)).then_some(Rendering::Plain)
}

fn same_extension(source: &TargetColumn, target: &TargetColumn) -> bool {
    source.extension.is_some() && source.extension == target.extension
}

fn is_integer(oid: u32) -> bool {
    matches!(oid, INT2 | INT4 | INT8 | OID)
}

fn is_number(oid: u32) -> bool {
    is_integer(oid) || matches!(oid, NUMERIC | MONEY)
}

fn is_float(oid: u32) -> bool {
    matches!(oid, FLOAT4 | FLOAT8)
}

fn is_text(oid: u32) -> bool {
    matches!(oid, TEXT | VARCHAR | BPCHAR | NAME | CHAR)
}

/// Types whose text form may stand in a column of text, or the reverse: `numeric`, `json`, `jsonb`,
/// `xml`, `uuid`, `inet`, `cidr`, `macaddr`, `macaddr8`, `pg_lsn`, `tsvector`, `circle`, `line`, ranges.
const TEXT_FORMS: &[u32] = &[
    NUMERIC, JSON, JSONB, 142, 2950, 869, 650, 829, 774, 3220, 3614, 718, 628, 3904, 3906, 3908,
    3910, 3912, 3926,
];

/// Numbers from here on are given by each database.
const FIRST_OWN: u32 = 16_384;

// Type numbers are fixed in PostgreSQL's catalog.
const BOOL: u32 = 16;
const CHAR: u32 = 18;
const NAME: u32 = 19;
const INT8: u32 = 20;
const INT2: u32 = 21;
const INT4: u32 = 23;
const TEXT: u32 = 25;
const OID: u32 = 26;
const JSON: u32 = 114;
const FLOAT4: u32 = 700;
const FLOAT8: u32 = 701;
const MONEY: u32 = 790;
const BPCHAR: u32 = 1042;
const VARCHAR: u32 = 1043;
const TIMETZ: u32 = 1266;
const BIT: u32 = 1560;
const VARBIT: u32 = 1562;
const NUMERIC: u32 = 1700;
const JSONB: u32 = 3802;
