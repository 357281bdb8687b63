//! The configuration file of a pipeline as settings of each of its parts.
//!
//! What it guarantees: all mistakes of a file are reported together, with their lines; settings that
//! come out are complete; and every program that reads the same file decodes in the same way.
//!
//! Each end reads its own section; this crate puts the sections together. It knows the ends that exist,
//! builds none of them and starts nothing.

mod origin;
mod settings;

pub use origin::{NoKafka, Origin};
pub use settings::{Settings, SettingsError, Table, decoder, replication_decoder};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
