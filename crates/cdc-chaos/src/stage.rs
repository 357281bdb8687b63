//! Everything that a campaign runs on: source, Connect with Debezium, broker, warehouse, and between
//! the pipelines and the last two a proxy each.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use cdc_core::TopicName;
use cdc_kafka::{KafkaSettings, Publisher, preflight};
use cdc_stack::connect::{Connect, ConnectOptions};
use cdc_stack::connector::ConnectorConfig;
use cdc_stack::kafka::{Broker, BrokerOptions};
use cdc_stack::postgres::{Cluster, ClusterOptions, Durability};
use cdc_stack::{StackError, free_port};

use crate::proxy::Proxy;

/// The database of either side.
pub(crate) const DATABASE: &str = "chaos";

/// The table that is kept as a history.
pub(crate) const HISTORY: &str = "movements";
/// The table that is kept as a mirror.
pub(crate) const MIRROR: &str = "stock";

/// The connector's name, and the first part of the topics' names.
const CONNECTOR: &str = "chaos";

/// Partitions of each topic: as many as there are pipelines at most.
pub(crate) const PARTITIONS: u32 = 3;

/// Where Connect keeps how far connectors have sent.
const OFFSETS: &str = "connect_offsets";

/// How long a broker may take for one answer when nothing is wrong.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long the capture may take to run.
const CAPTURE_LIMIT: Duration = Duration::from_secs(90);

const SOURCE: &str = include_str!("../sql/source.sql");
const WAREHOUSE: &str = include_str!("../sql/warehouse.sql");
const PAUSE: &str = include_str!("../sql/pause.sql");

/// The running components.
#[derive(Debug)]
pub(crate) struct Stage {
    // In the order of stopping: a connector must not see its broker or source go first.
    pub(crate) connect: Connect,
    pub(crate) broker: Broker,
    pub(crate) source: Cluster,
    pub(crate) warehouse: Cluster,
    /// Between the pipelines and the broker.
    pub(crate) to_broker: Proxy,
    /// Between the pipelines and the warehouse.
    pub(crate) to_warehouse: Proxy,
}

impl Stage {
    /// Starts everything, makes the tables and topics and starts the capture.
    pub(crate) fn start() -> Result<Self> {
        let (source, warehouse, messaging) = thread::scope(|scope| {
            let source = scope.spawn(cluster);
            let warehouse = scope.spawn(cluster);
            let messaging = messaging();
            (joined(source), joined(warehouse), messaging)
        });
        let (source, warehouse) = (source?, warehouse?);
        let (broker, connect, to_broker) = messaging?;
        let to_warehouse = Proxy::start(warehouse.port())?;
        let stage = Self { connect, broker, source, warehouse, to_broker, to_warehouse };
        for (cluster, schema) in [(&stage.source, SOURCE), (&stage.warehouse, WAREHOUSE)] {
            cluster.create_database(DATABASE)?;
            cluster.psql(DATABASE, schema)?;
        }
        stage.start_capture()?;
        Ok(stage)
    }

    /// The topics of both tables, that of the history first.
    pub(crate) fn topics() -> [String; 2] {
        [HISTORY, MIRROR].map(|table| format!("{CONNECTOR}.public.{table}"))
    }

    /// The broker's address without the proxy.
    pub(crate) fn brokers(&self) -> String {
        self.broker.bootstrap()
    }

    /// The address of the warehouse as the pipelines reach it.
    pub(crate) fn warehouse_url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{DATABASE}", self.to_warehouse.port())
    }

    /// Settings for a look at the topics.
    pub(crate) fn kafka(&self) -> Result<KafkaSettings> {
        let topics: Result<Vec<_>, _> =
            Self::topics().iter().map(|name| TopicName::parse(name)).collect();
        let topics = topics.map_err(|_| anyhow!("a topic has a name that is none"))?;
        Ok(KafkaSettings::new(self.brokers(), topics).with_retry_for(PATIENCE))
    }

    /// A publisher beside Debezium.
    pub(crate) fn publisher(&self) -> Result<Publisher> {
        Publisher::connect(&self.brokers()).context("cannot publish to the broker")
    }

    /// Puts the place in which a transaction can be held into the ledger, which has to exist.
    pub(crate) fn install_pause(&self) -> Result<()> {
        self.warehouse.psql(DATABASE, PAUSE)?;
        Ok(())
    }

    /// Restarts what has failed of the capture, and says whether something had.
    pub(crate) fn mend_capture(&self) -> Result<bool> {
        match self.connect.wait_running(CONNECTOR, Duration::ZERO) {
            Ok(()) | Err(StackError::Deadline { .. } | StackError::Http { .. }) => Ok(false),
            Err(StackError::ConnectorFailed { .. }) => {
                self.connect.restart_failed(CONNECTOR)?;
                Ok(true)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn start_capture(&self) -> Result<()> {
        let publisher = self.publisher()?;
        for topic in Self::topics() {
            publisher.create_topic(&topic, i32::try_from(PARTITIONS)?)?;
        }
        let tables = [HISTORY, MIRROR].map(|table| format!("public.{table}"));
        let tables = tables.each_ref().map(String::as_str);
        let mut connector =
            ConnectorConfig::isolated(CONNECTOR, self.source.port(), DATABASE, &tables);
        // Scaled: the default waits ten seconds after a source that went.
        connector.extra =
            vec![("retriable.restart.connector.wait.ms".to_owned(), "500".to_owned())];
        self.connect.put_connector(CONNECTOR, &connector.to_json())?;
        self.connect.wait_running(CONNECTOR, CAPTURE_LIMIT)?;
        Ok(())
    }

    /// Waits until Connect has kept an offset. Without any it would begin with a snapshot again after
    /// a crash, and miss deletes, which is no fault of who reads the topic.
    pub(crate) fn wait_for_offsets(&self) -> Result<()> {
        let topic = TopicName::parse(OFFSETS).map_err(|_| anyhow!("no topic's name"))?;
        let settings = KafkaSettings::new(self.brokers(), vec![topic]);
        let began = Instant::now();
        while began.elapsed() < CAPTURE_LIMIT {
            let report = preflight::probe(&settings, PATIENCE)?;
            if report.topics().iter().any(|topic| topic.offsets_held() > 0) {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(100));
        }
        Err(anyhow!("Connect kept no offset within {} s", CAPTURE_LIMIT.as_secs()))
    }
}

fn joined<T>(handle: thread::ScopedJoinHandle<'_, T>) -> T {
    handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn cluster() -> Result<Cluster, StackError> {
    // A crash of the processes alone costs nothing in this mode either.
    Cluster::start(ClusterOptions { durability: Durability::Relaxed, ..ClusterOptions::default() })
}

/// The broker, which tells those who come through the proxy to go on doing so, and Connect.
fn messaging() -> Result<(Broker, Connect, Proxy)> {
    let [port, proxied, controller] = [free_port()?, free_port()?, free_port()?];
    let proxy = Proxy::start(proxied)?;
    let direct = format!("PLAINTEXT://127.0.0.1:{port}");
    let listeners =
        format!("{direct},PROXIED://127.0.0.1:{proxied},CONTROLLER://127.0.0.1:{controller}");
    let settings = [
        ("listeners", listeners),
        ("advertised.listeners", format!("{direct},PROXIED://127.0.0.1:{}", proxy.port())),
        (
            "listener.security.protocol.map",
            "PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT".to_owned(),
        ),
        ("inter.broker.listener.name", "PLAINTEXT".to_owned()),
        ("controller.quorum.voters", format!("1@127.0.0.1:{controller}")),
        // Scaled: a group waits two seconds for a silent member.
        ("group.min.session.timeout.ms", "500".to_owned()),
    ];
    let settings = settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let options =
        BrokerOptions { port: Some(port), heap_mib: 384, settings, ..BrokerOptions::default() };
    let broker = Broker::start(&options)?;
    // Rarely enough that a killed worker sends something again.
    let settings = vec![("offset.flush.interval.ms".to_owned(), "2000".to_owned())];
    let options = ConnectOptions { heap_mib: 512, settings, ..ConnectOptions::default() };
    let connect = Connect::start(&broker, &options)?;
    Ok((broker, connect, proxy))
}
