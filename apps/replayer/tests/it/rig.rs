//! A topic with order traffic, a history of it, and the program.

use std::convert::Infallible;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use cdc_core::{ByteBudget, Generation, NextOffset, PartitionNumber, TopicName};
use cdc_engine::{Ends, EngineSettings, Meter, Outcome, Pipeline, Shutdown, Stop, StopWhen};
use cdc_kafka::{KafkaSource, Message, Publisher, preflight};
use cdc_postgres::{Adopt, PostgresSink, accept_partitions, init};
use cdc_setup::{Settings, decoder};
use cdc_stack::kafka::{Broker, BrokerOptions};
use cdc_stack::postgres::Cluster;
use cdc_workload::{EnvelopeOptions, EnvelopeWriter, Workload, WorkloadOptions};
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::JoinHandle;

/// How long anything may take.
pub(crate) const LIMIT: Duration = Duration::from_mins(3);

/// The broker that all tests share.
pub(crate) fn broker() -> &'static Broker {
    static BROKER: OnceLock<Broker> = OnceLock::new();
    BROKER.get_or_init(|| Broker::start(&BrokerOptions::default()).expect("a broker must start"))
}

/// A record to publish: key and value.
pub(crate) type Letter = (Vec<u8>, Option<Vec<u8>>);

/// The records of so many changes.
pub(crate) fn letters(changes: usize) -> Vec<Letter> {
    let options =
        WorkloadOptions { changes_per_transaction: 10, keys: 500, ..WorkloadOptions::default() };
    let mut writer = EnvelopeWriter::new(&EnvelopeOptions::default());
    let mut letters = Vec::new();
    for transaction in Workload::new(options).take(changes / 10) {
        let written = writer.write(&transaction, |record| {
            letters.push((record.key.to_vec(), record.value.map(<[u8]>::to_vec)));
            Ok::<(), Infallible>(())
        });
        written.unwrap_or_else(|never| match never {});
    }
    letters
}

/// A history that a pipeline made of a topic.
pub(crate) struct Rig {
    pub(crate) topic: String,
    database: String,
    publisher: Publisher,
    folder: TempDir,
}

impl Rig {
    /// An empty topic of this name, and an empty history.
    pub(crate) async fn new(name: &str, partitions: i32) -> Self {
        Self::with(name, partitions, ("orders_fact", "mode = \"history\"")).await
    }

    /// An empty topic of this name, and an empty mirror.
    pub(crate) async fn mirror(name: &str, partitions: i32) -> Self {
        // A truncate stands in no order with rows of other partitions.
        let mode = "mode = \"mirror\"\ntruncates = \"ignore\"";
        Self::with(name, partitions, ("orders_current", mode)).await
    }

    async fn with(name: &str, partitions: i32, (target, mode): (&str, &str)) -> Self {
        let topic = format!("{name}.public.orders");
        let publisher = Publisher::connect(&broker().bootstrap()).unwrap();
        publisher.create_topic(&topic, partitions).unwrap();
        let database = Cluster::shared().fresh_database("replay").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let rig = Self { topic, database, publisher, folder };
        let configuration = format!(
            r#"[pipeline]
name = "{name}"
[source.kafka]
brokers = "{}"
topics = ["{}"]
group = "{name}"
[sink.postgres]
url = "{}"
lock_timeout = "2s"
[[table]]
source = "public.orders"
target = "public.{target}"
{mode}
columns = {{ amount = "decimal(10,2)", created_at = "timestamp(micros)", updated_at = "timestamp(micros)" }}
"#,
            broker().bootstrap(),
            rig.topic,
            Cluster::shared().url(&rig.database),
        );
        fs::write(rig.file(), configuration).unwrap();
        let settings = Settings::load(&rig.file()).unwrap();
        let targets: Vec<_> = settings.tables.iter().map(|it| it.settings.clone()).collect();
        init(&settings.postgres, &targets, Adopt::No).await.unwrap();
        rig
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("pipeline.toml")
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn publish(&self, letters: &[Letter]) {
        for (key, value) in letters {
            let (key, value) = (Some(&**key), value.as_deref());
            self.publisher
                .publish(&self.topic, &Message { key, value, ..Message::default() })
                .unwrap();
        }
        self.publisher.flush(LIMIT).unwrap();
    }

    /// Lets the pipeline, which has not run so far, follow another topic of so many records that mean nothing;
    /// with a mirror of another table of the same schema, where one is named.
    pub(crate) fn follow(&self, topic: &str, records: u32, table: Option<&str>) {
        self.publisher.create_topic(topic, 1).unwrap();
        for _ in 0..records {
            let message = Message { key: Some(b"{}"), ..Message::default() };
            self.publisher.publish(topic, &message).unwrap();
        }
        self.publisher.flush(LIMIT).unwrap();
        let mut text = fs::read_to_string(self.file()).unwrap();
        let own = format!("topics = [\"{}\"]", self.topic);
        assert!(text.contains(&own), "the rig's own topic is followed");
        text = text.replace(&own, &format!("topics = [\"{}\", \"{topic}\"]", self.topic));
        if let Some(table) = table {
            let target = format!("{table}_current");
            self.ask(&format!(
                "create table {target} (id bigint primary key, cdc_generation int, cdc_offset bigint)"
            ));
            let table = format!("source = \"public.{table}\"\ntarget = \"public.{target}\"\n");
            text = [&*text, "[[table]]\n", &*table, "mode = \"mirror\"\n"].concat();
        }
        fs::write(self.file(), text).unwrap();
    }

    /// Gives the topic so many partitions, and lets the pipeline, which has applied everything, follow them.
    pub(crate) async fn widen(&mut self, partitions: i32) {
        let (bootstrap, count) = (broker().bootstrap(), partitions.to_string());
        let place = ["--bootstrap-server", &bootstrap, "--topic", &self.topic];
        let alter = [&place[..], &["--alter", "--partitions", &count]].concat();
        broker().tool("org.apache.kafka.tools.TopicCommand", &alter).unwrap();
        // A publisher that knew the topic before does not look again soon.
        self.publisher = Publisher::connect(&bootstrap).unwrap();
        let end = |number: i32| {
            let applied = self.ask(&format!(
                "select coalesce(max(next_offset), 0) from cdc.checkpoint where partition = {number}"
            ));
            let number = PartitionNumber::try_new(number).unwrap();
            (number, NextOffset::try_new(applied.parse().unwrap()).unwrap())
        };
        let ends: Vec<_> = (0..partitions).map(end).collect();
        let settings = Settings::load(&self.file()).unwrap().postgres;
        let (topic, first) = (TopicName::parse(&self.topic).unwrap(), Generation::new(0));
        let accepted = accept_partitions(&settings, &topic, first, &ends, "a test").await.unwrap();
        assert_eq!(accepted, Some(Generation::new(1)));
    }

    /// Lets the pipeline write what the topic holds.
    pub(crate) async fn run_pipeline(&self) {
        let (_stop, shutdown) = Shutdown::channel();
        let ended = Self::run_until(self.file(), StopWhen::CaughtUp, shutdown).await;
        assert_eq!(ended, Outcome::CaughtUp);
    }

    /// Starts a pipeline that writes until it is told to stop.
    pub(crate) fn start_pipeline(&self) -> (Stop, JoinHandle<Outcome>) {
        let (stop, shutdown) = Shutdown::channel();
        (stop, tokio::spawn(Self::run_until(self.file(), StopWhen::Asked, shutdown)))
    }

    async fn run_until(file: PathBuf, stop_when: StopWhen, shutdown: Shutdown) -> Outcome {
        let settings = Settings::load(&file).unwrap().in_their_generations().await.unwrap();
        let kafka = settings.kafka().unwrap().clone();
        let probe = move || preflight::probe(&kafka, kafka.retry_for());
        let report = tokio::task::spawn_blocking(probe).await.unwrap().unwrap();
        let topics = report.topics().iter();
        let topics = topics.map(|it| (it.name().clone(), it.partitions().len())).collect();
        let budget = ByteBudget::new(settings.memory);
        let engine = EngineSettings { stop_when, ..settings.engine };
        let source = KafkaSource::start(settings.kafka().unwrap().clone(), budget.clone()).unwrap();
        let targets = settings.tables.iter().map(|it| it.settings.clone()).collect();
        let sink = PostgresSink::new(settings.postgres, targets).following(topics);
        let decoder = decoder(&settings.tables).unwrap();
        let rules = settings.tables.iter().map(|it| it.rules.clone()).collect();
        let ends = Ends { source, decoder: || decoder.clone(), sink, rules };
        let pipeline = Pipeline::open(engine, ends, budget, Meter::shared()).await.unwrap();
        pipeline.run(shutdown).await.unwrap()
    }

    pub(crate) fn ask(&self, sql: &str) -> String {
        Cluster::shared().psql(&self.database, sql).unwrap()
    }

    pub(crate) fn count(&self, sql: &str) -> u64 {
        self.ask(sql).parse().unwrap()
    }

    /// All rows of the history and all that the pipeline keeps about itself, as one word each.
    pub(crate) fn digests(&self) -> [String; 4] {
        let rows = "select count(*) || ' ' || md5(string_agg((to_jsonb(f) - 'id' - 'processed_at')::text, \
                    ',' order by cdc_partition, cdc_offset, cdc_ordinal)) from orders_fact f";
        let [checkpoint, ledger, letters] = self.digests_of_state();
        [self.ask(rows), checkpoint, ledger, letters]
    }

    /// All that the pipeline keeps about itself, as one word each.
    pub(crate) fn digests_of_state(&self) -> [String; 3] {
        [
            "select md5(string_agg(c::text, ',' order by generation, partition)) from cdc.checkpoint c",
            "select md5(string_agg(l::text, ',' order by generation, partition, first_offset)) from cdc.ledger l",
            "select count(*) || ' ' || coalesce(md5(string_agg(d::text, ',' order by id)), '') \
             from cdc.dead_letter d",
        ]
        .map(|sql| self.ask(sql))
    }

    /// Removes the records before this offset of the first partition from the topic.
    pub(crate) fn delete_records_before(&self, offset: u64) {
        self.delete_records_of(&self.topic, offset);
    }

    /// Removes the records before this offset of the first partition of a topic.
    pub(crate) fn delete_records_of(&self, topic: &str, offset: u64) {
        let file = self.path().join("delete.json");
        let what = format!(
            r#"{{"partitions":[{{"topic":"{topic}","partition":0,"offset":{offset}}}],"version":1}}"#
        );
        fs::write(&file, what).unwrap();
        let bootstrap = broker().bootstrap();
        let arguments =
            ["--bootstrap-server", &bootstrap, "--offset-json-file", file.to_str().unwrap()];
        broker().tool("org.apache.kafka.tools.DeleteRecordsCommand", &arguments).unwrap();
    }

    /// `repair` with these arguments.
    pub(crate) fn repair(&self, arguments: &[&str]) -> Repairing {
        self.command("repair", arguments)
    }

    /// A command with these arguments.
    pub(crate) fn command(&self, name: &str, arguments: &[&str]) -> Repairing {
        Self::command_of(&self.file(), name, arguments)
    }

    /// A command with another configuration.
    pub(crate) fn command_of(file: &Path, name: &str, arguments: &[&str]) -> Repairing {
        Self::start(file, name, &[arguments, &["--json"]].concat())
    }

    /// What a command prints for people, whether it ends well or not.
    pub(crate) fn printed(&self, name: &str, arguments: &[&str]) -> String {
        let output = Self::start(&self.file(), name, arguments).0.wait_with_output().unwrap();
        [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat()
    }

    fn start(file: &Path, name: &str, arguments: &[&str]) -> Repairing {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cdc-replayer"));
        command.env_remove("RUST_LOG");
        command.args([name, "--config"]).arg(file).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Repairing(command.spawn().unwrap())
    }

    /// Waits until a query gives a number above zero.
    pub(crate) fn until(&self, sql: &str) {
        let began = Instant::now();
        while self.count(sql) == 0 {
            assert!(began.elapsed() < LIMIT, "never above zero: {sql}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A running command.
pub(crate) struct Repairing(Child);

impl Repairing {
    /// Waits for its end, which must be a good one, and gives its report.
    #[track_caller]
    pub(crate) fn report(self) -> Value {
        let output = self.0.wait_with_output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {error}", output.status);
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Waits for its end, and gives its exit code and its report.
    pub(crate) fn judged(self) -> (i32, Value) {
        let output = self.0.wait_with_output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        let report = serde_json::from_slice(&output.stdout);
        (output.status.code().unwrap(), report.unwrap_or_else(|_| panic!("no report: {error}")))
    }

    /// Waits for its end, which must be a bad one, and gives its exit code and what it said.
    #[track_caller]
    pub(crate) fn failure(self) -> (i32, String) {
        let output = self.0.wait_with_output().unwrap();
        assert!(!output.status.success());
        (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// Ends it at once, as a power cut would. It must be running.
    pub(crate) fn kill_9(mut self) {
        assert_eq!(self.0.try_wait().unwrap(), None, "it ended before it was killed");
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}
