//! Names of tables, schemas and columns, and the one function that quotes them.
//!
//! Generated SQL contains no name that did not pass through here. A name that PostgreSQL would cut
//! at 63 bytes is refused, because two such names could silently become one.

use std::fmt;

/// PostgreSQL keeps this many bytes of a name and drops the rest (`NAMEDATALEN - 1`).
pub(crate) const NAME_BYTES_MAX: usize = 63;

/// The schema of a name that is written without one.
const DEFAULT_SCHEMA: &str = "public";

/// Why a text cannot name anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum IdentifierError {
    /// Nothing, or only white space.
    #[error("the name is empty")]
    Empty {},
    /// The server would cut it.
    #[error("the name has {bytes} bytes, PostgreSQL keeps {NAME_BYTES_MAX}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// It holds U+0000, which no name can.
    #[error("the name contains the character U+0000")]
    Nul {},
}

/// A name that PostgreSQL keeps as it is: not empty, at most 63 bytes, without U+0000.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Identifier(String);

impl Identifier {
    /// Checks a name. It is taken literally: case is kept, and quotes are part of the name.
    ///
    /// # Errors
    ///
    /// [`IdentifierError`] for a name that the server would refuse or change.
    pub(crate) fn parse(text: &str) -> Result<Self, IdentifierError> {
        if text.trim().is_empty() {
            return Err(IdentifierError::Empty {});
        }
        if text.len() > NAME_BYTES_MAX {
            return Err(IdentifierError::TooLong { bytes: text.len() });
        }
        if text.contains('\0') {
            return Err(IdentifierError::Nul {});
        }
        Ok(Self(text.to_owned()))
    }

    /// The name without quotes, for messages and for comparison with the catalog.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as SQL: always quoted, so reserved words, capitals and hostile names are just names.
    pub(crate) fn quoted(&self) -> String {
        format!("\"{}\"", self.0.replace('"', "\"\""))
    }
}

/// A table's schema and name. `Display` writes it as SQL, [`plain`](Self::plain) for messages.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct QualifiedName {
    /// The schema.
    pub(crate) schema: Identifier,
    /// The name within the schema.
    pub(crate) name: Identifier,
}

impl QualifiedName {
    /// A name from `schema.name`, or from `name` alone, which then is in the schema `public`. The
    /// first dot separates.
    ///
    /// # Errors
    ///
    /// [`IdentifierError`] when one of the parts cannot name anything.
    pub(crate) fn parse(text: &str) -> Result<Self, IdentifierError> {
        let (schema, name) = text.split_once('.').unwrap_or((DEFAULT_SCHEMA, text));
        Ok(Self { schema: Identifier::parse(schema)?, name: Identifier::parse(name)? })
    }

    /// `schema.name` without quotes.
    pub(crate) fn plain(&self) -> String {
        format!("{}.{}", self.schema.as_str(), self.name.as_str())
    }
}

impl fmt::Display for QualifiedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema.quoted(), self.name.quoted())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_inside_a_name_are_doubled() {
        let cases = [
            ("orders", r#""orders""#),
            ("Select", r#""Select""#),
            (r#"x"; drop table t; --"#, r#""x""; drop table t; --""#),
            (r#"""#, r#""""""#),
            ("a\\b\n$$", "\"a\\b\n$$\""),
        ];
        for (name, sql) in cases {
            assert_eq!(Identifier::parse(name).unwrap().quoted(), sql);
        }
    }

    #[test]
    fn names_that_the_server_would_refuse_or_cut_are_refused() {
        assert_eq!(Identifier::parse(""), Err(IdentifierError::Empty {}));
        assert_eq!(Identifier::parse("  \t"), Err(IdentifierError::Empty {}));
        assert_eq!(Identifier::parse("a\0b"), Err(IdentifierError::Nul {}));
        assert!(Identifier::parse(&"a".repeat(63)).is_ok());
        assert_eq!(Identifier::parse(&"a".repeat(64)), Err(IdentifierError::TooLong { bytes: 64 }));
        // 32 characters, but 64 bytes.
        assert_eq!(Identifier::parse(&"ü".repeat(32)), Err(IdentifierError::TooLong { bytes: 64 }));
    }

    #[test]
    fn a_name_without_a_schema_is_in_public() {
        let cases = [
            ("orders_fact", "public.orders_fact", r#""public"."orders_fact""#),
            ("sales.Orders", "sales.Orders", r#""sales"."Orders""#),
            ("a.b.c", "a.b.c", r#""a"."b.c""#),
        ];
        for (text, plain, sql) in cases {
            let name = QualifiedName::parse(text).unwrap();
            assert_eq!((name.plain().as_str(), name.to_string().as_str()), (plain, sql));
        }
        for bad in [".orders", "public.", "."] {
            assert_eq!(QualifiedName::parse(bad), Err(IdentifierError::Empty {}), "{bad:?}");
        }
    }
}
