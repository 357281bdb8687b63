//! A source without an engine: its records one batch after the other, to its end.

use cdc_core::{RecordBatch, ResumePoint, Source, SourceEvent};
use cdc_engine::Shutdown;

use crate::failure::Failure;

/// Shows every batch of a source, until its end. `again` is what to do when somebody stops it.
pub(crate) async fn read_all(
    mut source: impl Source,
    mut shutdown: Shutdown,
    again: &'static str,
    mut see: impl FnMut(RecordBatch) -> Result<(), Failure>,
) -> Result<(), Failure> {
    loop {
        let event = tokio::select! {
            () = shutdown.asked() => return Err(Failure::Stopped { again }),
            event = source.poll() => event.map_err(failed)?,
        };
        match event {
            SourceEvent::Assigned(assignment) => {
                let partitions = assignment.partitions().iter().cloned();
                let points = partitions.map(|it| (it, ResumePoint::Beginning)).collect();
                source.resume(assignment, points).await.map_err(failed)?;
            }
            SourceEvent::Records(batch) => see(batch)?,
            SourceEvent::Revoked(revocation) => {
                source.relinquish(revocation).await.map_err(failed)?;
            }
            SourceEvent::CaughtUp(_) | SourceEvent::LogEnd(..) => {}
            SourceEvent::End => break,
        }
    }
    source.close().await;
    Ok(())
}

fn failed<E: cdc_core::Classify>(error: E) -> Failure {
    Failure::end("read this range", error)
}
