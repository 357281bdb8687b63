//! The one door to the world outside the configuration file: variables and secret files.
//!
//! Readers get it injected, so that parsing stays a function of its arguments and a test needs
//! neither variables nor files.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::limits::SECRET_BYTES_MAX;

/// Where secret references are resolved.
pub trait Environment {
    /// Gives the value of the variable `name`, which the caller has checked to be a name.
    ///
    /// # Errors
    ///
    /// [`EnvironmentError::VariableNotSet`] or [`EnvironmentError::VariableNotText`].
    fn variable(&self, name: &str) -> Result<String, EnvironmentError>;

    /// Gives the text of the file at `path`, as written in the configuration.
    ///
    /// # Errors
    ///
    /// [`EnvironmentError::FileNotRead`], also for a file that is not UTF-8 or longer than
    /// [`SECRET_BYTES_MAX`].
    fn file(&self, path: &Path) -> Result<String, EnvironmentError>;
}

/// Why a secret reference could not be resolved. Never holds what was found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnvironmentError {
    /// The variable does not exist.
    #[error("environment variable {name} is not set")]
    VariableNotSet {
        /// The variable's name.
        name: String,
    },
    /// The variable exists and is not Unicode.
    #[error("environment variable {name} is not valid Unicode")]
    VariableNotText {
        /// The variable's name.
        name: String,
    },
    /// The file is missing, unreadable, too long or not text.
    #[error("secret file {} cannot be read", path.display())]
    FileNotRead {
        /// The path that was tried.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
}

/// The environment of this process. Relative paths start at the folder of the configuration file,
/// so that a configuration means the same from every working directory.
#[derive(Debug, Clone)]
pub struct ProcessEnvironment {
    folder: PathBuf,
}

impl ProcessEnvironment {
    /// Resolves relative paths beside `configuration`, the path of the configuration file.
    pub fn beside(configuration: &Path) -> Self {
        Self { folder: configuration.parent().map(Path::to_path_buf).unwrap_or_default() }
    }
}

impl Environment for ProcessEnvironment {
    fn variable(&self, name: &str) -> Result<String, EnvironmentError> {
        std::env::var(name).map_err(|error| match error {
            std::env::VarError::NotPresent => {
                EnvironmentError::VariableNotSet { name: name.to_owned() }
            }
            std::env::VarError::NotUnicode(_) => {
                EnvironmentError::VariableNotText { name: name.to_owned() }
            }
        })
    }

    fn file(&self, path: &Path) -> Result<String, EnvironmentError> {
        let path = self.folder.join(path);
        read_bounded(&path).map_err(|source| EnvironmentError::FileNotRead { path, source })
    }
}

fn read_bounded(path: &Path) -> io::Result<String> {
    let limit = u64::try_from(SECRET_BYTES_MAX).unwrap_or(u64::MAX);
    let mut text = String::new();
    std::fs::File::open(path)?.take(limit.saturating_add(1)).read_to_string(&mut text)?;
    if text.len() > SECRET_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "longer than a secret may be"));
    }
    Ok(text)
}

/// An environment made of given values: for tests, and the empty default of a
/// [`Document`](crate::Document). Its `Debug` names what it holds without showing it.
#[derive(Clone, Default)]
pub struct FixedEnvironment {
    variables: BTreeMap<String, String>,
    files: BTreeMap<PathBuf, String>,
}

impl FixedEnvironment {
    /// Makes an environment without variables and files.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a variable.
    #[must_use]
    pub fn with_variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.variables.insert(name.into(), value.into());
        self
    }

    /// Adds a file.
    #[must_use]
    pub fn with_file(mut self, path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        self.files.insert(path.into(), text.into());
        self
    }
}

impl Environment for FixedEnvironment {
    fn variable(&self, name: &str) -> Result<String, EnvironmentError> {
        let found = self.variables.get(name).cloned();
        found.ok_or_else(|| EnvironmentError::VariableNotSet { name: name.to_owned() })
    }

    fn file(&self, path: &Path) -> Result<String, EnvironmentError> {
        self.files.get(path).cloned().ok_or_else(|| EnvironmentError::FileNotRead {
            path: path.to_owned(),
            source: io::ErrorKind::NotFound.into(),
        })
    }
}

impl fmt::Debug for FixedEnvironment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("FixedEnvironment")
            .field("variables", &self.variables.keys().collect::<Vec<_>>())
            .field("files", &self.files.keys().collect::<Vec<_>>())
            .finish()
    }
}
