//! The whole stack that the pipeline stands in: source, warehouse, broker and Connect worker.

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use crate::StackError;
use crate::component::{
    Component, FixedPorts, SOURCE_DATABASE, WAREHOUSE_DATABASE, WAREHOUSE_ROLE,
};
use crate::connect::{Connect, ConnectOptions};
use crate::connector::ConnectorConfig;
use crate::kafka::{Broker, BrokerOptions};
use crate::port::require_free;
use crate::postgres::{Cluster, ClusterOptions, Durability, PostgresBinaries};

const SOURCE_SCHEMA: &str = include_str!("../../../docker/source/orders.sql");
const WAREHOUSE_SCHEMA: &str = include_str!("../../../docker/warehouse/analytics.sql");

/// A cold connector takes some seconds; the rest is for a busy machine.
const CONNECTOR_LIMIT: Duration = Duration::from_mins(1);

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
    /// PostgreSQL's programs; without them those that are found on this machine.
    pub binaries: Option<PostgresBinaries>,
}

impl StackOptions {
    fn part(&self, component: Component) -> Option<PathBuf> {
        self.folder.as_deref().map(|folder| component.folder_in(folder))
    }

    fn port(&self, component: Component) -> Option<u16> {
        match &self.ports {
            Ports::Free => None,
            Ports::Fixed(ports) => Some(ports.of(component)),
        }
    }

    /// Looks at all known ports before anything is started, so that one error names all that are
    /// taken.
    fn require_ports(&self, components: &[Component]) -> Result<(), StackError> {
        let own = |component| match self.warehouse {
            Warehouse::OwnCluster => true,
            Warehouse::WithSource => component != Component::Warehouse,
        };
        let started = components.iter().copied().filter(|component| own(*component));
        let wanted: Vec<_> = started
            .filter_map(|component| Some((component.name(), self.port(component)?)))
            .collect();
        require_free(&wanted)
    }

    fn cluster(&self, component: Component) -> Result<Cluster, StackError> {
        Cluster::start(ClusterOptions {
            folder: self.part(component),
            port: self.port(component),
            durability: self.durability,
            settings: Vec::new(),
            binaries: self.binaries.clone(),
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
    databases: Databases,
}

impl Stack {
    /// Starts everything, side by side where that is possible, and makes the databases.
    ///
    /// # Errors
    ///
    /// [`StackError::PortsTaken`] before anything is started, with all ports that are taken; else
    /// the first component's error: what has been started is stopped again.
    pub fn start(options: &StackOptions) -> Result<Self, StackError> {
        options.require_ports(&Component::ALL)?;
        let (databases, messaging) = thread::scope(|scope| {
            let databases = scope.spawn(|| Databases::start_unchecked(options));
            let messaging = messaging(options);
            (join(databases), messaging)
        });
        let (broker, connect) = messaging?;
        Ok(Self { connect, broker, databases: databases? })
    }

    /// Source and warehouse.
    pub fn databases(&self) -> &Databases {
        &self.databases
    }

    /// The server with the source database.
    pub fn source(&self) -> &Cluster {
        self.databases.source()
    }

    /// The server with the warehouse database, which may be the source's.
    pub fn warehouse(&self) -> &Cluster {
        self.databases.warehouse()
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
        self.databases.source_url()
    }

    /// The address of the warehouse database `analytics`, for the role `warehouse`.
    pub fn warehouse_url(&self) -> String {
        self.databases.warehouse_url()
    }

    /// The connector for this source's `orders`, not yet registered.
    pub fn orders_connector(&self) -> ConnectorConfig {
        ConnectorConfig::orders(self.source().port())
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

    /// The first component, in the order of [`Component::ALL`], that has ended without having been
    /// asked to, as a [`StackError::Ended`]. Those behind it may have ended because of it.
    pub fn first_ended(&self) -> Option<StackError> {
        Component::ALL.into_iter().find_map(|component| {
            let (status, log) = match component {
                Component::Source => (self.source().exit_status(), self.source().log()),
                Component::Warehouse => {
                    let own = self.databases.warehouse.as_ref()?;
                    (own.exit_status(), own.log())
                }
                Component::Kafka => (self.broker.exit_status(), self.broker.log()),
                Component::Connect => (self.connect.exit_status(), self.connect.log()),
            };
            let status = status?.to_string();
            Some(StackError::Ended { component: component.name(), status, log })
        })
    }

    /// Stops everything in an orderly way: first who writes, then where it is written to.
    pub fn stop(self) {
        self.connect.stop();
        self.broker.stop();
        self.databases.stop();
    }
}

/// Source and warehouse alone, both running. They stop when it is dropped.
///
/// They hold what those of a [`Stack`] hold; the source is set up for logical decoding.
#[derive(Debug)]
pub struct Databases {
    source: Cluster,
    warehouse: Option<Cluster>,
}

impl Databases {
    /// Starts both side by side, and makes the databases.
    ///
    /// # Errors
    ///
    /// As [`Stack::start`].
    pub fn start(options: &StackOptions) -> Result<Self, StackError> {
        options.require_ports(&[Component::Source, Component::Warehouse])?;
        Self::start_unchecked(options)
    }

    fn start_unchecked(options: &StackOptions) -> Result<Self, StackError> {
        let (source, warehouse) = thread::scope(|scope| {
            let source = scope.spawn(|| options.cluster(Component::Source));
            let warehouse = match options.warehouse {
                Warehouse::OwnCluster => options.cluster(Component::Warehouse).map(Some),
                Warehouse::WithSource => Ok(None),
            };
            (join(source), warehouse)
        });
        let databases = Self { source: source?, warehouse: warehouse? };
        ensure_database(databases.source(), SOURCE_DATABASE)?;
        databases.source().psql(SOURCE_DATABASE, SOURCE_SCHEMA)?;
        ensure_database(databases.warehouse(), WAREHOUSE_DATABASE)?;
        databases.warehouse().psql(WAREHOUSE_DATABASE, WAREHOUSE_SCHEMA)?;
        Ok(databases)
    }

    /// The server with the source database.
    pub fn source(&self) -> &Cluster {
        &self.source
    }

    /// The server with the warehouse database, which may be the source's.
    pub fn warehouse(&self) -> &Cluster {
        self.warehouse.as_ref().unwrap_or(&self.source)
    }

    /// The address of the source database `orders_db`.
    pub fn source_url(&self) -> String {
        self.source.url(SOURCE_DATABASE)
    }

    /// The address of the warehouse database `analytics`, for the role `warehouse`.
    pub fn warehouse_url(&self) -> String {
        self.warehouse().url_for(WAREHOUSE_ROLE, WAREHOUSE_DATABASE)
    }

    /// Stops both in an orderly way.
    pub fn stop(self) {
        self.source.stop();
        if let Some(warehouse) = &self.warehouse {
            warehouse.stop();
        }
    }
}

fn messaging(options: &StackOptions) -> Result<(Broker, Connect), StackError> {
    let broker = Broker::start(&BrokerOptions {
        folder: options.part(Component::Kafka),
        port: options.port(Component::Kafka),
        ..BrokerOptions::default()
    })?;
    let connect = Connect::start(
        &broker,
        &ConnectOptions {
            folder: options.part(Component::Connect),
            port: options.port(Component::Connect),
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
