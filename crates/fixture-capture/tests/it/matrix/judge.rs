//! Compares each cell with the source and with the listed differences.

use std::collections::{BTreeMap, BTreeSet};

use cdc_stack::postgres::Cluster;
use serde::Deserialize;

use super::cells::{Cell, Fate};
use super::differences::{DIFFERENCES, Difference, What};

/// How cells of a type come out in a mode of a release.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// How many are as in the source.
    pub(super) exact: usize,
    /// How many were not sent and are known not to have been.
    pub(super) unavailable: usize,
    /// The differences by their place in the list.
    pub(super) differences: BTreeSet<usize>,
}

/// Type, mode and release.
pub(super) type Place = (String, String, String);

/// What came out.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    pub(super) outcomes: BTreeMap<Place, Outcome>,
    /// Cells with a difference that is not listed.
    pub(super) unlisted: Vec<Cell>,
    /// How often each difference occurs.
    pub(super) occurrences: BTreeMap<usize, Vec<Place>>,
}

#[derive(Debug, Deserialize)]
struct Answer {
    cell: usize,
    holds: bool,
}

pub(super) fn judge(cells: &[Cell], database: &str) -> Verdict {
    let different: Vec<&Cell> = cells.iter().filter(|cell| !is_exact(cell)).collect();
    let mut found: BTreeMap<usize, usize> = BTreeMap::new();
    for (number, difference) in DIFFERENCES.iter().enumerate() {
        let open = (0..different.len()).filter(|index| !found.contains_key(index));
        let open: Vec<usize> =
            open.filter(|index| difference.may_be_of(different[*index])).collect();
        for index in holding(difference, &open, &different, database) {
            found.insert(index, number);
        }
    }
    let mut verdict = Verdict::default();
    for cell in cells.iter().filter(|cell| is_exact(cell)) {
        let outcome = verdict.outcomes.entry(place(cell)).or_default();
        match cell.fate {
            Fate::Unavailable => outcome.unavailable += 1,
            Fate::Text(_) | Fate::Mistaken | Fate::Refused(_) | Fate::Absent => outcome.exact += 1,
        }
    }
    for (index, cell) in different.iter().enumerate() {
        if let Some(number) = found.get(&index) {
            verdict.outcomes.entry(place(cell)).or_default().differences.insert(*number);
            verdict.occurrences.entry(*number).or_default().push(place(cell));
        } else {
            verdict.unlisted.push((*cell).clone());
        }
    }
    verdict
}

fn is_exact(cell: &Cell) -> bool {
    match &cell.fate {
        Fate::Text(text) => *text == cell.source,
        Fate::Unavailable => true,
        Fate::Mistaken | Fate::Refused(_) | Fate::Absent => false,
    }
}

fn place(cell: &Cell) -> Place {
    (cell.label.clone(), cell.mode.clone(), cell.release.clone())
}

/// Those of the open cells whose difference is this one.
fn holding(difference: &Difference, open: &[usize], cells: &[&Cell], database: &str) -> Vec<usize> {
    let (What::Holds(condition) | What::Equal(condition)) = difference.what else {
        return open.to_vec();
    };
    let rows: Vec<serde_json::Value> = open
        .iter()
        .map(|index| {
            let Fate::Text(got) = &cells[*index].fate else { panic!("only texts are compared") };
            serde_json::json!({ "cell": index, "t": cells[*index].source, "g": got })
        })
        .collect();
    let rows = serde_json::to_string(&rows).unwrap();
    let sql = format!(
        "select json_build_object('cell', cell, 'holds', holds($sql${condition}$sql$, t, g)) \
         from json_to_recordset($rows${rows}$rows$) as v (cell bigint, t text, g text)"
    );
    let answers = Cluster::shared().psql(database, &sql);
    let answers = answers.unwrap_or_else(|error| panic!("{}: {error}", difference.reason));
    let answers = answers.lines().map(|line| serde_json::from_str::<Answer>(line).unwrap());
    answers.filter(|answer| answer.holds).map(|answer| answer.cell).collect()
}

/// What the list says that did not come true.
pub(super) fn unproven(verdict: &Verdict) -> Vec<String> {
    let mut unproven = Vec::new();
    for (number, difference) in DIFFERENCES.iter().enumerate() {
        let places = verdict.occurrences.get(&number).map(Vec::as_slice).unwrap_or_default();
        let mut lacks = |kind: &str, names: &[&str], is: &dyn Fn(&Place, &str) -> bool| {
            for name in names {
                if !places.iter().any(|place| is(place, name)) {
                    unproven.push(format!("{kind} {name}: {}", difference.reason));
                }
            }
        };
        lacks("type", difference.types, &|place, name| place.0 == name);
        lacks("mode", difference.modes, &|place, name| place.1 == name);
        lacks("release", difference.releases, &|place, name| place.2 == name);
    }
    unproven
}
