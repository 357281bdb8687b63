//! Which part of a topic belongs to which generation: rows carry its number, so a record that is read
//! under another one would be missing, and be written a second time.

use cdc_core::Generation;
use cdc_kafka::KafkaSpan;
use cdc_postgres::{Continued, PostgresSettings, continued, generations};
use cdc_setup::Settings;

use crate::failure::Failure;

/// Where the generations of a pipeline's topics begin.
#[derive(Debug)]
pub(crate) struct Generations(Continued);

impl Generations {
    /// Reads it from the warehouse.
    pub(crate) async fn read(postgres: &PostgresSettings) -> Result<Self, Failure> {
        let read = continued(postgres).await;
        read.map(Self).map_err(|error| Failure::end("read where generations begin", error))
    }

    /// The settings with topics that are followed in a later generation than this one in this one.
    ///
    /// # Errors
    ///
    /// When a later one was begun with another log: the topic holds nothing of this one.
    pub(crate) async fn as_of(
        &self,
        settings: Settings,
        wanted: Generation,
    ) -> Result<Settings, Failure> {
        let followed = generations(&settings.postgres).await;
        let followed = followed
            .map_err(|error| Failure::end("read in which generation topics are followed", error))?;
        for (topic, last) in &followed {
            for later in wanted.get().saturating_add(1)..=last.get() {
                if !self.0.holds(topic, Generation::new(later)) {
                    return Err(Failure::Data {
                        message: format!(
                            "cannot read generation {wanted} of {topic} again: generation {later} was \
                             begun with a topic that had been created again, so nothing of the one \
                             before is left in Kafka",
                            wanted = wanted.get()
                        ),
                        hint: format!("choose generation {later} or a later one"),
                    });
                }
            }
        }
        let as_of = followed.into_iter().map(|(topic, last)| (topic, last.min(wanted)));
        Ok(settings.in_generations(as_of))
    }

    /// The parts without what belongs to earlier generations, and how many offsets that is.
    pub(crate) fn within(&self, spans: Vec<KafkaSpan>) -> (Vec<KafkaSpan>, u64) {
        let mut earlier: u64 = 0;
        let spans = spans.into_iter().map(|mut span| {
            let from = span.from.max(self.0.start(&span.partition)).min(span.until);
            earlier = earlier.saturating_add(from.offsets_since(span.from));
            span.from = from;
            span
        });
        (spans.collect(), earlier)
    }
}
