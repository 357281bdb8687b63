//! One connection with everything pinned that a server's or role's defaults could change.

use std::collections::BTreeSet;
use std::str::FromStr as _;
use std::time::Duration;

use cdc_core::{ErrorClass, Halt};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgCopyIn};
use sqlx::{ConnectOptions as _, Executor as _};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::copy::{HEADER, TRAILER, TextRows};
use crate::error::{PostgresError, from_driver};
use crate::owner::{OwnerName, PREFIX};
use crate::settings::PostgresSettings;
use crate::sql::{self, Copy, Staging, millis};

/// The first pause between two attempts to connect; it doubles up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(50);
/// A server that is back is seen within this time.
const PAUSE_MAX: Duration = Duration::from_millis(500);
/// The longest single attempt: a machine that is off the network does not even refuse.
const ATTEMPT_MAX: Duration = Duration::from_secs(10);

/// COPY data goes to the server in pieces of this size: one system call each.
pub(crate) const CHUNK_BYTES: usize = 256 * 1024;

/// An open session.
#[derive(Debug)]
pub(crate) struct Session {
    connection: PgConnection,
    /// Staging tables that exist in this session, by name.
    staged: BTreeSet<String>,
}

impl Session {
    /// Connects, trying again for as long as the settings say while the server cannot be reached.
    pub(crate) async fn connect(settings: &PostgresSettings) -> Result<Self, PostgresError> {
        let options = options(settings)?;
        let deadline = Instant::now() + settings.connect_patience;
        let mut pause = PAUSE_MIN;
        loop {
            let attempt_deadline = deadline.max(Instant::now() + PAUSE_MAX);
            let attempt_deadline = attempt_deadline.min(Instant::now() + ATTEMPT_MAX);
            let attempt = timeout_at(attempt_deadline, Self::attempt(&options, settings)).await;
            let silent = |_| Err(refused(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())));
            let error = match attempt.unwrap_or_else(silent) {
                Ok(session) => return Ok(session),
                Err(error) if is_passing(&error) => error,
                Err(error) => return Err(error),
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(given_up(error, settings.connect_patience));
            }
            tracing::debug!(error = %error, "warehouse not reachable, trying again");
            // The last pause ends with the patience, so that one attempt is made at its very end.
            sleep(pause.min(left)).await;
            pause = pause.saturating_mul(2).min(PAUSE_MAX);
        }
    }

    async fn attempt(
        options: &PgConnectOptions,
        settings: &PostgresSettings,
    ) -> Result<Self, PostgresError> {
        let connection = options.connect().await.map_err(refused)?;
        let mut session = Self { connection, staged: BTreeSet::new() };
        let name = format!("{PREFIX}{}", settings.pipeline);
        let pinned = [
            ("application_name", sql::literal(&name)),
            ("timezone", "'UTC'".to_owned()),
            ("client_encoding", "'UTF8'".to_owned()),
            ("search_path", "pg_catalog, public".to_owned()),
            ("standard_conforming_strings", "on".to_owned()),
            ("default_transaction_isolation", "'read committed'".to_owned()),
            ("default_transaction_read_only", "off".to_owned()),
            ("default_transaction_deferrable", "off".to_owned()),
            ("statement_timeout", millis(settings.statement_timeout)),
            ("lock_timeout", millis(settings.lock_timeout)),
            ("idle_in_transaction_session_timeout", millis(settings.idle_in_transaction_timeout)),
            ("synchronous_commit", settings.synchronous_commit.sql().to_owned()),
            // Staging tables have no statistics. A merge looks each staged key up in the target's
            // primary key, whatever the planner would guess of their size.
            ("enable_hashjoin", "off".to_owned()),
            ("enable_mergejoin", "off".to_owned()),
            ("jit", "off".to_owned()),
        ];
        let statements: Vec<String> =
            pinned.iter().map(|(name, value)| format!("SET {name} = {value}")).collect();
        session
            .execute("pinning the session's settings", &statements.join("; "))
            .await
            .map_err(never_opened)?;
        Ok(session)
    }

    /// The number of the server process behind the session.
    pub(crate) async fn process(&mut self) -> Result<i32, PostgresError> {
        sqlx::query_scalar("SELECT pg_backend_pid()")
            .persistent(false)
            .fetch_one(&mut self.connection)
            .await
            .map_err(|error| never_opened(from_driver("opening a session", error)))
    }

    /// From now on the session is one of this owner's, and ends with the others.
    pub(crate) async fn belong_to(&mut self, owner: &OwnerName) -> Result<(), PostgresError> {
        let name = sql::literal(owner.as_str());
        let set = format!("SET application_name = {name}");
        self.execute("naming a session after its owner", &set).await.map_err(never_opened)
    }

    /// Runs statements that give no rows, in one message.
    pub(crate) async fn execute(&mut self, doing: &str, sql: &str) -> Result<(), PostgresError> {
        self.run(sql).await.map_err(|error| from_driver(doing, error))
    }

    /// As [`execute`](Self::execute), leaving the driver's error to the caller.
    pub(crate) async fn run(&mut self, sql: &str) -> Result<(), sqlx::Error> {
        self.connection.execute(sql).await.map(|_| ())
    }

    /// Rolls the transaction back. When even that fails, nothing is known of the session any more.
    pub(crate) async fn roll_back(&mut self) -> Result<(), PostgresError> {
        self.execute("rolling back", "ROLLBACK").await
    }

    /// Sends rows that stand together in a sealed or unsealed buffer.
    pub(crate) async fn copy_buffer(
        &mut self,
        statement: &Copy,
        buffer: &crate::copy::CopyBuffer,
    ) -> Result<(), sqlx::Error> {
        if statement.text.is_some() {
            let mut rows = self.copy_rows(statement).await?;
            for piece in buffer.bytes().chunks(CHUNK_BYTES) {
                rows.push(piece).await?;
            }
            return rows.finish().await;
        }
        let mut copy = self.connection.copy_in_raw(&statement.sql).await?;
        for chunk in buffer.bytes().chunks(CHUNK_BYTES) {
            copy.send(chunk).await?;
        }
        copy.send(TRAILER).await?;
        copy.finish().await.map(|_| ())
    }

    /// Begins to send rows one by one.
    pub(crate) async fn copy_rows(
        &mut self,
        statement: &Copy,
    ) -> Result<RowStream<'_>, sqlx::Error> {
        let copy = self.connection.copy_in_raw(&statement.sql).await?;
        let text = statement.text.clone().map(TextRows::new);
        let mut chunk = Vec::with_capacity(CHUNK_BYTES + CHUNK_BYTES / 4);
        if text.is_none() {
            chunk.extend_from_slice(HEADER);
        }
        Ok(RowStream { copy, chunk, text })
    }

    /// The driver's connection, for statements with parameters.
    pub(crate) fn driver(&mut self) -> &mut PgConnection {
        &mut self.connection
    }

    /// Creates a staging table unless it exists. Not inside a transaction: one that rolls back
    /// would take the table along.
    pub(crate) async fn ensure(&mut self, staging: &Staging) -> Result<(), PostgresError> {
        if !self.staged.contains(&staging.name) {
            let doing = format!("creating the staging table {}", staging.name);
            self.execute(&doing, &staging.create).await?;
            self.staged.insert(staging.name.clone());
        }
        Ok(())
    }
}

/// Rows on their way to the server, gathered into chunks.
pub(crate) struct RowStream<'s> {
    copy: PgCopyIn<&'s mut PgConnection>,
    chunk: Vec<u8>,
    /// Rewrites the rows, when they travel as text.
    text: Option<TextRows>,
}

impl RowStream<'_> {
    /// Appends bytes of a row and sends a full chunk.
    pub(crate) async fn push(&mut self, bytes: &[u8]) -> Result<(), sqlx::Error> {
        match &mut self.text {
            None => self.chunk.extend_from_slice(bytes),
            Some(text) => {
                let written = text.push(bytes, &mut self.chunk);
                written.map_err(|error| sqlx::Error::Encode(error.into()))?;
            }
        }
        if self.chunk.len() >= CHUNK_BYTES {
            self.copy.send(self.chunk.as_slice()).await?;
            self.chunk.clear();
        }
        Ok(())
    }

    /// Sends what is left and waits for the server's answer.
    pub(crate) async fn finish(mut self) -> Result<(), sqlx::Error> {
        if self.text.is_none() {
            self.chunk.extend_from_slice(TRAILER);
        }
        self.copy.send(self.chunk.as_slice()).await?;
        self.copy.finish().await.map(|_| ())
    }
}

fn options(settings: &PostgresSettings) -> Result<PgConnectOptions, PostgresError> {
    let address = settings.url.expose();
    // The driver would take any scheme for its own.
    if !["postgres://", "postgresql://"].iter().any(|scheme| address.starts_with(scheme)) {
        let source = "the address does not begin with postgres://".into();
        return Err(PostgresError::Address { source });
    }
    let options = PgConnectOptions::from_str(address)
        .map_err(|error| PostgresError::Address { source: error.into() })?;
    // The driver would log statements, and dead letters are parameters of some.
    Ok(options.disable_statement_logging())
}

/// Runs an exchange with the server for as long as the limit at most. A connection that was forgotten on
/// its way stays open and carries nothing, and nothing else tells.
pub(crate) async fn within<T>(
    limit: Duration,
    doing: &str,
    exchange: impl Future<Output = Result<T, PostgresError>>,
) -> Result<T, PostgresError> {
    timeout(limit, exchange).await.unwrap_or_else(|_| {
        Err(PostgresError::Silent { doing: doing.to_owned(), limit_ms: limit.as_millis() })
    })
}

/// Whether a server that refused a session may take one a little later.
pub(crate) fn is_passing(error: &PostgresError) -> bool {
    let PostgresError::Connect { class, .. } = error else { return false };
    !matches!(class, ErrorClass::Fatal(_))
}

/// A session that was lost before it was of use has not been opened.
fn never_opened(error: PostgresError) -> PostgresError {
    if let PostgresError::SessionLost { source, .. } = error {
        return PostgresError::Connect { class: ErrorClass::Indeterminate, hint: None, source };
    }
    error
}

/// Says for how long a server was tried that did not answer.
fn given_up(error: PostgresError, patience: Duration) -> PostgresError {
    if let PostgresError::Connect { class, hint: None, source } = error {
        let hint = format!(
            "start the server, or correct its address; it was tried for {} s, as \
             `connect_patience` says",
            patience.as_secs_f64()
        );
        return PostgresError::Connect { class, hint: Some(hint), source };
    }
    error
}

fn refused(error: sqlx::Error) -> PostgresError {
    let error = from_driver("connecting to the warehouse", error);
    if let PostgresError::Server { class, hint, source, sqlstate, .. } = error {
        // Too many connections and the like pass; nothing else does by itself.
        let class = match class {
            ErrorClass::Transient => ErrorClass::Indeterminate,
            ErrorClass::Indeterminate
            | ErrorClass::Outdated
            | ErrorClass::Restage
            | ErrorClass::Poison(_)
            | ErrorClass::Fatal(_) => ErrorClass::Fatal(Halt::Environment),
        };
        let source = source.unwrap_or_else(|| format!("SQLSTATE {sqlstate}").into());
        return PostgresError::Connect { class, hint, source };
    }
    never_opened(error)
}
