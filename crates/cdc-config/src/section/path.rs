//! Dotted paths: the identity of a section in the ledger, and the field in a report.

use crate::limits::SHOWN_CHARS_MAX;

/// The path of `key` below `parent`. A key that is not bare is quoted, so paths are unambiguous.
pub(crate) fn join(parent: &str, key: &str) -> String {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    let bare = !key.is_empty() && key.bytes().all(is_bare);
    let dot = if parent.is_empty() { "" } else { "." };
    if bare { format!("{parent}{dot}{key}") } else { format!("{parent}{dot}{key:?}") }
}

/// The path of one item of an array, from 0.
pub(crate) fn item(parent: &str, index: usize) -> String {
    format!("{parent}[{index}]")
}

/// The path as a report shows it: a file may hold keys of any length.
pub(crate) fn shown(path: &str) -> String {
    shortened(path, SHOWN_CHARS_MAX * 3)
}

/// At most `chars_max` characters of `text`.
pub(crate) fn shortened(text: &str, chars_max: usize) -> String {
    let mut short: String = text.chars().take(chars_max).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
