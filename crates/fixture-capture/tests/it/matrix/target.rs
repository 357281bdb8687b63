//! A table for each shape of rows, with the source's own column types or, where those are refused,
//! with what the plan suggests; and the rows' cells as that table gives them back.

use std::collections::BTreeMap;
use std::sync::Arc;

use cdc_core::{SourceTable, TableId, Value};
use cdc_postgres::{Mode, PostgresError, Refusal, SnapshotSweep, TableSettings, TargetName};
use cdc_stack::postgres::Cluster;
use cdc_testkit::captures::Texts;
use debezium_envelope::{RowBuffer, RowShape};
use serde::Deserialize;

use super::Server;
use super::columns::Columns;
use super::images::Image;
use super::lane::Lane;

/// As the source was set up when its triggers wrote their texts.
const SETTINGS: &str = "set datestyle = 'ISO, YMD'; set intervalstyle = 'postgres'; \
                        set timezone = 'UTC'; set bytea_output = 'hex'; ";

/// What a history has beside the columns of its source.
const LINEAGE: &str = "operation_type text, cdc_generation integer, cdc_partition integer, \
                       cdc_offset bigint, cdc_ordinal integer, unavailable text[]";

/// The images of a table that have one shape, and the table that they are written to.
#[derive(Debug)]
pub(super) struct Group {
    /// The source's table.
    pub(super) table: String,
    pub(super) shape: Arc<RowShape>,
    pub(super) images: Vec<Image>,
    /// The columns that no table can hold, and why.
    pub(super) refused: BTreeMap<String, String>,
    /// The columns of another type than the source's.
    pub(super) other_types: BTreeMap<String, String>,
    /// The rows as read back, in the order of the images; without the refused columns.
    pub(super) rows: Vec<Back>,
    id: TableId,
}

/// A row as the warehouse holds it.
#[derive(Debug, Deserialize)]
pub(super) struct Back {
    /// The text of each cell.
    pub(super) row: Texts,
    /// The columns that the source did not send.
    pub(super) unavailable: Option<Vec<String>>,
}

/// Sorts images by their shape.
pub(super) fn group(table: &str, images: Vec<Image>, groups: &mut Vec<Group>) {
    let first = groups.len();
    for image in images {
        let own = groups.iter_mut().skip(first).find(|group| group.shape == image.shape);
        if let Some(group) = own {
            group.images.push(image);
            continue;
        }
        groups.push(Group {
            table: table.to_owned(),
            shape: Arc::clone(&image.shape),
            images: vec![image],
            refused: BTreeMap::new(),
            other_types: BTreeMap::new(),
            rows: Vec::new(),
            id: TableId::new(u32::try_from(groups.len()).unwrap()),
        });
    }
}

impl Group {
    fn target(&self) -> String {
        format!("matrix_{}", self.id.index())
    }

    pub(super) fn settings(&self) -> TableSettings {
        TableSettings {
            id: self.id,
            source: SourceTable::new("matrix", self.target()),
            target: TargetName::parse(&format!("public.{}", self.target())).unwrap(),
            mode: Mode::History,
            snapshot_sweep: SnapshotSweep::Apply,
        }
    }

    /// Creates the table with the types of the source's columns, as far as the server has them.
    pub(super) fn creation(&self, columns: &Columns, server: Server) -> String {
        let mut parts = Vec::new();
        for column in self.shape.columns() {
            let own = columns.get(&(self.table.clone(), column.name.as_ref().to_owned()));
            if let Some(own) = own {
                parts.push(format!("{} {}", quoted(&column.name), own.written_as(server)));
            }
        }
        parts.push(LINEAGE.to_owned());
        format!("create table {} ({});", self.target(), parts.join(", "))
    }

    /// Writes the images and reads them back.
    pub(super) async fn carry_over(&mut self, lane: &mut Lane, database: &str) {
        self.plan(lane, database).await;
        let shape = self.kept();
        let mut rows: Vec<RowBuffer> =
            self.images.iter().map(|image| self.cells(image, &shape)).collect();
        while let Err(fault) = lane.write(self.id, &shape, &rows).await {
            let rejection = &fault.rejection;
            let image = self.images.get_mut(fault.row).unwrap();
            let column = rejection.column.clone().unwrap_or_else(|| {
                panic!("{} {image:?}: {rejection:?}", self.table);
            });
            let index = shape.index_of(&column).unwrap();
            rows[fault.row].set(index, Value::Null);
            let reason = format!("{}: {}", rejection.reason, rejection.message);
            let again = image.refused.insert(column, reason);
            assert_eq!(again, None, "{} {rejection:?}", self.table);
        }
        self.read(database);
    }

    fn cells(&self, image: &Image, shape: &RowShape) -> RowBuffer {
        let all = image.cells.row(&self.shape, "");
        let mut kept = RowBuffer::new();
        for column in shape.columns() {
            kept.push(all.get_by_name(&column.name).unwrap());
        }
        kept
    }

    /// The shape without what was refused.
    fn kept(&self) -> Arc<RowShape> {
        let columns = self.shape.columns().iter();
        let kept = columns.filter(|column| !self.refused.contains_key(&*column.name));
        Arc::new(RowShape::new(kept.cloned().collect()))
    }

    /// Plans the table as an operator would: a column that does not fit is dropped, then created as
    /// the next refusal says; one that cannot be created either is left out.
    async fn plan(&mut self, lane: &mut Lane, database: &str) {
        let mut dropped: Vec<String> = Vec::new();
        loop {
            let refusals = match lane.plan(self.id, &self.kept()).await {
                Ok(()) => return,
                Err(PostgresError::Refused { refusals, .. }) => refusals,
                Err(error) => panic!("{}: {error}", self.table),
            };
            for refusal in &refusals {
                let column = self.column_of(refusal);
                let is_missing = refusal.message.contains(&format!("no column {column}"));
                if !is_missing && !dropped.contains(&column) {
                    let sql =
                        format!("alter table {} drop column {}", self.target(), quoted(&column));
                    Cluster::shared().psql(database, &sql).unwrap();
                    self.other_types.insert(column.clone(), refusal.message.clone());
                    dropped.push(column);
                } else if is_missing && refusal.fix.starts_with("ALTER TABLE ") {
                    if let Err(error) = Cluster::shared().psql(database, &refusal.fix) {
                        println!("{} {column}: {error}", self.table);
                        self.refused.insert(column, refusal.fix.clone());
                    }
                } else {
                    let first = self.other_types.remove(&column);
                    self.refused.insert(column, first.unwrap_or_else(|| refusal.message.clone()));
                }
            }
        }
    }

    fn column_of(&self, refusal: &Refusal) -> String {
        let target = self.target();
        let is_named = |name: &&str| {
            let places = [format!("column {name}"), format!("{target}.{name}")];
            let follow = |place: &String| {
                [':', ' ', ','].map(|after| refusal.message.contains(&format!("{place}{after}")))
            };
            places.iter().flat_map(follow).any(|found| found)
        };
        let names = self.shape.columns().iter().map(|column| &*column.name);
        let found = names.filter(is_named).max_by_key(|name| name.len());
        found.unwrap_or_else(|| panic!("{refusal}")).to_owned()
    }

    fn read(&mut self, database: &str) {
        let target = self.target();
        let expression = format!("select audit.texts('{target}'::regclass)");
        let texts = Cluster::shared().psql(database, &expression).unwrap();
        let rows = format!(
            "{SETTINGS} select json_build_object('row', {}, 'unavailable', t.unavailable) \
             from {target} t order by cdc_offset",
            texts.replace("($1)", "(t)")
        );
        let rows = Cluster::shared().psql(database, &rows).unwrap();
        self.rows = rows.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(self.rows.len(), self.images.len(), "{target}");
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
