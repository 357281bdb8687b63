//! Where traffic goes.

use cdc_workload::Transaction;

use crate::failure::Failure;

pub(crate) mod file;
pub(crate) mod kafka;
pub(crate) mod sql;

/// An end that takes transactions in order.
pub(crate) trait Target {
    /// Takes one transaction; it may wait in a buffer.
    fn send(&mut self, transaction: &Transaction) -> Result<(), Failure>;

    /// Hands on what waits, because nothing else comes for a moment.
    fn flush(&mut self) -> Result<(), Failure>;

    /// Waits until everything sent has taken effect.
    fn finish(self: Box<Self>) -> Result<(), Failure>;
}
