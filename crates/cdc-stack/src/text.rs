//! Small conversions of text that several components share.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// How much of a log goes into an error: enough for a stack trace's first cause.
const TAIL_BYTES: u64 = 8 * 1024;

/// A 64-bit FNV-1a digest in hexadecimal: a stable name for cached things, not a safeguard.
pub(crate) fn digest(parts: &[&str]) -> String {
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let mut state: u64 = 0xcbf2_9ce4_8422_2325;
    for part in parts {
        // The terminator keeps ("ab", "c") and ("a", "bc") apart.
        for byte in part.bytes().chain([0xff]) {
            state = (state ^ u64::from(byte)).wrapping_mul(PRIME);
        }
    }
    format!("{state:016x}")
}

/// The text which a log gained since `from`, cut to its last lines.
///
/// An unreadable log gives a remark instead of an error, since the caller is already reporting one.
pub(crate) fn log_tail(log: &Path, from: u64) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(from.max(length.saturating_sub(TAIL_BYTES)).min(length)))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
    };
    match read() {
        Ok(text) if text.is_empty() => "(empty)".to_owned(),
        Ok(text) => text,
        Err(error) => format!("(unreadable: {error})"),
    }
}

/// A name as an SQL identifier, quoted so that any character is kept.
pub(crate) fn sql_identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_keeps_part_borders_apart() {
        assert_ne!(digest(&["ab", "c"]), digest(&["a", "bc"]));
        assert_eq!(digest(&["ab", "c"]), digest(&["ab", "c"]));
    }

    #[test]
    fn quotes_inside_identifiers_are_doubled() {
        assert_eq!(sql_identifier(r#"a"b"#), r#""a""b""#);
    }

    #[test]
    fn log_tail_starts_at_the_given_length_and_names_an_absent_log() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        std::fs::write(&log, "old line\nnew line\n").unwrap();
        assert_eq!(log_tail(&log, 9), "new line");
        assert_eq!(log_tail(&log, 900), "(empty)");
        assert!(log_tail(&folder.path().join("none"), 0).starts_with("(unreadable"));
    }
}
