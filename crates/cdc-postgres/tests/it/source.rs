//! What a check says after it has looked at the source's own catalog.

use std::sync::Arc;

use cdc_config::Secret;
use cdc_core::{Column, ConnectorModes, Halt, RowShape, SemanticType, SourceTable, TimeMode};
use cdc_postgres::{Finding, FollowedTable, Mode, OldRows, Severity, SourceSettings, check_source};
use cdc_stack::postgres::Cluster;

use crate::mirror::HARD;
use crate::support::Warehouse;

const SCHEMA: &str = r#"
    CREATE EXTENSION hstore;
    CREATE TYPE mood AS ENUM ('sad', 'ok');
    CREATE DOMAIN price AS numeric(8,3);
    CREATE DOMAIN net_price AS price NOT NULL;
    CREATE TABLE orders (
        id bigint PRIMARY KEY, dropped int, customer_id int NOT NULL, amount numeric(10,2), net net_price,
        note text, day date, at timestamp(3), seen timestamptz, feeling mood, tags text[],
        prices numeric(6,1)[], doc jsonb, raw bytea, span interval, attrs hstore, words tsquery,
        ratio double precision, "Odd name" time, status varchar(9) DEFAULT 'new',
        total numeric GENERATED ALWAYS AS (1) STORED);
    ALTER TABLE orders DROP COLUMN dropped;
    CREATE TABLE keyless (a int, b text);
    CREATE TABLE short (id int PRIMARY KEY, n int);
    CREATE TABLE twice (id int PRIMARY KEY, code int NOT NULL, n int);
    CREATE UNIQUE INDEX by_code ON twice (code);
    ALTER TABLE twice REPLICA IDENTITY USING INDEX by_code;
    CREATE SCHEMA "Odd ""schema";
    CREATE TABLE "Odd ""schema"."T" (id int, n int, PRIMARY KEY (id));
"#;

/// What the catalog says of `orders`, as a whole configuration would declare it.
const DECLARED: &[(&str, &str)] = &[
    ("amount", "decimal(10,2)"),
    ("net", "decimal(8,3)"),
    ("day", "date"),
    ("at", "timestamp(millis)"),
    ("seen", "timestamptz"),
    ("tags", "array(text)"),
    ("prices", "array(decimal(6,1))"),
    ("raw", "bytes"),
    ("Odd name", "time(micros)"),
];

fn source() -> (Warehouse, SourceSettings) {
    let database = Warehouse::empty();
    database.sql(SCHEMA);
    let url = Secret::new(Cluster::shared().url(&database.database));
    (database, SourceSettings::new(url))
}

fn followed(table: &str, mode: Mode, declared: &[(&str, &str)]) -> FollowedTable {
    let declared = declared.iter();
    FollowedTable {
        source: SourceTable::parse(table).unwrap(),
        mode,
        old_rows: OldRows::Auto,
        declared: declared
            .map(|(name, text)| ((*name).to_owned(), SemanticType::parse(text).unwrap()))
            .collect(),
        dropped: Vec::new(),
        seen: Vec::new(),
    }
}

/// Rows with these columns; without a type they are what a message without schema block shows.
fn shape(columns: &[(&str, &str)]) -> Arc<RowShape> {
    let semantic = |text: &str| match text {
        "" => SemanticType::SelfEvident,
        text => SemanticType::parse(text).unwrap(),
    };
    let columns = columns.iter().map(|(name, text)| Column::new(*name, semantic(text)));
    Arc::new(RowShape::new(columns.collect()))
}

async fn found(settings: &SourceSettings, table: FollowedTable) -> Vec<Finding> {
    check_source(settings, &[table]).await
}

fn shown(findings: &[Finding]) -> String {
    let lines = findings.iter().map(|finding| {
        let severity = match finding.severity {
            Severity::Error(Halt::Configuration) => "error (configuration)",
            Severity::Error(Halt::Data) => "error (data)",
            Severity::Error(Halt::Environment) => "error (environment)",
            Severity::Warning => "warning",
        };
        let fix = finding.fix.replace('\n', "\n    ");
        format!("{severity} {}: {}\n    {fix}", finding.id, finding.message)
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The findings of one kind.
fn of(findings: &[Finding], id: &str) -> String {
    let named: Vec<_> = findings.iter().filter(|finding| finding.id == id).cloned().collect();
    shown(&named)
}

#[tokio::test]
async fn declarations_that_the_catalog_confirms_and_whole_rows_leave_nothing_to_say() {
    let (database, settings) = source();
    database.sql("ALTER TABLE orders REPLICA IDENTITY FULL");
    let mut table = followed("public.orders", Mode::History, DECLARED);
    table.old_rows = OldRows::Full;
    // What no declaration helps is left out by rules.
    table.dropped = ["span", "words"].map(str::to_owned).to_vec();
    assert_eq!(shown(&found(&settings, table).await), "");
}

#[tokio::test]
async fn each_declaration_that_differs_comes_with_the_line_to_paste() {
    let (_database, settings) = source();
    let declared = [
        ("amount", "decimal(10,3)"),
        ("net", "decimal(12,3)"),
        ("day", "timestamp(micros)"),
        ("at", "timestamp(micros)"),
        ("prices", "array(decimal(6,2))"),
        ("Odd name", "text"),
        ("customer_id", "int64"),
        ("raw", "bytes(hex)"),
        ("doc", "text"),
        ("feeling", "enum"),
        ("words", "bytes"),
        ("attrs", "map"),
        ("ratios", "float64"),
    ];
    let mut table = followed("public.orders", HARD, &declared);
    insta::assert_snapshot!(shown(&found(&settings, table.clone()).await));
    // A schema block overrules all of it.
    table.seen = vec![shape(&[("id", "int64"), ("amount", "decimal(10,2)")])];
    let findings = found(&settings, table).await;
    let errors = findings.iter().filter(|finding| {
        finding.id == "declaration_differs" && finding.severity != Severity::Warning
    });
    assert_eq!(errors.count(), 0, "{}", shown(&findings));
    assert!(
        of(&findings, "declaration_differs").contains("schema block of the messages overrules")
    );
}

/// The lines of a fix are pasted; then the next look has nothing to say about declarations.
#[tokio::test]
async fn columns_that_nobody_declared_come_with_the_lines_to_paste() {
    let (_database, settings) = source();
    let names = [
        "id",
        "customer_id",
        "amount",
        "net",
        "note",
        "day",
        "at",
        "seen",
        "feeling",
        "tags",
        "prices",
        "doc",
        "raw",
        "attrs",
        "ratio",
        "Odd name",
        "status",
    ];
    let mut table = followed("public.orders", HARD, &[("amount", "decimal(10,2)")]);
    let columns = names.map(|name| (name, if name == "amount" { "decimal(10,2)" } else { "" }));
    table.seen = vec![shape(&columns)];
    let findings = found(&settings, table.clone()).await;
    let missing = of(&findings, "declaration_missing");
    insta::assert_snapshot!(missing);
    let pasted = missing.lines().filter_map(|line| line.split_once(" = "));
    for (name, semantic) in pasted {
        let unquoted = |text: &str| text.trim().trim_matches('"').to_owned();
        let semantic = SemanticType::parse(&unquoted(semantic)).unwrap();
        table.declared.push((unquoted(name), semantic));
    }
    assert_eq!(table.declared.len(), DECLARED.len());
    let findings = found(&settings, table).await;
    assert!(!shown(&findings).contains("declaration"), "{}", shown(&findings));
}

#[tokio::test]
async fn without_rows_a_missing_declaration_is_a_guess() {
    let (_database, settings) = source();
    let nothing = followed("public.orders", HARD, &[]);
    assert_eq!(of(&found(&settings, nothing).await, "declaration_missing"), "");
    let some = followed("public.orders", HARD, &DECLARED[1..]);
    let missing = of(&found(&settings, some).await, "declaration_missing");
    assert!(
        missing.starts_with("warning declaration_missing: unless the messages of"),
        "{missing}"
    );
    assert!(missing.ends_with("amount = \"decimal(10,2)\""), "{missing}");
}

/// Case B5D and B6C of the bad-input corpus, and what else the connector loses.
#[tokio::test]
async fn what_the_connector_loses_is_said_before_a_run() {
    let (_database, mut settings) = source();
    let mut table = followed("public.orders", HARD, &[]);
    table.seen = vec![shape(&[
        ("id", "int64"),
        ("amount", "float64"),
        ("prices", "array(float64)"),
        ("ratio", "float64"),
        ("at", "timestamp(millis)"),
        ("Odd name", "time(millis)"),
        ("span", "interval"),
    ])];
    insta::assert_snapshot!(shown(&found(&settings, table.clone()).await));
    table.seen = vec![shape(&[("id", "int64"), ("span", "interval(iso)"), ("words", "bytes")])];
    let findings = found(&settings, table.clone()).await;
    assert_eq!(of(&findings, "interval_as_number"), "");
    assert_eq!(of(&findings, "column_left_out"), "");
    // Without rows the connector's options say it.
    table.seen.clear();
    let findings = found(&settings, table.clone()).await;
    assert_ne!(of(&findings, "interval_as_number"), "");
    settings.connector = ConnectorModes {
        interval: cdc_core::IntervalMode::String,
        time: TimeMode::Connect,
        unknown_types: true,
        ..settings.connector
    };
    let findings = found(&settings, table).await;
    assert_eq!(of(&findings, "interval_as_number"), "");
    assert_eq!(of(&findings, "column_left_out"), "");
    assert!(of(&findings, "time_as_millis").contains("public.orders.Odd name is time without"));
}

#[tokio::test]
async fn what_each_replica_identity_takes_away() {
    let (database, settings) = source();
    let mut lines = Vec::new();
    for table in ["orders", "short", "keyless", "twice"] {
        let name = format!("public.{table}");
        for mode in [Mode::History, HARD] {
            for old_rows in [OldRows::Auto, OldRows::Key, OldRows::Full] {
                if mode != Mode::History && old_rows != OldRows::Auto {
                    continue;
                }
                let followed = FollowedTable { old_rows, ..followed(&name, mode, &[]) };
                let findings = found(&settings, followed).await;
                let of_rows: Vec<_> = findings
                    .into_iter()
                    .filter(|finding| {
                        finding.id.starts_with("replica") || finding.id.starts_with("before")
                    })
                    .collect();
                lines.push(format!("-- {table} {mode:?} {old_rows:?}\n{}", shown(&of_rows)));
            }
        }
    }
    insta::assert_snapshot!(lines.join("\n"));
    // The fixes work.
    let history = followed("public.short", Mode::History, &[]);
    let partial = found(&settings, history.clone()).await;
    let fix = partial.first().unwrap().fix.clone();
    let statement = fix.lines().find(|line| line.starts_with("ALTER")).unwrap();
    database.sql(statement);
    let whole = found(&settings, history.clone()).await;
    assert!(shown(&whole).contains("before = \"full\""), "{}", shown(&whole));
    let told = FollowedTable { old_rows: OldRows::Full, ..history };
    assert_eq!(shown(&found(&settings, told).await), "");
}

#[tokio::test]
async fn a_table_that_the_source_lacks_gets_its_near_miss() {
    let (_database, settings) = source();
    let findings = found(&settings, followed("public.ordres", HARD, &[])).await;
    let shown = shown(&findings);
    assert!(shown.starts_with("error (configuration) source_table_missing"), "{shown}");
    assert!(shown.contains("did you mean public.orders?"), "{shown}");
    let odd = FollowedTable {
        source: SourceTable::new("Odd \"schema", "T"),
        ..followed("public.x", Mode::History, &[])
    };
    let findings = found(&settings, odd).await;
    let fix = &findings.first().unwrap().fix;
    assert!(fix.contains(r#"ALTER TABLE "Odd ""schema"."T" REPLICA IDENTITY FULL;"#), "{fix}");
}

#[tokio::test]
async fn a_role_without_any_right_on_the_table_reads_the_catalog() {
    let (database, mut settings) = source();
    let role = format!("looker_{}", database.database);
    database.sql(&format!("CREATE ROLE {role} LOGIN; REVOKE ALL ON SCHEMA public FROM PUBLIC"));
    settings.url = Secret::new(Cluster::shared().url_for(&role, &database.database));
    let table = followed("public.orders", HARD, &[("amount", "decimal(10,3)")]);
    let findings = found(&settings, table).await;
    assert!(of(&findings, "declaration_differs").contains("amount = \"decimal(10,2)\""));
}

#[tokio::test]
async fn a_source_that_cannot_be_reached_is_a_finding_without_its_secrets() {
    let addresses = [
        "postgres://someone:hunter2@127.0.0.1:1/nowhere",
        "postgres://someone:hunter2@127.0.0.1:port/nowhere",
    ];
    for address in addresses {
        let settings = SourceSettings::new(Secret::new(address));
        let findings = shown(&found(&settings, followed("public.orders", HARD, &[])).await);
        assert!(findings.starts_with("error (environment) source_unreachable"), "{findings}");
        assert!(findings.contains("`source.postgres.url`"), "{findings}");
        assert!(!findings.contains("hunter2") && !findings.contains("someone"), "{findings}");
    }
}
