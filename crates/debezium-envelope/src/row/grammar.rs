//! The text form of semantic types, as declarations write them.
//!
//! A type is a name, and for some names arguments in parentheses. One table lists the names with what
//! may stand in the parentheses, so that an error can show it.

use std::str::FromStr;

use super::semantic_type::{BytesText, IntervalForm, SemanticType, StructuredType, TimeUnit};

/// A text that names no semantic type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseSemanticTypeError {
    /// No type has this name.
    #[error(
        "parsed the column type {found:?}: {} expected decimal(p,s), decimal, timestamp(unit), \
         time(unit), timestamptz, timetz, date, interval, boolean, int16, int32, int64, float32, \
         float64, text, bytes, bits(n), varbits, uuid, json, xml, enum, enumset, array(type), map, \
         point, geometry, geography, circle, line, vector, halfvec, sparsevec, ltree, tsvector or \
         year",
        near_miss(*.suggestion)
    )]
    UnknownName {
        /// What stood there.
        found: String,
        /// The name that was probably meant, or that this crate has for a type of PostgreSQL.
        suggestion: Option<&'static str>,
    },
    /// `time` and `timestamp` need the unit in which their numbers count.
    #[error(
        "parsed the column type {found:?}: expected {name}(millis), {name}(micros), {name}(nanos), \
         {name}(iso) or {name}(structured)"
    )]
    Unit {
        /// What stood there.
        found: String,
        /// `time` or `timestamp`.
        name: &'static str,
    },
    /// The arguments of `decimal` are not `precision,scale`.
    #[error(
        "parsed the column type {found:?}: expected decimal(precision,scale) with whole numbers, \
         such as decimal(10,2), decimal(*,2) for any precision, or decimal"
    )]
    Decimal {
        /// What stood there.
        found: String,
    },
    /// A type without arguments was given some.
    #[error("parsed the column type {found:?}: {name} takes no argument")]
    Arguments {
        /// What stood there.
        found: String,
        /// The type.
        name: String,
    },
    /// The type needs other arguments, or none.
    #[error("parsed the column type {found:?}: expected {expected}")]
    Form {
        /// What stood there.
        found: String,
        /// What may stand there.
        expected: &'static str,
    },
    /// A type inside another that cannot stand there.
    #[error("parsed the column type {found:?}: {inner} cannot be inside {outer}")]
    Nesting {
        /// What stood there.
        found: String,
        /// The inner type.
        inner: String,
        /// `an array` or `a map`.
        outer: &'static str,
    },
    /// Arrays and maps inside each other without end.
    #[error("parsed a column type of more than {depth_max} types inside each other")]
    TooDeep {
        /// The bound.
        depth_max: usize,
    },
}

fn near_miss(suggestion: Option<&str>) -> String {
    suggestion.map(|name| format!("did you mean {name}?")).unwrap_or_default()
}

/// Most types inside each other; no source needs more than a map in an array.
const DEPTH_MAX: usize = 8;

/// Types that are their name.
const PLAIN: &[(&str, SemanticType)] = &[
    ("boolean", SemanticType::Boolean),
    ("int16", SemanticType::Int16),
    ("int32", SemanticType::Int32),
    ("int64", SemanticType::Int64),
    ("float32", SemanticType::Float32),
    ("float64", SemanticType::Float64),
    ("text", SemanticType::Text),
    ("uuid", SemanticType::Uuid),
    ("json", SemanticType::Json),
    ("xml", SemanticType::Xml),
    ("ltree", SemanticType::Ltree),
    ("tsvector", SemanticType::Tsvector),
    ("year", SemanticType::Year),
    ("vector", SemanticType::Vector),
    ("halfvec", SemanticType::HalfVector),
    ("sparsevec", SemanticType::SparseVector),
    ("point", SemanticType::Point),
    ("geometry", SemanticType::Geometry),
    ("geography", SemanticType::Geography),
    ("circle", SemanticType::Circle),
    ("line", SemanticType::Line),
    ("enum", SemanticType::Enum { allowed: Vec::new() }),
    ("enumset", SemanticType::EnumSet { allowed: Vec::new() }),
];

/// A name, what may stand there, and the type for each argument.
type Word = (&'static str, &'static str, &'static [(&'static str, SemanticType)]);

/// Types whose argument is a word or nothing.
const WORDS: &[Word] = &[
    (
        "bytes",
        "bytes, bytes(hex) or bytes(base64url)",
        &[
            ("", SemanticType::Bytes),
            ("hex", SemanticType::EncodedBytes(BytesText::Hex)),
            ("base64url", SemanticType::EncodedBytes(BytesText::Base64Url)),
        ],
    ),
    (
        "date",
        "date, date(iso) or date(structured)",
        &[
            ("", SemanticType::Date),
            ("iso", SemanticType::IsoDate),
            ("structured", SemanticType::Structured(StructuredType::Date)),
        ],
    ),
    (
        "timetz",
        "timetz or timetz(structured)",
        &[
            ("", SemanticType::ZonedTime),
            ("structured", SemanticType::Structured(StructuredType::ZonedTime)),
        ],
    ),
    (
        "timestamptz",
        "timestamptz or timestamptz(structured)",
        &[
            ("", SemanticType::ZonedTimestamp),
            ("structured", SemanticType::Structured(StructuredType::ZonedTimestamp)),
        ],
    ),
    (
        "interval",
        "interval, interval(nanos), interval(iso) or interval(structured)",
        &[
            ("", SemanticType::Interval(IntervalForm::Micros)),
            ("micros", SemanticType::Interval(IntervalForm::Micros)),
            ("nanos", SemanticType::Interval(IntervalForm::Nanos)),
            ("iso", SemanticType::Interval(IntervalForm::Iso)),
            ("structured", SemanticType::Structured(StructuredType::Interval)),
        ],
    ),
];

/// What this grammar calls the types for which people write another system's names.
const ALIASES: &[(&str, &str)] = &[
    ("bool", "boolean"),
    ("smallint", "int16"),
    ("int2", "int16"),
    ("integer", "int32"),
    ("int", "int32"),
    ("int4", "int32"),
    ("serial", "int32"),
    ("bigint", "int64"),
    ("int8", "int64"),
    ("bigserial", "int64"),
    ("long", "int64"),
    ("oid", "int64"),
    ("real", "float32"),
    ("float", "float64"),
    ("float4", "float32"),
    ("float8", "float64"),
    ("double", "float64"),
    ("double precision", "float64"),
    ("numeric", "decimal(p,s)"),
    ("money", "decimal(*,2)"),
    ("string", "text"),
    ("varchar", "text"),
    ("char", "text"),
    ("citext", "text"),
    ("inet", "text"),
    ("cidr", "text"),
    ("bytea", "bytes"),
    ("binary", "bytes"),
    ("bit", "bits(n)"),
    ("varbit", "varbits"),
    ("datetime", "timestamp(micros)"),
    ("jsonb", "json"),
    ("hstore", "json, or map when hstore.handling.mode is map,"),
    ("list", "array(type)"),
];

impl SemanticType {
    /// The type that a text names; the reverse of its `Display`.
    ///
    /// ```
    /// use debezium_envelope::{SemanticType, TimeUnit};
    ///
    /// assert_eq!(SemanticType::parse("timestamp(micros)"), Ok(SemanticType::Timestamp(TimeUnit::Micros)));
    /// assert_eq!(SemanticType::parse("array(decimal(10,2))")?.to_string(), "array(decimal(10,2))");
    /// assert!(SemanticType::parse("timestamp").is_err());
    /// # Ok::<(), debezium_envelope::ParseSemanticTypeError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ParseSemanticTypeError`], which says what could stand there.
    pub fn parse(text: &str) -> Result<Self, ParseSemanticTypeError> {
        Grammar { found: text }.parse(text, DEPTH_MAX)
    }
}

impl FromStr for SemanticType {
    type Err = ParseSemanticTypeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// The whole text, which errors show, whatever part of it is being read.
struct Grammar<'t> {
    found: &'t str,
}

impl Grammar<'_> {
    fn parse(&self, text: &str, depth: usize) -> Result<SemanticType, ParseSemanticTypeError> {
        let depth =
            depth.checked_sub(1).ok_or(ParseSemanticTypeError::TooDeep { depth_max: DEPTH_MAX })?;
        let trimmed = text.trim();
        let (name, arguments) = match trimmed.split_once('(') {
            None => (trimmed, None),
            Some((name, rest)) => {
                let name = name.trim_end();
                let arguments = rest.strip_suffix(')').ok_or_else(|| self.unknown(name))?;
                (name, Some(arguments.trim()))
            }
        };
        match name {
            "decimal" => self.decimal(arguments),
            "time" => self.unit(arguments, "time", SemanticType::Time),
            "timestamp" => self.unit(arguments, "timestamp", SemanticType::Timestamp),
            "bits" | "varbits" => self.bits(name, arguments),
            "array" => self.array(arguments, depth),
            "map" => self.map(arguments, depth),
            _ => self.plain_or_word(name, arguments),
        }
    }

    fn found(&self) -> String {
        self.found.to_owned()
    }

    fn unknown(&self, name: &str) -> ParseSemanticTypeError {
        ParseSemanticTypeError::UnknownName { found: self.found(), suggestion: suggestion(name) }
    }

    fn form(&self, expected: &'static str) -> ParseSemanticTypeError {
        ParseSemanticTypeError::Form { found: self.found(), expected }
    }

    fn plain_or_word(
        &self,
        name: &str,
        arguments: Option<&str>,
    ) -> Result<SemanticType, ParseSemanticTypeError> {
        if let Some((_, expected, words)) = WORDS.iter().find(|(known, ..)| *known == name) {
            let word = arguments.unwrap_or_default();
            let known = words.iter().find(|(known, _)| *known == word);
            let known = known.filter(|_| arguments.is_none_or(|word| !word.is_empty()));
            return known.map(|(_, semantic)| semantic.clone()).ok_or_else(|| self.form(expected));
        }
        let known = PLAIN.iter().find(|(known, _)| *known == name);
        let (_, semantic) = known.ok_or_else(|| self.unknown(name))?;
        if arguments.is_some() {
            let name = name.to_owned();
            return Err(ParseSemanticTypeError::Arguments { found: self.found(), name });
        }
        Ok(semantic.clone())
    }

    fn decimal(&self, arguments: Option<&str>) -> Result<SemanticType, ParseSemanticTypeError> {
        let Some(arguments) = arguments else { return Ok(SemanticType::VariableDecimal) };
        let parts = || {
            let (precision, scale) = arguments.split_once(',')?;
            let precision = match precision.trim() {
                "*" => None,
                digits => Some(digits.parse().ok()?),
            };
            Some(SemanticType::Decimal { precision, scale: scale.trim().parse().ok()? })
        };
        parts().ok_or_else(|| ParseSemanticTypeError::Decimal { found: self.found() })
    }

    fn unit(
        &self,
        unit: Option<&str>,
        name: &'static str,
        counted: impl FnOnce(TimeUnit) -> SemanticType,
    ) -> Result<SemanticType, ParseSemanticTypeError> {
        let is_time = name == "time";
        match unit {
            Some("millis") => Ok(counted(TimeUnit::Millis)),
            Some("micros") => Ok(counted(TimeUnit::Micros)),
            Some("nanos") => Ok(counted(TimeUnit::Nanos)),
            Some("iso") if is_time => Ok(SemanticType::IsoTime),
            Some("iso") => Ok(SemanticType::IsoTimestamp),
            Some("structured") if is_time => Ok(SemanticType::Structured(StructuredType::Time)),
            Some("structured") => Ok(SemanticType::Structured(StructuredType::Timestamp)),
            Some(_) | None => Err(ParseSemanticTypeError::Unit { found: self.found(), name }),
        }
    }

    fn bits(
        &self,
        name: &str,
        arguments: Option<&str>,
    ) -> Result<SemanticType, ParseSemanticTypeError> {
        let length = arguments.map(|length| length.parse().ok().filter(|length| *length > 0));
        match (name, length) {
            ("bits", Some(Some(length))) => Ok(SemanticType::Bits { length }),
            ("bits", _) => Err(self.form("bits(length) with the length of the column")),
            (_, None) => Ok(SemanticType::VarBits { length: None }),
            (_, Some(Some(length))) => Ok(SemanticType::VarBits { length: Some(length) }),
            (_, Some(None)) => Err(self.form("varbits(length) or varbits")),
        }
    }

    fn array(
        &self,
        element: Option<&str>,
        depth: usize,
    ) -> Result<SemanticType, ParseSemanticTypeError> {
        let expected = "array(type) with the type of the elements, such as array(int32)";
        let element = element.filter(|element| !element.is_empty());
        let element = self.parse(element.ok_or_else(|| self.form(expected))?, depth)?;
        if let SemanticType::Array { .. } = element {
            return Err(self
                .form("array(type) with the type of the elements once, however many dimensions"));
        }
        if !element.can_be_element() {
            let inner = element.to_string();
            return Err(ParseSemanticTypeError::Nesting {
                found: self.found(),
                inner,
                outer: "an array",
            });
        }
        Ok(SemanticType::Array { element: Box::new(element) })
    }

    fn map(
        &self,
        arguments: Option<&str>,
        depth: usize,
    ) -> Result<SemanticType, ParseSemanticTypeError> {
        let Some(arguments) = arguments else { return Ok(SemanticType::text_map()) };
        let parts = split_at_top(arguments);
        let (key, value) =
            parts.ok_or_else(|| self.form("map, or map(key,value) with two types"))?;
        let (key, value) = (self.parse(key, depth)?, self.parse(value, depth)?);
        Ok(SemanticType::Map { key: Box::new(key), value: Box::new(value) })
    }
}

/// The two halves around the only comma that stands outside parentheses.
fn split_at_top(arguments: &str) -> Option<(&str, &str)> {
    let mut depth = 0_usize;
    for (place, character) in arguments.char_indices() {
        match character {
            '(' => depth = depth.saturating_add(1),
            ')' => depth = depth.checked_sub(1)?,
            ',' if depth == 0 => {
                let (first, rest) = arguments.split_at_checked(place)?;
                return Some((first, rest.strip_prefix(',')?));
            }
            _ => {}
        }
    }
    None
}

/// The name for another system's type, or the only name one or two letters away.
fn suggestion(name: &str) -> Option<&'static str> {
    /// Longer words are no slips of the pen.
    const LETTERS_MAX: usize = 24;
    let name = name.trim().to_lowercase();
    if name.chars().count() > LETTERS_MAX {
        return None;
    }
    if let Some((_, own)) = ALIASES.iter().find(|(alias, _)| *alias == name) {
        return Some(own);
    }
    let shaped = [
        ("decimal", "decimal(p,s)"),
        ("time", "time(micros)"),
        ("timestamp", "timestamp(micros)"),
        ("bits", "bits(n)"),
        ("varbits", "varbits"),
        ("array", "array(type)"),
        ("map", "map"),
    ];
    let plain = PLAIN.iter().map(|(name, _)| (*name, *name));
    let words = WORDS.iter().map(|(name, ..)| (*name, *name));
    let allowed = if name.chars().count() < 5 { 1 } else { 2 };
    let near = plain.chain(words).chain(shaped).map(|(known, shown)| (edits(&name, known), shown));
    let (fewest, shown) = near.min_by_key(|(edits, _)| *edits)?;
    (fewest <= allowed).then_some(shown)
}

/// How many letters have to be put in, taken out or replaced to make one word the other.
fn edits(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (done, letter) in one.chars().enumerate() {
        let mut diagonal = done;
        let mut left = done.saturating_add(1);
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (cell, candidate) in row.iter_mut().skip(1).zip(other.chars()) {
            let replaced = diagonal.saturating_add(usize::from(letter != candidate));
            diagonal = *cell;
            left = replaced.min(left.saturating_add(1)).min(diagonal.saturating_add(1));
            *cell = left;
        }
    }
    row.last().copied().unwrap_or(usize::MAX)
}
