//! One table of the file, read key by key.
//!
//! Every method notes the key it was asked for, takes what it finds or records a problem, and goes
//! on: no method fails. The readers of values are in `values`, those of lists in `lists`, those of
//! secrets in `secrets`; this file holds what they share and the way from section to section.

mod lists;
pub(crate) mod path;
mod secrets;
mod values;

use std::cell::RefMut;
use std::fmt;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

pub use lists::Entry;

use crate::document::{Document, Draft, Ledger};
use crate::limits::SHOWN_CHARS_MAX;
use crate::problem::ProblemKind;

/// A table of the file. Its methods come in threes where that makes sense: `string(key, default)`,
/// `optional_string(key)` and `required_string(key)`.
///
/// After a problem a method gives its default or `None`; the problem is kept, so the settings built
/// from a default can never leave [`Document::into_result`].
///
/// Ask for every key before the first `?`: a key that was not asked for is unknown.
pub struct Section<'d> {
    document: &'d Document<'d>,
    path: String,
    span: Range<usize>,
    state: State<'d>,
}

#[derive(Clone, Copy)]
enum State<'d> {
    Present(&'d DeTable<'d>),
    /// Required and not there. What is required of it is reported together with it.
    Absent,
    /// Something else stands in its place, which has been reported. Everything in it is silent.
    Unusable,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    Optional,
    Required,
}

/// Why a value was not taken.
struct Refusal {
    expected: String,
    near_miss: Option<String>,
    hint: Option<String>,
}

impl Refusal {
    /// Error types of other crates often say "expected …" themselves; the word is said once.
    fn new(expected: impl Into<String>) -> Self {
        let expected = expected.into();
        let expected = expected.strip_prefix("expected ").map_or(expected.clone(), str::to_owned);
        Self { expected, near_miss: None, hint: None }
    }

    fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

impl<'d> Section<'d> {
    pub(crate) fn root(document: &'d Document<'d>) -> Self {
        Self::present(document, String::new(), 0..0, &document.root)
    }

    fn present(
        document: &'d Document<'d>,
        path: String,
        span: Range<usize>,
        table: &'d DeTable<'d>,
    ) -> Self {
        document.ledger.borrow_mut().visits.entry(path.clone()).or_default();
        Self { document, path, span, state: State::Present(table) }
    }

    /// The required section `key` inside this one. If it is missing, that is one problem, which
    /// names the keys required of it; reading goes on with a section that gives only defaults.
    #[must_use]
    pub fn section(&self, key: &str) -> Section<'d> {
        match self.ask(key) {
            Some(value) => self.open(key, value),
            None => self.missing_section(key),
        }
    }

    /// The section `key` inside this one, if it is there.
    pub fn optional_section(&self, key: &str) -> Option<Section<'d>> {
        self.ask(key).map(|value| self.open(key, value))
    }

    fn open(&self, key: &str, value: &'d Spanned<DeValue<'d>>) -> Section<'d> {
        let path = path::join(&self.path, key);
        if let Some(table) = value.get_ref().as_table() {
            return Self::present(self.document, path, value.span(), table);
        }
        let refusal = Refusal::new(format!("a section [{}]", path::shown(&path)));
        self.refuse(key, &path, value, refusal);
        Section { path, span: value.span(), state: State::Unusable, ..*self }
    }

    fn missing_section(&self, key: &str) -> Section<'d> {
        let path = path::join(&self.path, key);
        let state = match self.state {
            State::Unusable => State::Unusable,
            State::Present(_) | State::Absent => {
                let mut ledger = self.ledger();
                ledger.visits.entry(path.clone()).or_default().absent = Some(self.span.clone());
                State::Absent
            }
        };
        Section { path, span: self.span.clone(), state, ..*self }
    }

    /// The tables of the array `key` (`[[key]]`), in the order of the file; none if it is missing.
    pub fn sections(&self, key: &str) -> Vec<Section<'d>> {
        self.sections_with(key, Need::Optional)
    }

    /// As [`Section::sections`], with at least one table.
    pub fn required_sections(&self, key: &str) -> Vec<Section<'d>> {
        self.sections_with(key, Need::Required)
    }

    fn sections_with(&self, key: &str, need: Need) -> Vec<Section<'d>> {
        let place = path::join(&self.path, key);
        let header = format!("[[{}]]", path::shown(&place));
        let expected = format!("at least one {header}");
        let Some(value) = self.ask_or_miss(key, need, &expected) else { return Vec::new() };
        let Some(items) = value.get_ref().as_array() else {
            let hint = format!("write {header} with double brackets");
            let refusal = Refusal::new(format!("tables {header}"));
            let is_table = value.get_ref().is_table();
            let refusal = if is_table { refusal.hint(hint) } else { refusal };
            self.refuse(key, &place, value, refusal);
            return Vec::new();
        };
        if items.is_empty() && need == Need::Required {
            self.refuse(key, &place, value, Refusal::new(expected));
        }
        let mut sections = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let path = path::item(&place, index);
            match item.get_ref().as_table() {
                Some(table) => {
                    sections.push(Self::present(self.document, path, item.span(), table));
                }
                None => self.refuse(key, &path, item, Refusal::new("a table")),
            }
        }
        sections
    }

    /// The keys of this section in the order of the file. Asks for none of them.
    pub fn keys(&self) -> Vec<&'d str> {
        let State::Present(table) = self.state else { return Vec::new() };
        let mut keys: Vec<_> = table.keys().collect();
        keys.sort_by_key(|key| key.span().start);
        keys.into_iter().map(|key| key.get_ref().as_ref()).collect()
    }

    /// Whether `key` is there. Asks for it, so it is not unknown even if nothing reads it.
    pub fn contains(&self, key: &str) -> bool {
        self.ask(key).is_some()
    }

    /// The dotted path of this section, as reports show it.
    pub fn field(&self) -> String {
        path::shown(&self.path)
    }

    /// Records a problem with the value of `key`, or with the section if the key is missing.
    ///
    /// `expected` completes "expected"; the hint starts with a verb. Neither may quote a secret.
    /// What was found is added here, if a reader has taken it as public.
    pub fn problem(&self, key: &str, expected: impl Into<String>, hint: Option<&str>) {
        let refusal = Refusal { hint: hint.map(str::to_owned), ..Refusal::new(expected) };
        let path = path::join(&self.path, key);
        match (self.ask(key), self.state) {
            (Some(value), _) => self.refuse(key, &path, value, refusal),
            (None, State::Present(_)) => {
                self.record(ProblemKind::Missing, key, &path, self.span.clone(), refusal);
            }
            (None, State::Absent | State::Unusable) => {}
        }
    }

    /// Records a problem with this section as a whole, such as two keys that exclude each other.
    pub fn section_problem(&self, expected: impl Into<String>, hint: Option<&str>) {
        if let State::Present(_) = self.state {
            let refusal = Refusal { hint: hint.map(str::to_owned), ..Refusal::new(expected) };
            let kind = ProblemKind::Unsuitable;
            self.record(kind, "", &self.path, self.span.clone(), refusal);
        }
    }

    fn ledger(&self) -> RefMut<'d, Ledger> {
        self.document.ledger.borrow_mut()
    }

    /// Notes that `key` was asked for, which makes the word public, and gives its value.
    fn ask(&self, key: &str) -> Option<&'d Spanned<DeValue<'d>>> {
        let State::Present(table) = self.state else { return None };
        let mut ledger = self.ledger();
        if let Some(visit) = ledger.visits.get_mut(&self.path)
            && !visit.asked.contains(key)
        {
            visit.asked.insert(key.to_owned());
        }
        let (name, value) = table.get_key_value(key)?;
        ledger.make_public(&name.span());
        Some(value)
    }

    /// As `ask`, and notes a required key that is not there.
    fn ask_or_miss(
        &self,
        key: &str,
        need: Need,
        expected: &str,
    ) -> Option<&'d Spanned<DeValue<'d>>> {
        let value = self.ask(key);
        if value.is_none() && need == Need::Required {
            match self.state {
                State::Present(_) => {
                    let path = path::join(&self.path, key);
                    let refusal = Refusal::new(expected);
                    self.record(ProblemKind::Missing, key, &path, self.span.clone(), refusal);
                }
                State::Absent => {
                    if let Some(visit) = self.ledger().visits.get_mut(&self.path) {
                        visit.needed.push(key.to_owned());
                    }
                }
                State::Unusable => {}
            }
        }
        value
    }

    /// Reads a public value; the heart of all readers but those of secrets.
    fn read<T>(
        &self,
        key: &str,
        need: Need,
        expected: &str,
        convert: impl FnOnce(&'d DeValue<'d>) -> Result<T, Refusal>,
    ) -> Option<T> {
        let value = self.ask_or_miss(key, need, expected)?;
        self.make_public(value);
        match convert(value.get_ref()) {
            Ok(read) => Some(read),
            Err(refusal) => {
                self.refuse(key, &path::join(&self.path, key), value, refusal);
                None
            }
        }
    }

    /// Lets reports show a value: a scalar or a list, unless it looks like an address with a
    /// password in it, which belongs into a secret even where the reader does not know that.
    fn make_public(&self, value: &Spanned<DeValue<'_>>) {
        if is_showable(value.get_ref()) {
            self.ledger().make_public(&value.span());
        }
    }

    fn refuse(&self, key: &str, path: &str, value: &Spanned<DeValue<'_>>, refusal: Refusal) {
        let public = self.ledger().is_public(&value.span());
        let found = Some(describe(value.get_ref(), public));
        self.record_found(key, path, value.span(), found, refusal);
    }

    fn record_found(
        &self,
        key: &str,
        path: &str,
        span: Range<usize>,
        found: Option<String>,
        refusal: Refusal,
    ) {
        let Refusal { expected, near_miss, hint } = refusal;
        self.ledger().record(Draft {
            kind: ProblemKind::Unsuitable,
            span,
            section: self.path.clone(),
            key: key.to_owned(),
            field: path.to_owned(),
            found,
            expected,
            near_miss,
            hint,
        });
    }

    fn record(&self, kind: ProblemKind, key: &str, path: &str, span: Range<usize>, why: Refusal) {
        let Refusal { expected, near_miss, hint } = why;
        self.ledger().record(Draft {
            kind,
            span,
            section: self.path.clone(),
            key: key.to_owned(),
            field: path.to_owned(),
            found: None,
            expected,
            near_miss,
            hint,
        });
    }
}

impl fmt::Debug for Section<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Section").field("path", &self.field()).finish_non_exhaustive()
    }
}

fn is_showable(value: &DeValue<'_>) -> bool {
    match value {
        DeValue::String(text) => !(text.contains("://") && text.contains('@')),
        DeValue::Array(items) => items.iter().all(|item| is_showable(item.get_ref())),
        DeValue::Table(_) => false,
        DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {
            true
        }
    }
}

/// The kind of a value and, if it is public, its text.
fn describe(value: &DeValue<'_>, public: bool) -> String {
    let kind = value.type_str();
    if !public {
        return kind.to_owned();
    }
    match value {
        DeValue::String(text) => {
            format!("{kind} {:?}", path::shortened(text, SHOWN_CHARS_MAX))
        }
        DeValue::Integer(number) => {
            format!("{kind} {}", path::shortened(&number.to_string(), SHOWN_CHARS_MAX))
        }
        DeValue::Float(number) => {
            format!("{kind} {}", path::shortened(number.as_str(), SHOWN_CHARS_MAX))
        }
        DeValue::Boolean(flag) => format!("{kind} {flag}"),
        DeValue::Datetime(time) => format!("{kind} {time}"),
        DeValue::Array(_) | DeValue::Table(_) => kind.to_owned(),
    }
}
