//! The report of single steps: what the benches left behind, as a file that can be kept.
//!
//! The benches measure, and criterion and [`Ratio`] write down what they find. This reads both, adds the
//! machine and the commit, and makes tables of them.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use cdc_stack::machine::commit;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::macros::format_description;

use crate::e2e::Machine;
use crate::ratio::Ratio;

/// What the orders path must reach, as a part of the rate of structs written by hand.
const GOAL: f64 = 0.75;

/// All steps that were measured.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The day, UTC.
    pub date: String,
    /// The commit that was measured; with a `+` when files differ from it.
    pub commit: String,
    /// On what.
    pub machine: Machine,
    /// Comparisons by turns.
    pub ratios: Vec<Ratio>,
    /// Rates by criterion.
    pub steps: Vec<Step>,
}

/// One of criterion's benches.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// Its full name.
    pub name: String,
    /// Messages per second, by the median.
    pub messages_per_second: f64,
    /// Megabytes per second.
    pub megabytes_per_second: f64,
}

impl Report {
    /// Reads what lies in criterion's folder.
    ///
    /// # Errors
    ///
    /// When there is nothing, or something that criterion does not write.
    pub fn collect(criterion: &Path) -> Result<Self> {
        let mut steps = Vec::new();
        collect(criterion, &mut steps)?;
        ensure!(!steps.is_empty(), "no results in {}: run the benches first", criterion.display());
        steps.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(Self {
            date: OffsetDateTime::now_utc().format(format_description!("[year]-[month]-[day]"))?,
            commit: commit(),
            machine: Machine::alone(),
            ratios: Ratio::kept(criterion)?,
            steps,
        })
    }

    /// The report as Markdown.
    pub fn markdown(&self) -> String {
        let Self { date, commit, machine: Machine { itself: machine, .. }, .. } = self;
        let mut out = format!(
            "# Single steps, {date}, commit {commit}\n\n| | |\n|---|---|\n\
             | processor | {}, {} cores |\n| memory | {} MiB |\n| kernel | {} |\n\n\
             ## Rate divided by that of structs and COPY written by hand\n\n\
             The goal for orders is {GOAL}. Both sides take turns in one run.\n\n\
             | updates of orders | median | middle half of the pairs | pairs |\n|---|---|---|---|\n",
            machine.processor, machine.cores, machine.memory_mib, machine.kernel
        );
        let mut line = |text: String| {
            writeln!(out, "{text}").expect("writing to a String cannot fail");
        };
        for Ratio { name, low, middle, high, pairs } in &self.ratios {
            line(format!("| `{name}` | {middle:.2} | {low:.2} to {high:.2} | {pairs} |"));
        }
        line("\n## Rates\n\n| step | messages/s | MB/s |\n|---|---|---|".to_owned());
        for Step { name, messages_per_second, megabytes_per_second } in &self.steps {
            line(format!("| `{name}` | {messages_per_second:.0} | {megabytes_per_second:.1} |"));
        }
        out
    }

    /// Writes both forms into a folder and says where.
    ///
    /// # Errors
    ///
    /// When the folder cannot be written to.
    pub fn save(&self, folder: &Path) -> Result<PathBuf> {
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        let path =
            |ending: &str| folder.join(format!("steps-{}-{}.{ending}", self.date, self.commit));
        let json = serde_json::to_string_pretty(self)? + "\n";
        for (path, text) in [(path("json"), json), (path("md"), self.markdown())] {
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(path("md"))
    }
}

/// `benchmark.json` of criterion.
#[derive(Debug, Deserialize)]
struct Named {
    full_id: String,
    throughput: Option<Throughput>,
}

/// How much one iteration goes through, as far as it is counted in both.
#[derive(Debug, Deserialize)]
struct Throughput {
    #[serde(rename = "ElementsAndBytes")]
    both: Option<Counts>,
}

#[derive(Debug, Deserialize)]
struct Counts {
    elements: f64,
    bytes: f64,
}

/// `estimates.json` of criterion, in nanoseconds for one iteration.
#[derive(Debug, Deserialize)]
struct Estimates {
    median: Estimate,
}

#[derive(Debug, Deserialize)]
struct Estimate {
    point_estimate: f64,
}

/// The newest result of each bench below a folder that counts messages and bytes.
fn collect(folder: &Path, steps: &mut Vec<Step>) -> Result<()> {
    let newest = folder.join("new");
    if newest.join("benchmark.json").is_file() {
        let named: Named = read(&newest.join("benchmark.json"))?;
        let estimates: Estimates = read(&newest.join("estimates.json"))?;
        if let Some(Counts { elements, bytes }) = named.throughput.and_then(|it| it.both) {
            let seconds = estimates.median.point_estimate / 1e9;
            steps.push(Step {
                name: named.full_id,
                messages_per_second: elements / seconds,
                megabytes_per_second: bytes / seconds / 1e6,
            });
        }
        return Ok(());
    }
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, steps)?;
        }
    }
    Ok(())
}

fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_criterion_and_the_ratios_left_becomes_a_report() {
        let folder = tempfile::tempdir().unwrap();
        let criterion = folder.path().join("criterion");
        let bench = criterion.join("decode_update_bare/decoder/new");
        fs::create_dir_all(&bench).unwrap();
        let named = r#"{"group_id":"decode/update/bare","function_id":"decoder","value_str":null,
            "throughput":{"ElementsAndBytes":{"elements":1000,"bytes":623000}},
            "full_id":"decode/update/bare/decoder","directory_name":"x","title":"x"}"#;
        fs::write(bench.join("benchmark.json"), named).unwrap();
        let estimates = r#"{"median":{"point_estimate":1000000.0,"standard_error":1.0}}"#;
        fs::write(bench.join("estimates.json"), estimates).unwrap();
        let ratios = criterion.join("ratios");
        fs::create_dir_all(&ratios).unwrap();
        let ratio = r#"{"name":"decode/update/bare","low":0.8,"middle":0.9,"high":1.0,"pairs":3}"#;
        fs::write(ratios.join("decode-update-bare.json"), ratio).unwrap();

        let report = Report::collect(&criterion).unwrap();
        let [step] = &*report.steps else { panic!("{:?}", report.steps) };
        assert_eq!(step.name, "decode/update/bare/decoder");
        assert!((step.messages_per_second - 1e6).abs() < 1.0, "{step:?}");
        assert!((step.megabytes_per_second - 623.0).abs() < 0.01, "{step:?}");
        let path = report.save(&folder.path().join("results")).unwrap();
        let text = fs::read_to_string(path).unwrap();
        assert!(text.contains("| `decode/update/bare` | 0.90 | 0.80 to 1.00 | 3 |"), "{text}");
        assert!(text.contains("| `decode/update/bare/decoder` | 1000000 | 623.0 |"), "{text}");
        assert!(Report::collect(&folder.path().join("elsewhere")).is_err());
    }
}
