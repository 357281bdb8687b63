//! Two of everything: workers, logs, and what each has.

/// A process of the pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Worker {
    /// One of the two.
    A,
    /// The other.
    B,
}

/// A partition of the topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Log {
    /// Change 1, the same change sent again by the connector, then change 2, which has the LSN of
    /// change 1, as rows of one COPY on the source do. Their effects must come in this order.
    One,
    /// Change 3.
    Two,
}

impl Worker {
    pub(super) const BOTH: [Self; 2] = [Self::A, Self::B];

    pub(super) fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

impl Log {
    pub(super) const BOTH: [Self; 2] = [Self::One, Self::Two];

    /// How many records it holds.
    pub(super) fn end(self) -> u8 {
        match self {
            Self::One => 3,
            Self::Two => 1,
        }
    }

    /// The change in the record at an offset, as one bit.
    pub(super) fn change(self, offset: u8) -> u8 {
        match (self, offset) {
            (Self::One, 0 | 1) | (Self::Two, _) => 0b01,
            (Self::One, _) => 0b10,
        }
    }

    /// The changes in all records before an offset.
    pub(super) fn changes_before(self, next: u8) -> u8 {
        (0..next).fold(0, |seen, offset| seen | self.change(offset))
    }
}

/// One of two.
pub(super) trait Side: Copy {
    /// Whether it is the first of the two.
    fn is_first(self) -> bool;
}

impl Side for Worker {
    fn is_first(self) -> bool {
        self == Self::A
    }
}

impl Side for Log {
    fn is_first(self) -> bool {
        self == Self::One
    }
}

/// One thing for each of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Pair<T> {
    pub(super) first: T,
    pub(super) second: T,
}

impl<T: Copy> Pair<T> {
    pub(super) fn of(&self, side: impl Side) -> T {
        if side.is_first() { self.first } else { self.second }
    }

    pub(super) fn at(&mut self, side: impl Side) -> &mut T {
        if side.is_first() { &mut self.first } else { &mut self.second }
    }
}
