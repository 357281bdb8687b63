//! What the numbers were measured on.

use serde::Serialize;

use super::stage::Stage;

/// The machine and the programs on it. Unknown parts are empty.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// The machine itself.
    #[serde(flatten)]
    pub itself: cdc_stack::machine::Machine,
    /// Version of the database server.
    pub postgresql: String,
    /// Version of the broker.
    pub kafka: String,
}

impl Machine {
    pub(crate) fn of(stage: &Stage) -> Self {
        let (postgresql, kafka) = (stage.warehouse.server_version(), stage.broker_version());
        Self { postgresql, kafka, ..Self::alone() }
    }

    /// The machine without the programs.
    pub(crate) fn alone() -> Self {
        let itself = cdc_stack::machine::Machine::here();
        Self { itself, postgresql: String::new(), kafka: String::new() }
    }
}
