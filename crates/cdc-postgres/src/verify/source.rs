//! The source database: its section of the configuration, and a session that reads.

use cdc_config::{Secret, Section};
use cdc_core::{Classify as _, ErrorClass, Halt};

use crate::error::{Cause, PostgresError, from_driver as of_warehouse};
use crate::reach::place;
use crate::session::Session;
use crate::settings::PostgresSettings;

use super::reading;

/// The database that is captured.
#[derive(Debug, Clone)]
pub struct SourceDatabase {
    /// `postgres://user:password@host:port/database?sslmode=…`. The role needs to read the tables.
    pub url: Secret,
}

/// Reads `[source.postgres]`, a section that may be left out. `None` also after a problem, which the
/// section has recorded.
pub fn read_source(source: &Section<'_>) -> Option<SourceDatabase> {
    let section = source.optional_section("postgres")?;
    section.required_secret_or_plain_url("url").map(|url| SourceDatabase { url })
}

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
    source: &SourceDatabase,
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

#[cfg(test)]
mod tests {
    use cdc_config::{Document, FixedEnvironment};

    use super::*;

    fn read(text: &str) -> Result<Option<SourceDatabase>, String> {
        let environment = FixedEnvironment::new().with_variable("SOURCE_URL", "postgres://a/b");
        let document = Document::parse("pipeline.toml", text).with_environment(environment);
        let source = read_source(&document.root().section("source"));
        document.into_result(Some(source)).map_err(|problems| problems.to_string())
    }

    #[test]
    fn the_section_may_be_left_out_and_is_checked_where_it_stands() {
        assert!(read("[source]\n").unwrap().is_none());
        let text = "[source.postgres]\nurl = { env = \"SOURCE_URL\" }\n";
        assert_eq!(read(text).unwrap().unwrap().url.expose(), "postgres://a/b");
        let problems = read("[source.postgres]\nurll = \"postgres://a/b\"\n").unwrap_err();
        assert!(problems.contains("source.postgres.url"), "{problems}");
    }
}
