//! Why the program ends early, and the exit code that says so.

use std::error::Error;
use std::process::ExitCode;

/// A reason to end, by who can do something about it.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The arguments ask for something that makes no sense: exit code 2, as for unknown arguments.
    Usage(anyhow::Error),
    /// Something outside is missing or refuses: exit code 4.
    Environment(anyhow::Error),
}

impl Failure {
    /// Shows the whole chain of causes, once.
    #[expect(clippy::print_stderr, reason = "this is the program's last word to a person")]
    pub(crate) fn report(&self) -> ExitCode {
        let (error, code) = match self {
            Self::Usage(error) => (error, 2),
            Self::Environment(error) => (error, 4),
        };
        eprintln!("error: {error:#}");
        ExitCode::from(code)
    }
}

/// The environment is what fails where nothing else is said.
impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Environment(error.into())
    }
}

/// Adds to an error what to do about it.
pub(crate) fn hint(error: impl Error + Send + Sync + 'static, hint: &str) -> anyhow::Error {
    anyhow::anyhow!("{:#}\nhint: {hint}", anyhow::Error::new(error))
}
