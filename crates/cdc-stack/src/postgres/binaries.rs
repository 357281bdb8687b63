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
    /// The programs in this folder.
    ///
    /// # Errors
    ///
    /// [`StackError::MissingProgram`] when one of them is not there.
    pub fn in_folder(folder: &Path) -> Result<Self, StackError> {
        Self::first_complete([folder.to_owned()])
            .ok_or_else(|| missing(format!("looked in {} only", folder.display())))
    }

    /// Looks in `$CDC_PG_BIN`, on the search path, in Debian's and Red Hat's folders by version
    /// (newest first) and in Homebrew's, and asks `pg_config`.
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
        let known = on_path.chain(installed());
        Self::first_complete(known).or_else(|| Self::first_complete(configured())).ok_or_else(|| {
            missing(format!(
                "looked on PATH, in /usr/lib/postgresql/*/bin, /usr/pgsql-*/bin, Homebrew's folders \
                 and that of pg_config; ${OVERRIDE} can name another folder"
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
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    StackError::MissingProgram { program: "postgres", searched, install: install_line(&release) }
}

/// The line that installs the server on a system which describes itself so, as in `/etc/os-release`.
fn install_line(release: &str) -> &'static str {
    if cfg!(target_os = "macos") {
        return "brew install postgresql@17";
    }
    let names = release
        .lines()
        .filter_map(|line| line.strip_prefix("ID=").or_else(|| line.strip_prefix("ID_LIKE=")));
    let names: Vec<&str> =
        names.flat_map(|names| names.trim_matches('"').split_whitespace()).collect();
    let any = |known: &[&str]| names.iter().any(|name| known.contains(name));
    if any(&["fedora", "rhel", "centos"]) {
        "dnf install postgresql-server"
    } else if any(&["arch"]) {
        "pacman -S postgresql"
    } else if any(&["alpine"]) {
        "apk add postgresql"
    } else if any(&["suse", "opensuse"]) {
        "zypper install postgresql-server"
    } else {
        "apt-get install postgresql"
    }
}

/// What an installation says of itself, wherever it is.
fn configured() -> Option<PathBuf> {
    let folder = run(Command::new("pg_config").arg("--bindir"), "pg_config --bindir").ok()?;
    Some(PathBuf::from(folder.trim()))
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
        let nowhere = PostgresBinaries::in_folder(Path::new("/nowhere")).unwrap_err().to_string();
        assert!(nowhere.contains("looked in /nowhere only"), "{nowhere}");
        assert!(nowhere.contains("install postgresql"), "{nowhere}");
        assert_eq!(nowhere.lines().count(), 1, "{nowhere}");
    }

    #[cfg(not(target_os = "macos"))]
    #[test]
    fn each_system_has_its_own_line() {
        let line = |release: &str| install_line(release);
        assert_eq!(line("ID=ubuntu\nID_LIKE=debian\n"), "apt-get install postgresql");
        assert_eq!(line("NAME=\"Fedora Linux\"\nID=fedora\n"), "dnf install postgresql-server");
        assert_eq!(
            line("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n"),
            "dnf install postgresql-server"
        );
        assert_eq!(line(""), "apt-get install postgresql");
    }
}
