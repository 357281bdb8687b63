//! Finds the word that a mistyped one was meant to be.
//!
//! A wrong suggestion costs more trust than a missing one, so the allowed distance grows with the
//! length of the word and a tie between equally close words gives none.

/// Words longer than this are not compared: the distance takes time in the product of the lengths.
const COMPARED_CHARS_MAX: usize = 64;

/// Shortest common beginning that counts as an abbreviation (`retry` for `retry_for`).
const ABBREVIATION_CHARS_MIN: usize = 4;

/// Gives the candidate that `word` was probably meant to be.
///
/// Upper and lower case, `-`, `_` and spaces count as equal. Otherwise a word may differ in one
/// place up to five characters, two up to eight, three beyond; a swap of neighbours is one place.
///
/// ```
/// # use cdc_config::closest;
/// assert_eq!(closest("borkers", ["brokers", "group"]), Some("brokers"));
/// assert_eq!(closest("fetch-bytes", ["fetch_bytes"]), Some("fetch_bytes"));
/// assert_eq!(closest("colour", ["brokers", "group"]), None);
/// ```
pub fn closest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let word = normal(word)?;
    let mut best: Option<(usize, &str)> = None;
    let mut tied = false;
    for candidate in candidates {
        let Some(other) = normal(candidate) else { continue };
        let Some(distance) = acceptable_distance(&word, &other) else { continue };
        match best {
            Some((fewest, _)) if distance > fewest => {}
            Some((fewest, name)) if distance == fewest => tied |= name != candidate,
            _ => {
                best = Some((distance, candidate));
                tied = false;
            }
        }
    }
    best.filter(|_| !tied).map(|(_, candidate)| candidate)
}

fn normal(word: &str) -> Option<Vec<char>> {
    let mut chars = Vec::with_capacity(word.len().min(COMPARED_CHARS_MAX));
    for char in word.chars() {
        if chars.len() == COMPARED_CHARS_MAX {
            return None;
        }
        match char {
            '-' | '_' | ' ' => {}
            other => chars.push(other.to_ascii_lowercase()),
        }
    }
    (!chars.is_empty()).then_some(chars)
}

fn acceptable_distance(word: &[char], other: &[char]) -> Option<usize> {
    let allowed = match word.len().min(other.len()) {
        0..=2 => 0,
        3..=5 => 1,
        6..=8 => 2,
        _ => 3,
    };
    let distance = edit_distance(word, other);
    if distance <= allowed {
        return Some(distance);
    }
    let shorter = word.len().min(other.len());
    let abbreviates = word.starts_with(other) || other.starts_with(word);
    // Worse than every edit, so that it decides only where no edit does.
    (shorter >= ABBREVIATION_CHARS_MIN && abbreviates)
        .then(|| distance.saturating_add(COMPARED_CHARS_MAX))
}

/// The optimal string alignment distance: insert, delete, replace, swap neighbours.
fn edit_distance(left: &[char], right: &[char]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for (row, &left_char) in left.iter().enumerate() {
        let mut current = Vec::with_capacity(last.len());
        current.push(row + 1);
        for (column, &right_char) in right.iter().enumerate() {
            let at = |line: &[usize], index: usize| line.get(index).copied().unwrap_or(usize::MAX);
            let replaced = at(&last, column) + usize::from(left_char != right_char);
            let deleted = at(&last, column + 1) + 1;
            let inserted = at(&current, column) + 1;
            let mut fewest = replaced.min(deleted).min(inserted);
            let swapped = row > 0
                && column > 0
                && left.get(row - 1) == Some(&right_char)
                && right.get(column - 1) == Some(&left_char);
            if swapped {
                fewest = fewest.min(at(&before_last, column - 1) + 1);
            }
            current.push(fewest);
        }
        before_last = std::mem::replace(&mut last, current);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [&str; 9] = [
        "brokers",
        "topics",
        "group",
        "fetch_bytes",
        "retry_for",
        "lanes",
        "mode",
        "url",
        "source",
    ];

    #[test]
    fn finds_what_people_mistype() {
        for (typed, meant) in [
            ("broker", "brokers"),
            ("borkers", "brokers"),
            ("Brokers", "brokers"),
            ("topic", "topics"),
            ("gruop", "group"),
            ("fetch-bytes", "fetch_bytes"),
            ("fetchBytes", "fetch_bytes"),
            ("retry", "retry_for"),
            ("modes", "mode"),
            ("uri", "url"),
            ("sorce", "source"),
        ] {
            assert_eq!(closest(typed, KEYS), Some(meant), "{typed}");
        }
    }

    #[test]
    fn stays_silent_where_it_would_guess() {
        for typed in ["", "x", "colour", "id", "password", "made", &"brokers".repeat(40)] {
            let expected = (typed == "made").then_some("mode");
            assert_eq!(closest(typed, KEYS), expected, "{typed}");
        }
        assert_eq!(closest("topix", ["topic", "topip"]), None, "a tie decides nothing");
    }
}
