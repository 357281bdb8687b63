//! One client for statements and for replication: sqlx, which the rest of the project talks to PostgreSQL
//! with, does not speak replication, and a snapshot must be read by sessions that are pinned like the
//! stream's.
//!
//! The simple query protocol with text on both sides, `COPY … TO STDOUT`, and the stream of
//! `START_REPLICATION`; of the protocol 3.0 nothing else.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use postgres_protocol::message::frontend;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::error::{ReplicationError, ServerAnswer};
use crate::settings::ReplicationSettings;

mod address;
mod channel;
mod copy_out;
mod replication;
mod rows;
mod startup;
mod stream;
mod tls;

#[cfg(test)]
mod server_tests;

pub(crate) use copy_out::CopyOut;
pub(crate) use replication::Replication;
pub(crate) use replication::ServerMessage;
pub(crate) use rows::TextRow;

use address::Address;
use channel::{Channel, described};

/// The first pause between two attempts to connect; it doubles up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(50);
/// A server that is back is seen within this time.
const PAUSE_MAX: Duration = Duration::from_millis(500);
/// The longest single attempt: a machine that is off the network does not even refuse.
const ATTEMPT_MAX: Duration = Duration::from_secs(10);
/// How long a goodbye may take; the server notices a lost session without one.
const GOODBYE_MAX: Duration = Duration::from_secs(1);

/// What a session is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Statements alone: needs no right to replicate.
    Sql,
    /// Commands of replication, and statements as well.
    Replication,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

/// An open session that waits for a statement.
pub(crate) struct Client {
    channel: Channel,
    version: u32,
    /// An exchange has begun, and its end has not been read: what comes next would be taken for the answer
    /// to something else.
    midway: bool,
}

impl Client {
    /// Opens a session, trying again for as long as the settings say while the server cannot be reached,
    /// starts up, or has too many sessions.
    pub(crate) async fn connect(
        settings: &ReplicationSettings,
        purpose: Purpose,
    ) -> Result<Self, ReplicationError> {
        let address = Address::parse(settings.url.expose(), |name| std::env::var(name).ok())?;
        let deadline = Instant::now() + settings.connect_patience;
        let mut pause = PAUSE_MIN;
        loop {
            let attempt_deadline = deadline.max(Instant::now() + PAUSE_MAX);
            let attempt_deadline = attempt_deadline.min(Instant::now() + ATTEMPT_MAX);
            let attempt = Self::attempt(&address, settings, purpose);
            let attempt = timeout_at(attempt_deadline, attempt).await;
            let error = match attempt.unwrap_or_else(|_| Err(silent())) {
                Ok(client) => return Ok(client),
                Err(error) if error.is_passing() => error,
                Err(error) => return Err(error),
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(given_up(error, &address, settings.connect_patience));
            }
            tracing::debug!(%error, "source not reachable, trying again");
            // The last pause ends with the patience, so that one attempt is made at its very end.
            sleep(pause.min(left)).await;
            pause = pause.saturating_mul(2).min(PAUSE_MAX);
        }
    }

    async fn attempt(
        address: &Address,
        settings: &ReplicationSettings,
        purpose: Purpose,
    ) -> Result<Self, ReplicationError> {
        let (channel, version) = startup::open(address, purpose, &settings.slot).await?;
        let mut client = Self { channel, version, midway: false };
        // Servers that are too old would refuse the whole session for this parameter.
        client.query("SET idle_session_timeout = 0").await?;
        Ok(client)
    }

    /// The server's version as a number: 150004 is 15.4.
    pub(crate) fn server_version(&self) -> u32 {
        self.version
    }

    /// Runs statements and gives all their rows.
    ///
    /// A session of which this was dropped in the middle is good for nothing any more, and says so.
    pub(crate) async fn query(&mut self, sql: &str) -> Result<Vec<TextRow>, ReplicationError> {
        const DOING: &str = "asking the source";
        self.send(DOING, sql).await?;
        let mut columns: Arc<[String]> = Arc::default();
        let mut rows = Vec::new();
        let mut failure = None;
        loop {
            let (tag, body) = match self.channel.message(DOING).await {
                Ok(message) => message,
                // Whoever closes a session says why before.
                Err(error) => return Err(failure.unwrap_or(error)),
            };
            match tag {
                b'T' => columns = rows::columns(DOING, &body)?,
                b'D' => rows.push(TextRow::parse(DOING, &columns, body)?),
                b'C' | b'I' => {}
                b'E' => failure = failure.or_else(|| Some(refused(DOING, &body))),
                b'Z' => break,
                tag => return Err(unexpected(DOING, "rows", tag)),
            }
        }
        self.midway = false;
        failure.map_or(Ok(rows), Err)
    }

    /// Begins `COPY … TO STDOUT`. The rows must be read to their end, or the session is of no use any more.
    pub(crate) async fn copy_out(&mut self, sql: &str) -> Result<CopyOut<'_>, ReplicationError> {
        const DOING: &str = "copying rows of the source";
        self.send(DOING, sql).await?;
        let (tag, body) = self.channel.message(DOING).await?;
        match tag {
            b'H' => Ok(CopyOut::new(self, DOING)),
            b'E' => Err(self.recover(DOING, &body).await),
            tag => Err(unexpected(DOING, "the beginning of a copy", tag)),
        }
    }

    /// Turns the session into a stream of changes by a `START_REPLICATION`.
    pub(crate) async fn start_replication(
        mut self,
        command: &str,
    ) -> Result<Replication, ReplicationError> {
        const DOING: &str = "starting to read the slot";
        self.send(DOING, command).await?;
        let (tag, body) = self.channel.message(DOING).await?;
        match tag {
            b'W' => Ok(Replication::new(self.channel)),
            b'E' => Err(refused(DOING, &body)),
            tag => Err(unexpected(DOING, "the beginning of a stream", tag)),
        }
    }

    /// Ends the session, so that the server does not have to find out.
    pub(crate) async fn close(mut self) {
        say_goodbye(&mut self.channel).await;
    }

    async fn send(&mut self, doing: &str, sql: &str) -> Result<(), ReplicationError> {
        if self.midway {
            return Err(ReplicationError::lost(doing, "an exchange before it was abandoned"));
        }
        self.channel.write(doing, |out| frontend::query(sql, out))?;
        self.midway = true;
        self.channel.flush(doing).await
    }

    /// Reads on behind an error until the server waits for the next statement.
    async fn recover(&mut self, doing: &str, body: &[u8]) -> ReplicationError {
        let answer = ServerAnswer::parse(body);
        let ends_session = answer.ends_session();
        let error = ReplicationError::Refused { doing: doing.to_owned(), answer: Box::new(answer) };
        if ends_session {
            return error;
        }
        // A session that breaks here says so to the next statement.
        while let Ok((tag, _)) = self.channel.message(doing).await {
            if tag == b'Z' {
                self.midway = false;
                break;
            }
        }
        error
    }

    /// The next message of an exchange that has begun.
    async fn message(&mut self, doing: &str) -> Result<(u8, Bytes), ReplicationError> {
        self.channel.message(doing).await
    }

    /// The exchange has ended as it should.
    fn is_done(&mut self) {
        self.midway = false;
    }
}

async fn say_goodbye(channel: &mut Channel) {
    const DOING: &str = "closing a session with the source";
    let goodbye = async {
        channel.write(DOING, |out| {
            frontend::terminate(out);
            Ok(())
        })?;
        channel.flush(DOING).await?;
        channel.shut_down().await;
        Ok::<(), ReplicationError>(())
    };
    match timeout(GOODBYE_MAX, goodbye).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "source was gone already"),
        Err(_) => tracing::debug!("source did not take a goodbye"),
    }
}

fn refused(doing: &str, body: &[u8]) -> ReplicationError {
    let answer = Box::new(ServerAnswer::parse(body));
    ReplicationError::Refused { doing: doing.to_owned(), answer }
}

fn unexpected(doing: &str, expected: &str, tag: u8) -> ReplicationError {
    ReplicationError::malformed(doing, expected, described(tag))
}

fn silent() -> ReplicationError {
    ReplicationError::lost("opening a session with the source", "it did not answer in time")
}

/// Says where and for how long a server was tried that could not be reached.
fn given_up(error: ReplicationError, address: &Address, tried: Duration) -> ReplicationError {
    let place = address.place();
    if let ReplicationError::Unreachable { source, .. } | ReplicationError::Lost { source, .. } =
        error
    {
        return ReplicationError::Unreachable { place, tried, source };
    }
    error
}
