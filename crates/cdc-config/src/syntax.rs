//! From text to a table with spans, and to the syntax errors worth reading.
//!
//! The parser recovers: after an error it goes on and gives what it could make out. One unclosed
//! bracket then yields an error for each line it swallowed; only the first of them is kept.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use toml_parser::Source;
use toml_parser::lexer::TokenKind;

use crate::excerpt::Lines;
use crate::limits::{FILE_BYTES_MAX, KEY_PARTS_MAX};

/// What the parser made of a file.
pub(crate) struct Parsed<'t> {
    pub(crate) root: DeTable<'t>,
    pub(crate) errors: Vec<SyntaxError>,
}

/// One syntax error; the message is the parser's and never quotes the file.
#[derive(Debug, Clone)]
pub(crate) struct SyntaxError {
    pub(crate) span: Range<usize>,
    pub(crate) message: String,
    /// The list or inline table around the error: what is in it is the parser's guess.
    pub(crate) container: Option<Range<usize>>,
}

impl SyntaxError {
    fn new(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { span, message: message.into(), container: None }
    }

    /// What to do about it. The parser often notices a mistake lines after it was made.
    pub(crate) fn hint(&self, lines: &Lines) -> String {
        let opened = self.container.as_ref().map(|container| lines.line_index(container.start));
        if let Some(opened) = opened.filter(|opened| *opened < lines.line_index(self.span.start)) {
            return format!(
                "check the bracket opened in line {}: it is still open here",
                opened + 1
            );
        }
        let step = match &*self.message {
            message if message.contains("longer than") || message.contains("more than") => {
                "shorten it"
            }
            message if message.contains("must be quoted") => "put the text in double quotes",
            message if message.contains("unclosed") => "close the bracket",
            _ => "correct this line; the form of a line is key = value, of a section [name]",
        };
        step.to_owned()
    }
}

/// Where the parser may have made up what it gave. A look-up takes the logarithm of the number of
/// errors: a hostile file has as many errors as values.
pub(crate) struct Damage<'l> {
    lines: &'l Lines,
    broken_lines: BTreeSet<usize>,
    /// Damaged lists and inline tables, by start; none lies within another.
    containers: BTreeMap<usize, usize>,
}

impl<'l> Damage<'l> {
    pub(crate) fn of(errors: &[SyntaxError], lines: &'l Lines) -> Self {
        let broken_lines = errors.iter().map(|error| lines.line_index(error.span.start));
        let containers = errors.iter().filter_map(|error| error.container.as_ref());
        Self {
            lines,
            broken_lines: broken_lines.collect(),
            containers: containers.map(|container| (container.start, container.end)).collect(),
        }
    }

    /// Whether a value or key at `span` can be trusted to stand there.
    pub(crate) fn spares(&self, span: &Range<usize>) -> bool {
        let around = self.containers.range(..=span.start).next_back();
        let contained = around.is_some_and(|(_, end)| span.start <= *end);
        let lines = self.lines.line_index(span.start)..=self.lines.line_index(span.end);
        !contained && self.broken_lines.range(lines).next().is_none()
    }
}

/// Parses `text` as far as its shape is within the bounds.
pub(crate) fn parse<'t>(text: &'t str, lines: &Lines) -> Parsed<'t> {
    if let Some(error) = beyond_bounds(text) {
        return Parsed { root: DeTable::new(), errors: vec![error] };
    }
    let (root, errors) = DeTable::parse_recoverable(text);
    let root = root.into_inner();
    let mut errors: Vec<SyntaxError> = errors
        .into_iter()
        .map(|error| SyntaxError::new(error.span().unwrap_or_default(), error.message()))
        .collect();
    errors.sort_by_key(|error| error.span.start);
    let mut containers = Vec::new();
    collect_containers(&root, text, &mut containers);
    containers.sort_by_key(|container| container.start);
    keep_first_of_each_mistake(&mut errors, &containers, lines);
    Parsed { root, errors }
}

/// Checks what the parser does not bound: dots nest tables too, and a table nested ten thousand
/// deep would exhaust the stack when it is dropped.
fn beyond_bounds(text: &str) -> Option<SyntaxError> {
    if text.len() > FILE_BYTES_MAX {
        let message = format!("the file is longer than {FILE_BYTES_MAX} bytes");
        return Some(SyntaxError::new(0..0, message));
    }
    let mut dots = 0_usize;
    for token in Source::new(text).lex() {
        match token.kind() {
            TokenKind::Dot => dots += 1,
            TokenKind::Atom
            | TokenKind::Whitespace
            | TokenKind::LiteralString
            | TokenKind::BasicString
            | TokenKind::MlLiteralString
            | TokenKind::MlBasicString => {}
            TokenKind::Equals
            | TokenKind::Comma
            | TokenKind::LeftSquareBracket
            | TokenKind::RightSquareBracket
            | TokenKind::LeftCurlyBracket
            | TokenKind::RightCurlyBracket
            | TokenKind::Comment
            | TokenKind::Newline
            | TokenKind::Eof => dots = 0,
        }
        if dots >= KEY_PARTS_MAX {
            let span = token.span();
            let message = format!("a key has more than {KEY_PARTS_MAX} parts");
            return Some(SyntaxError::new(span.start()..span.end(), message));
        }
    }
    None
}

/// Collects the outermost arrays and inline tables: those an unclosed bracket can swallow lines in.
fn collect_containers(table: &DeTable<'_>, text: &str, containers: &mut Vec<Range<usize>>) {
    for (_, value) in table {
        let opens = text.as_bytes().get(value.span().start).copied();
        match (value.get_ref(), opens) {
            (DeValue::Table(inner), Some(byte)) if byte != b'{' => {
                collect_containers(inner, text, containers);
            }
            (DeValue::Array(items), _) if starts_with_header(items, text) => {
                for inner in items.iter().filter_map(|item| item.get_ref().as_table()) {
                    collect_containers(inner, text, containers);
                }
            }
            (value_ref, _) if value_ref.is_array() || value_ref.is_table() => {
                containers.push(value.span());
            }
            _ => {}
        }
    }
}

/// Whether an array was made of `[[…]]` headers rather than of a bracketed list.
fn starts_with_header(items: &[Spanned<DeValue<'_>>], text: &str) -> bool {
    items.first().is_some_and(|item| {
        item.get_ref().is_table()
            && text.as_bytes().get(item.span().start).is_some_and(|byte| *byte != b'{')
    })
}

/// Keeps one error a line and one a container, the first: the others are its consequences.
fn keep_first_of_each_mistake(
    errors: &mut Vec<SyntaxError>,
    containers: &[Range<usize>],
    lines: &Lines,
) {
    let container_of = |offset: usize| {
        let after = containers.partition_point(|container| container.start <= offset);
        let candidate = containers.get(after.checked_sub(1)?)?;
        (offset <= candidate.end).then(|| candidate.clone())
    };
    let mut seen_line = None;
    let mut seen_container = None;
    errors.retain_mut(|error| {
        let line = Some(lines.line_index(error.span.start));
        error.container = container_of(error.span.start);
        let repeats =
            seen_line == line || (error.container.is_some() && seen_container == error.container);
        seen_line = line;
        if error.container.is_some() {
            seen_container.clone_from(&error.container);
        }
        !repeats
    });
}
