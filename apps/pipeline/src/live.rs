//! The view on a terminal: painted over itself, and out of the way of everything else that is written.

use std::io::{self, IsTerminal as _, Write, stderr};
use std::sync::{Mutex, PoisonError};

use console::Term;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, WeakProgressBar};

use crate::view::{self, Moment, Size};

/// What a terminal that does not say is taken for.
const SIZE_DEFAULT: (u16, u16) = (24, 80);

/// The view that is painted now, for those who write logs meanwhile.
static PAINTED: Mutex<Option<WeakProgressBar>> = Mutex::new(None);

/// A view on standard error; gone when dropped.
#[derive(Debug)]
pub(crate) struct Live {
    terminal: Term,
    bar: ProgressBar,
}

impl Live {
    /// A view, where standard error is a terminal.
    pub(crate) fn on_terminal() -> Option<Self> {
        if !stderr().is_terminal() {
            return None;
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        bar.set_style(ProgressStyle::with_template("{msg}").ok()?);
        *PAINTED.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar.downgrade());
        Some(Self { terminal: Term::stderr(), bar })
    }

    /// Shows these figures in the place of the last ones.
    pub(crate) fn paint(&self, moment: &Moment) {
        let (height, width) = self.terminal.size_checked().unwrap_or(SIZE_DEFAULT);
        let lines = view::lines(moment, Size::of_terminal(height, width));
        self.bar.set_message(lines.join("\n"));
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Standard error for logs: a view that is painted there is taken away while something is written.
#[derive(Debug)]
pub(crate) struct AroundView;

impl Write for AroundView {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let painted = PAINTED.lock().unwrap_or_else(PoisonError::into_inner);
        let bar = painted.as_ref().and_then(WeakProgressBar::upgrade);
        match bar.filter(|bar| !bar.is_finished()) {
            Some(bar) => bar.suspend(|| stderr().write_all(text))?,
            None => stderr().write_all(text)?,
        }
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        stderr().flush()
    }
}
