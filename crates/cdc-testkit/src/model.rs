//! The protocol of commits and rebalances as a model, small enough that every state it can get into
//! is looked at.
//!
//! Two workers share two partitions and a warehouse. One partition holds a change, the same change
//! sent again by the connector, and a change after it; the other holds one change. Whatever order
//! things happen in, two things must hold: each change has its effect once and in order, with rows
//! and checkpoint always in agreement (*safe*); and from every state everything can still become
//! applied (*live*), without the help of chance: no frozen worker needs to wake up for it, nobody
//! needs to die, and the group needs to move no partition of a worker that is well.
//!
//! ```
//! use cdc_testkit::model::{Design, Doubt, Partitions, Verdict, explore};
//!
//! let small = Design { partitions: Partitions::First, ..Design::default() };
//! assert_eq!(explore(small).verdict, Verdict::Sound);
//!
//! let resends = explore(Design { doubt: Doubt::SendAgain, ..small });
//! assert_eq!(resends.verdict, Verdict::Stuck);
//! println!("{}", resends.trace.join("; "));
//! ```
//!
//! What can happen, in any state in which it makes sense and without a limit on how often: the group
//! assigns a partition, moves one by a clean hand-over, or expels a worker that it has not heard of;
//! a worker freezes, wakes up, crashes or loses its session; it acquires (reads whose session owns
//! the partition, has the server end it, raises the epoch if it is still what it read, and learns
//! where the partition stands); it reads up to two records of each partition and brings their rows in
//! a transaction; the compare-and-set arrives; COMMIT arrives, with or without an answer; an offset
//! is committed to the group.
//!
//! What is simplified, each time so that more can go wrong or nothing is lost:
//!
//! - Epochs only ever matter by whether they are the ones that were read, so one bit stands for
//!   them. That is what makes the model finite with crashes and takeovers without end.
//! - Rows in an open transaction block everybody else's rows of that partition, as those of a mirror
//!   do.
//! - A backend that was told to end may commit before it does.
//! - The compare-and-set and COMMIT may arrive apart, although they are one message.
//! - At most one worker is frozen at a time; that it never wakes is one of the futures looked at. A
//!   machine that lost its network is a frozen worker to the server.
//! - A worker whose session has ended finds out at its next statement. Nothing can come of it before,
//!   so that is one step.
//! - The offset committed to the group is left out where nobody reads it, except in the variants that
//!   are about it.
//! - A state and its mirror image, in which the workers have changed places, are one.
//!
//! Not in the model: dead letters, snapshot waves, generations, replays, a warehouse that forgets a
//! commit, and a connection that is dead for the client and alive for the server.
//!
//! Vocabulary: a *design* is a protocol, choice by choice; a *variant* is a design with a name and
//! the verdict that it must get. [`VARIANTS`] holds the design that is built, deviations that do no
//! harm, and mutants, each of which must be caught.

mod action;
mod design;
mod explore;
mod pair;
mod state;
mod step;

pub use design::{
    Acquire, Commit, Compare, Design, Doubt, GroupOffset, Harm, Identity, Named, Partitions,
    Refused, Release, Rows, Seek, VARIANTS, Variant, Verdict,
};
pub use explore::{Finding, explore};
