//! Shows how far a run is: a bar on a terminal, a line each second elsewhere.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Time between two plain lines.
const LINE_EVERY: Duration = Duration::from_secs(1);

/// Progress in changes, on standard error.
#[derive(Debug)]
pub(crate) enum Progress {
    /// Nothing is shown.
    Quiet,
    /// A bar that is drawn again and again.
    Bar(ProgressBar),
    /// Lines for logs.
    Lines(Lines),
}

#[derive(Debug)]
pub(crate) struct Lines {
    total: Option<u64>,
    done: u64,
    started: Instant,
    next: Instant,
}

impl Progress {
    /// Progress towards that many changes, or without an end.
    pub(crate) fn start(total: Option<u64>, is_quiet: bool) -> Self {
        if is_quiet {
            return Self::Quiet;
        }
        let started = Instant::now();
        if !io::stderr().is_terminal() {
            return Self::Lines(Lines { total, done: 0, started, next: started + LINE_EVERY });
        }
        let (bar, template) = match total {
            Some(total) => (
                ProgressBar::new(total),
                "{bar:30} {human_pos} of {human_len} changes  {per_sec}  {eta} left",
            ),
            None => {
                (ProgressBar::no_length(), "{spinner} {human_pos} changes  {per_sec}  {elapsed}")
            }
        };
        let style = ProgressStyle::with_template(template).expect("the template is well-formed");
        Self::Bar(bar.with_style(style))
    }

    /// Some more changes are done.
    pub(crate) fn advance(&mut self, changes: usize) {
        let changes = u64::try_from(changes).unwrap_or(u64::MAX);
        match self {
            Self::Quiet => {}
            Self::Bar(bar) => bar.inc(changes),
            Self::Lines(lines) => lines.advance(changes, Instant::now()),
        }
    }

    /// Removes the bar.
    pub(crate) fn finish(&self) {
        match self {
            Self::Quiet | Self::Lines(_) => {}
            Self::Bar(bar) => bar.finish_and_clear(),
        }
    }
}

impl Lines {
    #[expect(clippy::print_stderr, reason = "progress is for the person who waits")]
    fn advance(&mut self, changes: u64, now: Instant) {
        self.done = self.done.saturating_add(changes);
        if now >= self.next {
            self.next = now + LINE_EVERY;
            eprintln!("{}", self.line(now.saturating_duration_since(self.started)));
        }
    }

    fn line(&self, elapsed: Duration) -> String {
        let rate = per_second(self.done, elapsed);
        let Some(total) = self.total else {
            return format!("{} changes, {rate} a second", self.done);
        };
        let rest = total.saturating_sub(self.done);
        let left =
            rest.checked_div(rate).map_or_else(String::new, |left| format!(", {left} s left"));
        format!("{} of {total} changes, {rate} a second{left}", self.done)
    }
}

/// Changes a second, rounded down; all of them when no time has passed.
pub(crate) fn per_second(changes: u64, elapsed: Duration) -> u64 {
    let millis = elapsed.as_millis().max(1);
    let rate = u128::from(changes) * 1000 / millis;
    u64::try_from(rate).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Lines;

    #[test]
    fn a_line_has_the_rate_and_the_time_left() {
        let started = Instant::now();
        let mut lines = Lines { total: Some(1_000), done: 0, started, next: started };
        assert_eq!(lines.line(Duration::from_secs(1)), "0 of 1000 changes, 0 a second");
        lines.done = 400;
        let line = lines.line(Duration::from_secs(2));
        assert_eq!(line, "400 of 1000 changes, 200 a second, 3 s left");
        lines.total = None;
        assert_eq!(lines.line(Duration::from_secs(2)), "400 changes, 200 a second");
    }
}
