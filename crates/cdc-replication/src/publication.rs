//! Publications: which tables the source sends, and whether that is what is needed.

use cdc_core::{Halt, SourceTable};

use crate::error::ReplicationError;
use crate::settings::PublicationName;
use crate::sql::{literal, qualified, quoted};
use crate::wire::Client;

/// A table of a publication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PublishedTable {
    pub(crate) table: SourceTable,
    pub(crate) portion: Portion,
}

/// How much of a table a publication sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Portion {
    Everything,
    SomeColumns,
    SomeRows,
    SomeRowsAndColumns,
}

/// What a publication sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PublicationState {
    /// In the order of their names. With `publish_via_partition_root`, the roots of partitioned tables and
    /// not their partitions.
    pub(crate) tables: Vec<PublishedTable>,
    /// The operations that it leaves out, as `publish` names them.
    pub(crate) left_out: Vec<&'static str>,
    /// Whether changes of partitions come under the name of their root.
    pub(crate) via_root: bool,
}

/// Looks a publication up; none if there is no such publication.
pub(crate) async fn look(
    client: &mut Client,
    publication: &PublicationName,
) -> Result<Option<PublicationState>, ReplicationError> {
    let name = literal(publication.as_str());
    let rows = client
        .query(&format!(
            "SELECT pubinsert, pubupdate, pubdelete, pubtruncate, pubviaroot
               FROM pg_catalog.pg_publication WHERE pubname = {name}"
        ))
        .await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let sends = |column: &str| row.named(column) == Some("t");
    let operations = [
        ("insert", "pubinsert"),
        ("update", "pubupdate"),
        ("delete", "pubdelete"),
        ("truncate", "pubtruncate"),
    ];
    let left_out = operations.iter().filter(|(_, column)| !sends(column));
    let left_out = left_out.map(|(operation, _)| *operation).collect();
    let via_root = sends("pubviaroot");
    let rows = client.query(&tables_sql(client.server_version(), &name)).await?;
    let tables = rows.iter().map(|row| PublishedTable {
        table: SourceTable::new(
            row.named("schema").unwrap_or_default(),
            row.named("name").unwrap_or_default(),
        ),
        portion: match (row.named("has_column_list"), row.named("has_row_filter")) {
            (Some("t"), Some("t")) => Portion::SomeRowsAndColumns,
            (Some("t"), _) => Portion::SomeColumns,
            (_, Some("t")) => Portion::SomeRows,
            (_, _) => Portion::Everything,
        },
    });
    Ok(Some(PublicationState { tables: tables.collect(), left_out, via_root }))
}

fn tables_sql(version: u32, name: &str) -> String {
    // Column lists and row filters came with 15.
    let (list, filter) = if version >= 150_000 {
        ("own.prattrs IS NOT NULL", "own.prqual IS NOT NULL")
    } else {
        ("false", "false")
    };
    format!(
        "SELECT sent.schemaname AS schema, sent.tablename AS name,
                coalesce({list}, false) AS has_column_list, coalesce({filter}, false) AS has_row_filter
           FROM pg_catalog.pg_publication_tables sent
           JOIN pg_catalog.pg_publication publication USING (pubname)
           JOIN pg_catalog.pg_namespace schema ON schema.nspname = sent.schemaname
           JOIN pg_catalog.pg_class class
             ON class.relnamespace = schema.oid AND class.relname = sent.tablename
           LEFT JOIN pg_catalog.pg_publication_rel own
             ON own.prpubid = publication.oid AND own.prrelid = class.oid
          WHERE sent.pubname = {name}
          ORDER BY sent.schemaname, sent.tablename"
    )
}

/// Makes sure that a publication sends all changes of these tables: makes it if it is missing and that is
/// allowed, and otherwise says what it lacks, with the statement that mends it. One that is there is never
/// changed: it may serve others, too.
pub(crate) async fn ensure(
    client: &mut Client,
    publication: &PublicationName,
    tables: &[SourceTable],
    may_create: bool,
) -> Result<(), ReplicationError> {
    if let Some(state) = look(client, publication).await? {
        return check(publication, &state, tables);
    }
    let statement = create_sql(publication, tables);
    if !may_create {
        let message = format!("the source has no publication {}", quoted(publication.as_str()));
        return Err(refusal(message, format!("run on the source: {statement}")));
    }
    client.query(&statement).await.map_err(|error| match error.sqlstate() {
        Some("42501") => refusal(
            format!(
                "the role may not make the publication {}: {error}",
                quoted(publication.as_str())
            ),
            format!("let the owner of the tables run on the source: {statement}"),
        ),
        _ => error,
    })?;
    tracing::info!(%publication, tables = tables.len(), "made the publication");
    Ok(())
}

/// The statement that makes a publication for these tables.
pub(crate) fn create_sql(publication: &PublicationName, tables: &[SourceTable]) -> String {
    format!(
        "CREATE PUBLICATION {} FOR TABLE {} WITH (publish = '{ALL}', publish_via_partition_root = true)",
        quoted(publication.as_str()),
        list(tables)
    )
}

const ALL: &str = "insert, update, delete, truncate";

fn check(
    publication: &PublicationName,
    state: &PublicationState,
    tables: &[SourceTable],
) -> Result<(), ReplicationError> {
    let name = quoted(publication.as_str());
    let (mut lacks, mut fixes) = (Vec::new(), Vec::new());
    let find =
        |table: &SourceTable| state.tables.iter().find(|published| published.table == *table);
    let missing: Vec<SourceTable> =
        tables.iter().filter(|table| find(table).is_none()).cloned().collect();
    if !missing.is_empty() {
        let names: Vec<String> = missing.iter().map(ToString::to_string).collect();
        lacks.push(format!("does not hold {}", names.join(", ")));
        fixes.push(format!("ALTER PUBLICATION {name} ADD TABLE {}", list(&missing)));
    }
    if !state.left_out.is_empty() {
        lacks.push(format!("leaves out {}", state.left_out.join(", ")));
        fixes.push(format!("ALTER PUBLICATION {name} SET (publish = '{ALL}')"));
    }
    for published in tables.iter().filter_map(find) {
        let what = match published.portion {
            Portion::Everything => continue,
            Portion::SomeColumns => "columns",
            Portion::SomeRows => "rows",
            Portion::SomeRowsAndColumns => "rows and columns",
        };
        let table = &published.table;
        lacks.push(format!("sends only some {what} of {table}"));
        let plain = list(std::slice::from_ref(table));
        fixes.push(format!(
            "ALTER PUBLICATION {name} DROP TABLE {plain}; ALTER PUBLICATION {name} ADD TABLE {plain}"
        ));
    }
    if lacks.is_empty() {
        return Ok(());
    }
    let message = format!("the publication {name} of the source {}", lacks.join("; it "));
    Err(refusal(message, format!("run on the source: {}", fixes.join("; "))))
}

fn refusal(message: String, fix: String) -> ReplicationError {
    ReplicationError::Setup { halt: Halt::Environment, message, fix }
}

fn list(tables: &[SourceTable]) -> String {
    tables.iter().map(qualified).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use cdc_core::Classify as _;

    use super::*;

    fn table(name: &str) -> SourceTable {
        SourceTable::new("public", name)
    }

    fn published(name: &str) -> PublishedTable {
        PublishedTable { table: table(name), portion: Portion::Everything }
    }

    #[test]
    fn names_are_names_whatever_they_hold() {
        let publication = PublicationName::parse("it's \"P\"").unwrap();
        let sql = create_sql(&publication, &[SourceTable::new("a.b", "Order\"s")]);
        assert!(
            sql.starts_with(
                "CREATE PUBLICATION \"it's \"\"P\"\"\" FOR TABLE \"a.b\".\"Order\"\"s\" "
            ),
            "{sql}"
        );
        assert_eq!(literal(r"it's \' x"), r"E'it''s \\'' x'");
    }

    #[test]
    fn everything_that_a_publication_lacks_is_said_at_once() {
        let publication = PublicationName::parse("p").unwrap();
        let mut filtered = published("b");
        filtered.portion = Portion::SomeRows;
        let state = PublicationState {
            tables: vec![published("a"), filtered],
            left_out: vec!["truncate"],
            via_root: true,
        };
        let error = check(&publication, &state, &[table("a"), table("b"), table("c")]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the publication \"p\" of the source does not hold public.c; it leaves out truncate; it \
             sends only some rows of public.b"
        );
        assert_eq!(
            error.hint().unwrap(),
            "run on the source: ALTER PUBLICATION \"p\" ADD TABLE \"public\".\"c\"; ALTER PUBLICATION \
             \"p\" SET (publish = 'insert, update, delete, truncate'); ALTER PUBLICATION \"p\" DROP TABLE \
             \"public\".\"b\"; ALTER PUBLICATION \"p\" ADD TABLE \"public\".\"b\""
        );
        // What nobody reads may be as it likes.
        let state = PublicationState { left_out: Vec::new(), ..state };
        check(&publication, &state, &[table("a")]).unwrap();
    }
}
