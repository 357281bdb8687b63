//! The bounds that keep a hostile record from costing more than its bytes.

/// What a record may ask of the decoder before it is refused.
///
/// Every bound is checked before the memory or time it guards is spent.
///
/// ```
/// use debezium_envelope::Limits;
///
/// let limits = Limits { record_bytes_max: 1 << 20, ..Limits::default() };
/// assert_eq!(limits.depth_max, 64);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of one key or one value. Default 64 MiB; values above 1 GiB count as 1 GiB,
    /// because cells address their text with 32 bits.
    pub record_bytes_max: usize,
    /// Deepest nesting of arrays and objects inside one column, schema block or unknown member.
    /// Default 64; values above 126 count as 126.
    pub depth_max: u32,
    /// Most JSON values in one key or one value. Default one million.
    pub tokens_max: u32,
    /// Longest JSON number, wherever it stands, also in members that are not looked at. Default
    /// 147,457: a sign, all digits that PostgreSQL's `numeric` can have, and a point. Values below 20
    /// count as 20, which any 64-bit integer needs.
    pub number_bytes_max: usize,
    /// Most bytes that the values of one row may take beside the record: text with escapes, bytes,
    /// wide decimals, parts of arrays and maps. Default 128 MiB, twice the default length of a record:
    /// only a decimal that gains zeros at its declared scale is longer than its text, so that no
    /// message of Debezium's comes near. Values above 4 GiB count as 4 GiB.
    pub scratch_bytes_max: usize,
    /// Most digits of a decimal before its point. Default 131,072, PostgreSQL's own bound.
    pub decimal_digits_max: u32,
    /// Most digits of a decimal after its point. Default 16,383, PostgreSQL's own bound.
    pub decimal_scale_max: u32,
    /// Most zeros that a JSON number may gain when it is brought to its declared scale: `1e131071` has
    /// eight characters and 131,072 digits. Default 1,000, the widest scale that PostgreSQL lets a
    /// column declare.
    pub decimal_growth_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            record_bytes_max: 64 << 20,
            depth_max: 64,
            tokens_max: 1_000_000,
            number_bytes_max: 147_457,
            scratch_bytes_max: 128 << 20,
            decimal_digits_max: 131_072,
            decimal_scale_max: 16_383,
            decimal_growth_max: 1_000,
        }
    }
}

impl Limits {
    /// The largest accepted record after the clamp that 32-bit spans need.
    pub(crate) fn record_bytes(&self) -> usize {
        self.record_bytes_max.min(1 << 30)
    }

    /// The longest accepted number, after the clamp that the reader's fast path for short integers needs.
    pub(crate) fn number_bytes(&self) -> usize {
        self.number_bytes_max.max(20)
    }

    /// The deepest accepted nesting, after the clamp that the reader's stack of 128 bits needs: two of
    /// them are for the payload and the row around a column.
    pub(crate) fn depth(&self) -> u32 {
        self.depth_max.min(126)
    }
}
