//! Finds PostgreSQL's programs, which distributions like to keep off the search path.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::StackError;
use crate::process::run;

/// Names a folder that holds the programs, before every other place.
const OVERRIDE: &str = "CDC_PG_BIN";

/// All of these must lie in one folder: a mix of versions is a source of strange errors.
const PROGRAMS: [&str; 3] = ["postgres", "initdb", "psql"];

/// A folder which holds `postgres`, `initdb` and `psql` of one installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresBinaries {
    folder: PathBuf,
}

impl PostgresBinaries {
    /// Looks in `$CDC_PG_BIN`, on the search path, in Debian's and Red Hat's folders by version
    /// (newest first) and in Homebrew's.
    ///
    /// # Errors
    ///
    /// [`StackError::MissingProgram`] with the line that installs them. A `$CDC_PG_BIN` without
    /// the programs is an error too, not a reason to look elsewhere.
    pub fn find() -> Result<Self, StackError> {
        if let Some(folder) = env::var_os(OVERRIDE).filter(|folder| !folder.is_empty()) {
            return Self::first_complete([PathBuf::from(folder)])
                .ok_or_else(|| missing(format!("looked in the folder of ${OVERRIDE} only")));
        }
        let path = env::var_os("PATH").unwrap_or_default();
        let on_path = env::split_paths(&path);
        Self::first_complete(on_path.chain(installed())).ok_or_else(|| {
            missing(format!(
                "looked on PATH, in /usr/lib/postgresql/*/bin, /usr/pgsql-*/bin and Homebrew's \
                 folders; ${OVERRIDE} can name another folder"
            ))
        })
    }

    fn first_complete(folders: impl IntoIterator<Item = PathBuf>) -> Option<Self> {
        folders
            .into_iter()
            .find(|folder| PROGRAMS.iter().all(|program| folder.join(program).is_file()))
            .map(|folder| Self { folder })
    }

    /// The folder with the programs.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The path of one of the programs, as "psql".
    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The server's version line, as "postgres (PostgreSQL) 15.4".
    ///
    /// # Errors
    ///
    /// When the server program cannot be run.
    pub fn version(&self) -> Result<String, StackError> {
        run(Command::new(self.program("postgres")).arg("--version"), "postgres --version")
            .map(|line| line.trim().to_owned())
    }
}

fn missing(searched: String) -> StackError {
    StackError::MissingProgram {
        program: "postgres",
        searched,
        install: "apt-get install postgresql",
    }
}

/// The folders of known installers, newest version first.
fn installed() -> Vec<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = Vec::new();
    for (parent, prefix, below) in [
        ("/usr/lib/postgresql", "", "bin"),
        ("/usr", "pgsql-", "bin"),
        ("/opt/homebrew/opt", "postgresql@", "bin"),
        ("/usr/local/opt", "postgresql@", "bin"),
        ("/home/linuxbrew/.linuxbrew/opt", "postgresql@", "bin"),
    ] {
        let Ok(entries) = fs::read_dir(parent) else { continue };
        found.extend(entries.flatten().filter_map(|entry| {
            let name = entry.file_name();
            let version = name.to_str()?.strip_prefix(prefix)?.parse().ok()?;
            Some((version, entry.path().join(below)))
        }));
    }
    found.sort_by(|a, b| b.cmp(a));
    found.into_iter().map(|(_, folder)| folder).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_counts_only_when_all_programs_are_in_it() {
        let folder = tempfile::tempdir().unwrap();
        for program in ["postgres", "psql"] {
            fs::write(folder.path().join(program), "").unwrap();
        }
        let candidates = || [folder.path().to_owned()];
        assert_eq!(PostgresBinaries::first_complete(candidates()), None);
        fs::write(folder.path().join("initdb"), "").unwrap();
        let found = PostgresBinaries::first_complete(candidates()).unwrap();
        assert_eq!(found.folder(), folder.path());
    }

    #[test]
    fn the_error_names_the_line_that_installs_it() {
        assert!(missing(String::new()).to_string().contains("apt-get install postgresql"));
    }
}
