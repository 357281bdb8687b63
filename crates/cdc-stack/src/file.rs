//! Small work on texts and files that several components share.

use std::env;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::StackError;

/// How much of a log goes into an error: enough for a stack trace with its causes.
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

/// The text which a log gained since it had the length `from`.
pub(crate) fn log_since(log: &Path, from: u64) -> io::Result<String> {
    let mut file = File::open(log)?;
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The end of the text which a log gained since it had the length `from`.
///
/// An unreadable log gives a remark instead of an error, since the caller is already reporting one.
pub(crate) fn log_tail(log: &Path, from: u64) -> String {
    let length = fs::metadata(log).map_or(0, |metadata| metadata.len());
    match log_since(log, from.max(length.saturating_sub(TAIL_BYTES))) {
        Ok(text) if text.is_empty() => "(empty)".to_owned(),
        Ok(text) => text.trim_end().to_owned(),
        Err(error) => format!("(unreadable: {error})"),
    }
}

/// The folder of a component: a given one, or a temporary one with this prefix, which must be kept
/// as long as the component lives.
pub(crate) fn work_folder(
    given: Option<&Path>,
    prefix: &str,
) -> Result<(PathBuf, Option<TempDir>), StackError> {
    if let Some(folder) = given {
        fs::create_dir_all(folder).map_err(StackError::io("create the folder", folder))?;
        let folder = folder.canonicalize().map_err(StackError::io("find the folder", folder))?;
        return Ok((folder, None));
    }
    let temporary = tempfile::Builder::new()
        .prefix(prefix)
        .tempdir()
        .map_err(StackError::io("create a temporary folder in", &env::temp_dir()))?;
    Ok((temporary.path().to_owned(), Some(temporary)))
}

/// Copies a folder with all it holds into `to`, which may exist.
pub(crate) fn copy_tree(from: &Path, to: &Path) -> Result<(), StackError> {
    fs::create_dir_all(to).map_err(StackError::io("create the folder", to))?;
    for entry in fs::read_dir(from).map_err(StackError::io("read the folder", from))? {
        let entry = entry.map_err(StackError::io("read the folder", from))?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type().map_err(StackError::io("inspect", &entry.path()))?;
        if kind.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target).map_err(StackError::io("copy a file to", &target))?;
        }
    }
    Ok(())
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
        fs::write(&log, "old line\nnew line\n").unwrap();
        assert_eq!(log_tail(&log, 9), "new line");
        assert_eq!(log_tail(&log, 900), "(empty)");
        assert!(log_tail(&folder.path().join("none"), 0).starts_with("(unreadable"));
    }
}
