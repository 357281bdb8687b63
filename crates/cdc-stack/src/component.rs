//! The four components of a [`Stack`](crate::Stack) by name: their folders, logs and fixed ports.

use std::path::{Path, PathBuf};

/// The source's database, which holds the table `orders`.
pub(crate) const SOURCE_DATABASE: &str = "orders_db";
/// The warehouse's database.
pub(crate) const WAREHOUSE_DATABASE: &str = "analytics";
/// The role which owns the warehouse's database.
pub(crate) const WAREHOUSE_ROLE: &str = "warehouse";

/// A part of the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Component {
    /// The PostgreSQL server that changes are made in.
    Source,
    /// The PostgreSQL server that they are brought to.
    Warehouse,
    /// The broker.
    Kafka,
    /// The Kafka Connect worker with Debezium.
    Connect,
}

impl Component {
    /// All components: the databases, then what lies between them.
    pub const ALL: [Self; 4] = [Self::Source, Self::Warehouse, Self::Kafka, Self::Connect];

    /// The name that people use, which is also the name of its folder.
    pub fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Warehouse => "warehouse",
            Self::Kafka => "kafka",
            Self::Connect => "connect",
        }
    }

    /// The component with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|component| component.name() == name)
    }

    /// The component's folder in the folder of a stack.
    pub fn folder_in(self, stack: &Path) -> PathBuf {
        stack.join(self.name())
    }

    /// The component's log in the folder of a stack.
    pub fn log_in(self, stack: &Path) -> PathBuf {
        let name = match self {
            Self::Source | Self::Warehouse => crate::postgres::LOG,
            Self::Kafka | Self::Connect => crate::java::LOG,
        };
        self.folder_in(stack).join(name)
    }
}

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

impl FixedPorts {
    /// A component's port.
    pub fn of(&self, component: Component) -> u16 {
        match component {
            Component::Source => self.source,
            Component::Warehouse => self.warehouse,
            Component::Kafka => self.kafka,
            Component::Connect => self.connect,
        }
    }

    /// Gives a component another port.
    pub fn set(&mut self, component: Component, port: u16) {
        match component {
            Component::Source => self.source = port,
            Component::Warehouse => self.warehouse = port,
            Component::Kafka => self.kafka = port,
            Component::Connect => self.connect = port,
        }
    }

    /// The address of the component's database, for the role that works with it; none where there
    /// is no database.
    pub fn database_url(&self, component: Component) -> Option<String> {
        let (role, database) = match component {
            Component::Source => ("postgres", SOURCE_DATABASE),
            Component::Warehouse => (WAREHOUSE_ROLE, WAREHOUSE_DATABASE),
            Component::Kafka | Component::Connect => return None,
        };
        Some(format!("postgres://{role}@127.0.0.1:{}/{database}", self.of(component)))
    }
}

impl Default for FixedPorts {
    fn default() -> Self {
        Self { source: 15432, warehouse: 15433, kafka: 19092, connect: 18083 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_component_is_found_by_its_name() {
        for component in Component::ALL {
            assert_eq!(Component::from_name(component.name()), Some(component));
        }
        assert_eq!(Component::from_name("zookeeper"), None);
    }

    #[test]
    fn each_component_has_a_port_of_its_own() {
        let mut ports = FixedPorts::default();
        for (component, port) in Component::ALL.into_iter().zip(1..) {
            ports.set(component, port);
        }
        assert_eq!(ports, FixedPorts { source: 1, warehouse: 2, kafka: 3, connect: 4 });
        assert_eq!(Component::ALL.map(|component| ports.of(component)), [1, 2, 3, 4]);
    }

    #[test]
    fn only_databases_have_the_address_of_one() {
        let urls = Component::ALL.map(|component| FixedPorts::default().database_url(component));
        let source = "postgres://postgres@127.0.0.1:15432/orders_db".to_owned();
        let warehouse = "postgres://warehouse@127.0.0.1:15433/analytics".to_owned();
        assert_eq!(urls, [Some(source), Some(warehouse), None, None]);
    }
}
