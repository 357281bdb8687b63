//! What a replay shows while it runs, on standard error: a bar on a terminal, a line now and then elsewhere.

use std::io::{IsTerminal as _, stderr};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// How often a terminal is drawn.
const TICK: Duration = Duration::from_millis(200);

/// How often a line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// What is shown of a run.
pub(crate) struct Shown<D, N> {
    /// How many records are done.
    pub(crate) done: D,
    /// What else there is to know.
    pub(crate) note: N,
    /// An upper bound of the records.
    pub(crate) total: u64,
}

/// Shows how far a run is, until it is aborted.
pub(crate) async fn show(shown: Shown<impl Fn() -> u64, impl Fn() -> String>) {
    if stderr().is_terminal() {
        draw(shown).await;
    } else {
        write(shown).await;
    }
}

async fn draw(Shown { done, note, total }: Shown<impl Fn() -> u64, impl Fn() -> String>) {
    let bar = Cleared(ProgressBar::new(total));
    let template = "{bar:30} {percent:>3} % of {len} records, {per_sec}, {eta} left  {msg}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.0.set_style(style);
    }
    loop {
        bar.0.set_position(done());
        bar.0.set_message(note());
        tokio::time::sleep(TICK).await;
    }
}

/// A bar that leaves no trace when its task is aborted.
struct Cleared(ProgressBar);

impl Drop for Cleared {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

async fn write(Shown { done, note, total }: Shown<impl Fn() -> u64, impl Fn() -> String>) {
    let started = Instant::now();
    loop {
        tokio::time::sleep(LINE_EVERY).await;
        let done = done();
        let rate = per_second(done, started.elapsed());
        let rest = total.saturating_sub(done);
        let left =
            rest.checked_div(rate).map_or_else(String::new, |left| format!(", {left} s left"));
        eprintln!("{done} of {total} records, {rate} a second{left}, {}", note());
    }
}

/// Records a second, rounded down; all of them when no time has passed.
pub(crate) fn per_second(records: u64, elapsed: Duration) -> u64 {
    let millis = elapsed.as_millis().max(1);
    let rate = u128::from(records).saturating_mul(1000) / millis;
    u64::try_from(rate).unwrap_or(u64::MAX)
}
