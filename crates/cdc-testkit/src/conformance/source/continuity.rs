//! Whether a log is still the one that was read.

use cdc_core::{Classify as _, ErrorClass, Source as _, Witness, Witnesses};

use super::SourceUnderTest;
use super::delivery::failure;
use super::reader::{Log, Reader, at, next};
use crate::conformance::{Finding, chain, ensure};

/// Records that a log had when it was read.
const READ: usize = 40;

/// Reads everything, and remembers some of it as a sink would: newest first.
async fn remembered<U: SourceUnderTest>(
    mut log: Log<'_, U>,
) -> Result<(Log<'_, U>, Witnesses), String> {
    log.fill_all(READ).await;
    let only = log.partition(0);
    let mut reader = log.reader().await?;
    reader.kept = Some(Vec::new());
    reader.resume_from_the_beginning().await?;
    reader.until_all(std::slice::from_ref(&only), 0).await?;
    let Reader { log, source, kept, .. } = reader;
    source.close().await;
    let kept = kept.unwrap_or_default();
    let records = kept.iter().flat_map(cdc_core::RecordBatch::iter);
    let mut witnesses: Vec<_> = records.map(|record| Witness::of(&record)).collect();
    witnesses.retain(|witness| [9, 29, 39].contains(&witness.offset().get()));
    witnesses.reverse();
    Ok((log, Witnesses::from([(only, witnesses)])))
}

pub(super) async fn a_log_that_was_replaced_is_fatal<U: SourceUnderTest>(u: &U) -> Finding {
    let (mut log, witnesses) = remembered(Log::create(u, 1).await).await?;
    u.create_again(&log.place).await;
    // It has grown past everything that was read of the one before.
    log.fill_all(2 * READ).await;
    let only = log.partition(0);
    let mut reader = log.reader().await?;
    let Some(assignment) = reader.waiting.pop() else { return Err("nothing assigned".to_owned()) };
    let recalled = reader.source.recall(witnesses).await;
    recalled.map_err(|error| format!("cannot recall: {}", chain(&error)))?;
    let resumed = reader.source.resume(assignment, vec![(only, at(READ))]).await;
    let error = match resumed {
        Err(error) => error,
        Ok(()) => failure(&mut reader).await?,
    };
    ensure(matches!(error.class(), ErrorClass::Fatal(_)), || {
        format!("a replaced log is fatal, not {:?}: {}", error.class(), chain(&error))
    })
}

pub(super) async fn a_log_that_is_known_again_is_read<U: SourceUnderTest>(u: &U) -> Finding {
    let (mut log, witnesses) = remembered(Log::create(u, 1).await).await?;
    let only = log.partition(0);
    // First some of the remembered records are gone, then all of them.
    for begins in [0, 20, READ] {
        u.forget_before(&log.place, &only, next(begins)).await;
        log.fill_all(3).await;
        let mut reader = log.reader().await?;
        let recalled = reader.source.recall(witnesses.clone()).await;
        recalled.map_err(|error| format!("cannot recall: {}", chain(&error)))?;
        reader.resume(|_| at(READ)).await?;
        reader.until_all(std::slice::from_ref(&only), READ).await?;
        let Reader { log: again, source, .. } = reader;
        source.close().await;
        log = again;
    }
    Ok(())
}
