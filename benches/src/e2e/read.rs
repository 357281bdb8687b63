//! Reading the topic and nothing else: the ceiling for everything that follows.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use cdc_core::{ByteBudget, ResumePoint, Source as _, SourceEvent, TopicName};
use cdc_kafka::{KafkaSettings, KafkaSource};
use serde::Serialize;

use super::fill::Topic;
use super::proc;
use super::stage::Stage;

/// The pipeline's own default.
const BUDGET_BYTES: usize = 40 << 20;

const LIMIT: Duration = Duration::from_mins(30);

/// What reading alone took.
#[derive(Debug, Clone, Serialize)]
pub struct Reading {
    /// From joining the group to the end of the partition.
    pub seconds: f64,
    /// Messages read.
    pub messages: u64,
    /// Processor time of the reader.
    pub cpu_seconds: f64,
    /// Processor time of the broker meanwhile.
    pub broker_cpu_seconds: f64,
}

/// Reads the topic to its end as a new group and drops what comes.
pub(crate) fn read(stage: &Stage, topic: &Topic, run: u32) -> Result<Reading> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let name = TopicName::parse(&topic.name)?;
    let settings = KafkaSettings::new(stage.broker.bootstrap(), vec![name])
        .with_group(format!("{}-read-{run}", topic.name));
    let own = std::process::id();
    let (cpu, neighbours) = (proc::cpu(own), stage.neighbours()?);
    let started = Instant::now();
    let messages = runtime.block_on(async {
        let mut source = KafkaSource::start(settings, ByteBudget::new(BUDGET_BYTES))?;
        let messages = tokio::time::timeout(LIMIT, to_end(&mut source)).await;
        let seconds = started.elapsed().as_secs_f64();
        source.close().await;
        anyhow::Ok((messages.context("the end of the topic did not come")??, seconds))
    })?;
    let (messages, seconds) = messages;
    let cpu = proc::cpu(own).unwrap_or_default().saturating_sub(cpu.unwrap_or_default());
    let broker = stage.neighbours()?.since(neighbours).broker;
    ensure!(messages == topic.messages, "{messages} of {} messages were read", topic.messages);
    Ok(Reading {
        seconds,
        messages,
        cpu_seconds: cpu.as_secs_f64(),
        broker_cpu_seconds: broker.as_secs_f64(),
    })
}

async fn to_end(source: &mut KafkaSource) -> Result<u64> {
    let mut messages = 0_u64;
    loop {
        match source.poll().await? {
            SourceEvent::Assigned(assignment) => {
                let partitions = assignment.partitions().iter().cloned();
                let points = partitions.map(|partition| (partition, ResumePoint::Beginning));
                let points = points.collect();
                source.resume(assignment, points).await?;
            }
            SourceEvent::Records(batch) => {
                messages = messages.saturating_add(u64::try_from(batch.len())?);
            }
            SourceEvent::CaughtUp(_) => return Ok(messages),
            SourceEvent::Revoked(_) => bail!("the only member lost its partition"),
            SourceEvent::LogEnd(..) => {}
            SourceEvent::End => bail!("a topic has no end"),
        }
    }
}
