//! A capture in the place of topics, after it was compared with what is known of them.

use std::collections::BTreeMap;
use std::path::Path;

use cdc_core::{ByteBudget, Generation, Offset, Partition, TopicName, Witness};
use cdc_kafka::KafkaSpan;
use cdc_postgres::{applied_logs, generations};
use cdc_replay::{CaptureSource, CapturedPart, scan_capture};
use cdc_setup::Settings;

use crate::failure::Failure;

/// The parts of topics that a capture holds.
pub(crate) async fn captured(path: &Path, settings: &Settings) -> Result<Vec<KafkaSpan>, Failure> {
    let failed = |error| Failure::end("read what is known of the topics", error);
    let followed = generations(&settings.postgres).await.map_err(failed)?;
    let mut known: BTreeMap<(Partition, Offset), Witness> = BTreeMap::new();
    for topic in settings.kafka.topics() {
        for log in applied_logs(&settings.postgres, topic).await.map_err(failed)? {
            let of_log = log.witnesses.into_iter();
            known.extend(of_log.map(|it| ((log.partition.clone(), it.offset()), it)));
        }
    }
    let generation = |topic: &TopicName| followed.get(topic).copied().unwrap_or(Generation::new(0));
    let mut other: Option<(Partition, Offset)> = None;
    let parts = scan_capture(path, generation, |partition, record| {
        let place = (partition.clone(), record.offset);
        let is_other = known.get(&place).is_some_and(|it| *it != Witness::of_parts(record));
        if is_other && other.is_none() {
            other = Some(place);
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
    let topics = settings.kafka.topics();
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
    Ok(parts.into_iter().map(span).collect())
}

/// A source of these parts of a capture.
pub(crate) fn source_of(path: &Path, spans: Vec<KafkaSpan>, budget: ByteBudget) -> CaptureSource {
    let part = |KafkaSpan { partition, from, until, .. }| CapturedPart { partition, from, until };
    CaptureSource::new(path, spans.into_iter().map(part).collect(), budget)
}
