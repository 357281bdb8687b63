//! Text in double quotes with backslashes, as arrays and `hstore` write it.

use std::borrow::Cow;

/// The text up to the closing quote, without its backslashes, and what follows the quote. `text` begins
/// behind the opening one.
pub(super) fn quoted(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let (head, mut rest) = text.split_at_checked(text.find(['"', '\\'])?)?;
    if let Some(rest) = rest.strip_prefix('"') {
        return Some((Cow::Borrowed(head), rest));
    }
    let mut whole = head.to_owned();
    loop {
        if let Some(escaped) = rest.strip_prefix('\\') {
            let mut characters = escaped.chars();
            whole.push(characters.next()?);
            rest = characters.as_str();
        } else if let Some(rest) = rest.strip_prefix('"') {
            return Some((Cow::Owned(whole), rest));
        } else {
            let (head, tail) = rest.split_at_checked(rest.find(['"', '\\'])?)?;
            whole.push_str(head);
            rest = tail;
        }
    }
}
