//! How the rates of two ways to do the same work compare, and where a bench leaves the result.
//!
//! Both sides take turns within about a millisecond, so what else runs on the machine slows both, and
//! the median is steadier than two rates measured one after the other.

use std::env;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

/// Pairs of measurements behind a ratio.
const PAIRS: usize = 301;

/// The rate of one side divided by that of the other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ratio {
    /// What was compared, such as `decode/update/bare`.
    pub name: String,
    /// A quarter of the pairs lie below.
    pub low: f64,
    /// The median.
    pub middle: f64,
    /// A quarter of the pairs lie above.
    pub high: f64,
    /// How many pairs.
    pub pairs: usize,
}

impl Ratio {
    /// Measures both sides by turns.
    pub fn measure(name: &str, mut ours: impl FnMut(), mut theirs: impl FnMut()) -> Self {
        let mut ratios: Vec<f64> = (0..PAIRS)
            .map(|_| {
                let our_time = time(&mut ours);
                let their_time = time(&mut theirs);
                their_time.as_secs_f64() / our_time.as_secs_f64()
            })
            .collect();
        ratios.sort_by(f64::total_cmp);
        let at = |place: usize| ratios.get(place).copied().unwrap_or(f64::NAN);
        let (low, middle, high) = (at(PAIRS / 4), at(PAIRS / 2), at(PAIRS / 4 * 3));
        Self { name: name.to_owned(), low, middle, high, pairs: PAIRS }
    }

    /// Leaves the result where [`Ratio::kept`] finds it, beside criterion's own.
    ///
    /// # Errors
    ///
    /// When the folder cannot be written to.
    pub fn keep(&self) -> Result<()> {
        let folder = criterion_folder()?.join(FOLDER);
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        let path = folder.join(format!("{}.json", self.name.replace('/', "-")));
        let json = serde_json::to_string_pretty(self)? + "\n";
        fs::write(&path, json).with_context(|| format!("cannot write {}", path.display()))
    }

    /// All results that lie in criterion's folder, by name.
    ///
    /// # Errors
    ///
    /// When a file cannot be read.
    pub fn kept(criterion: &Path) -> Result<Vec<Self>> {
        let folder = criterion.join(FOLDER);
        let mut ratios: Vec<Self> = Vec::new();
        let Ok(entries) = fs::read_dir(&folder) else { return Ok(ratios) };
        for entry in entries {
            let path = entry?.path();
            let text = fs::read_to_string(&path)?;
            let ratio = serde_json::from_str(&text);
            ratios.push(ratio.with_context(|| format!("cannot read {}", path.display()))?);
        }
        ratios.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(ratios)
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, low, middle, high, pairs } = self;
        write!(f, "{name:<28} {middle:.2} (half of {pairs} pairs between {low:.2} and {high:.2})")
    }
}

const FOLDER: &str = "ratios";

/// Where criterion keeps its results: beside the folder of the profile that this program was built in.
///
/// # Errors
///
/// When the program does not lie where cargo puts it.
pub fn criterion_folder() -> Result<PathBuf> {
    let program = env::current_exe().context("cannot find this program")?;
    let is_profile = |path: &&Path| path.ends_with("release") || path.ends_with("debug");
    let profile = program.ancestors().find(is_profile);
    let target = profile.and_then(Path::parent).context("not in a folder of cargo")?;
    Ok(target.join("criterion"))
}

fn time(work: &mut impl FnMut()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slower_side_has_the_smaller_rate() {
        let pause = || std::thread::sleep(Duration::from_micros(200));
        let ratio = Ratio::measure("a/b", pause, || ());
        assert!(ratio.middle < 0.5, "{ratio:?}");
        assert!(ratio.low <= ratio.middle && ratio.middle <= ratio.high, "{ratio:?}");
    }
}
