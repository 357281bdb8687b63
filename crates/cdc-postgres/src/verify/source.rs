//! A session with the source database that only reads.

use cdc_core::{Classify as _, ErrorClass, Halt};

use crate::error::{Cause, PostgresError, from_driver as of_warehouse};
use crate::reach::place;
use crate::session::Session;
use crate::settings::PostgresSettings;
use crate::source::SourceSettings;

use super::reading;

/// The setting that names the server, for messages.
const ADDRESS_SETTING: &str = "`source.postgres.url`";

/// Where a session was to be opened: between the step and the driver's reason.
#[derive(Debug, thiserror::Error)]
#[error("no session with {place}, which {ADDRESS_SETTING} names")]
struct At {
    place: String,
    #[source]
    source: Cause,
}

/// Opens a session that only reads, with as much patience as for the warehouse.
pub(super) async fn open(
    source: &SourceSettings,
    settings: &PostgresSettings,
) -> Result<Session, PostgresError> {
    let place = place(source.url.expose());
    let settings = PostgresSettings { url: source.url.clone(), ..settings.clone() };
    let opened = async {
        let mut session = Session::connect(&settings).await?;
        reading::pin(&mut session).await?;
        Ok(session)
    };
    opened.await.map_err(|error: PostgresError| {
        let class = error.class();
        let hint = match class {
            ErrorClass::Fatal(Halt::Configuration) => {
                format!("write {ADDRESS_SETTING} as postgres://user:password@host:port/database")
            }
            ErrorClass::Transient
            | ErrorClass::Indeterminate
            | ErrorClass::Outdated
            | ErrorClass::Restage
            | ErrorClass::Poison(_)
            | ErrorClass::Fatal(Halt::Data | Halt::Environment) => {
                format!("start the source database, or correct {ADDRESS_SETTING}")
            }
        };
        let source = Box::new(At { place, source: cause(error) });
        PostgresError::Source { class, hint: Some(hint), source }
    })
}

/// What stands behind a failed attempt: its own words speak of the other side.
fn cause(error: PostgresError) -> Cause {
    if let PostgresError::Connect { source, .. } | PostgresError::Address { source } = error {
        return source;
    }
    Box::new(error)
}

/// A failure of a statement in the source, with a hint for that side.
pub(super) fn from_driver(doing: &str, error: sqlx::Error) -> PostgresError {
    let error = of_warehouse(format!("{doing} in the source"), error);
    let PostgresError::Server { doing, sqlstate, reason, class, hint, source } = error else {
        return error;
    };
    let hint = match reason {
        "permission_denied" => Some(format!("grant SELECT on it to the role of {ADDRESS_SETTING}")),
        _ => hint,
    };
    PostgresError::Server { doing, sqlstate, reason, class, hint, source }
}
