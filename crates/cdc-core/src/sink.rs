//! Where changes go.

use std::future::Future;
use std::sync::Arc;

use cdc_checkpoint::{Found, Partition, SourceMarks, SourcePosition};
use debezium_envelope::RowShape;

use crate::{
    Body, ChangeEvent, Classify, Record, RecordRef, Rejection, ResumePoint, SnapshotFate, TableId,
    Witnesses, WriteBatch,
};

/// What became of a change given to [`Stager::stage`].
#[derive(Debug)]
pub enum Staged {
    /// It is in the body.
    Row,
    /// The table's columns are new to the stager: hand over what is open, let the writer plan, give
    /// the plan to [`Stager::adopt`], then stage the change again. The body is unchanged.
    NeedsPlan,
    /// It can never be written; the body is unchanged.
    Rejected(Box<Rejection>),
}

/// The half of a lane that encodes: synchronous, CPU only, on a thread of its own.
///
/// - **Order.** Changes of one partition are staged in log order. A body holds the changes of one
///   batch; staging the same changes into a cleared body gives the same rows again.
/// - **Memory.** No allocation per row after warm-up; the body's size is what
///   [`Body::bytes`] says.
/// - **Time** to stage a change is bounded by the size of its record.
pub trait Stager: Send + 'static {
    /// Encoded rows.
    type Body: Body;
    /// How to encode the rows of one table and shape.
    type Plan: Send + 'static;

    /// Encodes a change to the end of the body.
    fn stage(&mut self, body: &mut Self::Body, at: RecordRef, event: &ChangeEvent<'_>) -> Staged;

    /// Notes, in the order of the log, a row that a snapshot read and what became of it; called for every
    /// event that [says](ChangeEvent::snapshot) something of its snapshot, also for those that are not
    /// staged. What is noted belongs to the body. A sink that does not follow snapshots has nothing to do.
    fn note_snapshot(
        &mut self,
        _body: &mut Self::Body,
        _event: &ChangeEvent<'_>,
        _fate: SnapshotFate,
    ) {
    }

    /// Hears of a record that becomes a dead letter, wherever it was rejected, in the order in which
    /// records are staged: what is staged later may have to wait behind it.
    fn rejected(&mut self, _record: &Record<'_>, _rejection: &Rejection) {}

    /// Takes over the plan that the writer made for a table and shape, replacing an older one for
    /// an equal shape.
    fn adopt(&mut self, table: TableId, shape: Arc<RowShape>, plan: Self::Plan);

    /// Forgets all plans, because a target is not what they were made for: each shape needs a plan again.
    fn forget_plans(&mut self);
}

/// The half of a lane that owns a connection.
///
/// A lane may have two writers that take batches in turn: while one prepares and applies a batch, the
/// other [prepares](Self::prepare) the next. They are one owner: what one acquires or releases counts for
/// both.
///
/// - **Atomicity.** [`apply`](Self::apply) makes rows, dead letters and progress durable together,
///   or nothing of them.
/// - **Repetition.** Applying a batch that has been applied fails and changes nothing, because its
///   progress no longer joins.
/// - **Order.** Batches are applied one at a time, in the order in which they were staged. Beside
///   that, and beside the preparation of the batch in front, only the other writer's
///   [`prepare`](Self::prepare) runs, for the next batch in order; everything else is called while
///   neither writer is busy and nothing is prepared.
/// - **Retry.** The engine retries by [`ErrorClass`](crate::ErrorClass). After an indeterminate
///   error the next call is always [`acquire`](Self::acquire), which opens a new session if needed.
/// - **Cancellation.** Futures are not dropped by the engine while they run, except when the
///   process stops at its drain limit, and a [`release`](Self::release) that takes longer than a second:
///   an implementation whose session could then be in the middle of an exchange must not reuse it.
pub trait Writer: Send + 'static {
    /// Encoded rows.
    type Body: Body;
    /// How to encode the rows of one table and shape.
    type Plan: Send + 'static;
    /// Why the sink refused.
    type Error: Classify;

    /// Takes the partitions over from whoever had them and says where each resumes.
    ///
    /// From then on nobody else's step can be applied to them, and only this lane's can.
    fn acquire(
        &mut self,
        partitions: &[Partition],
    ) -> impl Future<Output = Result<Vec<(Partition, ResumePoint)>, Self::Error>> + Send;

    /// How far connectors have sent into acquired partitions, as the last batch of each
    /// [said](WriteBatch::marks). A sink that does not keep it answers nothing, and what is sent again
    /// is then applied again.
    fn marks(
        &mut self,
        _partitions: &[Partition],
    ) -> impl Future<Output = Result<Vec<(Partition, SourceMarks)>, Self::Error>> + Send {
        async { Ok(Vec::new()) }
    }

    /// A few records of acquired partitions that were the [last](WriteBatch::witness) of an applied
    /// batch, spread over what was applied and newest first: the source tells by them whether its logs
    /// are still those that were read, and a source without log offsets finds its way back by the
    /// [place](crate::Witness::place) of the newest. A sink that keeps none answers nothing: logs that were
    /// replaced go unnoticed where their positions allow it, and sources that need places do not resume.
    fn witnesses(
        &mut self,
        _partitions: &[Partition],
    ) -> impl Future<Output = Result<Witnesses, Self::Error>> + Send {
        async { Ok(Witnesses::new()) }
    }

    /// Whether a transaction of the source has left rows of a table behind that came from this
    /// partition, from this position on. `None` where changes may be applied in their order once more
    /// without harm, like those of a table that has one row for each key.
    fn find(
        &mut self,
        _table: TableId,
        _partition: &Partition,
        _from: SourcePosition,
    ) -> impl Future<Output = Result<Option<Found>, Self::Error>> + Send {
        async { Ok(None) }
    }

    /// Plans how to write rows of this shape into the table's target.
    fn plan(
        &mut self,
        table: TableId,
        shape: &Arc<RowShape>,
    ) -> impl Future<Output = Result<Self::Plan, Self::Error>> + Send;

    /// A second writer for the same lane, with a connection of its own; `None` where the sink does
    /// not gain from one.
    fn second(&mut self) -> impl Future<Output = Result<Option<Self>, Self::Error>> + Send
    where
        Self: Sized,
    {
        async { Ok(None) }
    }

    /// Brings a batch to the sink as far as that is possible before the batch in front of it has
    /// been applied. Nothing of it is visible or durable before it is applied itself.
    ///
    /// The next call is [`apply`](Self::apply) with the same batch, or [`abandon`](Self::abandon).
    ///
    /// # Errors
    ///
    /// Nothing is prepared then. With a batch in front the error decides nothing, poison included:
    /// that batch may be its cause, so the engine asks again when it has been applied. An
    /// implementation must not wait without a limit for what the other writer holds, because the
    /// other may be waiting for this one.
    fn prepare(
        &mut self,
        _batch: &WriteBatch<Self::Body>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send {
        async { Ok(()) }
    }

    /// Undoes a [`prepare`](Self::prepare), because the batch in front was not applied at once. Ends
    /// soon also when the sink does not answer: the batch in front waits for it.
    fn abandon(&mut self) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// Applies a batch, prepared or not: all of it, or nothing.
    fn apply(
        &mut self,
        batch: &WriteBatch<Self::Body>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Gives the partitions up, so that the next owner need not take them by force.
    fn release(
        &mut self,
        partitions: &[Partition],
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// Opens lanes. A lane has two halves that share nothing.
pub trait Sink: Send + Sync + 'static {
    /// Encoded rows.
    type Body: Body;
    /// How to encode the rows of one table and shape.
    type Plan: Send + 'static;
    /// Why the sink refused.
    type Error: Classify;
    /// The half that encodes.
    type Stager: Stager<Body = Self::Body, Plan = Self::Plan>;
    /// The half that owns the connection.
    type Writer: Writer<Body = Self::Body, Plan = Self::Plan, Error = Self::Error>;

    /// Opens a lane with a connection of its own.
    fn open_lane(
        &self,
    ) -> impl Future<Output = Result<(Self::Stager, Self::Writer), Self::Error>> + Send;
}
