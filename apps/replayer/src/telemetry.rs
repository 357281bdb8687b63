//! Logs: people read them on a terminal, machines read one JSON object a line.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;

/// Warnings alone, unless `RUST_LOG` says otherwise: the report says the rest.
pub(crate) fn start() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    if stderr().is_terminal() {
        builder.with_target(false).init();
    } else {
        builder.json().flatten_event(true).init();
    }
}
