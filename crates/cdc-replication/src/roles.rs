//! The least that a source has to be given for a pipeline to read it, as statements for its
//! administrator.

use std::collections::BTreeSet;

use cdc_core::SourceTable;
use url::Url;

use crate::publication;
use crate::settings::ReplicationSettings;
use crate::sql::{qualified, quoted};

/// The role's name where the address does not say one.
const ROLE: &str = "cdc_reader";

/// Statements that set a source up, to be run there by a superuser in the database that is read: settings
/// of the server, a role with the rights that a pipeline needs and no others, and the publication.
pub fn plan_source(settings: &ReplicationSettings, tables: &[SourceTable]) -> String {
    let role = quoted(&role_of(settings));
    let mut lines = vec![
        "-- Needs a restart unless it is set already.".to_owned(),
        "ALTER SYSTEM SET wal_level = 'logical';".to_owned(),
        "-- Less than is free on the disk of the log: beyond it the slot is given up, and a new snapshot"
            .to_owned(),
        "-- is needed. Without it a pipeline that stands still fills that disk.".to_owned(),
        "ALTER SYSTEM SET max_slot_wal_keep_size = '50GB';".to_owned(),
        "SELECT pg_reload_conf();".to_owned(),
        "-- Set its password with \\password, so that it is in no file.".to_owned(),
        format!("CREATE ROLE {role} LOGIN REPLICATION;"),
    ];
    let schemas: BTreeSet<&str> = tables.iter().map(SourceTable::schema).collect();
    lines.extend(
        schemas
            .into_iter()
            .map(|schema| format!("GRANT USAGE ON SCHEMA {} TO {role};", quoted(schema))),
    );
    let selects =
        tables.iter().map(|table| format!("GRANT SELECT ON {} TO {role};", qualified(table)));
    lines.extend(selects);
    lines.push("-- A role that owns none of the tables cannot make it.".to_owned());
    lines.push(format!("{};", publication::create_sql(&settings.publication, tables)));
    lines.join("\n")
}

/// The role in the address, as it is called in the server.
fn role_of(settings: &ReplicationSettings) -> String {
    let url = Url::parse(settings.url.expose()).ok();
    let name =
        url.as_ref().map(Url::username).filter(|name| !name.is_empty() && !name.contains('%'));
    name.unwrap_or(ROLE).to_owned()
}

#[cfg(test)]
mod tests {
    use cdc_config::Secret;

    use super::*;
    use crate::settings::{PublicationName, SlotName};

    #[test]
    fn a_source_is_asked_for_no_more_than_a_pipeline_needs() {
        let settings = |url: &str| {
            let slot = SlotName::parse("orders").unwrap();
            let publication = PublicationName::parse("orders").unwrap();
            ReplicationSettings::new(Secret::new(url), slot, publication)
        };
        let tables = [SourceTable::new("public", "orders"), SourceTable::new("sales", "Items")];
        let text = plan_source(&settings("postgres://reader:hunter2@db/shop"), &tables);
        for statement in [
            "CREATE ROLE \"reader\" LOGIN REPLICATION;",
            "GRANT USAGE ON SCHEMA \"sales\" TO \"reader\";",
            "GRANT SELECT ON \"sales\".\"Items\" TO \"reader\";",
            "CREATE PUBLICATION \"orders\" FOR TABLE",
        ] {
            assert!(text.contains(statement), "{statement} is missing in:\n{text}");
        }
        assert!(!text.contains("hunter2"), "{text}");
        let unnamed = plan_source(&settings("postgres://db/shop"), &tables);
        assert!(unnamed.contains("CREATE ROLE \"cdc_reader\""), "{unnamed}");
    }
}
