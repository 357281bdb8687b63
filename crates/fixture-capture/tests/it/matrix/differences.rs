//! Everything that is not as in the source, with the reason. A difference that is not listed here
//! fails the test, and so does one that no longer occurs.

use super::cells::{Cell, Fate, Way};
use What::{Absent, Equal, Holds, Mistaken, Null, Refused};

/// A difference between the source and the warehouse.
#[derive(Debug, Clone, Copy)]
pub(super) struct Difference {
    /// The types, as the report calls them.
    pub(super) types: &'static [&'static str],
    /// The modes; none stands for any.
    pub(super) modes: &'static [&'static str],
    /// The releases; none stands for any.
    pub(super) releases: &'static [&'static str],
    /// Where else it is limited to.
    pub(super) only: Only,
    pub(super) what: What,
    /// Why, as a part of the report.
    pub(super) reason: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Only {
    Anywhere,
    /// Rows that the snapshot read.
    Snapshot,
    /// Rows that were streamed.
    Stream,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// The text `g` is there instead of the source's `t`, and this holds in SQL.
    Holds(&'static str),
    /// As `Holds`, and the text stands for the same value.
    Equal(&'static str),
    /// A value that the source did not send arrives as NULL.
    Null,
    /// A value is taken for one that was not sent.
    Mistaken,
    /// It is refused, in words that contain these.
    Refused(&'static str),
    /// Messages do not have the column.
    Absent,
}

impl Difference {
    /// Whether it may be the difference of this cell.
    pub(super) fn may_be_of(&self, cell: &Cell) -> bool {
        let among = |names: &[&str], name: &str| names.is_empty() || names.contains(&name);
        let only = match self.only {
            Only::Anywhere => true,
            Only::Snapshot => cell.way == Way::Snapshot,
            Only::Stream => cell.way == Way::Stream,
        };
        let what = match (self.what, &cell.fate) {
            (Holds(_) | Equal(_), Fate::Text(_))
            | (Mistaken, Fate::Mistaken)
            | (Absent, Fate::Absent) => true,
            (Null, Fate::Text(None)) => cell.unchanged,
            (Refused(words), Fate::Refused(reason)) => reason.contains(words),
            _ => false,
        };
        only && what
            && among(self.types, &cell.label)
            && among(self.modes, &cell.mode)
            && among(self.releases, &cell.release)
    }
}

const fn any(types: &'static [&'static str], what: What, reason: &'static str) -> Difference {
    Difference { types, modes: &[], releases: &[], only: Only::Anywhere, what, reason }
}

impl Difference {
    const fn modes(self, modes: &'static [&'static str]) -> Self {
        Self { modes, ..self }
    }

    const fn releases(self, releases: &'static [&'static str]) -> Self {
        Self { releases, ..self }
    }

    const fn only(self, only: Only) -> Self {
        Self { only, ..self }
    }
}

/// Those in which decimals are numbers of a fixed or of their own scale.
const PRECISE: &[&str] = &["default", "default-schema", "transactions", "unknown-types"];

/// Of shapes on a server without `PostGIS`.
const EWKB: &str = "extended well-known binary in a `bytea` column";

/// Of what the connector does not know, on a server without its type.
const AS_BYTES: &str = "the bytes of the text form, in a `bytea` column";
const TEXT: &str = "t = convert_from(g::bytea, 'UTF8')";

const VECTORS: &str = "arrays of vectors are not decoded, because vectors are arrays themselves";

/// All of them.
pub(super) const DIFFERENCES: &[Difference] = &[
    // Decimals.
    any(
        &["numeric"],
        Equal("g = trim_scale(t::numeric)::text"),
        "the trailing zeros of a `numeric` without scale are gone; the number is exact",
    )
    .modes(PRECISE),
    any(
        &["numeric", "numeric(10,2)", "numeric(38,20)"],
        Holds("t = 'NaN' and g is null"),
        "NaN arrives as NULL",
    )
    .modes(&["default", "default-schema", "unknown-types"]),
    any(
        &["numeric[]", "numeric(10,2)[]"],
        Holds("t ~ 'NaN' and g is null"),
        "an array with NaN arrives as NULL",
    ),
    any(
        &["numeric[]"],
        Equal("g = array(select trim_scale(e) from unnest(t::numeric[]) e)::text"),
        "the trailing zeros of elements without scale are gone; the numbers are exact",
    ),
    any(
        &["money"],
        Equal("g = t::money::numeric::text"),
        "a number without currency in a `numeric` column, since the table has other columns that \
         are written as text",
    ),
    any(
        &["numeric", "numeric(10,2)", "numeric(12,4)", "numeric(38,0)", "numeric(38,20)",
          "numeric(200,50)", "domain over numeric(12,3)"],
        Holds("g = t::numeric::float8::text"),
        "the nearest 64-bit float, which has some 15 digits",
    )
    .modes(&["decimal-double"]),
    any(
        &["money"],
        Holds("g = t::money::numeric::float8::text"),
        "the nearest 64-bit float, which has some 15 digits",
    )
    .modes(&["decimal-double"]),
    any(
        &["numeric[]", "numeric(10,2)[]"],
        Holds("g = t::numeric[]::float8[]::text"),
        "the nearest 64-bit floats, which have some 15 digits",
    )
    .modes(&["decimal-double"]),
    any(
        &["money"],
        Holds("g::float8 = t::money::numeric::float8"),
        "the nearest 64-bit float, which has some 15 digits",
    )
    .only(Only::Snapshot)
    .modes(&["unknown-types"]),
    any(
        &["money"],
        Refused("at most 64 bits in its smallest unit"),
        "the greatest amounts arrive as the nearest 64-bit float, which is too great, and are refused",
    )
    .only(Only::Snapshot),
    any(
        &["numeric(5,-2)"],
        Equal("g::numeric = t::numeric"),
        "the number has 2046 zeros after its point; it is exact",
    ),
    // Times.
    any(
        &["timetz", "timetz(3)"],
        Holds("g = in_utc(t)"),
        "the time of day in UTC: the offset is gone, and 24:00:00 is 00:00:00",
    ),
    any(
        &["interval"],
        Holds("g in (in_micros(t, 0), in_micros(t, 1), in_micros(t, -1))"),
        "a count of microseconds with 30.4375 days a month, sometimes one too low or too high",
    ),
    any(
        &["time", "time(6)"],
        Holds("g = date_trunc('milliseconds', t::time::interval)::time::text"),
        "cut to milliseconds",
    )
    .modes(&["time-connect"]),
    any(
        &["timestamp", "timestamp(6)"],
        Holds("g = date_trunc('milliseconds', t::timestamp)::text"),
        "cut to milliseconds",
    )
    .modes(&["time-connect"]),
    any(
        &["time[]"],
        Holds("t = '{23:59:59.999999}' and g = '{23:59:59.999}'"),
        "the last microsecond of a day arrives in arrays as its last millisecond",
    ),
    any(
        &["time[]"],
        Holds("g = array(select date_trunc('seconds', e::interval)::time from unnest(t::time[]) e)::text"),
        "times of day in arrays are cut to seconds, and 24:00:00 is 00:00:00",
    ),
    any(
        &["time", "time(0)", "time(3)", "time(6)"],
        Holds("t = '24:00:00' and g = '00:00:00'"),
        "24:00:00 arrives as 00:00:00",
    )
    .modes(&["time-isostring"]),
    any(
        &["time", "time(0)", "time(3)", "time(6)"],
        Holds("t = '24:00:00' and g is null"),
        "24:00:00 arrives as NULL",
    )
    .modes(&["time-structured"]),
    any(
        &["date", "date[]", "timestamptz[]"],
        Holds("t ~ ' BC' and plain(g) = plain(replace(t, ' BC', ''))"),
        "a year BC arrives without its era: 4713 BC as 4713",
    ),
    any(
        &["date", "date[]"],
        Holds("t ~ '1582-10-14' and g = replace(t, '1582-10-14', '1582-10-24')"),
        "the last day before the Gregorian calendar arrives ten days later",
    ),
    any(
        &["timestamp", "timestamp(0)", "timestamp(3)", "timestamp(6)", "timestamptz", "timestamptz(0)", "timestamptz(3)"],
        Holds("plain(g)::timestamp = julian(plain(t)::timestamp)"),
        "days before 1582-10-15 arrive as those of the same name in the Julian calendar",
    )
    .only(Only::Snapshot),
    any(
        &["timestamp[]"],
        Holds("plain(g)::timestamp[] = julian(plain(t)::timestamp[])"),
        "days before 1582-10-15 arrive as those of the same name in the Julian calendar",
    ),
    any(
        &["timestamp[]"],
        Holds("g::timestamp[] = in_millis(t::timestamp[])"),
        "cut to milliseconds",
    ),
    any(
        &["timestamp", "timestamp(6)"],
        Holds("g::timestamp = date_trunc('milliseconds', julian(t::timestamp))"),
        "cut to milliseconds, and days before 1582-10-15 arrive as those of the Julian calendar",
    )
    .only(Only::Snapshot)
    .modes(&["time-connect"]),
    any(
        &["timestamp[]"],
        Holds("g::timestamp[] = in_millis(julian(t::timestamp[]))"),
        "cut to milliseconds, and days before 1582-10-15 arrive as those of the Julian calendar",
    ),
    any(
        &["timestamp", "timestamp[]"],
        Holds("t ~ '294276-' and plain(g) = plain(replace(t, '294276-12-31 23:59:59.999999', '1999-12-23 19:59:05.224191'))"),
        "the year 294276 wraps 1000 times into another moment that nothing tells from a true one",
    )
    .modes(&["time-nanoseconds"]),
    any(&["time[]"], Holds("g is null"), "arrays of times arrive as NULL").modes(&["time-connect"]).releases(&["2.4.2"]),
    // Bits.
    any(
        &["bit varying", "bit varying(20)"],
        Holds("g = ltrim(t, '0')"),
        "leading zeros are gone, and so is the length",
    ),
    any(&["name"], Holds("g is null"), "arrives as NULL when it is streamed").only(Only::Stream),
    any(
        &["enum[]"],
        Holds("t ~ 'NULL' and g is null"),
        "an array with NULL arrives as NULL",
    ),
    any(
        &["integer[]"],
        Holds("t ~ '^(\\[.*=)?\\{\\{' and g = array_fill(null::int, array[array_length(t::int[], 1)])::text"),
        "arrays inside arrays arrive as NULL",
    ),
    any(
        &["integer[]", "text[]"],
        Holds("t ~ '^\\[\\d' and g = regexp_replace(t, '^.*=', '')"),
        "lower bounds other than 1 are gone",
    ),
    any(
        &["text[]"],
        Refused("names of Java objects"),
        "arrays inside arrays arrive as the names of Java objects, which are refused",
    ),
    // What the source did not send.
    any(
        &["numeric", "numeric(200,50)", "bit varying(400)", "hstore", "smallint[]", "double precision[]",
          "boolean[]", "date[]", "char(4)[]", "numeric[]", "numeric(10,2)[]", "timestamp[]", "timestamptz[]", "inet[]", "enum[]",
          "hstore[]", "bytea", "bytea[]", "polygon", "geometry", "geography", "vector", "halfvec", "sparsevec"],
        Null,
        "a value out of line that an update leaves alone arrives as NULL",
    ),
    any(
        &["citext"],
        Mistaken,
        "the text `__debezium_unavailable_value` is taken for a value that was not sent",
    ),
    any(
        &["integer", "text", "numeric(10,2)", "timestamptz", "uuid", "date"],
        Holds("t is null"),
        "NULL in a column with a default arrives as the default",
    ),
    // Without schema block.
    any(
        &["numeric(8,2)"],
        Holds("g::numeric = t::numeric * 100"),
        "a declared scale that the source changes from 2 to 4 digits makes values a hundredfold",
    )
    .modes(&["default"]),
    any(
        &["numeric(8,2)"],
        Refused("decimal_invalid"),
        "the source changed the type to text, and the declaration says decimal",
    )
    .modes(&["default"]),
    any(
        &["numeric(8,2)"],
        Refused("invalid_number"),
        "the source changed the type to text, and the warehouse's column is numeric",
    ),
    any(
        &["altered", "integer"],
        Refused("whose type is not declared"),
        "the column's type is not declared, since the column came or got its name later",
    )
    .modes(&["default"]),
    // Types that the connector does not know.
    any(
        &["box", "circle", "line", "lseg", "path", "polygon"],
        Absent,
        "the connector leaves the type out",
    ),
    any(
        &["int4multirange", "pg_lsn", "row type", "tsquery", "tsvector", "xid8", "interval[]", "(domain over integer)[]"],
        Absent,
        "the connector leaves the type out",
    ),
    any(
        &["(domain over integer)[]"],
        Holds("t ~ 'NULL' and g is null"),
        "an array with NULL arrives as NULL",
    )
    .modes(&["unknown-types"]),
    any(
        &["(domain over integer)[]"],
        Holds("t::int[] = array(select convert_from(e, 'UTF8')::int from unnest(g::bytea[]) e)"),
        "the bytes of the elements' text form",
    )
    .modes(&["unknown-types"]),
    // Types of extensions, in columns that every server has.
    any(
        &["geometry", "geometry(Point,4326)", "geometry(LineStringZM,3857)", "geography", "geography(PointZ,4326)"],
        Equal("g = '\\x' || lower(t)"),
        EWKB,
    ),
    any(
        &["geometry[]", "geography[]"],
        Equal("g = array(select ('\\x' || e)::bytea from unnest(string_to_array(trim(t, '{}'), ':', 'NULL')) e)::text"),
        EWKB,
    ),
    any(
        &["vector", "vector(3)", "halfvec", "halfvec(3)"],
        Equal("g = translate(t, '[]', '{}')"),
        "the elements in a `real[]` column",
    ),
    any(&["box2d", "box3d"], Equal(TEXT), AS_BYTES).modes(&["extensions-unknown-types"]),
    any(
        &["vector", "vector(3)", "halfvec", "halfvec(3)", "sparsevec", "sparsevec(5)"],
        Equal(TEXT),
        AS_BYTES,
    )
    .modes(&["extensions-unknown-types"])
    .releases(&["2.4.2"]),
    any(&["box2d", "box3d"], Absent, "the connector leaves the type out"),
    any(
        &["vector", "vector(3)", "halfvec", "halfvec(3)", "sparsevec", "sparsevec(5)", "vector[]", "halfvec[]", "sparsevec[]"],
        Absent,
        "the connector leaves the type out",
    )
    .releases(&["2.4.2"]),
    any(
        &["vector[]", "halfvec[]", "sparsevec[]"],
        Holds("t ~ 'NULL' and g is null"),
        "an array with NULL arrives as NULL",
    )
    .releases(&["2.4.2"]),
    any(
        &["vector[]", "halfvec[]", "sparsevec[]"],
        Equal("t::text[] = array(select convert_from(e, 'UTF8') from unnest(g::bytea[]) e)"),
        AS_BYTES,
    )
    .releases(&["2.4.2"]),
    any(
        &["sparsevec[]"],
        Holds("t <> '{}' and g is null"),
        "an array of sparse vectors arrives as NULL",
    )
    .releases(&["3.4.0", "3.7.0"]),
    any(
        &["sparsevec", "sparsevec(5)"],
        Holds("t ~ '^\\{\\}/' and g is null"),
        "a sparse vector without elements arrives as NULL",
    )
    .releases(&["3.4.0"]),
    any(
        &["sparsevec"],
        Holds("t ~ '/100000$' and g is null"),
        "a sparse vector of more than 32,767 dimensions arrives as NULL",
    )
    .releases(&["3.4.0", "3.7.0"]),
    any(&["vector[]", "halfvec[]"], Refused("unsupported type array("), VECTORS)
        .modes(&["extensions-schema", "extensions-unknown-types"])
        .releases(&["3.4.0", "3.7.0"]),
    any(&["vector[]", "halfvec[]"], Refused("undeclared values"), VECTORS)
        .modes(&["extensions"])
        .releases(&["3.4.0", "3.7.0"]),
    // Moments that a count of microseconds since 1970 cannot hold.
    any(
        &["timestamp", "timestamp[]"],
        Refused("microseconds since 1970, to which it was cut"),
        "moments after 294247-01-10 04:00:54 arrive cut, and are refused",
    ),
    any(
        &["timestamp(0)", "timestamp(3)"],
        Refused("microseconds since 1970, to which it was cut"),
        "moments after 294247-01-10 04:00:54 arrive cut, and are refused",
    )
    .modes(&["time-microseconds"]),
    any(
        &["timestamp", "timestamp(0)", "timestamp(3)", "timestamp(6)", "timestamp[]"],
        Refused("whose nanoseconds have wrapped"),
        "moments outside 1677 to 2262 and the infinities wrap into others, and are refused",
    )
    .modes(&["time-nanoseconds"])
    .releases(&["3.4.0"]),
    any(
        &["timestamp(0)", "timestamp(3)"],
        Refused("digits of a second after the point"),
        "the year 294276 wraps into a moment with more digits, and is refused",
    )
    .modes(&["time-nanoseconds"])
    .releases(&["3.4.0"]),
    any(
        &["\"char\""],
        Refused("expected one ASCII character"),
        "a byte above 127 arrives as another character, and is refused",
    ),
];
