//! One session that reads one table of a snapshot.

use std::sync::Arc;

use cdc_core::{Partition, SnapshotPlace, SourceTable};
use tokio::sync::watch;

use super::line;
use crate::frame::{
    self, ChangeHead, DescribedColumn, FrameChange, NO_RELATION, RelationDescription,
};
use crate::pgoutput::ReplicaIdentity;
use crate::source::{KnownTable, Open, Outbox, Parts, StreamStatus, TablePlace, now_ms};
use crate::sql::{literal, qualified, quoted};
use crate::wire::{Client, Purpose};
use crate::{ReplicationError, ReplicationSettings};

/// A longer key does not travel with the rows: the table would be read from its beginning again.
const KEY_BYTES_MAX: usize = 400;

/// A table to be read.
#[derive(Debug)]
pub(super) struct Assignment {
    pub(super) table: KnownTable,
    /// From where.
    pub(super) place: TablePlace,
    /// The name of the snapshot.
    pub(super) snapshot: String,
}

/// What a session reads with.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) settings: ReplicationSettings,
    pub(super) database: String,
    pub(super) outbox: Outbox,
    pub(super) status: Arc<StreamStatus>,
    pub(super) stopped: watch::Receiver<bool>,
}

/// A row whose successor decides whether it is the last one.
#[derive(Debug, Default)]
struct Pending {
    is_there: bool,
    tuple: Vec<u8>,
}

/// What is reused from row to row.
#[derive(Debug)]
struct Rows {
    partition: Partition,
    description: RelationDescription,
    bytes: Vec<u8>,
    columns: usize,
    place: TablePlace,
    pending: Pending,
    next: Vec<u8>,
    is_first: bool,
    value: Vec<u8>,
    key: Vec<u8>,
    texts: Vec<u8>,
    open: Option<Open>,
    /// The place without its key.
    place_head: String,
    place_text: String,
}

impl Reader {
    /// Reads the table to its end. Its partition, or `None` when it was stopped.
    pub(super) async fn read(
        mut self,
        assignment: Assignment,
    ) -> Result<Option<Partition>, ReplicationError> {
        let mut client = Client::connect(&self.settings, Purpose::Sql).await?;
        client.query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        let name = literal(&assignment.snapshot);
        client.query(&format!("SET TRANSACTION SNAPSHOT {name}")).await?;
        let table = assignment.table.catalog.table.clone();
        let mut rows = Rows::new(assignment, &self.database, self.settings.slot.as_str());
        let chunk = Chunks::new(&rows, &table, self.settings.chunk_rows.get());
        loop {
            let sql = chunk.sql(&rows);
            let Some(count) = self.piece(&mut client, &mut rows, &sql).await? else {
                return Ok(None);
            };
            if chunk.was_last(count) {
                break;
            }
            rows.note_key();
        }
        client.query("COMMIT").await?;
        client.close().await;
        let partition = rows.partition.clone();
        let is_whole = self.end(rows).await?;
        Ok(is_whole.then_some(partition))
    }

    /// Reads a piece; how many rows it had, or `None` when it was stopped.
    async fn piece(
        &mut self,
        client: &mut Client,
        rows: &mut Rows,
        sql: &str,
    ) -> Result<Option<u64>, ReplicationError> {
        let mut copy = client.copy_out(sql).await?;
        let mut count: u64 = 0;
        while let Some(line) = copy.next().await? {
            count = count.saturating_add(1);
            rows.next.clear();
            line::put_tuple(&mut rows.next, &line, rows.columns)?;
            if rows.pending.is_there && !self.put(rows, SnapshotPlace::Within).await? {
                return Ok(None);
            }
            std::mem::swap(&mut rows.pending.tuple, &mut rows.next);
            rows.pending.is_there = true;
        }
        Ok(Some(count))
    }

    /// Delivers the last row, and after it that it was the last.
    async fn end(&mut self, mut rows: Rows) -> Result<bool, ReplicationError> {
        if rows.pending.is_there && !self.put(&mut rows, SnapshotPlace::Last).await? {
            return Ok(false);
        }
        if !self.opened(&mut rows).await {
            return Ok(false);
        }
        rows.put_end();
        self.hand_over(&mut rows).await
    }

    /// Delivers the row that waits. Whether reading goes on.
    async fn put(
        &mut self,
        rows: &mut Rows,
        place: SnapshotPlace,
    ) -> Result<bool, ReplicationError> {
        if !self.opened(rows).await {
            return Ok(false);
        }
        rows.put(place);
        let is_full =
            rows.open.as_ref().is_some_and(|open| open.bytes() >= self.outbox.batch_bytes());
        if is_full { self.hand_over(rows).await } else { Ok(true) }
    }

    /// Sees to it that there is a batch to fill.
    async fn opened(&mut self, rows: &mut Rows) -> bool {
        if rows.open.is_some() {
            return true;
        }
        tokio::select! {
            open = self.outbox.open(&rows.partition) => rows.open = Some(open),
            _ = self.stopped.wait_for(|is_stopped| *is_stopped) => {}
        }
        rows.open.is_some()
    }

    async fn hand_over(&mut self, rows: &mut Rows) -> Result<bool, ReplicationError> {
        let Some(open) = rows.open.take() else { return Ok(true) };
        let count = u64::try_from(open.len()).unwrap_or(u64::MAX);
        tokio::select! {
            biased;
            _ = self.stopped.wait_for(|is_stopped| *is_stopped) => return Ok(false),
            handed_over = self.outbox.hand_over(open) => handed_over?,
        }
        self.status.add_snapshot_rows(count);
        Ok(true)
    }
}

impl Rows {
    fn new(assignment: Assignment, database: &str, slot: &str) -> Self {
        let Assignment { table, place, .. } = assignment;
        let catalog = &table.catalog;
        let columns = catalog.columns.iter().map(|column| DescribedColumn {
            name: column.name.clone(),
            semantic: column.semantic.clone(),
            sql_type: column.sql_type.clone(),
            is_key: catalog.key().contains(&column.name),
        });
        let description = RelationDescription {
            schema: catalog.table.schema().to_owned(),
            table: catalog.table.name().to_owned(),
            database: database.to_owned(),
            slot: slot.to_owned(),
            identity: ReplicaIdentity::Default,
            columns: columns.collect(),
        };
        let bytes = description.to_bytes();
        let mut head = TablePlace { key: None, done: false, ..place.clone() }.to_text();
        // What follows is the key and the end of the object.
        head.pop();
        Self {
            partition: table.partition.clone(),
            columns: description.columns.len(),
            description,
            bytes,
            is_first: place.key.is_none(),
            place,
            pending: Pending::default(),
            next: Vec::new(),
            value: Vec::new(),
            key: Vec::new(),
            texts: Vec::new(),
            open: None,
            place_head: head,
            place_text: String::new(),
        }
    }

    /// Puts the row that waits into the open batch.
    fn put(&mut self, place: SnapshotPlace) {
        // The only row of a table is the last above all: what ends a snapshot must not be missing.
        let is_first = std::mem::take(&mut self.is_first);
        let is_opening = is_first && place == SnapshotPlace::Within;
        let place = if is_opening { SnapshotPlace::First } else { place };
        let at_ms = now_ms();
        let head = ChangeHead {
            place: Some(place),
            ..ChangeHead::without_transaction(self.place.wave(), at_ms)
        };
        self.value.clear();
        let change = FrameChange::Snapshot { row: &self.pending.tuple };
        frame::write(&mut self.value, &self.bytes, &head, &change);
        self.key.clear();
        frame::write_key(&mut self.key, &self.description, &self.pending.tuple);
        self.place_text.clear();
        self.place_text.push_str(&self.place_head);
        self.texts.clear();
        frame::write_key_texts(&mut self.texts, &self.description, &self.pending.tuple);
        if let Ok(texts) = std::str::from_utf8(&self.texts)
            && !texts.is_empty()
            && texts.len() <= KEY_BYTES_MAX
        {
            self.place_text.push_str(",\"key\":");
            self.place_text.push_str(texts);
        }
        self.place_text.push('}');
        self.push(at_ms);
    }

    /// Puts what says that the table was read to its end.
    fn put_end(&mut self) {
        let at_ms = now_ms();
        let head = ChangeHead::without_transaction(self.place.wave(), at_ms);
        self.value.clear();
        self.key.clear();
        let change = FrameChange::Message { prefix: "cdc.snapshot_end", content: b"" };
        frame::write(&mut self.value, NO_RELATION, &head, &change);
        self.place_text = TablePlace { key: None, done: true, ..self.place.clone() }.to_text();
        self.push(at_ms);
    }

    fn push(&mut self, captured_at_ms: i64) {
        let Some(open) = &mut self.open else { return };
        let key = (!self.key.is_empty()).then_some(&*self.key);
        open.push(&Parts { captured_at_ms, key, value: &self.value, place: &self.place_text });
    }

    /// Remembers the key of the row that waits, behind which the next piece begins.
    fn note_key(&mut self) {
        self.place.key = frame::key_texts(&self.description, &self.pending.tuple);
    }
}

/// How a table is cut into pieces.
#[derive(Debug)]
struct Chunks {
    /// The columns of the row, as SQL.
    columns: String,
    table: String,
    /// The columns of the key with their types, as SQL; empty where the table is one piece.
    key: Vec<(String, String)>,
    rows: u64,
}

impl Chunks {
    fn new(rows: &Rows, table: &SourceTable, chunk_rows: u32) -> Self {
        let names = rows.description.columns.iter().map(|column| quoted(&column.name));
        let key = rows.description.columns.iter().filter(|column| column.is_key);
        Self {
            columns: names.collect::<Vec<_>>().join(", "),
            table: qualified(table),
            key: key.map(|column| (quoted(&column.name), column.sql_type.clone())).collect(),
            rows: u64::from(chunk_rows),
        }
    }

    /// The next piece.
    fn sql(&self, rows: &Rows) -> String {
        let Self { columns, table, key, .. } = self;
        if key.is_empty() {
            return format!("COPY (SELECT {columns} FROM {table}) TO STDOUT");
        }
        let names: Vec<_> = key.iter().map(|(name, _)| name.as_str()).collect();
        let names = names.join(", ");
        let behind = rows.place.key.as_ref().map_or_else(String::new, |after| {
            let values =
                key.iter().zip(after).map(|((_, kind), text)| format!("{}::{kind}", literal(text)));
            let values: Vec<_> = values.collect();
            format!(" WHERE ({names}) > ({})", values.join(", "))
        });
        let limit = self.rows;
        format!(
            "COPY (SELECT {columns} FROM {table}{behind} ORDER BY {names} LIMIT {limit}) TO STDOUT"
        )
    }

    fn was_last(&self, count: u64) -> bool {
        self.key.is_empty() || count < self.rows
    }
}
