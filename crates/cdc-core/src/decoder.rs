//! From bytes to changes.

use crate::{ChangeEvent, Record, Rejection, SkipReason};

/// What a record turned out to be.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "the large variant is the usual one, and boxing it would allocate per row"
)]
pub enum Decoded<'e> {
    /// A change of a configured table.
    Change(ChangeEvent<'e>),
    /// Nothing to apply, and nothing wrong.
    Skip(SkipReason),
}

/// Turns records into placed changes.
///
/// - **Order.** Records of one partition are given in log order; a record may be given again, and
///   then decodes to the same change.
/// - **Lending.** The event borrows from the record and from the decoder's own buffers, which are
///   reused for the next record: no allocation per row.
/// - **Malformed input** is a [`Rejection`], never a panic, and does not disturb later records.
/// - **Time and memory** per record are bounded by the record's size.
pub trait Decoder: Send + 'static {
    /// Decodes one record.
    ///
    /// # Errors
    ///
    /// A record that cannot be understood; the caller keeps it as a dead letter.
    fn decode<'e>(&'e mut self, record: Record<'e>) -> Result<Decoded<'e>, Box<Rejection>>;
}
