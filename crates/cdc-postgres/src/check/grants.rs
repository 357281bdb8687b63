//! The rights that a role of the warehouse needs to run a pipeline, as statements: what `check` asks for,
//! and nothing beyond it.

use std::collections::{BTreeMap, BTreeSet};

use super::{state_rights, target_rights};
use crate::ident::QualifiedName;
use crate::settings::{Mode, TableSettings};

/// Statements that give a role the rights which a run needs, to be run by the owner of the tables after
/// these have been made. The name of the role is taken literally.
pub fn plan_grants(role: &str, tables: &[TableSettings]) -> String {
    let role = format!("\"{}\"", role.replace('"', "\"\""));
    let mut rights: BTreeMap<QualifiedName, Vec<&str>> = BTreeMap::new();
    let mut grant = |table: QualifiedName, right: &'static str| {
        let held = rights.entry(table).or_default();
        if !held.contains(&right) {
            held.push(right);
        }
    };
    for (right, table) in state_rights() {
        grant(table, right);
    }
    for table in tables {
        if table.mode == Mode::History {
            // Only where a connector sends changes again, and for the retry of dead letters.
            grant(table.target.0.clone(), "SELECT");
        }
        for right in target_rights(table.mode) {
            grant(table.target.0.clone(), right);
        }
    }
    let schemas: BTreeSet<String> = rights.keys().map(|table| table.schema.quoted()).collect();
    let mut lines = Vec::new();
    if tables.iter().any(|table| matches!(table.mode, Mode::Mirror { .. })) {
        lines.push(format!(
            "DO $$ BEGIN EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO {role}', \
             current_database()); END $$;"
        ));
    }
    lines.extend(
        schemas.into_iter().map(|schema| format!("GRANT USAGE ON SCHEMA {schema} TO {role};")),
    );
    // `ledger` shows what was decided.
    lines.push(format!("GRANT SELECT ON \"cdc\".\"decision\" TO {role};"));
    let granted = rights.iter();
    lines.extend(
        granted.map(|(table, rights)| format!("GRANT {} ON {table} TO {role};", rights.join(", "))),
    );
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use cdc_core::{SourceTable, TableId};

    use super::*;
    use crate::settings::{Deletes, SnapshotSweep, TargetName, Truncates};

    #[test]
    fn a_role_gets_what_its_tables_need_and_no_more() {
        let table = |target: &str, mode| TableSettings {
            id: TableId::new(0),
            source: SourceTable::new("public", "orders"),
            target: TargetName::parse(target).unwrap(),
            mode,
            snapshot_sweep: SnapshotSweep::Apply,
        };
        let history = plan_grants("a \"b\"", &[table("public.orders_fact", Mode::History)]);
        for statement in [
            "GRANT USAGE ON SCHEMA \"cdc\" TO \"a \"\"b\"\"\";",
            "GRANT SELECT, INSERT, UPDATE ON \"cdc\".\"checkpoint\" TO",
            "GRANT SELECT, INSERT ON \"public\".\"orders_fact\" TO",
        ] {
            assert!(history.contains(statement), "{statement} is missing in:\n{history}");
        }
        assert!(!history.contains("TEMPORARY"), "{history}");
        let mode = Mode::Mirror { deletes: Deletes::Hard, truncates: Truncates::Apply };
        let mirror = plan_grants("reader", &[table("sales.orders", mode)]);
        for statement in [
            "GRANT TEMPORARY ON DATABASE %I TO \"reader\"",
            "GRANT SELECT, INSERT, UPDATE, DELETE ON \"sales\".\"orders\" TO \"reader\";",
        ] {
            assert!(mirror.contains(statement), "{statement} is missing in:\n{mirror}");
        }
    }
}
