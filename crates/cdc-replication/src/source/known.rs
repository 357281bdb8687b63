//! The configured tables as the stream and the snapshot meet them.

use cdc_core::Partition;

use crate::catalog::TableCatalog;
use crate::frame::RelationDescription;
use crate::snapshot::keys::{KeyOrder, is_behind};
use crate::source::TablePlace;

/// A configured table that was found in the source.
#[derive(Debug, Clone)]
pub(crate) struct KnownTable {
    /// The partition in which its snapshot stands.
    pub(crate) partition: Partition,
    pub(crate) catalog: TableCatalog,
}

/// A relation of the stream that is a configured table.
#[derive(Debug)]
pub(crate) struct KnownRelation {
    pub(crate) description: RelationDescription,
    /// The description as records begin with it.
    pub(crate) bytes: Vec<u8>,
    /// What a snapshot that is newer than the slot saw of the table, while the stream has not passed it.
    pub(crate) overlap: Option<Overlap>,
}

/// The part of the stream that a snapshot saw as well.
#[derive(Debug, Clone)]
pub(crate) struct Overlap {
    place: TablePlace,
    order: Option<KeyOrder>,
}

/// What is to be done with a change in an overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    /// No snapshot saw it.
    No,
    /// A snapshot saw it: its effect is in a row that was delivered.
    Yes,
    /// Of the rows that it touched, a snapshot saw some after it and others before it.
    Partly,
}

impl Overlap {
    /// The overlap of a table whose snapshot has come so far; `None` where there is none.
    pub(crate) fn of(place: TablePlace, table: &TableCatalog) -> Option<Self> {
        let order = KeyOrder::of(table);
        (!place.parts.is_empty()).then_some(Self { place, order })
    }

    /// From which position on nothing was seen by a snapshot.
    pub(crate) fn ends_at(&self) -> u64 {
        self.place.parts.iter().map(|part| part.until).max().unwrap_or_default()
    }

    /// Whether a snapshot saw what a transaction did to the row with this key.
    pub(crate) fn saw_row(&self, xid: u32, key: &[String]) -> Seen {
        let behind = |after: &[String]| {
            self.order.as_ref().is_some_and(|order| is_behind(order, key, after))
        };
        match self.place.part_of(behind) {
            Some(part) if part.saw.saw(xid) => Seen::Yes,
            Some(_) | None => Seen::No,
        }
    }

    /// Whether snapshots saw what a transaction did to all rows.
    pub(crate) fn saw_all(&self, xid: u32) -> Seen {
        let saw = |part: &crate::source::TablePart| part.saw.saw(xid);
        let is_whole = self.place.parts.first().is_some_and(|part| part.after.is_none());
        match (self.place.parts.iter().any(saw), is_whole && self.place.parts.iter().all(saw)) {
            (_, true) => Seen::Yes,
            (true, false) => Seen::Partly,
            (false, false) => Seen::No,
        }
    }
}
