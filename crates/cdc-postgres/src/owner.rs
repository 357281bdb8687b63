//! The name under which a lane owns partitions.
//!
//! It is the `application_name` of every session of the lane, and nobody else's: whoever takes the
//! lane's partitions over finds all its sessions by it, also those that are opened later. That is why
//! it is not the number of one session's server process.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};

use crate::ident::NAME_BYTES_MAX;
use crate::settings::PipelineName;

/// What the `application_name` of every session of ours begins with.
pub(crate) const PREFIX: &str = "cdc-pipeline ";

/// A word that no other process has, for the lanes of one sink.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Token(u64);

impl Token {
    /// A new one.
    pub(crate) fn random() -> Self {
        // Seeded by the operating system; 48 bits tell the few owners apart that a warehouse meets.
        Self(RandomState::new().hash_one(std::process::id()) & 0xffff_ffff_ffff)
    }
}

/// The name of a lane as an owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OwnerName(String);

impl OwnerName {
    /// The name of a lane of a sink.
    pub(crate) fn new(pipeline: &PipelineName, token: Token, lane: u32) -> Self {
        let own = format!(" {:012x} lane {lane}", token.0);
        let room = NAME_BYTES_MAX.saturating_sub(PREFIX.len()).saturating_sub(own.len());
        // The server keeps printable ASCII of an application's name, and would replace all else.
        let printable = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
        let name: String = pipeline.as_str().chars().map(printable).take(room).collect();
        Self(format!("{PREFIX}{name}{own}"))
    }

    /// The name as text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OwnerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_fits_where_the_server_keeps_it_and_is_kept_as_it_is() {
        let pipeline = PipelineName::parse("orders").unwrap();
        let name = OwnerName::new(&pipeline, Token(0xabc), 3);
        assert_eq!(name.as_str(), "cdc-pipeline orders 000000000abc lane 3");
        let long = PipelineName::parse(&"ü".repeat(24)).unwrap();
        let name = OwnerName::new(&long, Token(0xffff_ffff_ffff), u32::MAX);
        assert!(name.as_str().len() <= NAME_BYTES_MAX && name.as_str().is_ascii(), "{name}");
        assert!(name.as_str().ends_with(" ffffffffffff lane 4294967295"), "{name}");
    }

    #[test]
    fn two_sinks_have_two_tokens() {
        assert_ne!(Token::random().0, Token::random().0);
    }
}
