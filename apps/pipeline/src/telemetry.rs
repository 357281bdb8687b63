//! Logs: people read them on a terminal, machines read one JSON object a line.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;

use crate::live::AroundView;

/// Starts logging to standard error. `RUST_LOG` sets the level; otherwise it is `info` for us and
/// `warn` for libraries.
pub(crate) fn start(quiet: Quiet) {
    let ours = match quiet {
        Quiet::No => {
            "warn,cdc_pipeline=info,cdc_engine=info,cdc_kafka=info,cdc_postgres=info,cdc_replication=info"
        }
        Quiet::Yes => "error",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(ours));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| AroundView);
    if stderr().is_terminal() {
        builder.with_target(false).init();
    } else {
        builder.json().flatten_event(true).init();
    }
}

/// Whether a command shows its own progress, so that logs would only disturb it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quiet {
    No,
    Yes,
}
