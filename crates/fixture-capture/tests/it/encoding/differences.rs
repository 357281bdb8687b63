//! What is not written as it was captured, with the reason. A difference that is not listed here fails
//! the test, and so does one that no longer occurs.

use super::Deviation;

/// A difference between a captured record and the same one written again.
#[derive(Debug)]
pub(super) struct Difference {
    /// Where it is: the path of a member, or `refused` and the column that is not even decoded, whose
    /// value is NULL in what is compared.
    places: &'static [&'static str],
    /// The modes; none stands for any.
    modes: &'static [&'static str],
    /// The releases; none stands for any.
    releases: &'static [&'static str],
    /// What its details contain.
    words: &'static str,
    #[expect(dead_code, reason = "it is for the reader of this table, and of a failure")]
    reason: &'static str,
}

impl Difference {
    pub(super) fn may_be_of(&self, deviation: &Deviation) -> bool {
        let among = |names: &[&str], name: &str| names.is_empty() || names.contains(&name);
        self.places.contains(&deviation.place.as_str())
            && among(self.modes, &deviation.mode)
            && among(self.releases, &deviation.release)
            && deviation.details.contains(self.words)
    }

    const fn modes(self, modes: &'static [&'static str]) -> Self {
        Self { modes, ..self }
    }

    const fn releases(self, releases: &'static [&'static str]) -> Self {
        Self { releases, ..self }
    }
}

const fn any(
    places: &'static [&'static str],
    words: &'static str,
    reason: &'static str,
) -> Difference {
    Difference { places, modes: &[], releases: &[], words, reason }
}

/// Where an encoder is asked for arrays of vectors.
const NO_VECTORS: &str = "encoder: prepared to encode the column c_vector_array: no wire form for \
                          unsupported type array(vector)";

/// Columns of timestamps without a zone.
const TIMESTAMPS: &[&str] = &[
    "refused.c_timestamp",
    "refused.c_timestamp0",
    "refused.c_timestamp3",
    "refused.c_timestamp6",
    "refused.c_timestamp_array",
];

/// All of them.
pub(super) const DIFFERENCES: &[Difference] = &[
    any(&["flattened"], "flattened", "the encoder writes no flattened rows")
        .modes(&["flattened", "flattened-rewrite"]),
    any(
        &["before.c_real", "after.c_real"],
        "1.17549435E-38 written as 1.1754944E-38",
        "Java before 19 gives the least normal 32-bit float a digit more than it needs",
    ),
    // What is not decoded cannot be written again.
    any(
        &[NO_VECTORS],
        "",
        "arrays of vectors are not decoded, because vectors are arrays themselves",
    )
    .modes(&["extensions-schema", "extensions-unknown-types"])
    .releases(&["3.4.0", "3.7.0"]),
    any(
        &[
            "before.c_vector_array",
            "after.c_vector_array",
            "before.c_halfvec_array",
            "after.c_halfvec_array",
        ],
        " written as null",
        "the same in messages without schema block, of which the other columns are compared",
    )
    .releases(&["3.4.0", "3.7.0"]),
    any(
        TIMESTAMPS,
        "microseconds since 1970, to which it was cut",
        "a moment after 294247-01-10 arrives as the greatest number, which does not say what it was",
    ),
    any(
        &["refused.c_text_grid"],
        "names of Java objects",
        "inner arrays arrive as the names of Java objects, which are refused",
    ),
    any(TIMESTAMPS, "whose nanoseconds have wrapped", "wrapped nanoseconds are refused")
        .modes(&["time-nanoseconds"])
        .releases(&["3.4.0"]),
];
