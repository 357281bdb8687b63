//! Shows the end of several growing files side by side, as `tail -f` does for one.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write};
use std::path::PathBuf;

/// How many lines that are already there are shown.
const LINES_SHOWN: usize = 50;

/// How much of a file is held in memory at once.
const BLOCK_BYTES: u64 = 64 * 1024;

/// A file of which the lines are shown as they come.
#[derive(Debug)]
pub(crate) struct Tail {
    /// Stands before each line.
    prefix: String,
    path: PathBuf,
    /// All before it has been read.
    position: u64,
    /// The beginning of a line whose end has not been read.
    unfinished: Vec<u8>,
}

impl Tail {
    pub(crate) fn new(prefix: String, path: PathBuf) -> Self {
        Self { prefix, path, position: 0, unfinished: Vec::new() }
    }

    pub(crate) fn exists(&self) -> bool {
        self.path.is_file()
    }

    /// Leaves out all but the last lines of what is in the file now.
    pub(crate) fn skip_to_last_lines(&mut self) -> io::Result<()> {
        if let Some(mut file) = self.open()? {
            self.position = start_of_last_lines(&mut file, LINES_SHOWN)?;
        }
        Ok(())
    }

    /// Writes the lines that have come since the last call and are complete.
    pub(crate) fn show_new(&mut self, out: &mut impl Write) -> io::Result<()> {
        let Some(mut file) = self.open()? else { return Ok(()) };
        if file.metadata()?.len() < self.position {
            // It was made anew.
            self.position = 0;
        }
        file.seek(SeekFrom::Start(self.position))?;
        loop {
            let read = (&mut file).take(BLOCK_BYTES).read_to_end(&mut self.unfinished)?;
            if read == 0 {
                return Ok(());
            }
            self.position += u64::try_from(read).unwrap_or(0);
            let text = std::mem::take(&mut self.unfinished);
            for line in text.split_inclusive(|byte| *byte == b'\n') {
                if line.ends_with(b"\n") {
                    out.write_all(self.prefix.as_bytes())?;
                    out.write_all(line)?;
                } else {
                    line.clone_into(&mut self.unfinished);
                }
            }
            // No line is so long; this keeps a file without line ends out of memory.
            if u64::try_from(self.unfinished.len()).is_ok_and(|length| length > BLOCK_BYTES) {
                self.show_unfinished(out)?;
            }
        }
    }

    /// Writes the last line, if it has no end.
    pub(crate) fn show_unfinished(&mut self, out: &mut impl Write) -> io::Result<()> {
        if self.unfinished.is_empty() {
            return Ok(());
        }
        out.write_all(self.prefix.as_bytes())?;
        out.write_all(&self.unfinished)?;
        self.unfinished.clear();
        out.write_all(b"\n")
    }

    /// The file, unless the component has not made it yet.
    fn open(&self) -> io::Result<Option<File>> {
        match File::open(&self.path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Where the last `count` lines of a file begin, found from its end.
fn start_of_last_lines(file: &mut File, count: usize) -> io::Result<u64> {
    let end = file.seek(SeekFrom::End(0))?;
    let mut ends_seen = 0;
    let mut block_end = end;
    while block_end > 0 {
        let block_start = block_end.saturating_sub(BLOCK_BYTES);
        file.seek(SeekFrom::Start(block_start))?;
        let mut block = Vec::new();
        (&mut *file).take(block_end - block_start).read_to_end(&mut block)?;
        for (position, byte) in (block_start..block_end).rev().zip(block.iter().rev()) {
            // The end of the file's last line has no line behind it.
            if *byte == b'\n' && position + 1 < end {
                ends_seen += 1;
                if ends_seen == count {
                    return Ok(position + 1);
                }
            }
        }
        block_end = block_start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};

    use super::*;

    fn shown(tail: &mut Tail) -> String {
        let mut out = Vec::new();
        tail.show_new(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn append(tail: &Tail, text: &str) {
        let mut file = OpenOptions::new().create(true).append(true).open(&tail.path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    #[test]
    fn the_last_fifty_lines_of_a_log_of_any_length_are_shown() {
        let folder = tempfile::tempdir().unwrap();
        for (lines, width) in [(0, 1), (1, 1), (49, 1), (50, 1), (51, 1), (3_000, 100)] {
            let path = folder.path().join(format!("{lines}"));
            let all: Vec<String> = (0..lines).map(|line| format!("{line:width$}\n")).collect();
            fs::write(&path, all.concat()).unwrap();
            let mut tail = Tail::new(String::new(), path);
            tail.skip_to_last_lines().unwrap();
            let last = all.get(all.len().saturating_sub(50)..).unwrap().concat();
            assert_eq!(shown(&mut tail), last, "{lines} lines");
        }
    }

    #[test]
    fn a_line_is_shown_once_it_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let mut tail = Tail::new("kafka | ".to_owned(), folder.path().join("log"));
        tail.skip_to_last_lines().unwrap();
        assert_eq!(shown(&mut tail), "", "there is no file yet");
        append(&tail, "one\ntw");
        assert_eq!(shown(&mut tail), "kafka | one\n");
        append(&tail, "o\n");
        assert_eq!(shown(&mut tail), "kafka | two\n");
        append(&tail, "thr");
        assert_eq!(shown(&mut tail), "");
        let mut out = Vec::new();
        tail.show_unfinished(&mut out).unwrap();
        assert_eq!(out, b"kafka | thr\n");
    }

    #[test]
    fn a_log_that_was_made_anew_is_shown_from_its_start() {
        let folder = tempfile::tempdir().unwrap();
        let mut tail = Tail::new(String::new(), folder.path().join("log"));
        append(&tail, "a long first line\n");
        assert_eq!(shown(&mut tail), "a long first line\n");
        fs::write(&tail.path, "new\n").unwrap();
        assert_eq!(shown(&mut tail), "new\n");
    }
}
