//! Messages into a Kafka topic.

use std::time::Duration;

use cdc_kafka::{Message, Publisher};
use cdc_workload::{EnvelopeOptions, EnvelopeWriter, Transaction};

use super::Target;
use crate::arguments;
use crate::failure::{Failure, hint};

/// How long the broker may take to acknowledge what was sent.
const FLUSH_PATIENCE: Duration = Duration::from_mins(1);

/// A topic. Its keys choose their partitions, as those of a connector do.
#[derive(Debug)]
pub(crate) struct KafkaTarget {
    envelopes: EnvelopeWriter,
    publisher: Publisher,
    topic: String,
}

impl KafkaTarget {
    pub(crate) fn connect(
        arguments: &arguments::Kafka,
        options: &EnvelopeOptions,
    ) -> Result<Self, Failure> {
        let topic = arguments.messages.topic.clone();
        let publisher = Publisher::connect(&arguments.brokers)?;
        publisher.create_topic(&topic, arguments.partitions).map_err(|error| {
            let advice = format!(
                "if there is no broker at {}, start one with `just up`, or name one that listens with \
                 --brokers",
                arguments.brokers
            );
            hint(error, &advice)
        })?;
        Ok(Self { envelopes: EnvelopeWriter::new(options), publisher, topic })
    }
}

impl Target for KafkaTarget {
    fn send(&mut self, transaction: &Transaction) -> Result<(), Failure> {
        self.envelopes.write(transaction, |record| {
            // The log gives its own time, as for a connector: old times would make the broker remove
            // the messages at its next clean-up.
            let message =
                Message { key: Some(record.key), value: record.value, ..Message::default() };
            self.publisher.publish(&self.topic, &message)
        })?;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Failure> {
        Ok(self.publisher.flush(FLUSH_PATIENCE)?)
    }

    fn finish(mut self: Box<Self>) -> Result<(), Failure> {
        self.flush()
    }
}
