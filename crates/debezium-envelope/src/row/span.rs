//! Places in a record or in the scratch space of a row.

use std::ops::Range;

/// What 32-bit spans can address.
pub(super) const SCRATCH_BYTES_MAX: usize = 0xffff_ffff;

/// A value that would take a row's scratch space past its bound, and was not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ScratchFull;

/// Where the bytes or the elements of a cell stand. Records are limited to far less than 4 GiB, so 32
/// bits do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// `None` for a range beyond 4 GiB.
    pub(super) fn new(range: &Range<usize>) -> Option<Self> {
        Some(Self { start: range.start.try_into().ok()?, end: range.end.try_into().ok()? })
    }

    /// A range of what a row has copied, or of the elements of its lists.
    pub(super) fn in_scratch(start: usize, end: usize) -> Result<Self, ScratchFull> {
        Self::new(&(start..end)).ok_or(ScratchFull)
    }

    /// From the start of this span to the end of another.
    pub(super) fn through(self, other: Self) -> Self {
        Self { start: self.start, end: other.end }
    }

    pub(super) fn range(self) -> Range<usize> {
        let place = |at: u32| usize::try_from(at).unwrap_or(usize::MAX);
        place(self.start)..place(self.end)
    }
}
