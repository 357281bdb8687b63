//! Which changes their connector has sent before.
//!
//! The marks move with what is staged, not with what is applied, because batches are staged ahead. A
//! batch keeps the marks at its beginning, for when it is staged again, and carries those at its end to
//! the sink, which stores them together with the step of progress.

use std::collections::BTreeMap;

use cdc_core::{Emission, Found, Partition, SentChange, Sighting, SourceMarks};

/// The marks of some partitions.
pub(crate) type Marks = BTreeMap<Partition, SourceMarks>;

/// What is done with changes that were sent before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SentAgain {
    /// They are skipped. Needs a sink that keeps the marks.
    #[default]
    Skip,
    /// They are applied as if they were new: a history then holds them twice.
    Apply,
}

/// The filter of one lane.
#[derive(Debug)]
pub(crate) struct SentBefore {
    policy: SentAgain,
    marks: Marks,
    /// The change that is asked about.
    unclear: Option<Unclear>,
}

/// A change whose position does not say whether it was sent before.
#[derive(Debug, Clone)]
pub(crate) struct Unclear {
    partition: Partition,
    connector: String,
    database: String,
    change: SentChange,
}

impl SentBefore {
    pub(crate) fn new(policy: SentAgain) -> Self {
        Self { policy, marks: Marks::new(), unclear: None }
    }

    /// The same filter with other marks.
    pub(crate) fn at(&self, marks: Marks) -> Self {
        Self { policy: self.policy, marks, unclear: None }
    }

    /// What a change is. Those that do not say where they stand are new.
    pub(crate) fn sight(&self, partition: &Partition, emission: Option<&Emission<'_>>) -> Sighting {
        match (self.policy, emission, self.marks.get(partition)) {
            (SentAgain::Skip, Some(sent), Some(marks)) => {
                marks.sight(sent.connector, sent.database, &sent.change)
            }
            (SentAgain::Apply, _, _) | (_, None, _) | (_, _, None) => Sighting::New,
        }
    }

    /// Moves to a change that is new or ambiguous, once it is certain what becomes of it.
    pub(crate) fn see(&mut self, partition: &Partition, emission: Option<&Emission<'_>>) {
        let (SentAgain::Skip, Some(sent)) = (self.policy, emission) else { return };
        if let Some(marks) = self.marks.get_mut(partition) {
            marks.see(sent.connector, sent.database, &sent.change);
        } else {
            let mut marks = SourceMarks::default();
            marks.see(sent.connector, sent.database, &sent.change);
            self.marks.insert(partition.clone(), marks);
        }
    }

    /// Notes the change that is asked about.
    pub(crate) fn ask(&mut self, partition: &Partition, sent: &Emission<'_>) {
        self.unclear = Some(Unclear {
            partition: partition.clone(),
            connector: sent.connector.to_owned(),
            database: sent.database.to_owned(),
            change: sent.change,
        });
    }

    /// Takes the answer. Where nobody knows, everything from this change on is new, until it is beyond
    /// what was seen: that is right for whatever ends in the same state when changes are applied in their
    /// order once more.
    pub(crate) fn answer(&mut self, found: Option<Found>) {
        let Some(unclear) = self.unclear.take() else { return };
        let Unclear { partition, connector, database, change } = unclear;
        let Some(marks) = self.marks.get_mut(&partition) else { return };
        match found {
            Some(found) => marks.resolve(&connector, &database, &change, found),
            None => marks.replay(&connector, &database),
        }
    }

    /// Begins anew with what the sink says, also for partitions of which it says nothing.
    pub(crate) fn restart(&mut self, partitions: &[Partition], marks: Marks) {
        for partition in partitions {
            self.marks.remove(partition);
        }
        self.marks.extend(marks);
        self.unclear = None;
    }

    /// The marks of one partition, where there are any.
    pub(crate) fn of(&self, partition: &Partition) -> Option<&SourceMarks> {
        self.marks.get(partition)
    }
}
