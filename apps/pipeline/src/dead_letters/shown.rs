//! Letters for people and for machines. Never a value of a row.

use cdc_postgres::{Letter, LetterGroup, LetterState};
use serde_json::{Value, json};

/// A number of letters in words.
pub(super) fn letters(count: u64) -> String {
    match count {
        1 => "1 letter".to_owned(),
        more => format!("{more} letters"),
    }
}

/// Paragraphs for a person: one for each cause, then the sum.
pub(super) fn groups(groups: &[LetterGroup], state: Option<LetterState>) -> Vec<String> {
    let word = state.map_or(String::new(), |state| format!("{} ", state.name()));
    if groups.is_empty() {
        return vec![format!("no {word}dead letters")];
    }
    let mut lines: Vec<String> = groups.iter().map(group).collect();
    let sum = groups.iter().map(|group| group.letters).sum();
    let causes = match groups.len() {
        1 => "1 cause".to_owned(),
        more => format!("{more} causes"),
    };
    lines.push(format!("{} in {causes}", letters(sum)));
    lines
}

fn group(group: &LetterGroup) -> String {
    let LetterGroup { source, target, stage, reason, column, message, hint, .. } = group;
    let column = column.as_ref().map_or(String::new(), |column| format!(" in {column}"));
    let code = group.sqlstate.as_ref().map_or(String::new(), |code| format!(" ({code})"));
    let mut text = format!(
        "{} {}: {reason}{code}{column}, {stage}, {}\n    {message}",
        group.letters,
        group.state,
        way(source.as_deref(), target.as_deref())
    );
    if let Some(hint) = hint {
        text.push_str("\n    hint: ");
        text.push_str(hint);
    }
    if group.waiting > 0 {
        let waits = waits(group.waiting);
        text = format!("{text}\n    {waits} behind them");
    }
    let (first, last) = (&group.first_at, &group.last_at);
    let number = group.first_id;
    format!("{text}\n    first {first} (number {number}), last {last}")
}

fn waits(count: u64) -> String {
    match count {
        1 => "1 later change of their keys waits".to_owned(),
        more => format!("{more} later changes of their keys wait"),
    }
}

fn way(source: Option<&str>, target: Option<&str>) -> String {
    match (source, target) {
        (Some(source), Some(target)) => format!("{source} to {target}"),
        (Some(table), None) | (None, Some(table)) => table.to_owned(),
        (None, None) => "table not known".to_owned(),
    }
}

/// What is stored of a masked letter.
pub(super) fn masked_copy(withheld: Option<&str>) -> &'static str {
    match withheld {
        None => {
            "what is stored is a copy without the values of columns that rules hash or drop; a retry \
             reads the record from Kafka"
        }
        Some(_) => {
            "nothing of the value is stored, because it cannot be told where it holds values of columns \
             that rules hash or drop; a retry reads the record from Kafka"
        }
    }
}

/// One letter for a person, a line for each thing.
pub(super) fn letter(letter: &Letter) -> String {
    let bytes = |size: Option<i64>| size.map_or("null".to_owned(), |size| format!("{size} bytes"));
    let mut lines = vec![format!("letter {}: {}", letter.id, letter.state)];
    let mut add = |name: &str, text: &str| lines.push(format!("    {name:<9} {text}"));
    add("record", &format!("{} at offset {}", letter.partition, letter.offset));
    add("table", &way(letter.source.as_deref(), letter.target.as_deref()));
    add("stage", &letter.stage);
    let code = letter.sqlstate.as_ref().map_or(String::new(), |code| format!(" ({code})"));
    add("reason", &format!("{}{code}", letter.reason));
    for (name, text) in [
        ("column", letter.column.as_deref()),
        ("message", Some(&*letter.message)),
        ("hint", letter.hint.as_deref()),
    ] {
        if let Some(text) = text {
            add(name, text);
        }
    }
    if letter.is_masked {
        add("masked", masked_copy(letter.withheld.as_deref()));
    }
    if let Some(head) = letter.blocked_by.filter(|_| letter.state == LetterState::Open.name()) {
        add("blocked", &format!("by letter {head}: retry or discard that one first"));
    }
    if letter.waiting > 0 {
        let count = letters(letter.waiting);
        add("blocks", &format!("{count} of later changes of its key"));
    }
    add("key", &bytes(letter.key_bytes));
    add("value", &bytes(letter.value_bytes));
    if !letter.headers.is_empty() {
        add("headers", &letter.headers.join(", "));
    }
    add("kept at", &letter.created_at);
    if let Some(at) = &letter.attempted_at {
        add("retried", &format!("{} times, last {at}", letter.attempts));
    }
    if let Some(resolution) = &letter.resolution {
        let by = letter.resolved_by.as_deref().unwrap_or("nobody");
        let at = letter.resolved_at.as_deref().unwrap_or("an unknown time");
        add("resolved", &format!("{resolution} (by {by}, {at})"));
    }
    lines.join("\n")
}

/// All causes for machines; names are stable.
pub(super) fn groups_as_json(groups: &[LetterGroup]) -> Value {
    let sum: u64 = groups.iter().map(|group| group.letters).sum();
    let groups = groups.iter().map(|group| {
        json!({
            "state": group.state,
            "source": group.source,
            "target": group.target,
            "stage": group.stage,
            "reason": group.reason,
            "column": group.column,
            "sqlstate": group.sqlstate,
            "message": group.message,
            "hint": group.hint,
            "letters": group.letters,
            "first_at": group.first_at,
            "last_at": group.last_at,
            "first_id": group.first_id,
            "waiting": group.waiting,
        })
    });
    json!({ "letters": sum, "causes": groups.collect::<Vec<_>>() })
}

/// One letter for machines; names are stable.
pub(super) fn letter_as_json(letter: &Letter) -> Value {
    json!({
        "id": letter.id,
        "topic": letter.partition.topic().as_str(),
        "generation": letter.partition.generation().get(),
        "partition": letter.partition.number().get(),
        "offset": letter.offset,
        "timestamp_ms": letter.timestamp_ms,
        "source": letter.source,
        "target": letter.target,
        "stage": letter.stage,
        "reason": letter.reason,
        "message": letter.message,
        "column": letter.column,
        "sqlstate": letter.sqlstate,
        "hint": letter.hint,
        "masked": letter.is_masked,
        "withheld": letter.withheld,
        "key_bytes": letter.key_bytes,
        "value_bytes": letter.value_bytes,
        "headers": letter.headers,
        "state": letter.state,
        "blocked_by": letter.blocked_by,
        "waiting": letter.waiting,
        "attempts": letter.attempts,
        "created_at": letter.created_at,
        "attempted_at": letter.attempted_at,
        "resolution": letter.resolution,
        "resolved_by": letter.resolved_by,
        "resolved_at": letter.resolved_at,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause() -> LetterGroup {
        LetterGroup {
            state: "open".to_owned(),
            source: Some("public.orders".to_owned()),
            target: Some("public.orders_fact".to_owned()),
            stage: "apply".to_owned(),
            reason: "check".to_owned(),
            column: Some("amount".to_owned()),
            sqlstate: Some("23514".to_owned()),
            message: "copying into public.orders_fact: the row breaks the constraint cheap"
                .to_owned(),
            hint: Some("relax the target's constraint".to_owned()),
            letters: 3,
            first_at: "2026-01-02T03:04:05Z".to_owned(),
            last_at: "2026-01-02T03:05:00Z".to_owned(),
            first_id: 17,
            waiting: 0,
        }
    }

    #[test]
    fn a_cause_says_how_often_what_and_where() {
        let said = groups(&[cause()], Some(LetterState::Open));
        assert_eq!(
            said,
            [
                "3 open: check (23514) in amount, apply, public.orders to public.orders_fact\n    copying \
                 into public.orders_fact: the row breaks the constraint cheap\n    hint: relax the target's \
                 constraint\n    first 2026-01-02T03:04:05Z (number 17), last 2026-01-02T03:05:00Z",
                "3 letters in 1 cause"
            ]
        );
        assert_eq!(groups(&[], None), ["no dead letters"]);
        let blocking = LetterGroup { waiting: 2, ..cause() };
        let said = groups(&[blocking], Some(LetterState::Open));
        assert!(
            said[0].contains("\n    2 later changes of their keys wait behind them\n"),
            "{said:?}"
        );
    }
}
