//! A test's own database in a warehouse cluster.

use cdc_stack::postgres::Cluster;

use super::stack;

/// An empty database to deploy a pipeline on.
#[derive(Debug)]
pub(crate) struct Warehouse<'c> {
    cluster: &'c Cluster,
    database: String,
}

impl Warehouse<'static> {
    /// A database in the shared stack's warehouse.
    pub(crate) fn shared(name: &str) -> Self {
        Self::on(stack().warehouse(), name)
    }
}

impl<'c> Warehouse<'c> {
    /// A database in a test's own cluster.
    pub(crate) fn on(cluster: &'c Cluster, name: &str) -> Self {
        let database = cluster.fresh_database(name).expect("a database for the warehouse");
        Self { cluster, database }
    }

    /// The address for the superuser.
    pub(crate) fn url(&self) -> String {
        self.cluster.url(&self.database)
    }

    /// The address for another role.
    pub(crate) fn url_for(&self, role: &str) -> String {
        self.cluster.url_for(role, &self.database)
    }

    /// Runs SQL and gives the rows as text.
    pub(crate) fn ask(&self, sql: &str) -> String {
        self.try_ask(sql).unwrap_or_else(|error| panic!("{error}\n{sql}"))
    }

    /// The same for SQL that the server may refuse.
    pub(crate) fn try_ask(&self, sql: &str) -> Result<String, String> {
        self.cluster.psql(&self.database, sql).map_err(|error| error.to_string())
    }

    /// The single number that a query gives.
    pub(crate) fn count(&self, sql: &str) -> u64 {
        let text = self.ask(sql);
        text.parse().unwrap_or_else(|_| panic!("expected a number from {sql}, not {text:?}"))
    }
}
