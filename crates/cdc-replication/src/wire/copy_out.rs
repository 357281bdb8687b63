//! Rows of `COPY … TO STDOUT`.

use bytes::Bytes;

use super::{Client, unexpected};
use crate::error::ReplicationError;

/// A copy under way.
pub(crate) struct CopyOut<'c> {
    client: &'c mut Client,
    doing: &'static str,
    state: State,
}

enum State {
    Rows,
    /// The server has said that there are no more, and has yet to say that all went well.
    Ending,
    Ended,
}

impl<'c> CopyOut<'c> {
    pub(super) fn new(client: &'c mut Client, doing: &'static str) -> Self {
        Self { client, doing, state: State::Rows }
    }

    /// The next row, in the format of the statement; none at the end. The session serves the next statement
    /// once the end, or the server's refusal, has been read.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, ReplicationError> {
        loop {
            if matches!(self.state, State::Ended) {
                return Ok(None);
            }
            let (tag, body) = self.client.message(self.doing).await?;
            match (tag, &self.state) {
                (b'd', State::Rows) => return Ok(Some(body)),
                (b'c', State::Rows) => self.state = State::Ending,
                (b'C', State::Ending) => {}
                (b'Z', State::Ending) => {
                    self.client.is_done();
                    self.state = State::Ended;
                }
                (b'E', State::Rows | State::Ending) => {
                    self.state = State::Ended;
                    return Err(self.client.recover(self.doing, &body).await);
                }
                (tag, State::Rows | State::Ending | State::Ended) => {
                    return Err(unexpected(self.doing, "a row or the end of a copy", tag));
                }
            }
        }
    }
}
