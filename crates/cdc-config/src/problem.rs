//! One mistake in a configuration file, and the report that shows all of them.

use std::fmt;

/// What sort of mistake a [`Problem`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemKind {
    /// The file is not TOML at this place, or breaks a bound of [`crate::limits`].
    Syntax,
    /// Nothing asked for this key.
    UnknownKey,
    /// A required key or section is not there.
    Missing,
    /// The value is of the wrong kind, out of range, or was refused by the one who reads it.
    Unsuitable,
}

/// One mistake, with all that is needed to repair it. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub(crate) kind: ProblemKind,
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) field: String,
    pub(crate) found: Option<String>,
    pub(crate) expected: String,
    pub(crate) near_miss: Option<String>,
    pub(crate) hint: Option<String>,
    pub(crate) excerpt: Excerpt,
}

/// The source line with covered values, and where the caret goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Excerpt {
    pub(crate) text: String,
    /// Characters before the caret.
    pub(crate) indent: usize,
    /// Carets; at least one.
    pub(crate) width: usize,
}

impl Problem {
    /// What sort of mistake it is.
    pub fn kind(&self) -> ProblemKind {
        self.kind
    }

    /// The file's name, as it was given to [`Document::parse`](crate::Document::parse).
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The line, from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// The column in characters, from 1.
    pub fn column(&self) -> usize {
        self.column
    }

    /// The dotted path, with `[0]` for the first entry of an array. Empty for the file as a whole
    /// and for syntax errors.
    pub fn field(&self) -> &str {
        &self.field
    }

    /// What stands in the file: the kind of value and, unless it may be a secret, its text.
    pub fn found(&self) -> Option<&str> {
        self.found.as_deref()
    }

    /// What would be accepted instead.
    pub fn expected(&self) -> &str {
        &self.expected
    }

    /// The key or word that was probably meant.
    pub fn near_miss(&self) -> Option<&str> {
        self.near_miss.as_deref()
    }

    /// What to do about it; starts with a verb.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, field, expected, .. } = self;
        write!(formatter, "{file}:{line}:{column}  ")?;
        if !field.is_empty() {
            write!(formatter, "{field}  ")?;
        }
        match self.kind {
            ProblemKind::Syntax => write!(formatter, "syntax: {expected}")?,
            ProblemKind::UnknownKey => write!(formatter, "unknown key; allowed: {expected}")?,
            ProblemKind::Missing => write!(formatter, "missing; expected {expected}")?,
            ProblemKind::Unsuitable => {
                if let Some(found) = &self.found {
                    write!(formatter, "found {found}; ")?;
                }
                write!(formatter, "expected {expected}")?;
            }
        }
        if let Some(near_miss) = &self.near_miss {
            write!(formatter, "; did you mean \"{near_miss}\"?")?;
        }
        if let Some(hint) = &self.hint {
            write!(formatter, "; hint: {hint}")?;
        }
        let Excerpt { text, indent, width } = &self.excerpt;
        if !text.is_empty() {
            let gutter = line.to_string().len() + 4;
            write!(formatter, "\n    {line} | {text}")?;
            write!(formatter, "\n{:gutter$} | {:indent$}{}", "", "", "^".repeat(*width))?;
        }
        Ok(())
    }
}

/// Every mistake of one file, in the order of the file. Its text form is the whole report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    pub(crate) shown: Vec<Problem>,
    pub(crate) omitted: usize,
}

impl Problems {
    /// The problems, sorted by line; at most [`PROBLEMS_MAX`](crate::limits::PROBLEMS_MAX).
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.shown.iter()
    }

    /// How many there are, those beyond the bound of the report included.
    pub fn len(&self) -> usize {
        self.shown.len().saturating_add(self.omitted)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.shown.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(formatter, "{separator}{problem}")?;
        }
        if self.omitted > 0 {
            write!(formatter, "\nand {} more problems", self.omitted)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
