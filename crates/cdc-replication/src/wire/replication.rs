//! The stream of a replication slot: changes and keepalives one way, how far they are durable the other.

use std::time::{Duration, SystemTime};

use bytes::{BufMut as _, BytesMut};
use postgres_protocol::message::frontend;
use tokio::time::timeout;

use super::channel::{Channel, Frame, is_aside, note};
use super::{refused, say_goodbye, unexpected};
use crate::error::ReplicationError;
use crate::lsn::Lsn;

const DOING: &str = "reading the slot";

/// How long the orderly end of a stream may take: a server that is in the middle of a large transaction
/// reads our wish to end only now and then, and the slot is as safe without it.
const END_MAX: Duration = Duration::from_secs(2);

/// PostgreSQL counts its clock from the first moment of 2000, in seconds after that of Unix.
const EPOCH_SECONDS: u64 = 946_684_800;

/// What the server sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServerMessage<'m> {
    /// A message of the output plugin.
    Data {
        /// Where in the log it comes from.
        start: Lsn,
        /// How far the server had sent the log when it sent this.
        wal_end: Lsn,
        /// The message.
        payload: &'m [u8],
    },
    /// A sign of life.
    Keepalive {
        /// How far the server has read the log for us: everything of the slot before it has been sent.
        wal_end: Lsn,
        /// The server will end the stream unless it hears from us soon.
        wants_reply: bool,
    },
}

/// A session that streams.
pub(crate) struct Replication {
    channel: Channel,
}

impl std::fmt::Debug for Replication {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replication").finish_non_exhaustive()
    }
}

impl Replication {
    pub(super) fn new(channel: Channel) -> Self {
        Self { channel }
    }

    /// Waits for the next message.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    #[cfg(test)]
    pub(crate) async fn next(&mut self) -> Result<ServerMessage<'_>, ReplicationError> {
        let frame = loop {
            match self.ready()? {
                Some(frame) => break frame,
                None => self.channel.fill(DOING).await?,
            }
        };
        parse(self.channel.hand_out(frame))
    }

    /// Waits until more has come than there was.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(crate) async fn fill(&mut self) -> Result<(), ReplicationError> {
        self.channel.fill(DOING).await
    }

    /// The next message if it has come already.
    pub(crate) fn try_next(&mut self) -> Result<Option<ServerMessage<'_>>, ReplicationError> {
        match self.ready()? {
            Some(frame) => parse(self.channel.hand_out(frame)).map(Some),
            None => Ok(None),
        }
    }

    /// Tells the server that it need not keep what stands before a place for us.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: what has not been sent goes first the next time.
    pub(crate) async fn send_status(
        &mut self,
        flushed: Lsn,
        wants_reply: bool,
    ) -> Result<(), ReplicationError> {
        self.channel.write(DOING, |out| {
            let mut status = BytesMut::with_capacity(STATUS_BYTES);
            write_status(&mut status, flushed, now_micros(), wants_reply);
            frontend::CopyData::new(status)?.write(out);
            Ok(())
        })?;
        self.channel.flush(DOING).await
    }

    /// For how long not one byte has come.
    pub(crate) fn silent_for(&self) -> Duration {
        self.channel.silent_for()
    }

    /// Ends the stream and the session; whatever comes meanwhile is left out. The slot stays where the
    /// server was told last. Bounded in time.
    pub(crate) async fn finish(mut self) {
        let end = async {
            self.channel.write(DOING, |out| {
                frontend::copy_done(out);
                Ok(())
            })?;
            self.channel.flush(DOING).await?;
            while self.channel.message(DOING).await?.0 != b'Z' {}
            Ok::<(), ReplicationError>(())
        };
        match timeout(END_MAX, end).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "source was gone at the end of the stream"),
            Err(_) => tracing::debug!("source did not end the stream in time"),
        }
        say_goodbye(&mut self.channel).await;
    }

    /// The next message of the stream, if all of it is here.
    fn ready(&mut self) -> Result<Option<Frame>, ReplicationError> {
        loop {
            let Some(frame) = self.channel.peek(DOING)? else { return Ok(None) };
            match frame.tag {
                b'd' => return Ok(Some(frame)),
                b'E' => return Err(refused(DOING, self.channel.hand_out(frame))),
                b'c' | b'C' | b'Z' => return Err(ReplicationError::Ended),
                tag if is_aside(tag) => note(tag, self.channel.hand_out(frame)),
                tag => return Err(unexpected(DOING, "a message of the stream", tag)),
            }
        }
    }
}

fn parse(body: &[u8]) -> Result<ServerMessage<'_>, ReplicationError> {
    let message = match body.split_first() {
        Some((b'w', rest)) => data(rest),
        Some((b'k', rest)) => keepalive(rest),
        Some(_) | None => None,
    };
    message.ok_or_else(|| {
        let kind = body.first().map_or_else(|| "nothing".to_owned(), |kind| format!("kind {kind}"));
        let found = format!("{kind} of {} bytes", body.len());
        ReplicationError::malformed(DOING, "data or a keepalive", found)
    })
}

fn data(rest: &[u8]) -> Option<ServerMessage<'_>> {
    let (start, rest) = rest.split_first_chunk::<8>()?;
    let (wal_end, rest) = rest.split_first_chunk::<8>()?;
    // The server's clock.
    let (_, payload) = rest.split_first_chunk::<8>()?;
    Some(ServerMessage::Data { start: lsn(*start), wal_end: lsn(*wal_end), payload })
}

fn keepalive(rest: &[u8]) -> Option<ServerMessage<'_>> {
    let (wal_end, rest) = rest.split_first_chunk::<8>()?;
    let (_, rest) = rest.split_first_chunk::<8>()?;
    match rest {
        [wants_reply] => Some(ServerMessage::Keepalive {
            wal_end: lsn(*wal_end),
            wants_reply: *wants_reply != 0,
        }),
        _ => None,
    }
}

fn lsn(bytes: [u8; 8]) -> Lsn {
    Lsn::new(u64::from_be_bytes(bytes))
}

const STATUS_BYTES: usize = 34;

/// A standby status update. All three places are the same: what is not durable does not count.
fn write_status(out: &mut BytesMut, flushed: Lsn, clock: i64, wants_reply: bool) {
    out.put_u8(b'r');
    for _ in ["written", "flushed", "applied"] {
        out.put_u64(flushed.get());
    }
    out.put_i64(clock);
    out.put_u8(u8::from(wants_reply));
}

/// The clock as PostgreSQL counts it; the server only shows it to people.
fn now_micros() -> i64 {
    let epoch = SystemTime::UNIX_EPOCH + Duration::from_secs(EPOCH_SECONDS);
    let since = SystemTime::now().duration_since(epoch).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_and_keepalives_are_read_in_place() {
        let mut body = vec![b'w'];
        for number in [0x16_B374_D848_u64, 0x16_B374_D900, 7] {
            body.extend_from_slice(&number.to_be_bytes());
        }
        body.extend_from_slice(b"payload");
        let (start, wal_end) = (Lsn::new(0x16_B374_D848), Lsn::new(0x16_B374_D900));
        let payload = &b"payload"[..];
        assert_eq!(parse(&body).unwrap(), ServerMessage::Data { start, wal_end, payload });

        let mut body = vec![b'k'];
        body.extend_from_slice(&wal_end.get().to_be_bytes());
        body.extend_from_slice(&[0; 8]);
        body.push(1);
        let keepalive = ServerMessage::Keepalive { wal_end, wants_reply: true };
        assert_eq!(parse(&body).unwrap(), keepalive);
    }

    #[test]
    fn shortened_and_foreign_messages_are_errors_without_content() {
        for body in
            [&b""[..], b"w", b"wsecretsecretsecretsecr", b"k", b"ksecretsecretsecretsecret", b"x"]
        {
            let error = parse(body).unwrap_err();
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_status_has_the_form_that_the_server_reads() {
        let mut out = BytesMut::new();
        write_status(&mut out, Lsn::new(0x0102), 3, true);
        assert_eq!(out.len(), STATUS_BYTES);
        assert_eq!(&out[..9], b"r\0\0\0\0\0\0\x01\x02");
        assert_eq!(&out[1..9], &out[9..17]);
        assert_eq!(&out[9..17], &out[17..25]);
        assert_eq!(&out[25..], b"\0\0\0\0\0\0\0\x03\x01");
        // The first moment of 2026, at least.
        assert!(now_micros() > 820_454_400_000_000);
    }
}
