//! The whole stack that the pipeline stands in: source, warehouse, broker and Connect worker.

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use crate::StackError;
use crate::connect::{Connect, ConnectOptions};
use crate::connector::ConnectorConfig;
use crate::kafka::{Broker, BrokerOptions};
use crate::postgres::{Cluster, ClusterOptions, Durability};

const SOURCE_DATABASE: &str = "orders_db";
const WAREHOUSE_DATABASE: &str = "analytics";
const WAREHOUSE_ROLE: &str = "warehouse";

const SOURCE_SCHEMA: &str = include_str!("../../../docker/source/orders.sql");
const WAREHOUSE_SCHEMA: &str = include_str!("../../../docker/warehouse/analytics.sql");

/// A cold connector takes some seconds; the rest is for a busy machine.
const CONNECTOR_LIMIT: Duration = Duration::from_mins(1);

/// The ports of the stack that people work with, the same under Docker and without it. They are not
/// the components' usual ones, which an installed PostgreSQL or Kafka would already hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FixedPorts {
    /// The source's PostgreSQL server: 15432.
    pub source: u16,
    /// The warehouse's PostgreSQL server: 15433.
    pub warehouse: u16,
    /// The Kafka broker: 19092.
    pub kafka: u16,
    /// Connect's HTTP interface: 18083.
    pub connect: u16,
}

impl Default for FixedPorts {
    fn default() -> Self {
        Self { source: 15432, warehouse: 15433, kafka: 19092, connect: 18083 }
    }
}

/// Which ports the components get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ports {
    /// Any free ones. For tests, which run side by side.
    #[default]
    Free,
    /// Known ones. For people.
    Fixed(FixedPorts),
}

/// Where the database `analytics` lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Warehouse {
    /// On a server of its own, as in production: either can be stopped alone.
    #[default]
    OwnCluster,
    /// On the source's server, which saves a server.
    WithSource,
}

/// How to start a [`Stack`].
#[derive(Debug, Clone, Default)]
pub struct StackOptions {
    /// The folder that keeps all data between starts; without it temporary ones.
    pub folder: Option<PathBuf>,
    /// Which ports the components get.
    pub ports: Ports,
    /// Where the warehouse's database lives.
    pub warehouse: Warehouse,
    /// What a crash of the machine may cost, for both databases.
    pub durability: Durability,
}

impl StackOptions {
    fn part(&self, name: &str) -> Option<PathBuf> {
        self.folder.as_deref().map(|folder| folder.join(name))
    }

    fn port(&self, choose: impl FnOnce(FixedPorts) -> u16) -> Option<u16> {
        match self.ports {
            Ports::Free => None,
            Ports::Fixed(ports) => Some(choose(ports)),
        }
    }

    fn cluster(&self, name: &str, port: Option<u16>) -> Result<Cluster, StackError> {
        Cluster::start(ClusterOptions {
            folder: self.part(name),
            port,
            durability: self.durability,
            settings: Vec::new(),
        })
    }
}

/// Source, warehouse, broker and Connect worker, all running. They stop when it is dropped.
///
/// The source has the database `orders_db` with the table `orders`; the warehouse has the empty
/// database `analytics`, which belongs to the role `warehouse`.
#[derive(Debug)]
pub struct Stack {
    // In the order of stopping: a connector must not see its broker or source go first.
    connect: Connect,
    broker: Broker,
    source: Cluster,
    warehouse: Option<Cluster>,
}

impl Stack {
    /// Starts everything, side by side where that is possible, and makes the databases.
    ///
    /// # Errors
    ///
    /// The first component's error; what has been started is stopped again.
    pub fn start(options: &StackOptions) -> Result<Self, StackError> {
        let (source, warehouse, messaging) = thread::scope(|scope| {
            let source = scope.spawn(|| options.cluster("source", options.port(|p| p.source)));
            let warehouse = scope.spawn(|| match options.warehouse {
                Warehouse::OwnCluster => {
                    options.cluster("warehouse", options.port(|p| p.warehouse)).map(Some)
                }
                Warehouse::WithSource => Ok(None),
            });
            let messaging = messaging(options);
            (join(source), join(warehouse), messaging)
        });
        let (broker, connect) = messaging?;
        let stack = Self { connect, broker, source: source?, warehouse: warehouse? };
        ensure_database(&stack.source, SOURCE_DATABASE)?;
        stack.source.psql(SOURCE_DATABASE, SOURCE_SCHEMA)?;
        ensure_database(stack.warehouse(), WAREHOUSE_DATABASE)?;
        stack.warehouse().psql(WAREHOUSE_DATABASE, WAREHOUSE_SCHEMA)?;
        Ok(stack)
    }

    /// The server with the source database.
    pub fn source(&self) -> &Cluster {
        &self.source
    }

    /// The server with the warehouse database, which may be the source's.
    pub fn warehouse(&self) -> &Cluster {
        self.warehouse.as_ref().unwrap_or(&self.source)
    }

    /// The Kafka broker.
    pub fn broker(&self) -> &Broker {
        &self.broker
    }

    /// The Connect worker.
    pub fn connect(&self) -> &Connect {
        &self.connect
    }

    /// The address of the source database `orders_db`.
    pub fn source_url(&self) -> String {
        self.source.url(SOURCE_DATABASE)
    }

    /// The address of the warehouse database `analytics`, for the role `warehouse`.
    pub fn warehouse_url(&self) -> String {
        self.warehouse().url_for(WAREHOUSE_ROLE, WAREHOUSE_DATABASE)
    }

    /// The connector for this source's `orders`, not yet registered.
    pub fn orders_connector(&self) -> ConnectorConfig {
        ConnectorConfig::orders(self.source.port())
    }

    /// Registers a connector and waits until it runs.
    ///
    /// # Errors
    ///
    /// When Connect refuses it, or it fails, or it does not run within a minute.
    pub fn register(&self, connector: &ConnectorConfig) -> Result<(), StackError> {
        self.connect.put_connector(&connector.name, &connector.to_json())?;
        self.connect.wait_running(&connector.name, CONNECTOR_LIMIT)
    }

    /// Stops everything in an orderly way: first who writes, then where it is written to.
    pub fn stop(self) {
        self.connect.stop();
        self.broker.stop();
        self.source.stop();
        if let Some(warehouse) = &self.warehouse {
            warehouse.stop();
        }
    }
}

fn messaging(options: &StackOptions) -> Result<(Broker, Connect), StackError> {
    let broker = Broker::start(&BrokerOptions {
        folder: options.part("kafka"),
        port: options.port(|ports| ports.kafka),
        ..BrokerOptions::default()
    })?;
    let connect = Connect::start(
        &broker,
        &ConnectOptions {
            folder: options.part("connect"),
            port: options.port(|ports| ports.connect),
            ..ConnectOptions::default()
        },
    )?;
    Ok((broker, connect))
}

/// A thread's result; a panic in it goes on here.
fn join<T>(handle: thread::ScopedJoinHandle<'_, T>) -> T {
    handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn ensure_database(cluster: &Cluster, name: &str) -> Result<(), StackError> {
    let sql = format!("select 1 from pg_database where datname = '{name}'");
    if cluster.psql("postgres", &sql)?.is_empty() {
        cluster.create_database(name)?;
    }
    Ok(())
}
