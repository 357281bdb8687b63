//! Reads one TOML file into settings and reports every mistake in it at once.
//!
//! # What it guarantees
//!
//! - Reading never stops at the first mistake. Syntax errors, unknown keys, missing keys and
//!   unsuitable values come back together, each with file, line, column, field, what was found,
//!   what is allowed and the near miss.
//! - A key nobody asked for is a mistake. There is nothing to call for this and so nothing to
//!   forget: [`Document::into_result`] compares the file with what the readers asked for.
//! - A secret is never printed. [`Secret`] has no text form, and the source line in a report shows
//!   only those values that a reader took as public; everything else in it is covered.
//! - Nothing here reads the process environment or a file, except [`ProcessEnvironment`] when it is
//!   passed in.
//! - Input of any shape is bounded: see the constants of [`limits`].
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//! use cdc_config::{Document, FixedEnvironment, Secret, Section};
//!
//! #[derive(Debug)]
//! struct Settings {
//!     url: Secret,
//!     retry_for: Duration,
//! }
//!
//! // Ask for every key first, and only then use `?`: an early return would make the keys that
//! // were not asked for look unknown.
//! fn read(section: &Section<'_>) -> Option<Settings> {
//!     let url = section.required_secret("url");
//!     let retry_for = section.duration("retry_for", Duration::from_mins(1));
//!     Some(Settings { url: url?, retry_for })
//! }
//!
//! let text = r#"
//!     [sink.postgres]
//!     url = { env = "WAREHOUSE_URL" }
//!     retry_fro = "5m"
//! "#;
//! let environment = FixedEnvironment::new().with_variable("WAREHOUSE_URL", "postgres://localhost");
//! let document = Document::parse("pipeline.toml", text).with_environment(environment);
//! let settings = read(&document.root().section("sink").section("postgres"));
//! let problems = document.into_result(settings).unwrap_err();
//!
//! assert_eq!(problems.len(), 1);
//! assert!(problems.to_string().contains(r#"did you mean "retry_for"?"#));
//! ```
//!
//! # Vocabulary
//!
//! - **Document**: one parsed file and everything that was asked of it.
//! - **Section**: one table of the file, read key by key.
//! - **Field**: the dotted path of a key, `source.kafka.brokers`; the entries of an array of tables
//!   are numbered from 0, `table[0].mode`.
//! - **Secret reference**: `{ env = "NAME" }` or `{ file = "path" }` in the place of a value.
//!
//! # Limits
//!
//! - A key that a reader asks for only in some modes is unknown in the others; use
//!   [`Section::contains`] to say that it is known.
//! - While the file has syntax errors, missing keys are not reported: a broken line may be the one
//!   that holds them. One mistake that swallows what follows it is reported once.
//! - [`Secret`] does not overwrite its memory when it is dropped.
//! - The crate reads files; it does not write or edit them.

mod document;
mod environment;
mod excerpt;
pub mod limits;
mod near_miss;
mod problem;
mod quantity;
mod review;
mod secret;
mod section;
mod syntax;

pub use document::Document;
pub use environment::{Environment, EnvironmentError, FixedEnvironment, ProcessEnvironment};
pub use near_miss::closest;
pub use problem::{Problem, ProblemKind, Problems};
pub use quantity::{QuantityError, parse_bytes, parse_duration};
pub use secret::Secret;
pub use section::{Entry, Section};
