//! A capture in the place of topics, after it was compared with what is known of them.

use std::collections::BTreeMap;
use std::path::Path;

use cdc_core::{ByteBudget, Offset, Partition, TopicName, Witness};
use cdc_kafka::KafkaSpan;
use cdc_postgres::applied_logs;
use cdc_replay::{CaptureSource, CapturedPart, scan_capture};
use cdc_setup::Settings;

use crate::failure::Failure;

/// The parts of topics that a capture holds, and how many of its records are remembered from when they
/// were applied: only by these it can be told from a capture of another log.
pub(crate) async fn captured(
    path: &Path,
    settings: &Settings,
) -> Result<(Vec<KafkaSpan>, u64), Failure> {
    let failed = |error| Failure::end("read what is known of the topics", error);
    // A record stands where it stands, in whichever generation it is read.
    let place = |partition: &Partition, offset: Offset| {
        (partition.topic().clone(), partition.number(), offset)
    };
    let kafka = settings.kafka()?;
    let mut known = BTreeMap::new();
    for topic in kafka.topics() {
        for log in applied_logs(&settings.postgres, topic).await.map_err(failed)? {
            let of_log = log.witnesses.into_iter();
            known.extend(of_log.map(|it| (place(&log.partition, it.offset()), it)));
        }
    }
    let generation = |topic: &TopicName| kafka.generation(topic);
    let (mut recognised, mut other): (u64, Option<(Partition, Offset)>) = (0, None);
    let parts = scan_capture(path, generation, |partition, record| {
        match known.get(&place(partition, record.offset)) {
            Some(held) if held.is_of_same_record(&Witness::of_parts(record)) => {
                recognised = recognised.saturating_add(1);
            }
            Some(_) if other.is_none() => other = Some((partition.clone(), record.offset)),
            Some(_) | None => {}
        }
    });
    let parts = parts.map_err(|error| Failure::end("read the capture", error))?;
    if let Some((partition, offset)) = other {
        return Err(Failure::Data {
            message: format!(
                "{} is of another log: at {offset} of {partition} it has another record than the one that \
                 the pipeline has applied",
                path.display()
            ),
            hint: "choose a capture of the topic as it is, or was before retention cut it"
                .to_owned(),
        });
    }
    let topics = kafka.topics();
    if let Some(part) = parts.iter().find(|part| !topics.contains(part.partition.topic())) {
        let names: Vec<&str> = topics.iter().map(TopicName::as_str).collect();
        return Err(Failure::Tables {
            message: format!(
                "{} holds {}, which is no topic of this pipeline",
                path.display(),
                part.partition
            ),
            hint: format!("choose a capture of these topics: {}", names.join(", ")),
        });
    }
    let span =
        |CapturedPart { partition, from, until }| KafkaSpan { partition, first: from, from, until };
    Ok((parts.into_iter().map(span).collect(), recognised))
}

/// A source of these parts of a capture.
pub(crate) fn source_of(path: &Path, spans: Vec<KafkaSpan>, budget: ByteBudget) -> CaptureSource {
    let part = |KafkaSpan { partition, from, until, .. }| CapturedPart { partition, from, until };
    CaptureSource::new(path, spans.into_iter().map(part).collect(), budget)
}
