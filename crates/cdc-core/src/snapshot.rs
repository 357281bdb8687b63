//! Snapshots as they show in a log: every snapshot that a connector takes is a wave of rows.
//!
//! A connector that dies in the middle of its snapshot takes another one from the beginning, and one that
//! was made anew may do so as well. Rows of both stand in the log, and nothing but the waves tells what the
//! source no longer had when the second one was taken: a snapshot sends no deletes.

/// What a row that a snapshot read says of the snapshot. All rows of a snapshot agree but for their place.
///
/// Rows of incremental snapshots say nothing: they are chunks beside the stream, and what they do not show
/// may exist all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotRow<'e> {
    /// The connector that took it.
    pub connector: &'e str,
    /// The source database.
    pub database: &'e str,
    /// Where the source's log stood when it was taken.
    pub lsn: u64,
    /// The transaction in which it was taken.
    pub tx_id: i64,
    /// The place of the row in it.
    pub place: SnapshotPlace,
}

/// The place of a row among those that a snapshot read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SnapshotPlace {
    /// The first of the snapshot, or of its table.
    First,
    /// Somewhere, or nobody knows where.
    Within,
    /// The last of the snapshot, or of its table. A table that is read as the first one and has one row
    /// has none.
    Last,
}

/// What became of a row that a snapshot read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SnapshotFate {
    /// It is in the body.
    Staged,
    /// A rule has skipped it, or it is a dead letter: its key exists in the source and was not shown to the
    /// target.
    LeftOut,
}
