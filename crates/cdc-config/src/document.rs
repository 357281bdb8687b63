//! One file being read: its tree, and the ledger of what was asked of it and what was wrong.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;

use toml::de::DeTable;

use crate::environment::{Environment, FixedEnvironment};
use crate::excerpt::Lines;
use crate::limits::PROBLEMS_MAX;
use crate::problem::{ProblemKind, Problems};
use crate::review;
use crate::section::Section;
use crate::syntax::{self, Parsed, SyntaxError};

/// Most drafts kept before the review, which drops some of them: far above what a report shows, far
/// below what a hostile file could cause.
const DRAFTS_MAX: usize = 50 * PROBLEMS_MAX;

/// A parsed configuration file that notes what is asked of it.
///
/// Take [`Document::root`], read sections from it, and end with [`Document::into_result`], which
/// gives the settings only if the file has no mistake at all. The [`Section`]s borrow the document,
/// so the compiler sees to it that reading is over by then. Its `Debug` shows no values.
pub struct Document<'t> {
    pub(crate) file: String,
    pub(crate) text: &'t str,
    pub(crate) lines: Lines,
    pub(crate) root: DeTable<'t>,
    pub(crate) syntax: Vec<SyntaxError>,
    pub(crate) ledger: RefCell<Ledger>,
    environment: Box<dyn Environment>,
}

/// What reading has left behind so far.
#[derive(Default)]
pub(crate) struct Ledger {
    pub(crate) drafts: Vec<Draft>,
    pub(crate) overflow: usize,
    /// By the path of the section.
    pub(crate) visits: BTreeMap<String, Visit>,
    /// Spans of the values that readers took as public, by start; none lies within another.
    pub(crate) public: BTreeMap<usize, usize>,
}

/// What was asked of one section.
#[derive(Default)]
pub(crate) struct Visit {
    pub(crate) asked: BTreeSet<String>,
    /// Set for a required section that is not there: where it belongs.
    pub(crate) absent: Option<Range<usize>>,
    /// The required keys of an absent section.
    pub(crate) needed: Vec<String>,
}

/// A problem before the review has given it a position and an excerpt.
pub(crate) struct Draft {
    pub(crate) kind: ProblemKind,
    pub(crate) span: Range<usize>,
    pub(crate) section: String,
    pub(crate) key: String,
    pub(crate) field: String,
    pub(crate) found: Option<String>,
    pub(crate) expected: String,
    pub(crate) near_miss: Option<String>,
    pub(crate) hint: Option<String>,
}

impl Ledger {
    pub(crate) fn make_public(&mut self, span: &Range<usize>) {
        self.public.insert(span.start, span.end);
    }

    pub(crate) fn is_public(&self, span: &Range<usize>) -> bool {
        let before = self.public.range(..=span.start).next_back();
        before.is_some_and(|(_, end)| span.end <= *end)
    }

    pub(crate) fn record(&mut self, draft: Draft) {
        if self.drafts.len() < DRAFTS_MAX {
            self.drafts.push(draft);
        } else {
            self.overflow = self.overflow.saturating_add(1);
        }
    }
}

impl<'t> Document<'t> {
    /// Parses `text`; `file` is its name in reports. Syntax errors are kept for the report, and what
    /// could be made out beside them is read as usual.
    pub fn parse(file: impl Into<String>, text: &'t str) -> Self {
        let lines = Lines::new(text);
        let Parsed { root, errors } = syntax::parse(text, &lines);
        Self {
            file: file.into(),
            text,
            lines,
            root,
            syntax: errors,
            ledger: RefCell::default(),
            environment: Box::new(FixedEnvironment::new()),
        }
    }

    /// Resolves secret references in `environment`. Without this call every reference is reported
    /// as unresolved.
    #[must_use]
    pub fn with_environment(mut self, environment: impl Environment + 'static) -> Self {
        self.environment = Box::new(environment);
        self
    }

    /// The top level of the file.
    pub fn root(&self) -> Section<'_> {
        Section::root(self)
    }

    /// Ends the reading: the settings, or everything that is wrong.
    ///
    /// `None` says that a reader could not build its settings; it has then reported why.
    ///
    /// # Errors
    ///
    /// All [`Problems`]: those of the syntax, those that readers met, the keys nobody asked for.
    pub fn into_result<T>(self, settings: Option<T>) -> Result<T, Problems> {
        let problems = review::review(&self, settings.is_none());
        match settings {
            Some(settings) if problems.is_empty() => Ok(settings),
            Some(_) | None => Err(problems),
        }
    }

    pub(crate) fn environment(&self) -> &dyn Environment {
        self.environment.as_ref()
    }
}

impl fmt::Debug for Document<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Document")
            .field("file", &self.file)
            .field("bytes", &self.text.len())
            .finish_non_exhaustive()
    }
}
