//! The wrapper that keeps a password out of logs, reports and debug output by having no text form.

use std::fmt;

/// A value that must not be printed, such as a password or a URL that holds one.
///
/// It has neither `Display` nor serialisation, its `Debug` is a constant, and it cannot be compared,
/// so the only way to the text is [`Secret::expose`], which is easy to find in a review.
///
/// ```
/// # use cdc_config::Secret;
/// let secret = Secret::new("hunter2");
/// assert_eq!(format!("{secret:?}"), "Secret(***)");
/// assert_eq!(secret.expose(), "hunter2");
/// ```
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Wraps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Gives the text, for the driver that needs it. Do not print or store what it returns.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(***)")
    }
}
