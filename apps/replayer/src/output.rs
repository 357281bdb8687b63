//! What is printed, also when its reader has gone: `| head` is no reason to panic.

use std::fmt::Display;
use std::io::{self, Write as _};

/// Prints a line, if anybody still reads.
pub(crate) fn line(text: impl Display) {
    writeln!(io::stdout(), "{text}").ok();
}

/// Tells something before the start that is no reason to stop, apart from the report.
pub(crate) fn note(text: &str) {
    writeln!(io::stderr(), "note: {text}").ok();
}
