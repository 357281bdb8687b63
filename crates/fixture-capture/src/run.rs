//! One run: a release on real components, all its modes side by side over one history of the source.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use cdc_kafka::Publisher;
use cdc_stack::connect::{Connect, ConnectOptions};
use cdc_stack::connector::ConnectorConfig;
use cdc_stack::kafka::{Broker, BrokerOptions};
use cdc_testkit::captures::{About, RowEvent};

use crate::modes::{History, Mode, Release, account_of, modes_of, topic_of};
use crate::pairing::{due, pair};
use crate::read::{Record, Records, read};
use crate::source::{DATABASE, Source};
use crate::write;

/// For a connector's start; many start on one worker.
const START_LIMIT: Duration = Duration::from_mins(2);
/// For all records to arrive.
const ARRIVAL_LIMIT: Duration = Duration::from_mins(1);
/// Heartbeats are alike; how many are kept is not worth more.
const HEARTBEATS_MAX: usize = 2;
/// How many messages the changes contain that are about no row.
const MESSAGES: usize = 3;

/// Captures the modes of a release that follow one history, and writes their folders below `root`.
///
/// # Errors
///
/// When a component does not start or lacks something, a connector fails, or the records are not those
/// that the source's account lets expect.
pub async fn release(release: &Release, history: History, root: &Path) -> Result<()> {
    let mut modes = modes_of(release);
    modes.retain(|mode| mode.history == history);
    let source = Source::start(history)?;
    let broker = Broker::start(&BrokerOptions::default())?;
    let options = ConnectOptions {
        heap_mib: 2048,
        release: cdc_stack::Release::Of {
            debezium: release.debezium.to_owned(),
            kafka: release.kafka.to_owned(),
        },
        ..ConnectOptions::default()
    };
    let connect = Connect::start(&broker, &options)?;
    let publisher = Publisher::connect(&broker.bootstrap())?;
    for topic in modes.iter().flat_map(topics_of) {
        publisher.create_topic(&topic, 1)?;
    }
    let mut configs = Vec::new();
    for mode in &modes {
        let config = config_of(mode, source.cluster.port());
        connect.put_connector(&config.name, &config.to_json())?;
        connect.wait_running(&config.name, START_LIMIT)?;
        configs.push(config);
    }
    source.wait_streaming(modes.len(), START_LIMIT).map_err(|error| with_log(error, &connect))?;
    source.change()?;
    let events = source.account()?;
    let mut captured = Vec::new();
    for mode in &modes {
        let records = collect(&broker, mode, &events).await;
        captured.push(records.map_err(|error| with_log(error, &connect))?);
    }
    for config in &configs {
        connect.wait_running(&config.name, START_LIMIT)?;
    }
    let postgres = source.version()?;
    // A test's own server can have the tables of the other history.
    let catalog = match history {
        History::Core => None,
        History::Extensions => Some(source.catalog()?),
    };
    write::account(root, &account_of(release, history), &events, catalog.as_deref())?;
    for ((mode, config), records) in modes.iter().zip(&configs).zip(captured) {
        let kept = keep(mode, records, &events)
            .with_context(|| format!("the messages of mode {} are not as expected", mode.name))?;
        let about = about(release, mode, config, &postgres, &kept);
        write::capture(root, &about, kept)?;
    }
    Ok(())
}

fn config_of(mode: &Mode, port: u16) -> ConnectorConfig {
    let options = mode.options.iter().map(|(name, value)| ((*name).into(), (*value).into()));
    // Debezium leaves truncates out unless it is told not to.
    let truncates = [("skipped.operations".to_owned(), "none".to_owned())];
    ConnectorConfig {
        schemas: mode.schemas,
        extra: truncates.into_iter().chain(options).collect(),
        ..ConnectorConfig::isolated(&mode.prefix(), port, DATABASE, mode.tables)
    }
}

fn message_topic(mode: &Mode) -> String {
    format!("{}.message", mode.prefix())
}

fn heartbeat_topic(mode: &Mode) -> String {
    format!("__debezium-heartbeat.{}", mode.prefix())
}

/// All topics that a mode's connector may write to.
fn topics_of(mode: &Mode) -> Vec<String> {
    let prefix = mode.prefix();
    let mut topics: Vec<String> =
        mode.tables.iter().rev().map(|table| topic_of(&prefix, table)).collect();
    topics.push(message_topic(mode));
    if mode.option("heartbeat.interval.ms").is_some() {
        topics.push(heartbeat_topic(mode));
    }
    if mode.option("provide.transaction.metadata").is_some() {
        topics.push(format!("{prefix}.transaction"));
    }
    topics
}

/// All records of a mode, at least as many as the events let expect.
async fn collect(broker: &Broker, mode: &Mode, events: &[RowEvent]) -> Result<Records> {
    let mut records = Records::new();
    // The last table's last row is the last change, so everything before it has been written when
    // that topic has it.
    for topic in topics_of(mode) {
        let table = mode.tables.iter().find(|table| topic_of(&mode.prefix(), table) == topic);
        let wanted = match table {
            Some(table) => due(events, table, mode).len(),
            None if topic == message_topic(mode) => MESSAGES,
            None => 0,
        };
        let read = read(&broker.bootstrap(), &topic, wanted, ARRIVAL_LIMIT).await?;
        records.insert(topic, read);
    }
    Ok(records)
}

fn with_log(error: anyhow::Error, connect: &Connect) -> anyhow::Error {
    let log = std::fs::read_to_string(connect.log()).unwrap_or_default();
    let relevant =
        log.lines().filter(|line| line.contains("] ERROR ") || line.contains("Caused by"));
    // Each of many connectors says the same, after the time in brackets.
    let errors: BTreeSet<&str> =
        relevant.map(|line| line.split_once("] ").map_or(line, |(_, text)| text)).collect();
    let errors: Vec<&str> = errors.into_iter().collect();
    error.context(format!("the worker's log says:\n{}", errors.join("\n")))
}

/// The records of a mode, by topic and offset, each with its event.
fn keep(mode: &Mode, mut records: Records, events: &[RowEvent]) -> Result<Vec<Record>> {
    let mut kept = Vec::new();
    for table in mode.tables {
        let topic = topic_of(&mode.prefix(), table);
        let mut own = records.remove(&topic).unwrap_or_default();
        pair(&mut own, &due(events, table, mode)).with_context(|| topic)?;
        kept.extend(own);
    }
    for topic in topics_of(mode) {
        let mut own = records.remove(&topic).unwrap_or_default();
        if topic == heartbeat_topic(mode) {
            own.truncate(HEARTBEATS_MAX);
        }
        kept.extend(own);
    }
    Ok(kept)
}

fn about(
    release: &Release,
    mode: &Mode,
    config: &ConnectorConfig,
    postgres: &str,
    kept: &[Record],
) -> About {
    let mut messages = BTreeMap::new();
    for record in kept {
        *messages.entry(record.topic.clone()).or_insert(0) += 1;
    }
    let options = config.to_json();
    let options = options.as_object().into_iter().flatten();
    let address = ["database.hostname", "database.port", "database.user"];
    About {
        release: release.name.to_owned(),
        mode: mode.name.to_owned(),
        account: match mode.history {
            History::Core => None,
            History::Extensions => Some(account_of(release, mode.history)),
        },
        debezium: release.debezium.to_owned(),
        kafka: release.kafka.to_owned(),
        postgres: postgres.to_owned(),
        schema_block: mode.schemas == cdc_stack::connector::SchemaBlock::On,
        tables: mode.tables.iter().map(|table| (*table).to_owned()).collect(),
        topics: mode
            .tables
            .iter()
            .map(|table| ((*table).to_owned(), topic_of(&mode.prefix(), table)))
            .collect(),
        messages,
        options: options
            .filter(|(name, _)| !address.contains(&name.as_str()))
            .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
            .collect(),
    }
}
