//! Events on their way to the engine.
//!
//! The poll thread never blocks on a full channel, because it must go on serving its commands and
//! the group; what does not fit waits here, and nothing more is polled meanwhile.

use std::collections::VecDeque;

use cdc_core::SourceEvent;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::KafkaError;

pub(super) type Event = Result<SourceEvent, KafkaError>;

/// Whether the other side still listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// All events are on their way.
    Free,
    /// Some wait for room.
    Full,
    /// Nobody will take them.
    Gone,
}

#[derive(Debug)]
pub(super) struct Outbox {
    channel: mpsc::Sender<Event>,
    waiting: VecDeque<Event>,
}

impl Outbox {
    pub(super) fn new(channel: mpsc::Sender<Event>) -> Self {
        Self { channel, waiting: VecDeque::new() }
    }

    pub(super) fn push(&mut self, event: Event) {
        self.waiting.push_back(event);
        // What the channel does not take now is tried again before the next poll.
        self.flush();
    }

    pub(super) fn flush(&mut self) -> Room {
        while let Some(event) = self.waiting.pop_front() {
            match self.channel.try_send(event) {
                Ok(()) => {}
                Err(TrySendError::Full(event)) => {
                    self.waiting.push_front(event);
                    return Room::Full;
                }
                Err(TrySendError::Closed(_)) => {
                    self.waiting.clear();
                    return Room::Gone;
                }
            }
        }
        Room::Free
    }
}
