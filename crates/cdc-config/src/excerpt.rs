//! Lines, columns, and the source line of a report with everything covered that may be a secret.
//!
//! The rule is an allow list. Punctuation, table headers and keys are shown; a value is shown only
//! if a reader took it as public. So a password stays covered in a key nobody knows, on a line that
//! does not parse, in a comment, and behind a quotation mark in the wrong place.

use std::collections::BTreeMap;
use std::ops::Range;

use toml_parser::Source;
use toml_parser::lexer::{Token, TokenKind};

use crate::limits::LINE_CHARS_MAX;
use crate::problem::Excerpt;

/// Bare text before an equals sign is taken for a key only up to this length: a pasted certificate
/// or key also ends in equals signs.
const KEY_BYTES_MAX: usize = 40;

/// What stands for covered text, however long it is: its length is nobody's business either.
const COVER: char = '…';

/// Where the lines of a text begin.
#[derive(Debug)]
pub(crate) struct Lines {
    starts: Vec<usize>,
    end: usize,
}

impl Lines {
    pub(crate) fn new(text: &str) -> Self {
        let after_breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let starts = std::iter::once(0).chain(after_breaks.map(|(index, _)| index + 1)).collect();
        Self { starts, end: text.len() }
    }

    /// The line that holds `offset`, from 0.
    pub(crate) fn line_index(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset).saturating_sub(1)
    }

    /// The bytes of a line, with its line break.
    fn range(&self, line: usize) -> Range<usize> {
        let start = self.starts.get(line).copied().unwrap_or(self.end);
        start..self.starts.get(line + 1).copied().unwrap_or(self.end)
    }
}

/// The text of a file with a mark on each byte that may be shown.
pub(crate) struct Covered<'t> {
    text: &'t str,
    lines: &'t Lines,
    shown: Vec<bool>,
}

impl<'t> Covered<'t> {
    /// Marks the structure of the file and the spans in `public`.
    pub(crate) fn new(text: &'t str, lines: &'t Lines, public: &BTreeMap<usize, usize>) -> Self {
        let mut covered = Self { text, lines, shown: vec![false; text.len()] };
        covered.show_structure();
        for (start, end) in public {
            covered.show(*start..*end);
        }
        covered
    }

    fn show(&mut self, span: Range<usize>) {
        if let Some(bytes) = self.shown.get_mut(span) {
            bytes.fill(true);
        }
    }

    /// Shows punctuation, and the keys and headers that lines begin with.
    fn show_structure(&mut self) {
        let mut start_of_line = Vec::new();
        let mut pending = true;
        let mut header = false;
        let mut depth = 0_usize;
        for token in Source::new(self.text).lex() {
            let span = token.span().start()..token.span().end();
            match token.kind() {
                TokenKind::Newline | TokenKind::Eof => {
                    if header {
                        self.show_keys(&start_of_line);
                    }
                    start_of_line.clear();
                    pending = true;
                    header = false;
                }
                TokenKind::Equals => {
                    self.show(span);
                    if pending && !header {
                        self.show_keys(&start_of_line);
                    }
                    pending = false;
                }
                TokenKind::LeftSquareBracket | TokenKind::LeftCurlyBracket => {
                    self.show(span);
                    let square = token.kind() == TokenKind::LeftSquareBracket;
                    header |= square && pending && start_of_line.is_empty() && depth == 0;
                    if !header {
                        pending = false;
                        depth += 1;
                    }
                }
                TokenKind::RightSquareBracket | TokenKind::RightCurlyBracket => {
                    self.show(span);
                    if header {
                        self.show_keys(&start_of_line);
                        pending = false;
                    } else {
                        depth = depth.saturating_sub(1);
                    }
                }
                TokenKind::Whitespace => self.show(span),
                TokenKind::Comma => {
                    self.show(span);
                    pending = false;
                }
                TokenKind::Comment => {
                    self.show(span.start..span.start.saturating_add(1).min(span.end));
                }
                TokenKind::Dot
                | TokenKind::Atom
                | TokenKind::LiteralString
                | TokenKind::BasicString
                | TokenKind::MlLiteralString
                | TokenKind::MlBasicString => {
                    if pending {
                        start_of_line.push(token);
                    }
                }
            }
        }
    }

    fn show_keys(&mut self, tokens: &[Token]) {
        for span in tokens.iter().map(Token::span) {
            if span.len() <= KEY_BYTES_MAX {
                self.show(span.start()..span.end());
            }
        }
    }

    /// Line and column of `offset`, from 1, the column in characters.
    pub(crate) fn position(&self, offset: usize) -> (usize, usize) {
        let line = self.lines.line_index(offset);
        let start = self.lines.range(line).start;
        let before = self.text.get(start..offset).map_or(0, |text| text.chars().count());
        (line + 1, before + 1)
    }

    /// The line at the beginning of `span`, with carets under the part of `span` that is on it.
    pub(crate) fn excerpt(&self, span: &Range<usize>) -> Excerpt {
        let line = self.lines.range(self.lines.line_index(span.start));
        let source = self.text.get(line.clone()).unwrap_or_default().trim_end();
        let mut rendered: Vec<char> = Vec::new();
        let (mut indent, mut width) = (None, 0_usize);
        for (index, char) in source.char_indices() {
            let offset = line.start + index;
            let shown = self.shown.get(offset).copied().unwrap_or(false);
            let repeats_cover = !shown && rendered.last() == Some(&COVER);
            if !repeats_cover {
                rendered.push(match char {
                    _ if !shown => COVER,
                    char if char.is_control() => ' ',
                    char => char,
                });
            }
            if span.start <= offset && (offset < span.end || indent.is_none()) {
                let first = *indent.get_or_insert(rendered.len().saturating_sub(1));
                width = rendered.len().saturating_sub(first);
            }
        }
        let indent = indent.unwrap_or(rendered.len());
        windowed(&rendered, indent, width.max(1))
    }
}

/// Cuts a long line to the part around the caret.
fn windowed(line: &[char], indent: usize, width: usize) -> Excerpt {
    if line.len() <= LINE_CHARS_MAX {
        return Excerpt { text: line.iter().collect(), indent, width };
    }
    let from = indent.saturating_sub(LINE_CHARS_MAX / 3);
    let to = from.saturating_add(LINE_CHARS_MAX).min(line.len());
    let cut: String = line.iter().take(to).skip(from).collect();
    let (before, after) =
        (if from > 0 { "..." } else { "" }, if to < line.len() { "..." } else { "" });
    let width = width.min(to.saturating_sub(indent)).max(1);
    Excerpt { text: format!("{before}{cut}{after}"), indent: indent - from + before.len(), width }
}
