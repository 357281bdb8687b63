//! Every type that PostgreSQL has, through snapshot and stream.

use cdc_stack::postgres::Cluster;

use crate::rig::{Deployment, Mode, Source, Warehouse, assert_no_dead_letters};

const TABLES: &str = include_str!("../../../../../crates/fixture-capture/sql/tables.sql");
const VALUES: &str = include_str!("../../../../../crates/fixture-capture/sql/values.sql");

/// Columns of types that are not followed, as Debezium does not by default.
const LEFT_OUT: [&str; 0] = [];

/// The types and the table of the source's script, without what is only of its capture.
fn tables() -> &'static str {
    let end = TABLES.find("-- The same in NOT NULL").expect("the end of the table");
    &TABLES[..end]
}

/// What the samples need of the script beside.
fn all_tables() -> &'static str {
    let end = TABLES.find("-- A table that is altered").expect("the end of the tables");
    &TABLES[..end]
}

/// The columns that are followed, each with its text, as one expression.
fn texts(source: &Source) -> String {
    let left_out = LEFT_OUT.map(|column| format!("'{column}'")).join(", ");
    let left_out = if left_out.is_empty() { "''".to_owned() } else { left_out };
    source.run(&format!(
        "select string_agg(format('%I::text', attname), ', ' order by attnum) from pg_attribute \
         where attrelid = 'all_types'::regclass and attnum > 0 and attname not in ({left_out})"
    ))
}

#[test]
fn every_type_is_the_same_behind_snapshot_and_stream() {
    let source = Source::on(Cluster::shared(), "native_types");
    source.run(all_tables());
    source.run(VALUES);
    source.run("insert into all_types select * from samples.all_types");
    let warehouse = Warehouse::on(Cluster::shared(), "native_types_mirror");
    warehouse.ask(tables());
    for column in LEFT_OUT {
        warehouse.ask(&format!("alter table all_types drop column {column}"));
    }
    warehouse.ask("alter table all_types alter c_serial drop default");
    let mut deployment = Deployment::native("native_types", Mode::Mirror, &source, warehouse);
    deployment.source = "public.all_types".to_owned();
    deployment.target = "public.all_types".to_owned();
    let deployment = deployment.initialised();
    deployment.run_until_caught_up();
    assert_no_dead_letters(&deployment);
    assert_same(&source, &deployment);
    source.run(
        "insert into all_types select * from samples.all_types where false; \
         update samples.all_types set id = id + 100; \
         insert into all_types select * from samples.all_types; \
         update all_types set label = 'updated' where id % 2 = 0; \
         update all_types set id = id + 200 where id % 7 = 1; delete from all_types where id % 5 = 3",
    );
    deployment.run_until_caught_up();
    assert_no_dead_letters(&deployment);
    assert_same(&source, &deployment);
}

#[track_caller]
fn assert_same(source: &Source, deployment: &Deployment<'_>) {
    let columns = texts(source);
    let copy = format!("copy (select {columns} from all_types order by id) to stdout");
    let (theirs, ours) = (source.run(&copy), deployment.warehouse.ask(&copy));
    let (theirs, ours): (Vec<_>, Vec<_>) = (theirs.lines().collect(), ours.lines().collect());
    assert!(theirs.len() > 15, "{} rows only", theirs.len());
    assert_eq!(theirs.len(), ours.len(), "rows");
    let names: Vec<_> = columns.split(", ").collect();
    let mut wrong = Vec::new();
    for (theirs, ours) in theirs.iter().zip(&ours) {
        let cells = theirs.split('\t').zip(ours.split('\t'));
        let differing = names.iter().zip(cells).filter(|(_, (theirs, ours))| theirs != ours);
        wrong.extend(differing.map(|(name, (theirs, ours))| format!("{name}: {theirs} | {ours}")));
    }
    assert!(wrong.is_empty(), "column: source | warehouse: {wrong:#?}");
}
