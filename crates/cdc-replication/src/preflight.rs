//! What a run needs of the source, looked at without changing anything there: each lack with the
//! statement that mends it.

use cdc_core::{Classify as _, Halt, SourceTable, with_causes};

use crate::ReplicationError;
use crate::publication;
use crate::settings::ReplicationSettings;
use crate::slot::{self, SlotState, WalStatus};
use crate::sql::{literal, qualified, quoted};
use crate::wire::{Client, Purpose, TextRow};

/// Something that a run would trip over, or that an operator should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lack {
    /// A stable code.
    pub id: &'static str,
    /// Whether a run is possible with it.
    pub need: Need,
    /// What it is.
    pub message: String,
    /// What to do: where there is a statement, it can be pasted.
    pub fix: String,
}

/// How much a lack stands in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// No run without it; who has to act.
    Must(Halt),
    /// A run is possible, and dangerous or slow.
    Should,
}

/// Looks at the source. One that cannot be reached, or is too old, is a lack like any other.
pub async fn look_before(settings: &ReplicationSettings, tables: &[SourceTable]) -> Vec<Lack> {
    match look(settings, tables).await {
        Ok(lacks) => lacks,
        Err(error) => vec![of_error(&error)],
    }
}

async fn look(
    settings: &ReplicationSettings,
    tables: &[SourceTable],
) -> Result<Vec<Lack>, ReplicationError> {
    let mut client = Client::connect(settings, Purpose::Sql).await?;
    let mut lacks = Vec::new();
    let facts = client.query(SERVER).await?;
    let state = slot::look(&mut client, &settings.slot).await?;
    if let Some(facts) = facts.first() {
        lacks.extend(of_server(&Server::read(facts), state.is_some()));
        let database = facts.named("database").unwrap_or_default();
        lacks.extend(state.iter().flat_map(|state| of_slot(settings, state, database)));
    }
    let mut may_publish = facts.first().is_some_and(|facts| is_true(facts, "may_create"));
    for table in tables {
        let rows = client.query(&table_sql(table)).await?;
        let Some(row) = rows.first() else {
            lacks.push(missing_table(table));
            continue;
        };
        may_publish &= is_true(row, "is_owner");
        lacks.extend(of_table(table, row));
    }
    let is_there = publication::look(&mut client, &settings.publication).await?.is_some();
    if is_there || !may_publish {
        let named = &settings.publication;
        let ensured = publication::ensure(&mut client, named, tables, false).await;
        lacks.extend(ensured.err().map(|error| Lack { id: "publication", ..of_error(&error) }));
    }
    client.close().await;
    Ok(lacks)
}

const SERVER: &str = "
SELECT current_setting('wal_level') AS wal_level, current_user AS role,
       current_database() AS database,
       current_setting('max_replication_slots') AS slots_max,
       (SELECT count(*) FROM pg_catalog.pg_replication_slots) AS slots,
       current_setting('max_slot_wal_keep_size') AS keep,
       (r.rolsuper OR r.rolreplication OR EXISTS (
           SELECT FROM pg_catalog.pg_roles g
            WHERE g.rolname = 'rds_replication' AND pg_has_role(g.oid, 'USAGE'))) AS may_replicate,
       has_database_privilege(current_database(), 'CREATE') AS may_create
  FROM pg_catalog.pg_roles r WHERE r.rolname = current_user";

/// What the server says of itself.
#[derive(Debug, Clone, Default)]
struct Server {
    wal_level: String,
    role: String,
    keep: String,
    slots: u32,
    slots_max: u32,
    may_replicate: bool,
}

impl Server {
    fn read(row: &TextRow) -> Self {
        let text = |column| row.named(column).unwrap_or_default().to_owned();
        let number = |column| text(column).parse().unwrap_or_default();
        Self {
            wal_level: text("wal_level"),
            role: text("role"),
            keep: text("keep"),
            slots: number("slots"),
            slots_max: number("slots_max"),
            may_replicate: is_true(row, "may_replicate"),
        }
    }
}

fn is_true(row: &TextRow, column: &str) -> bool {
    row.named(column) == Some("t")
}

fn of_server(server: &Server, has_slot: bool) -> Vec<Lack> {
    let environment = Need::Must(Halt::Environment);
    let mut lacks = Vec::new();
    let mut add = |id, need, message: String, fix: String| {
        lacks.push(Lack { id, need, message, fix });
    };
    if server.wal_level != "logical" {
        add(
            "wal_level",
            environment,
            format!("the source writes its log with wal_level = {}, not logical", server.wal_level),
            "ALTER SYSTEM SET wal_level = 'logical';  -- then restart the source's server"
                .to_owned(),
        );
    }
    if !server.may_replicate {
        let role = quoted(&server.role);
        add(
            "replication_right",
            environment,
            format!("the role {role} may not read the source's log"),
            format!(
                "ALTER ROLE {role} REPLICATION;  -- Amazon RDS: GRANT rds_replication TO {role};"
            ),
        );
    }
    if !has_slot && server.slots >= server.slots_max {
        add(
            "no_free_slot",
            environment,
            format!("all {} replication slots of the source are taken", server.slots_max),
            format!(
                "drop one that nobody needs (SELECT slot_name, active FROM pg_replication_slots), or \
                 ALTER SYSTEM SET max_replication_slots = {};  -- then restart the source's server",
                server.slots_max.saturating_add(5)
            ),
        );
    }
    if server.keep == "-1" {
        add(
            "slot_without_limit",
            Need::Should,
            "the source keeps its log for a slot without a limit (max_slot_wal_keep_size = -1): a \
             pipeline that stands still fills the source's disk"
                .to_owned(),
            "ALTER SYSTEM SET max_slot_wal_keep_size = '50GB'; SELECT pg_reload_conf();  -- less than \
             is free on that disk"
                .to_owned(),
        );
    }
    lacks
}

fn of_slot(settings: &ReplicationSettings, state: &SlotState, database: &str) -> Vec<Lack> {
    let slot = &settings.slot;
    let drop = format!("SELECT pg_drop_replication_slot('{slot}');");
    let mut lacks = Vec::new();
    let mut add = |id, need, message: String, fix: String| {
        lacks.push(Lack { id, need, message, fix });
    };
    let is_ours = state.plugin.as_deref() == Some("pgoutput");
    if !is_ours || state.database.as_deref() != Some(database) {
        let found = match (&state.plugin, &state.database) {
            (Some(plugin), Some(of)) => format!("reads database {of} by {plugin}"),
            (_, _) => "is no slot for logical replication".to_owned(),
        };
        add(
            "slot_of_another",
            Need::Must(Halt::Configuration),
            format!("the slot {slot} {found}: it belongs to somebody else"),
            "give the pipeline a slot of its own: `slot` in [source.postgres]".to_owned(),
        );
        return lacks;
    }
    if state.is_invalid() {
        let why = state.invalidation.as_deref().unwrap_or("its log is gone");
        add(
            "slot_lost",
            Need::Must(Halt::Data),
            format!("the slot {slot} can never be read again ({why}): changes are missing"),
            format!(
                "{drop}  -- then `cdc-pipeline accept-incarnation --topic {slot} --reason …` and a new \
                 start, which takes a new snapshot"
            ),
        );
    } else if state.wal_status == Some(WalStatus::Unreserved) {
        add(
            "slot_in_danger",
            Need::Should,
            format!("the source removes log that the slot {slot} needs at its next checkpoint"),
            "start the pipeline now, and raise max_slot_wal_keep_size on the source".to_owned(),
        );
    }
    if let Some(process) = state.active_pid {
        add(
            "slot_active",
            Need::Should,
            format!("process {process} of the source reads the slot {slot} now"),
            "nothing to do if that is this pipeline; a second one has to wait until it ends"
                .to_owned(),
        );
    }
    lacks
}

fn table_sql(table: &SourceTable) -> String {
    let (schema, name) = (literal(table.schema()), literal(table.name()));
    format!(
        "SELECT c.relkind AS kind, c.relpersistence AS persistence, c.relreplident AS identity,
                EXISTS (SELECT FROM pg_catalog.pg_index i
                         WHERE i.indrelid = c.oid AND i.indisprimary) AS has_key,
                has_schema_privilege(n.oid, 'USAGE') AS may_use,
                has_table_privilege(c.oid, 'SELECT') AS may_read,
                pg_has_role(c.relowner, 'USAGE') AS is_owner, current_user AS role
           FROM pg_catalog.pg_class c
           JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
          WHERE n.nspname = {schema} AND c.relname = {name}"
    )
}

fn missing_table(table: &SourceTable) -> Lack {
    Lack {
        id: "source_table_missing",
        need: Need::Must(Halt::Configuration),
        message: format!("the source has no table {table}"),
        fix: "correct `source` of the [[table]]; names are case-sensitive".to_owned(),
    }
}

fn of_table(table: &SourceTable, row: &TextRow) -> Vec<Lack> {
    let sql = qualified(table);
    let mut lacks = Vec::new();
    let mut add = |id, need, message: String, fix: String| {
        lacks.push(Lack { id, need, message, fix });
    };
    if !matches!(row.named("kind"), Some("r" | "p")) || row.named("persistence") != Some("p") {
        add(
            "source_table_unlogged",
            Need::Must(Halt::Configuration),
            format!("{table} is no table whose changes are in the source's log"),
            format!("follow another table, or ALTER TABLE {sql} SET LOGGED;"),
        );
    }
    if !is_true(row, "may_use") || !is_true(row, "may_read") {
        let (schema, role) =
            (quoted(table.schema()), quoted(row.named("role").unwrap_or_default()));
        add(
            "source_right_missing",
            Need::Must(Halt::Environment),
            format!("the role {role} may not read {table}, which the snapshot does"),
            format!("GRANT USAGE ON SCHEMA {schema} TO {role}; GRANT SELECT ON {sql} TO {role};"),
        );
    }
    let identity = row.named("identity");
    if identity == Some("n") || (identity == Some("d") && !is_true(row, "has_key")) {
        add(
            "no_replica_identity",
            Need::Must(Halt::Data),
            format!(
                "{table} has no replica identity: once it is published, the source refuses updates and \
                 deletes of it"
            ),
            format!(
                "ALTER TABLE {sql} ADD PRIMARY KEY (…);  -- or, with more log: ALTER TABLE {sql} \
                 REPLICA IDENTITY FULL;"
            ),
        );
    }
    lacks
}

fn of_error(error: &ReplicationError) -> Lack {
    let is_away =
        matches!(error, ReplicationError::Unreachable { .. } | ReplicationError::Lost { .. });
    let id = if is_away {
        "source_unreachable"
    } else if matches!(error, ReplicationError::TooOld { .. }) {
        "source_too_old"
    } else {
        "source_refused"
    };
    Lack {
        id,
        need: Need::Must(error.class().halt()),
        message: with_causes(error),
        fix: error.hint().unwrap_or_else(|| "look at the source and its log".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use cdc_config::Secret;

    use super::*;
    use crate::settings::{PublicationName, SlotName};

    fn ready() -> Server {
        Server {
            wal_level: "logical".to_owned(),
            role: "Reader".to_owned(),
            keep: "50GB".to_owned(),
            slots: 1,
            slots_max: 2,
            may_replicate: true,
        }
    }

    fn ids(lacks: &[Lack]) -> Vec<&str> {
        lacks.iter().map(|lack| lack.id).collect()
    }

    #[test]
    fn a_server_that_is_set_up_lacks_nothing() {
        assert_eq!(of_server(&ready(), false), []);
    }

    #[test]
    fn everything_that_a_server_lacks_is_said_at_once() {
        let server = Server {
            wal_level: "replica".to_owned(),
            keep: "-1".to_owned(),
            slots: 2,
            may_replicate: false,
            ..ready()
        };
        let lacks = of_server(&server, false);
        let all = ["wal_level", "replication_right", "no_free_slot", "slot_without_limit"];
        assert_eq!(ids(&lacks), all);
        assert!(lacks[1].fix.contains("ALTER ROLE \"Reader\" REPLICATION;"), "{}", lacks[1].fix);
        let with_a_slot = of_server(&server, true);
        assert!(!ids(&with_a_slot).contains(&"no_free_slot"), "it is one of those that are taken");
    }

    #[test]
    fn a_slot_is_judged_by_whose_it_is_and_whether_it_can_be_read() {
        let settings = ReplicationSettings::new(
            Secret::new("postgres://localhost/shop"),
            SlotName::parse("orders").unwrap(),
            PublicationName::parse("orders").unwrap(),
        );
        let fine = SlotState {
            plugin: Some("pgoutput".to_owned()),
            database: Some("shop".to_owned()),
            active_pid: None,
            confirmed_flush: None,
            restart_lsn: None,
            wal_status: Some(WalStatus::Reserved),
            safe_wal_size: None,
            retained: Some(0),
            invalidation: None,
        };
        let judged = |state: &SlotState| {
            let lacks = of_slot(&settings, state, "shop").into_iter();
            lacks.map(|lack| (lack.id, lack.need)).collect::<Vec<_>>()
        };
        assert_eq!(judged(&fine), []);
        let other = SlotState { plugin: Some("wal2json".to_owned()), ..fine.clone() };
        let refused = Need::Must(Halt::Configuration);
        assert_eq!(judged(&other), [("slot_of_another", refused)]);
        let elsewhere = SlotState { database: Some("other".to_owned()), ..fine.clone() };
        assert_eq!(judged(&elsewhere), [("slot_of_another", refused)]);
        let lost = SlotState { wal_status: Some(WalStatus::Lost), ..fine.clone() };
        assert_eq!(judged(&lost), [("slot_lost", Need::Must(Halt::Data))]);
        let (wal_status, active_pid) = (Some(WalStatus::Unreserved), Some(7));
        let busy = SlotState { active_pid, wal_status, ..fine };
        let warned = [("slot_in_danger", Need::Should), ("slot_active", Need::Should)];
        assert_eq!(judged(&busy), warned);
    }
}
