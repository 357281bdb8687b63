//! Where the part lies that was asked for.

use std::collections::BTreeMap;

use cdc_core::{ByteBudget, Decoded, Decoder as _, NextOffset, Offset, Partition};
use cdc_engine::Shutdown;
use cdc_kafka::{Bound, KafkaError, KafkaRange, KafkaSettings, KafkaSpan, locate};
use cdc_setup::{Settings, decoder};

use crate::failure::Failure;
use crate::reading::read_all;

/// What somebody does who asked for a part that is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WhatIsLeft {
    /// Reads what is left.
    Serves,
    /// Finds nothing in what is left: a table cannot be made of it.
    IsNotEnough,
}

/// Where a range begins or ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the topics.
    Log(Bound),
    /// In the source's own log.
    Source(u64),
}

impl Place {
    /// In the topics, or as far out as can be.
    fn in_log(&self, outside: Bound) -> Bound {
        match self {
            Self::Log(bound) => bound.clone(),
            Self::Source(_) => outside,
        }
    }

    fn in_source(&self) -> Option<u64> {
        match self {
            Self::Log(_) => None,
            Self::Source(position) => Some(*position),
        }
    }
}

/// What finds ranges.
pub(crate) struct Reader<'s> {
    pub(crate) settings: &'s Settings,
    /// Of the topics that are looked at.
    pub(crate) kafka: &'s KafkaSettings,
    pub(crate) shutdown: Shutdown,
}

impl Reader<'_> {
    /// The part of each partition between two places.
    pub(crate) async fn spans(
        &self,
        (from, to): (Place, Place),
        left: WhatIsLeft,
    ) -> Result<Vec<KafkaSpan>, Failure> {
        let kafka = self.kafka.clone();
        let bounds = (from.in_log(Bound::Beginning), to.in_log(Bound::End));
        let located = tokio::task::spawn_blocking(move || locate(&kafka, &bounds.0, &bounds.1));
        let located = located.await.map_err(std::io::Error::other);
        let located = located.map_err(Failure::system("look for the range in Kafka"))?;
        let located = located.map_err(|error| {
            let hint = hint(&error, left);
            let failure = Failure::end("read this range", error);
            match hint {
                Some(hint) => failure.with_hint(hint),
                None => failure,
            }
        })?;
        match (from.in_source(), to.in_source()) {
            (None, None) => Ok(located),
            (from, to) => self.narrow(located, from, to).await,
        }
    }

    /// What of these parts lies between positions of the source's log. Changes of transactions that
    /// overlapped stand in another order there, so every record is looked at.
    async fn narrow(
        &self,
        spans: Vec<KafkaSpan>,
        from: Option<u64>,
        to: Option<u64>,
    ) -> Result<Vec<KafkaSpan>, Failure> {
        let failed = |error| Failure::end("read the tables", error);
        let mut decoder = decoder(&self.settings.tables).map_err(failed)?;
        let budget = ByteBudget::new(self.settings.memory);
        let source = KafkaRange::start(self.kafka, spans.clone(), budget)
            .map_err(|error| Failure::end("start reading from Kafka", error))?;
        let mut found: BTreeMap<Partition, Found> = BTreeMap::new();
        read_all(source, self.shutdown.clone(), AGAIN, |batch| {
            let found = found.entry(batch.partition().clone()).or_default();
            for record in batch.iter() {
                let position = match decoder.decode(record) {
                    Ok(Decoded::Change(event)) => event.origin.lsn,
                    Ok(Decoded::Skip(_)) | Err(_) => None,
                };
                if let Some(position) = position {
                    found.see(record.offset, position, (from, to));
                }
            }
            Ok(())
        })
        .await?;
        let mut narrowed = Vec::with_capacity(spans.len());
        for mut span in spans {
            let found = found.remove(&span.partition).unwrap_or_default();
            if from.is_some() {
                let begins = found.from.unwrap_or(span.until);
                if found.from.is_some()
                    && found.from == found.first
                    && span.first > NextOffset::ZERO
                {
                    return Err(gone(&span));
                }
                span.from = begins;
            }
            if to.is_some() {
                span.until = found.until.unwrap_or(span.from).max(span.from);
            }
            narrowed.push(span);
        }
        Ok(narrowed)
    }
}

/// Parts of topics, as reports for programs show them.
pub(crate) fn as_json(spans: &[KafkaSpan]) -> Vec<serde_json::Value> {
    let span = |span: &KafkaSpan| {
        serde_json::json!({
            "topic": span.partition.topic().as_str(),
            "partition": span.partition.number().get(),
            "from": span.from.get(),
            "until": span.until.get(),
        })
    };
    spans.iter().map(span).collect()
}

/// What a stopped look for a position says.
const AGAIN: &str = "start it again: nothing was changed";

/// Where a partition has positions of the source's log.
#[derive(Debug, Default)]
struct Found {
    /// The first change.
    first: Option<NextOffset>,
    /// The first change at the beginning of the range or behind it.
    from: Option<NextOffset>,
    /// Behind the last change before the end of the range.
    until: Option<NextOffset>,
}

impl Found {
    fn see(&mut self, offset: Offset, position: u64, (from, to): (Option<u64>, Option<u64>)) {
        self.first.get_or_insert(offset.position());
        if from.is_some_and(|from| position >= from) {
            self.from.get_or_insert(offset.position());
        }
        if to.is_some_and(|to| position < to) {
            self.until = Some(offset.next());
        }
    }
}

fn gone(span: &KafkaSpan) -> Failure {
    Failure::Data {
        message: format!(
            "cannot find where this position begins in {}: the log now begins at {}, and changes from \
             there on may be gone",
            span.partition, span.first
        ),
        hint: "begin with an offset, or with beginning for what is left".to_owned(),
    }
}

fn hint(error: &KafkaError, left: WhatIsLeft) -> Option<String> {
    if let KafkaError::ResumeGone { first, .. } = error {
        return Some(match left {
            WhatIsLeft::Serves => format!(
                "begin with --from {first} or later, or with --from beginning for what is left"
            ),
            WhatIsLeft::IsNotEnough => format!(
                "have the connector make a new snapshot of the table, and begin where that begins, with \
                 --from at {first} or later; rows that were not sent again since would be missing"
            ),
        });
    }
    if let KafkaError::ResumeBeyondEnd { end, .. } = error {
        return Some(format!("choose a place up to {end}, or end"));
    }
    None
}
