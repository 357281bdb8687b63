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
use fixture_capture::source::CATALOG;

use cells::Cell;
use lane::Lane;

const PREPARATION: [&str; 3] = [
    include_str!("../../sql/audit.sql"),
    include_str!("../../sql/tables.sql"),
    include_str!("matrix/functions.sql"),
];

/// What the warehouse's server has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Server {
    /// The extensions that come with PostgreSQL. Types of others are written to what stands in for them.
    Plain,
    /// `PostGIS` and `pgvector` too.
    Extended,
}

impl Server {
    /// A capture of rows with a type of their own, which this server is to be tried with.
    fn is_for(self, capture: &Capture) -> bool {
        let is_flattened = capture.about.mode.starts_with("flattened");
        !is_flattened && (self == Self::Plain || capture.about.account.is_some())
    }
}

async fn all_cells(server: Server) -> (Vec<Cell>, String) {
    let cluster = Cluster::shared();
    let database = cluster.fresh_database("matrix").unwrap();
    for sql in PREPARATION {
        cluster.psql(&database, sql).unwrap();
    }
    let mut columns = columns::parse(&cluster.psql(&database, CATALOG).unwrap());
    if server == Server::Extended {
        for extension in ["postgis", "vector", "isn"] {
            cluster.psql(&database, &format!("create extension {extension}")).unwrap();
        }
    }
    let all = names().into_iter().map(|(release, mode)| Capture::open(&release, &mode));
    let own: Vec<Capture> = all.filter(|capture| server.is_for(capture)).collect();
    for catalog in own.iter().filter_map(Capture::catalog) {
        columns.extend(columns::parse(&catalog));
    }
    let mut groups = Vec::new();
    let mut captures = Vec::new();
    for capture in own {
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
    let sql: String = groups.iter().map(|group| group.creation(&columns, server)).collect();
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
    let (cells, database) = all_cells(Server::Plain).await;
    let verdict = judge::judge(&cells, &database);
    let (unlisted, unproven) = (report::unlisted(&verdict), judge::unproven(&verdict));
    assert!(
        unlisted.is_empty() && unproven.is_empty(),
        "differences that are not listed:\n{unlisted}\nlisted ones that do not occur: {unproven:#?}"
    );
    report::keep(&report::render(&verdict));
}

#[tokio::test]
#[ignore = "needs a server with PostGIS and pgvector; `just extension-types` runs it"]
async fn every_cell_of_an_extension_arrives_in_its_own_type_or_its_loss_is_listed() {
    let (cells, database) = all_cells(Server::Extended).await;
    let verdict = judge::judge(&cells, &database);
    let unlisted = report::unlisted(&verdict);
    assert!(unlisted.is_empty(), "differences that are not listed:\n{unlisted}");
    // Where a type has a column of its own, nothing may stand in for it.
    let otherwise = report::in_other_forms(&verdict);
    assert!(otherwise.is_empty(), "values in another form: {otherwise:#?}");
    println!("{}", report::table(&verdict));
}
