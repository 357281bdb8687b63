//! Standard output, whose reader may have gone: `| head` is no reason to panic.

use std::fmt::Display;
use std::io::{self, Write as _};

/// Prints a line, if anybody still reads.
pub(crate) fn line(text: impl Display) {
    writeln!(io::stdout(), "{text}").ok();
}
