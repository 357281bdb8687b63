//! The bounds on what a configuration file may hold, in one place, because a file is input like any
//! other: its size and shape must not decide how much memory or stack a start needs.

/// Longest configuration file, in bytes. A table takes some 200 bytes, so this is room for
/// thousands of tables.
pub const FILE_BYTES_MAX: usize = 1024 * 1024;

/// Most parts in one dotted key or table header. Each part nests one table deeper; the parser
/// bounds brackets itself (80) but not dots.
pub const KEY_PARTS_MAX: usize = 16;

/// Most problems that one report shows. The rest is counted.
pub const PROBLEMS_MAX: usize = 100;

/// Longest secret that a reference may resolve to, in bytes: room for a certificate chain.
pub const SECRET_BYTES_MAX: usize = 64 * 1024;

/// Most characters of a found value, or of a key, in a report.
pub const SHOWN_CHARS_MAX: usize = 60;

/// Most characters of a source line in a report; a longer line is shown around the mistake.
pub const LINE_CHARS_MAX: usize = 120;

/// Most allowed words in a report.
pub const ALLOWED_SHOWN_MAX: usize = 24;
