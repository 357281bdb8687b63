//! The column types that can be written, read from the catalog's numbers.

use super::{CellEncoder, NumericBound};
use crate::catalog::TargetColumn;

/// A target type together with what its modifier says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TargetType {
    Bool,
    Int2,
    Int4,
    Int8,
    Float4,
    Float8,
    Numeric(Option<NumericBound>),
    Text,
    Varchar { chars_max: Option<u32> },
    Char { chars_max: Option<u32> },
    Enum,
    Json,
    Jsonb,
    Uuid,
    Bytea,
    Date,
    Time { step: u32 },
    Timestamp { step: u32 },
    Timestamptz { step: u32 },
}

/// A modifier that counts characters or digits includes the four bytes of a length word.
const MODIFIER_OFFSET: i32 = 4;

impl TargetType {
    /// The type of a column; `None` for one that this sink does not write.
    pub(super) fn of(column: &TargetColumn) -> Option<Self> {
        if column.labels.is_some() {
            return Some(Self::Enum);
        }
        let modifier = column.type_mod;
        // The numbers are fixed in PostgreSQL's `pg_type.dat` and never change.
        Some(match column.type_oid {
            16 => Self::Bool,
            17 => Self::Bytea,
            20 => Self::Int8,
            21 => Self::Int2,
            23 => Self::Int4,
            25 => Self::Text,
            114 => Self::Json,
            700 => Self::Float4,
            701 => Self::Float8,
            1042 => Self::Char { chars_max: chars_max(modifier) },
            1043 => Self::Varchar { chars_max: chars_max(modifier) },
            1082 => Self::Date,
            1083 => Self::Time { step: step(modifier) },
            1114 => Self::Timestamp { step: step(modifier) },
            1184 => Self::Timestamptz { step: step(modifier) },
            1700 => Self::Numeric(bound(modifier)),
            2950 => Self::Uuid,
            3802 => Self::Jsonb,
            _ => return None,
        })
    }

    /// How cells of this type are encoded.
    pub(super) fn encoder(self) -> CellEncoder {
        match self {
            Self::Bool => CellEncoder::Bool,
            Self::Int2 => CellEncoder::Int2,
            Self::Int4 => CellEncoder::Int4,
            Self::Int8 => CellEncoder::Int8,
            Self::Float4 => CellEncoder::Float4,
            Self::Float8 => CellEncoder::Float8,
            Self::Numeric(bound) => CellEncoder::Numeric(bound),
            Self::Text | Self::Json | Self::Enum => CellEncoder::Text { chars_max: None },
            Self::Varchar { chars_max } | Self::Char { chars_max } => {
                CellEncoder::Text { chars_max }
            }
            Self::Jsonb => CellEncoder::Jsonb,
            Self::Uuid => CellEncoder::Uuid,
            Self::Bytea => CellEncoder::Bytea,
            Self::Date => CellEncoder::Date,
            Self::Time { step } => CellEncoder::Time { step },
            Self::Timestamp { step } => CellEncoder::Timestamp { step },
            Self::Timestamptz { step } => CellEncoder::Timestamptz { step },
        }
    }
}

/// The length of `varchar(n)` and `char(n)`.
fn chars_max(modifier: i32) -> Option<u32> {
    u32::try_from(modifier.checked_sub(MODIFIER_OFFSET)?).ok()
}

/// The microseconds that the last kept digit of a second stands for.
fn step(modifier: i32) -> u32 {
    match modifier {
        0 => 1_000_000,
        1 => 100_000,
        2 => 10_000,
        3 => 1_000,
        4 => 100,
        5 => 10,
        _ => 1,
    }
}

/// The precision stands in the upper half, the scale in the lower eleven bits as a signed number.
fn bound(modifier: i32) -> Option<NumericBound> {
    let packed = u32::try_from(modifier.checked_sub(MODIFIER_OFFSET)?).ok()?;
    let precision = u16::try_from(packed >> 16).ok()?;
    let scale = i16::try_from(packed & 0x7ff).ok()?;
    Some(NumericBound { precision, scale: (scale ^ 0x400).saturating_sub(0x400) })
}
