//! A file that can be read in one sitting: at most 500 lines, or a reason in the list of exceptions.

use crate::exceptions::{self, Exceptions};
use crate::finding::Finding;
use crate::tree::Tree;

const LINES_MAX: usize = 500;

pub(super) fn check(tree: &Tree, exceptions: &Exceptions) -> Vec<Finding> {
    let too_long = tree.rust().filter_map(|(path, text)| {
        let lines = text.lines().count();
        (lines > LINES_MAX && !exceptions.excuses(path)).then(|| {
            Finding::new(
                path,
                LINES_MAX + 1,
                format!("has {lines} lines, {LINES_MAX} is the most"),
                format!("split it by ideas, or give a reason in {}", exceptions::PATH),
            )
        })
    });
    let idle = exceptions.long_files().filter_map(|(path, line)| {
        let excuses = tree.text(path).is_some_and(|text| text.lines().count() > LINES_MAX);
        (!excuses).then(|| {
            Finding::new(
                exceptions::PATH,
                line,
                format!("excuses `{path}`, which is not too long"),
                "remove the entry",
            )
        })
    });
    too_long.chain(idle).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::{Scratch, exceptions, shown};

    fn scratch() -> Scratch {
        let long = "// x\n".repeat(501);
        Scratch::new(&[
            ("crates/a/src/long.rs", &long),
            ("crates/a/src/limit.rs", &"// x\n".repeat(500)),
            ("crates/a/fixtures/long.rs", &long),
            ("notes.md", &long),
        ])
    }

    #[test]
    fn reports_rust_files_over_the_limit() {
        assert_eq!(
            shown(&check(&scratch().tree(), &exceptions(""))),
            ["crates/a/src/long.rs:501  has 501 lines, 500 is the most  split it by ideas, or \
                 give a reason in crates/tidy/exceptions.toml"]
        );
    }

    #[test]
    fn accepts_what_the_list_excuses() {
        let list = exceptions("[long-files]\n\"crates/a/src/long.rs\" = \"one table\"\n");
        assert_eq!(check(&scratch().tree(), &list), []);
    }

    #[test]
    fn reports_entries_that_excuse_nothing() {
        let list = exceptions(
            "[long-files]\n\"crates/a/src/limit.rs\" = \"r\"\n\"gone.rs\" = \"r\"\n\
             \"crates/a/src/long.rs\" = \"r\"\n",
        );
        assert_eq!(
            shown(&check(&scratch().tree(), &list)),
            [
                "crates/tidy/exceptions.toml:2  excuses `crates/a/src/limit.rs`, which is not too \
                 long  remove the entry",
                "crates/tidy/exceptions.toml:3  excuses `gone.rs`, which is not too long  remove \
                 the entry",
            ]
        );
    }
}
