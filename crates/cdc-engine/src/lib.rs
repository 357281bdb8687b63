//! Moves changes from a source to a sink in overlapped lanes, with one effect per change.
//!
//! What it guarantees, given ends that keep the contracts of `cdc-core`: every record of a
//! partition is applied, skipped for a named reason, or kept as a dead letter, in log order per
//! key and once, whatever fails in between; memory is bounded by one budget; and nothing is
//! reported as durable that is not.
//!
//! The parts: [`Pipeline`] is the loop. It owns the source and routes records to lanes. A lane is a
//! staging thread that decodes, applies the rules and encodes, and a writer task with up to two
//! writers that take batches in turn. While one prepares and applies batch N, the other prepares batch
//! N+1, and batch N+2 is staged; they are applied in that order, and a batch prepared behind a refused
//! one is abandoned and prepared again in its turn. The stager hands over what is open as soon as a
//! writer is free, to the second one when it is worth it. That is natural batching: one record at a
//! time when caught up, large batches when behind, and no timer to tune.
//!
//! A change that its connector sends again is skipped: see [`SentAgain`]. A lane whose records are
//! rejected by the hundred halts: see [`RejectedShare`].
//!
//! ```no_run
//! use cdc_core::{ByteBudget, Decoder, Sink, Source};
//! use cdc_engine::{Ends, EngineSettings, Meter, Outcome, Pipeline, PipelineError, Shutdown};
//!
//! async fn run<S: Source, D: Decoder, K: Sink>(
//!     source: S,
//!     decoder: impl Fn() -> D,
//!     sink: K,
//!     budget: ByteBudget,
//! ) -> Result<Outcome, PipelineError> {
//!     let settings = EngineSettings::default();
//!     let ends = Ends { source, decoder, sink, rules: Vec::new() };
//!     let (_stop, shutdown) = Shutdown::channel();
//!     Pipeline::open(settings, ends, budget, Meter::shared()).await?.run(shutdown).await
//! }
//! ```
//!
//! Vocabulary: *drain* is finishing what is in flight; a *lane* is described above; the
//! [`Meter`] counts what happened.
//!
//! Limits: no ordering between partitions; one process per pipeline name and partition at a time
//! (more are safe, because the sink compares and sets, but take turns).

mod assigned;
mod backoff;
mod bound;
mod error;
mod lane;
mod meter;
mod pipeline;
mod settings;
mod shutdown;

pub use error::PipelineError;
pub use lane::SentAgain;
pub use meter::{Latency, Meter, Reading, TableReading};
pub use pipeline::{Ends, Outcome, Pipeline};
pub use settings::{EngineSettings, RejectedShare, StopWhen};
pub use shutdown::{Shutdown, Stop};
