//! Every cell of every capture, decoded, written through the pipeline's own way into a table, read
//! back as text and held against the source's text.

mod cells;
mod columns;
mod differences;
mod images;
mod judge;
mod lane;
mod report;
mod target;

use cdc_postgres::{Adopt, PipelineName, PostgresSettings, init};
use cdc_stack::postgres::Cluster;
use cdc_testkit::captures::{Capture, names};

use cells::Cell;
use lane::Lane;

const PREPARATION: [&str; 3] = [
    include_str!("../../sql/audit.sql"),
    include_str!("../../sql/tables.sql"),
    include_str!("matrix/functions.sql"),
];

async fn all_cells() -> (Vec<Cell>, String) {
    let cluster = Cluster::shared();
    let database = cluster.fresh_database("matrix").unwrap();
    for sql in PREPARATION {
        cluster.psql(&database, sql).unwrap();
    }
    let columns = columns::parse(&cluster.psql(&database, columns::CATALOG).unwrap());
    let mut groups = Vec::new();
    let mut captures = Vec::new();
    for (release, mode) in names() {
        let capture = Capture::open(&release, &mode);
        if mode.starts_with("flattened") {
            continue;
        }
        let declarations = columns::declarations(&columns, &capture.about);
        let first = groups.len();
        for table in &capture.about.tables {
            let images = images::of_table(&capture, table, &declarations);
            target::group(table, images, &mut groups);
        }
        captures.push((capture, first..groups.len()));
    }
    let url = cdc_config::Secret::new(cluster.url(&database));
    let settings = PostgresSettings::new(url, PipelineName::parse("matrix").unwrap());
    init(&settings, &[], Adopt::No).await.unwrap();
    let sql: String = groups.iter().map(|group| group.creation(&columns)).collect();
    cluster.psql(&database, &sql).unwrap();
    let tables = groups.iter().map(target::Group::settings).collect();
    let mut lane = Lane::open(cluster.url(&database), tables).await;
    for group in &mut groups {
        group.carry_over(&mut lane, &database).await;
    }
    let mut cells = Vec::new();
    for (capture, range) in &captures {
        for group in &groups[range.clone()] {
            cells.extend(cells::of_group(capture, group, &columns));
        }
    }
    (cells, database)
}

#[tokio::test]
async fn every_cell_arrives_or_its_loss_is_listed() {
    let (cells, database) = all_cells().await;
    let verdict = judge::judge(&cells, &database);
    let (unlisted, unproven) = (report::unlisted(&verdict), judge::unproven(&verdict));
    assert!(
        unlisted.is_empty() && unproven.is_empty(),
        "differences that are not listed:\n{unlisted}\nlisted ones that do not occur: {unproven:#?}"
    );
    report::keep(&report::render(&verdict));
}
