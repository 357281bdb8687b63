//! A test's own database in a warehouse cluster.

use std::thread::{self, JoinHandle};

use cdc_stack::postgres::Cluster;

use super::{stack, until};

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

    /// Keeps everybody else from a table until what is given back is dropped.
    pub(crate) fn hold(&self, table: &str) -> HeldTable {
        let warehouse = Self { cluster: self.cluster, database: self.database.clone() };
        let sql = format!(
            "set application_name = '{HOLDER}'; begin; lock table {table}; select pg_sleep(600)"
        );
        let session = thread::spawn(move || warehouse.try_ask(&sql).err());
        let held = HeldTable {
            warehouse: Self { cluster: self.cluster, database: self.database.clone() },
            table: table.to_owned(),
            session: Some(session),
        };
        until("the lock on a table", || {
            held.locks("granted and mode = 'AccessExclusiveLock'") == 1
        });
        held
    }
}

impl Warehouse<'static> {
    /// Runs SQL in a transaction that ends when what is given back is told to, as a writer in the middle
    /// of a batch would.
    pub(crate) fn begin(&self, sql: &str) -> OpenTransaction {
        let warehouse = Self { cluster: self.cluster, database: self.database.clone() };
        self.ask("create table if not exists public.rig_commits (); truncate public.rig_commits");
        let sql = format!(
            "set application_name = '{TRANSACTION}'; begin; {sql}; \
             do $$ begin loop perform pg_sleep(0.05); \
             exit when exists (select from public.rig_commits); end loop; end $$; commit"
        );
        let asked = thread::spawn(move || warehouse.try_ask(&sql).err());
        until("a transaction under way", || {
            assert!(!asked.is_finished(), "the server refused the transaction");
            let sleeps = format!(
                "select count(*) from pg_stat_activity where application_name = '{TRANSACTION}' \
                 and wait_event = 'PgSleep' and datname = current_database()"
            );
            self.count(&sleeps) == 1
        });
        let warehouse = Self { cluster: self.cluster, database: self.database.clone() };
        OpenTransaction { warehouse, asked }
    }
}

/// The name of sessions with an open transaction.
const TRANSACTION: &str = "open transaction of a test";

/// A transaction under way.
#[derive(Debug)]
pub(crate) struct OpenTransaction {
    warehouse: Warehouse<'static>,
    asked: JoinHandle<Option<String>>,
}

impl OpenTransaction {
    /// Commits it.
    pub(crate) fn commit(self) {
        self.warehouse.ask("insert into public.rig_commits default values");
        assert_eq!(self.asked.join().expect("a thread that ends"), None);
    }
}

impl<'c> Warehouse<'c> {
    /// A database in a test's own cluster.
    pub(crate) fn on(cluster: &'c Cluster, name: &str) -> Self {
        let database = cluster.fresh_database(name).expect("a database for the warehouse");
        Self { cluster, database }
    }

    /// Another database with all that this one holds now, as a backup would be restored. Nobody may be
    /// using this one.
    pub(crate) fn copied(&self, name: &str) -> Self {
        let database = format!("{}_{name}", self.database);
        self.ask(&format!("create database {database} template {}", self.database));
        Self { cluster: self.cluster, database }
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

/// The name of sessions that hold a table.
const HOLDER: &str = "holder of a table";

/// A table that nobody else can use.
#[derive(Debug)]
pub(crate) struct HeldTable {
    warehouse: Warehouse<'static>,
    table: String,
    session: Option<JoinHandle<Option<String>>>,
}

impl HeldTable {
    /// Waits until another session wants the table.
    pub(crate) fn wait_until_wanted(&self) {
        until("a session that waits for the table", || self.locks("not granted") > 0);
    }

    fn locks(&self, which: &str) -> u64 {
        let table = &self.table;
        self.warehouse.count(&format!(
            "select count(*) from pg_locks where relation = '{table}'::regclass and {which}"
        ))
    }
}

impl Drop for HeldTable {
    fn drop(&mut self) {
        let sql = format!(
            "select pg_terminate_backend(pid) from pg_stat_activity \
             where application_name = '{HOLDER}' and datname = current_database()"
        );
        // A server that has gone holds nothing, and a test that fails shall say so itself.
        self.warehouse.try_ask(&sql).ok();
        if let Some(session) = self.session.take() {
            session.join().ok();
        }
    }
}
