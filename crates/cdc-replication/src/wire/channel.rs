//! Messages over a connection: one growing buffer each way, read in place.
//!
//! Every wait here may be dropped at any moment without losing a byte: what has come is in one buffer,
//! what has not yet gone is in the other.

use std::io;
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::Instant;

use super::stream::Stream;
use crate::error::{ReplicationError, ServerAnswer};

/// What is asked of the operating system at once. Servers send pieces of 8 KiB, which gather while a piece
/// is worked on.
const READ_BYTES: usize = 128 * 1024;

/// An empty buffer larger than this is given back: one huge row must not cost its memory for ever.
const KEPT_BYTES_MAX: usize = 1024 * 1024;

/// No message is larger: PostgreSQL allocates at most 1 GiB in one piece.
const MESSAGE_BYTES_MAX: usize = 1 << 30;

/// What a server may send before it knows us, as libpq has it: whoever listens there may be no PostgreSQL.
const GREETING_BYTES_MAX: usize = 30_000;

/// A letter and a length that counts itself.
const HEADER_BYTES: usize = 5;

/// A whole message at the front of the buffer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub(super) tag: u8,
    /// With its header.
    bytes: usize,
}

/// A connection that carries messages.
pub(super) struct Channel {
    stream: Stream,
    inbox: BytesMut,
    /// So much of the inbox has been handed out and is done with at the next look.
    handed_out: usize,
    outbox: BytesMut,
    last_byte: Instant,
    limit: usize,
}

impl Channel {
    pub(super) fn new(stream: Stream) -> Self {
        Self {
            stream,
            inbox: BytesMut::new(),
            handed_out: 0,
            outbox: BytesMut::new(),
            last_byte: Instant::now(),
            limit: GREETING_BYTES_MAX,
        }
    }

    /// The server has let us in: from now on rows may come.
    pub(super) fn greeted(&mut self) {
        self.limit = MESSAGE_BYTES_MAX;
    }

    /// Since when the server has been silent.
    pub(super) fn silent_for(&self) -> Duration {
        self.last_byte.elapsed()
    }

    /// Puts a message into the outbox. That fails only for a text with a zero byte or one of 2 GiB, which no
    /// message can carry; then the outbox is as it was.
    pub(super) fn write(
        &mut self,
        doing: &str,
        message: impl FnOnce(&mut BytesMut) -> io::Result<()>,
    ) -> Result<(), ReplicationError> {
        let before = self.outbox.len();
        message(&mut self.outbox).map_err(|error| {
            self.outbox.truncate(before);
            ReplicationError::malformed(doing, "a text that a message can carry", error.to_string())
        })
    }

    /// Sends what is in the outbox. After a dropped wait the rest goes first.
    pub(super) async fn flush(&mut self, doing: &str) -> Result<(), ReplicationError> {
        while !self.outbox.is_empty() {
            let sent = self.stream.write_buf(&mut self.outbox).await;
            if sent.map_err(|error| ReplicationError::lost(doing, error))? == 0 {
                let error = io::Error::from(io::ErrorKind::WriteZero);
                return Err(ReplicationError::lost(doing, error));
            }
        }
        self.stream.flush().await.map_err(|error| ReplicationError::lost(doing, error))
    }

    /// The message at the front, if all of it is here. What was handed out before is done with.
    pub(super) fn peek(&mut self, doing: &str) -> Result<Option<Frame>, ReplicationError> {
        if self.handed_out > 0 {
            self.inbox.advance(self.handed_out);
            self.handed_out = 0;
        }
        let Some((tag, length)) = header(&self.inbox) else { return Ok(None) };
        let body = usize::try_from(length).ok().and_then(|length| length.checked_sub(4));
        let Some(body) = body.filter(|body| *body <= self.limit) else {
            let expected = format!("a message of up to {} bytes", self.limit);
            let found = format!("{}, of length {length}", described(tag));
            return Err(ReplicationError::malformed(doing, &expected, found));
        };
        let bytes = HEADER_BYTES + body;
        if self.inbox.len() < bytes {
            // Room for all of it in one step, as far as it is believed before it has come.
            let missing = bytes - self.inbox.len();
            self.inbox.reserve(missing.min(self.inbox.len().max(READ_BYTES)));
            return Ok(None);
        }
        Ok(Some(Frame { tag, bytes }))
    }

    /// The content of the message at the front, which stays in place until the next look.
    pub(super) fn hand_out(&mut self, frame: Frame) -> &[u8] {
        self.handed_out = frame.bytes;
        self.inbox.get(HEADER_BYTES..frame.bytes).unwrap_or_default()
    }

    /// The content of the message at the front, on its own.
    pub(super) fn take(&mut self, frame: Frame) -> Bytes {
        let mut message = self.inbox.split_to(frame.bytes);
        message.advance(HEADER_BYTES);
        message.freeze()
    }

    /// Waits for more bytes.
    pub(super) async fn fill(&mut self, doing: &str) -> Result<(), ReplicationError> {
        if self.inbox.is_empty() && self.inbox.capacity() > KEPT_BYTES_MAX {
            self.inbox = BytesMut::new();
        }
        // Without room for much, `reserve` moves what is there to the front or gets a new buffer.
        if self.inbox.capacity() - self.inbox.len() < READ_BYTES / 2 {
            self.inbox.reserve(READ_BYTES);
        }
        let read = self.stream.read_buf(&mut self.inbox).await;
        if read.map_err(|error| ReplicationError::lost(doing, error))? == 0 {
            let error = io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed it");
            return Err(ReplicationError::lost(doing, error));
        }
        self.last_byte = Instant::now();
        Ok(())
    }

    /// Waits for the next message that says something: notices and changed parameters do not.
    pub(super) async fn message(&mut self, doing: &str) -> Result<(u8, Bytes), ReplicationError> {
        loop {
            let Some(frame) = self.peek(doing)? else {
                self.fill(doing).await?;
                continue;
            };
            let body = self.take(frame);
            if !is_aside(frame.tag) {
                return Ok((frame.tag, body));
            }
            note(frame.tag, &body);
        }
    }

    /// The bare connection, for an upgrade to TLS before anything was read from it.
    pub(super) async fn one_byte(&mut self, doing: &str) -> Result<u8, ReplicationError> {
        let read = self.stream.read_u8().await;
        read.map_err(|error| ReplicationError::lost(doing, error))
    }

    pub(super) fn into_stream(self) -> Stream {
        self.stream
    }

    pub(super) async fn shut_down(&mut self) {
        if let Err(error) = self.stream.shutdown().await {
            tracing::debug!(%error, "closing a session with the source");
        }
    }
}

/// Whether a message may come at any time beside those of the exchange: a notice, a notification, or a
/// parameter's new value.
pub(super) fn is_aside(tag: u8) -> bool {
    matches!(tag, b'N' | b'A' | b'S')
}

/// Keeps what the server said beside the exchange for whoever looks for it.
pub(super) fn note(tag: u8, body: &[u8]) {
    if tag == b'N' {
        tracing::debug!(notice = ServerAnswer::parse(body).message(), "the source says");
    }
}

/// A message's letter, for messages about it.
pub(super) fn described(tag: u8) -> String {
    format!("a message {:?}", char::from(tag))
}

fn header(bytes: &[u8]) -> Option<(u8, u32)> {
    let (tag, rest) = bytes.split_first()?;
    let length = rest.first_chunk::<4>()?;
    Some((*tag, u32::from_be_bytes(*length)))
}
