//! Captures the Debezium messages under `fixtures/debezium` from real components.
//!
//! What it guarantees: each message is what a connector wrote, byte for byte; each row event of the
//! source has the text of all its cells, written by the source in the changing transaction; and
//! nothing is written unless the messages of each table are, in number, order and operation, those
//! that the source's events let expect.
//!
//! ```
//! let release = fixture_capture::modes::RELEASES[0];
//! let modes = fixture_capture::modes::modes_of(&release);
//! assert!(modes.iter().any(|mode| mode.name == "default-schema"));
//! ```
//!
//! Vocabulary: a *release* is a version of Debezium with a Connect worker of its time; a *mode* is
//! a set of connector options; the *account* is what triggers in the source noted about each
//! change.
//!
//! Limits: a development tool. It needs Java 17, Maven, and PostgreSQL 15 or newer with its contrib
//! modules. The files are read through `cdc_testkit::captures`.

pub mod modes;
pub mod pairing;
pub mod read;
pub mod run;
pub mod source;
pub mod write;
