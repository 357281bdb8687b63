//! The last step of reading: finds the keys nobody asked for and turns all drafts into one report.
//!
//! The aim is one problem for one mistake. A misspelt required key is unknown under one name and
//! missing under another: only the first is reported, with the second as its near miss.

use std::collections::BTreeSet;
use std::ops::Range;

use toml::de::{DeTable, DeValue};

use crate::document::{Document, Draft, Ledger, Visit};
use crate::excerpt::Covered;
use crate::limits::{ALLOWED_SHOWN_MAX, PROBLEMS_MAX};
use crate::near_miss::closest;
use crate::problem::{Problem, ProblemKind, Problems};
use crate::section::path;
use crate::syntax::Damage;

/// Makes the report. `unbuilt` says that the reader gave no settings, which must not pass silently.
pub(crate) fn review(document: &Document<'_>, unbuilt: bool) -> Problems {
    let mut ledger = document.ledger.take();
    find_unknown(document, &mut ledger);
    find_absent_sections(&mut ledger);
    if document.syntax.is_empty() {
        merge_misspelt(&mut ledger);
    } else {
        drop_consequences(document, &mut ledger);
    }
    if unbuilt && ledger.drafts.is_empty() && document.syntax.is_empty() {
        ledger.drafts.push(whole_file("settings that their reader can build without a problem"));
    }
    render(document, ledger)
}

fn find_unknown(document: &Document<'_>, ledger: &mut Ledger) {
    let mut drafts = Vec::new();
    let mut overflow = 0;
    walk(&document.root, "", ledger, &mut |draft| {
        if drafts.len() < PROBLEMS_MAX {
            drafts.push(draft);
        } else {
            overflow += 1;
        }
    });
    ledger.drafts.append(&mut drafts);
    ledger.overflow = ledger.overflow.saturating_add(overflow);
}

/// Visits the sections that readers opened. What was not opened was either read as a whole or is
/// itself an unknown key.
fn walk(table: &DeTable<'_>, here: &str, ledger: &Ledger, report: &mut dyn FnMut(Draft)) {
    let nothing_asked = Visit::default();
    let visit = ledger.visits.get(here).unwrap_or(&nothing_asked);
    for (key, value) in table {
        let name = key.get_ref().as_ref();
        if !visit.asked.contains(name) {
            report(unknown(table, visit, here, (name, key.span()), ledger));
            continue;
        }
        let there = path::join(here, name);
        match value.get_ref() {
            DeValue::Table(inner) if ledger.visits.contains_key(&there) => {
                walk(inner, &there, ledger, report);
            }
            DeValue::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    let there = path::item(&there, index);
                    if let (DeValue::Table(inner), true) =
                        (item.get_ref(), ledger.visits.contains_key(&there))
                    {
                        walk(inner, &there, ledger, report);
                    }
                }
            }
            DeValue::Table(_)
            | DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => {}
        }
    }
}

fn unknown(
    table: &DeTable<'_>,
    visit: &Visit,
    here: &str,
    (name, span): (&str, Range<usize>),
    ledger: &Ledger,
) -> Draft {
    let asked = || visit.asked.iter().map(String::as_str);
    let near_miss = closest(name, asked().filter(|key| !table.contains_key(*key)))
        .or_else(|| closest(name, asked()));
    let hint = if near_miss.is_none() { misplaced(name, ledger) } else { None };
    Draft {
        kind: ProblemKind::UnknownKey,
        span,
        section: here.to_owned(),
        key: name.to_owned(),
        field: path::join(here, name),
        found: None,
        expected: allowed(asked()),
        near_miss: near_miss.map(str::to_owned),
        hint,
    }
}

/// A key that one other section misses was put into the wrong one.
fn misplaced(name: &str, ledger: &Ledger) -> Option<String> {
    let mut missing = ledger
        .drafts
        .iter()
        .filter(|draft| draft.kind == ProblemKind::Missing && draft.key == name);
    let place = missing.next()?;
    let alone = missing.next().is_none() && !place.section.is_empty();
    alone.then(|| format!("move it to [{}], where it is missing", path::shown(&place.section)))
}

fn allowed<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<&str> = words.collect();
    if words.is_empty() {
        return "nothing".to_owned();
    }
    let shown = words.iter().take(ALLOWED_SHOWN_MAX).copied().collect::<Vec<_>>().join(", ");
    match words.len().checked_sub(ALLOWED_SHOWN_MAX) {
        None | Some(0) => shown,
        Some(more) => format!("{shown} and {more} more"),
    }
}

fn find_absent_sections(ledger: &mut Ledger) {
    let mut drafts = Vec::new();
    for (place, visit) in &ledger.visits {
        let Some(span) = visit.absent.clone() else { continue };
        let inside = format!("{place}.");
        let implied = visit.needed.is_empty()
            && ledger
                .visits
                .range(inside.clone()..)
                .take_while(|(other, _)| other.starts_with(&inside))
                .any(|(_, visit)| visit.absent.is_some());
        if implied {
            continue;
        }
        let with = match visit.needed.as_slice() {
            [] => String::new(),
            needed => format!(" with {}", needed.join(", ")),
        };
        let (section, key) = place.rsplit_once('.').unwrap_or(("", place));
        drafts.push(Draft {
            kind: ProblemKind::Missing,
            span,
            section: section.to_owned(),
            key: key.to_owned(),
            field: place.clone(),
            found: None,
            expected: format!("a section [{}]{with}", path::shown(place)),
            near_miss: None,
            hint: None,
        });
    }
    for draft in drafts {
        ledger.record(draft);
    }
}

fn merge_misspelt(ledger: &mut Ledger) {
    let misspelt: BTreeSet<(String, String)> = ledger
        .drafts
        .iter()
        .filter(|draft| draft.kind == ProblemKind::UnknownKey)
        .filter_map(|draft| Some((draft.section.clone(), draft.near_miss.clone()?)))
        .collect();
    let moved: BTreeSet<String> = ledger
        .drafts
        .iter()
        .filter(|draft| draft.kind == ProblemKind::UnknownKey && draft.hint.is_some())
        .map(|draft| draft.key.clone())
        .collect();
    ledger.drafts.retain(|draft| {
        draft.kind != ProblemKind::Missing
            || !(moved.contains(&draft.key)
                || misspelt.contains(&(draft.section.clone(), draft.key.clone())))
    });
}

/// Drops what follows from syntax errors: keys missing because their line is broken, and values
/// that are only the parser's guess. A guess is not public either: a word that was to be a secret may
/// have been taken for something else.
fn drop_consequences(document: &Document<'_>, ledger: &mut Ledger) {
    let damage = Damage::of(&document.syntax, &document.lines);
    ledger.drafts.retain(|draft| draft.kind != ProblemKind::Missing && damage.spares(&draft.span));
    ledger.public.retain(|start, end| damage.spares(&(*start..*end)));
}

fn whole_file(expected: &str) -> Draft {
    Draft {
        kind: ProblemKind::Unsuitable,
        span: 0..0,
        section: String::new(),
        key: String::new(),
        field: String::new(),
        found: None,
        expected: expected.to_owned(),
        near_miss: None,
        hint: None,
    }
}

fn render(document: &Document<'_>, ledger: Ledger) -> Problems {
    let Ledger { mut drafts, overflow, mut public, .. } = ledger;
    // The field names the key anyway.
    let unknown = drafts.iter().filter(|draft| draft.kind == ProblemKind::UnknownKey);
    public.extend(unknown.map(|draft| (draft.span.start, draft.span.end)));
    drafts.extend(document.syntax.iter().map(|error| Draft {
        kind: ProblemKind::Syntax,
        span: error.span.clone(),
        hint: Some(error.hint(&document.lines)),
        ..whole_file(&error.message)
    }));
    if drafts.is_empty() {
        return Problems { shown: Vec::new(), omitted: overflow };
    }
    drafts.sort_by(|left, right| {
        (left.span.start, &left.field).cmp(&(right.span.start, &right.field))
    });
    let omitted = overflow.saturating_add(drafts.len().saturating_sub(PROBLEMS_MAX));
    let covered = Covered::new(document.text, &document.lines, &public);
    let shown = drafts.into_iter().take(PROBLEMS_MAX).map(|draft| {
        let (line, column) = covered.position(draft.span.start);
        // A problem of the file as a whole has no line worth showing.
        let excerpt =
            if draft.span == (0..0) { <_>::default() } else { covered.excerpt(&draft.span) };
        Problem {
            kind: draft.kind,
            file: document.file.clone(),
            line,
            column,
            field: path::shown(&draft.field),
            found: draft.found,
            expected: draft.expected,
            near_miss: draft.near_miss,
            hint: draft.hint,
            excerpt,
        }
    });
    Problems { shown: shown.collect(), omitted }
}
