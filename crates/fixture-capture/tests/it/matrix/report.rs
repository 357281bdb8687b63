//! What came out, for people: the table in the envelope crate's documentation, and the differences
//! that nobody has listed yet.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use super::cells::{Cell, Fate};
use super::differences::{DIFFERENCES, Difference, What};
use super::judge::{Outcome, Verdict};

/// Set to anything, it has the table written instead of compared.
const WRITE: &str = "WRITE_TYPE_REPORT";

const INTRODUCTION: &str = "\
How each type came out of real connectors, mode by mode and release by release: messages of one table
with every type, its extreme values included, were decoded by this crate, written by `COPY` into columns
of the source's own types and compared as text with what the source says. The table is written by the
test that does this.

- *exact*: every value was equal.
- *same value*: another text of the same value.
- *lossy at Debezium*: the message no longer holds the value, and nothing in it tells.
- *not sent*: messages do not have the column.
- *refused*: decoding or writing reports an error instead of writing another value.

A value that an update left alone and the connector did not send counts as exact when it is known for
that. Modes are named after the connector's option that differs from its default, as the captures are.
In the modes `extensions` the source had `PostGIS` and `pgvector`. The test's server has neither, so that
their types stand in columns of types that every server has; `just extension-types` holds the same
messages against columns of their own.

";

const HEAD: &str = "\
| type | mode (release) | outcome |
|---|---|---|
";

/// Compares the table with the one in the documentation.
pub(super) fn keep(report: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../debezium-envelope/docs/types.md");
    if env::var_os(WRITE).is_some() {
        fs::write(&path, report).unwrap();
        return;
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == report,
        "{} is not what the captures show: run `just type-report` and look at the difference",
        path.display()
    );
}

/// The page.
pub(super) fn render(verdict: &Verdict) -> String {
    INTRODUCTION.to_owned() + &table(verdict)
}

/// The table: types in order, each with its modes by what became of their values.
pub(super) fn table(verdict: &Verdict) -> String {
    let mut types: BTreeMap<&str, BTreeMap<String, Modes<'_>>> = BTreeMap::new();
    let mut all: BTreeMap<&str, Modes<'_>> = BTreeMap::new();
    for ((label, mode, release), outcome) in &verdict.outcomes {
        let by_outcome = types.entry(label).or_default().entry(words(outcome)).or_default();
        by_outcome.entry(mode).or_default().insert(release);
        all.entry(label).or_default().entry(mode).or_default().insert(release);
    }
    let mut table = HEAD.to_owned();
    for (label, outcomes) in &types {
        for (outcome, modes) in outcomes {
            let place = place(modes, &all[label]);
            writeln!(table, "| `{label}` | {place} | {outcome} |").unwrap();
        }
    }
    table
}

/// Releases by mode.
type Modes<'v> = BTreeMap<&'v str, BTreeSet<&'v str>>;

fn place(modes: &Modes<'_>, all: &Modes<'_>) -> String {
    if modes == all {
        return "all".to_owned();
    }
    let one = |(mode, releases): (&&str, &BTreeSet<&str>)| {
        if all[mode] == *releases {
            return (*mode).to_owned();
        }
        let releases: Vec<_> = releases.iter().copied().collect();
        format!("{mode} ({})", releases.join(", "))
    };
    modes.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn words(outcome: &Outcome) -> String {
    let differences = outcome.differences.iter().map(|number| difference(&DIFFERENCES[*number]));
    let differences: BTreeSet<_> = differences.collect();
    let differences: Vec<_> = differences.into_iter().collect();
    match (outcome.exact + outcome.unavailable > 0, differences.is_empty()) {
        (_, true) => "exact".to_owned(),
        (true, false) => format!("exact, but {}", differences.join("; ")),
        (false, false) => differences.join("; "),
    }
}

fn difference(difference: &Difference) -> String {
    let kind = match difference.what {
        What::Holds(_) | What::Null | What::Mistaken => "lossy at Debezium",
        What::Equal(_) => "same value",
        What::Refused(_) => "refused",
        What::Absent => "not sent",
    };
    format!("*{kind}*: {}", difference.reason)
}

/// The differences of form alone.
pub(super) fn in_other_forms(verdict: &Verdict) -> Vec<&'static str> {
    let found = verdict.occurrences.keys().map(|number| &DIFFERENCES[*number]);
    let equal = found.filter(|difference| matches!(difference.what, What::Equal(_)));
    equal.map(|difference| difference.reason).collect()
}

/// The cells that no listed difference explains, some of each kind.
pub(super) fn unlisted(verdict: &Verdict) -> String {
    let mut kinds: BTreeMap<(String, String), Vec<&Cell>> = BTreeMap::new();
    for cell in &verdict.unlisted {
        let what = match &cell.fate {
            Fate::Text(_) => "differs".to_owned(),
            Fate::Refused(reason) => format!("refused {reason}"),
            other @ (Fate::Unavailable | Fate::Mistaken | Fate::Absent) => format!("{other:?}"),
        };
        kinds.entry((cell.label.clone(), what)).or_default().push(cell);
    }
    let mut text = String::new();
    for ((label, what), cells) in &kinds {
        writeln!(text, "{label} in {}: {what}, {} cells", cells[0].table, cells.len()).unwrap();
        for cell in cells.iter().take(4) {
            let (release, mode) = (&cell.release, &cell.mode);
            writeln!(
                text,
                "    {release}-{mode}, {:?}: {:?} became {:?}",
                cell.way, cell.source, cell.fate
            )
            .unwrap();
        }
    }
    text
}
