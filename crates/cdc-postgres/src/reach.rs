//! The first session of a command: a person waits for it, so waiting is announced, and a refusal says
//! which server was asked and which setting named it.

use std::str::FromStr as _;
use std::time::Duration;

use cdc_core::{Classify as _, ErrorClass, with_causes};
use sqlx::postgres::PgConnectOptions;
use tokio::time::{Instant, sleep};

use crate::error::{Cause, PostgresError};
use crate::session::{Session, is_passing};
use crate::settings::PostgresSettings;

/// The setting that names the server, for messages.
pub(crate) const ADDRESS_SETTING: &str = "`sink.postgres.url`";

/// Opens a session. The first failure of a server that may come back is logged, with how long it
/// will be waited for.
pub(crate) async fn reach(settings: &PostgresSettings) -> Result<Session, PostgresError> {
    let place = place(settings.url.expose());
    let once = PostgresSettings { connect_patience: Duration::ZERO, ..settings.clone() };
    let error = match Session::connect(&once).await {
        Ok(session) => return Ok(session),
        Err(error) => error,
    };
    if settings.connect_patience.is_zero() || !is_passing(&error) {
        return Err(at(error, &place, settings.connect_patience));
    }
    let seconds = settings.connect_patience.as_secs_f64();
    tracing::warn!("waiting for the warehouse at {place} (up to {seconds} s)");
    Session::connect(settings).await.map_err(|error| at(error, &place, settings.connect_patience))
}

/// How long a look waits before it is taken again.
const PAUSE: Duration = Duration::from_millis(200);

/// Whether a look at the warehouse is worth taking again, because its session was lost under way or the
/// server was busy with itself; says so, and waits a moment. It is for as long as a server is waited
/// for. What only looks may be done again.
pub(crate) async fn is_to_look_again(error: &PostgresError, deadline: Instant) -> bool {
    let passes = match error.class() {
        ErrorClass::Transient | ErrorClass::Indeterminate => true,
        ErrorClass::Outdated
        | ErrorClass::Restage
        | ErrorClass::Poison(_)
        | ErrorClass::Fatal(_) => false,
    };
    if !passes || Instant::now() >= deadline {
        return false;
    }
    tracing::warn!(error = %with_causes(error), "looking at the warehouse again");
    sleep(PAUSE).await;
    true
}

/// Where a session was to be opened: between the step and the driver's reason.
#[derive(Debug, thiserror::Error)]
#[error("no session with {place}, which {ADDRESS_SETTING} names")]
struct At {
    place: String,
    #[source]
    source: Cause,
}

fn at(error: PostgresError, place: &str, patience: Duration) -> PostgresError {
    let is_passing = is_passing(&error);
    let PostgresError::Connect { class, hint, source } = error else { return error };
    let tried = if patience.is_zero() {
        String::new()
    } else {
        format!("; it was tried for {} s", patience.as_secs_f64())
    };
    let given_up = format!("start the server, or correct {ADDRESS_SETTING}{tried}");
    PostgresError::Connect {
        class,
        hint: if is_passing { Some(given_up) } else { hint },
        source: Box::new(At { place: place.to_owned(), source }),
    }
}

/// `host:port/database`, without user and password.
pub(crate) fn place(url: &str) -> String {
    let Ok(options) = PgConnectOptions::from_str(url) else {
        // The driver's own reason follows; the text may hold a password anywhere.
        return "an address that cannot be read".to_owned();
    };
    let host = match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => options.get_host().to_owned(),
    };
    let port = options.get_port();
    match options.get_database() {
        Some(database) => format!("{host}:{port}/{database}"),
        None => format!("{host}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_neither_user_nor_password() {
        for (url, expected) in [
            ("postgres://someone:hunter2@db.example:5433/analytics", "db.example:5433/analytics"),
            ("postgres://someone:hunter2@[::1]:1/a", "[::1]:1/a"),
            ("postgres://someone:hunter2@%2Fvar%2Frun:5432/a?sslmode=disable", "/var/run:5432/a"),
            ("postgres://someone:hunter2@host:port/a", "an address that cannot be read"),
        ] {
            assert_eq!(place(url), expected);
        }
    }
}
