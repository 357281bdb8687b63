//! Topics that were deleted and created again while they were read.
//!
//! The client library follows such a topic to its new incarnation and goes on at the same offset. It
//! knows by the topic's id, which it tells nobody; but it writes the change into its log, on the thread
//! that learns of it and before it asks for anything of the new topic. So whatever was taken before the
//! note is of the old topic, and batches are held back from then on. Brokers older than 3.1 hand out
//! records by the topic's name, and then the note may come too late.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What of the library's log has to be switched on for the note to be written.
pub(crate) const DEBUG: &str = "topic";

/// The id of a topic of which the library has not heard before.
const UNKNOWN_ID: &str = "AAAAAAAAAAAAAAAAAAAAAA";

/// Shared by the consumer's callbacks and whoever hands its batches over.
#[derive(Debug, Default)]
pub(super) struct Replaced {
    /// Asked for every batch; the rest only when it is set.
    is_any: AtomicBool,
    topics: Mutex<BTreeSet<String>>,
}

impl Replaced {
    /// Reads a line of the library's log.
    pub(super) fn read(&self, line: &str) {
        if let Some(topic) = changed_topic(line) {
            self.topics().insert(topic.to_owned());
            self.is_any.store(true, Ordering::Release);
        }
    }

    pub(super) fn contains(&self, topic: &str) -> bool {
        self.is_any.load(Ordering::Acquire) && self.topics().contains(topic)
    }

    /// The topics, once each.
    pub(super) fn take_news(&self, known: &BTreeSet<String>) -> Vec<String> {
        if !self.is_any.load(Ordering::Acquire) {
            return Vec::new();
        }
        self.topics().difference(known).cloned().collect()
    }

    fn topics(&self) -> MutexGuard<'_, BTreeSet<String>> {
        // Names are added one by one, so a panic elsewhere leaves none half written.
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The topic whose id was known and is another one now.
fn changed_topic(line: &str) -> Option<&str> {
    let (before, after) = line.split_once(" changed id from ")?;
    let (old, new) = after.split_once(" to ")?;
    let (_, topic) = before.rsplit_once("Topic ")?;
    let was_known = !old.starts_with(UNKNOWN_ID);
    (was_known && old.trim_end_matches('=') != new.trim_end_matches('=')).then_some(topic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_replaced_when_an_id_that_was_known_changes() {
        let replaced = Replaced::default();
        for line in [
            "[thrd:main]: Topic a.b-c changed id from AAAAAAAAAAAAAAAAAAAAAA== to x1Y/g0+w==",
            "[thrd:main]: Topic a.b-c partition 0 Leader 1 Epoch 0",
            "something else",
        ] {
            replaced.read(line);
        }
        assert!(!replaced.contains("a.b-c"));
        replaced.read("[thrd:main]: Topic a.b-c changed id from x1Y/g0+w== to Zz9");
        assert!(replaced.contains("a.b-c") && !replaced.contains("b-c"));
        assert_eq!(replaced.take_news(&BTreeSet::new()), ["a.b-c"]);
        assert!(replaced.take_news(&BTreeSet::from(["a.b-c".to_owned()])).is_empty());
    }
}
