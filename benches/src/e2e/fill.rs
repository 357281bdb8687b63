//! Fills topics with seeded traffic, and remembers what must come out of them.

use std::time::Duration;

use super::options::Compression;
use super::stage::Stage;
use crate::inputs;
use anyhow::{Result, ensure};
use cdc_kafka::{KafkaError, Message, Publisher};
use cdc_workload::{EnvelopeOptions, EnvelopeWriter, Oracle, SchemaBlock};

/// A million messages with schema block are a few seconds of work for the broker.
const FLUSH_PATIENCE: Duration = Duration::from_mins(2);

/// A filled topic of one partition.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) name: String,
    /// Messages, tombstones included.
    pub(crate) messages: u64,
    /// Changes of rows, each of which is a row of the history.
    pub(crate) changes: u64,
    /// Bytes of keys and values.
    pub(crate) bytes: u64,
    /// Rows that live at the end.
    pub(crate) rows: u64,
    /// `sum(amount)` of those, in cents.
    pub(crate) amount_cents: i128,
}

/// How the topics of a form of messages are named.
pub(crate) fn envelope_options(purpose: &str, schema_block: SchemaBlock) -> EnvelopeOptions {
    let form = match schema_block {
        SchemaBlock::Without => "bare",
        SchemaBlock::With => "schema",
    };
    let server = format!("{purpose}_{form}");
    EnvelopeOptions { server, schema_block, ..EnvelopeOptions::default() }
}

impl Topic {
    /// Creates and fills the topic.
    pub(crate) fn fill(
        stage: &Stage,
        schema_block: SchemaBlock,
        changes: u64,
        compression: Compression,
    ) -> Result<Self> {
        let options = envelope_options("drain", schema_block);
        let name = options.topic();
        let publisher = Self::create(stage, &name, compression)?;
        let mut writer = EnvelopeWriter::new(&options);
        let (mut oracle, mut workload) = (Oracle::default(), inputs::workload());
        let (mut messages, mut bytes) = (0_u64, 0_u64);
        while oracle.counts().events() < changes {
            let Some(transaction) = workload.next() else { break };
            oracle.apply(&transaction);
            writer.write(&transaction, |record| {
                messages += 1;
                let size = record.key.len() + record.value.map_or(0, <[u8]>::len);
                bytes = bytes.saturating_add(u64::try_from(size).unwrap_or(u64::MAX));
                let (key, value) = (Some(record.key), record.value);
                let partition = Some(0);
                publisher.publish(&name, &Message { partition, key, value, ..Message::default() })
            })?;
        }
        publisher.flush(FLUSH_PATIENCE)?;
        let counts = oracle.counts();
        ensure!(messages == counts.records(), "{messages} messages, not {}", counts.records());
        let rows = u64::try_from(oracle.rows().len())?;
        let (changes, amount_cents) = (counts.events(), oracle.amount_cents());
        Ok(Self { name, messages, changes, bytes, rows, amount_cents })
    }

    /// A topic that nothing is written to.
    pub(crate) fn empty(stage: &Stage, name: &str) -> Result<Self, KafkaError> {
        Self::create(stage, name, Compression::None)?;
        let name = name.to_owned();
        Ok(Self { name, messages: 0, changes: 0, bytes: 0, rows: 0, amount_cents: 0 })
    }

    /// Creates a topic of one partition and gives the publisher that fills it.
    pub(crate) fn create(
        stage: &Stage,
        name: &str,
        compression: Compression,
    ) -> Result<Publisher, KafkaError> {
        let publisher = Publisher::connect(&stage.broker.bootstrap())?;
        let settings = [("compression.type", compression.setting())];
        publisher.create_topic_with(name, 1, &settings)?;
        Ok(publisher)
    }
}
