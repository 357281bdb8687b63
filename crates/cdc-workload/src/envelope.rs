//! Operations as the bytes that Debezium 2.4 with Kafka Connect's JSON converter writes for them.
//!
//! Every byte follows captures of the real connector on this table, with REPLICA IDENTITY FULL and
//! default settings: member order, escapes, base64 of decimals, tombstones, a changed key as a removal
//! and a creation. The places in the source's log follow the rules seen there: rows of one transaction
//! rise, rows of one COPY share a place, `sequence` starts with the end of the commit before.
//!
//! This is a writer for one table with the speed of a load generator, on purpose independent of the
//! decoder that it is used to test.

use crate::json;
use crate::random::Random;
use crate::{Load, Operation, Order, Transaction};

mod schema;

/// Where the log of a young database stands, and the transactions it has used before.
const FIRST_LSN: u64 = 0x0160_0000;
const FIRST_TX_ID: u64 = 741;
/// Rows of one COPY that share a place in the log, about those of one page.
const COPY_GROUP_ROWS: usize = 64;
/// Longest time that the connector needs after a commit, in milliseconds.
const CONNECTOR_DELAY_MILLIS_MAX: i64 = 20;

/// Where the envelopes say that they come from, and their form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvelopeOptions {
    /// The connector's `topic.prefix`, which is also `source.name`. Default `dbserver1`.
    pub server: String,
    /// The source database. Default `orders_db`.
    pub database: String,
    /// Whether each message carries its schema. Default without, as in a worker with schemas off.
    pub schema_block: SchemaBlock,
    /// Names the stream of places in the log; rows do not depend on it. Default 0.
    pub seed: u64,
    /// Place of the first row in the log. A second stream into one topic must start behind the first,
    /// or it looks like a connector that repeats itself. Default 0/1600000.
    pub first_lsn: u64,
    /// `txId` of the first transaction; only its lower 32 bits count, as in PostgreSQL. Default 741.
    pub first_tx_id: u64,
}

impl Default for EnvelopeOptions {
    fn default() -> Self {
        Self {
            server: "dbserver1".to_owned(),
            database: "orders_db".to_owned(),
            schema_block: SchemaBlock::Without,
            seed: 0,
            first_lsn: FIRST_LSN,
            first_tx_id: FIRST_TX_ID,
        }
    }
}

impl EnvelopeOptions {
    /// The topic of the table: `dbserver1.public.orders` by default.
    pub fn topic(&self) -> String {
        format!("{}.public.orders", self.server)
    }
}

/// The converter's `schemas.enable`, of key and value alike.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SchemaBlock {
    /// The bare payload, about 500 bytes a message.
    #[default]
    Without,
    /// `{"schema":…,"payload":…}`, about 2.9 kB a message.
    With,
}

/// Where a row stands in the initial snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotRow {
    /// The first of several.
    First,
    /// Neither the first nor the last.
    Inner,
    /// The last, also when it is the only one.
    Last,
}

/// One record of the topic. The bytes are valid until the next one is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EnvelopeRecord<'w> {
    /// The key as the key converter writes it.
    pub key: &'w [u8],
    /// The envelope, or nothing for a tombstone.
    pub value: Option<&'w [u8]>,
    /// When the connector handled it, milliseconds since 1970-01-01 UTC; never going back.
    pub timestamp_millis: i64,
}

/// Writes the records of a stream of transactions, in order, into buffers that it keeps.
#[derive(Debug)]
pub struct EnvelopeWriter {
    frame: Frame,
    key: Vec<u8>,
    value: Vec<u8>,
    random: Random,
    first_tx_id: u64,
    lsn: u64,
    last_commit: Option<u64>,
    now_millis: i64,
}

/// The parts of a message that are the same in all of them.
#[derive(Debug)]
struct Frame {
    key_head: Vec<u8>,
    value_head: Vec<u8>,
    tail: &'static [u8],
    source_head: Vec<u8>,
    source_db: Vec<u8>,
}

/// What a row event says beside its rows.
#[derive(Clone, Copy)]
struct Event<'e> {
    op: u8,
    before: Option<&'e Order>,
    after: Option<&'e Order>,
    place: Place,
}

/// The position of an event in its source.
#[derive(Clone, Copy)]
struct Place {
    snapshot: &'static str,
    commit_millis: i64,
    tx_id: u64,
    last_commit: Option<u64>,
    lsn: u64,
}

impl EnvelopeWriter {
    /// A connector that has just started, at the beginning of the source's log.
    pub fn new(options: &EnvelopeOptions) -> Self {
        Self {
            frame: Frame::new(options),
            key: Vec::with_capacity(512),
            value: Vec::with_capacity(4096),
            random: Random::new(options.seed ^ 0x6c73_6e00),
            first_tx_id: options.first_tx_id,
            lsn: options.first_lsn,
            last_commit: None,
            now_millis: i64::MIN,
        }
    }

    /// Makes the records of one transaction and hands each to `emit`: one for an insert or update, two
    /// for a delete (with its tombstone), three for a changed key.
    ///
    /// # Errors
    ///
    /// The first error of `emit`, at once.
    pub fn write<E>(
        &mut self,
        transaction: &Transaction,
        mut emit: impl FnMut(EnvelopeRecord<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let commit_millis = transaction.commit_micros.div_euclid(1000);
        self.handle_at(commit_millis);
        // Other work of the database, in about every third gap between two transactions.
        if self.random.once_in(3) {
            self.move_on(8, 1024);
        }
        for (index, operation) in transaction.operations.iter().enumerate() {
            let shares_place = transaction.load == Load::Copy && index % COPY_GROUP_ROWS != 0;
            if index > 0 && !shares_place {
                self.move_on(64, 256);
            }
            let place = Place {
                snapshot: "false",
                commit_millis,
                tx_id: self.tx_id(transaction.id),
                last_commit: self.last_commit,
                lsn: self.lsn,
            };
            self.operation(operation, place, &mut emit)?;
        }
        self.move_on(112, 512);
        self.last_commit = Some(self.lsn);
        Ok(())
    }

    /// Makes the record of a row which the initial snapshot reads at `read_micros`.
    ///
    /// All rows of a snapshot share a place in the log, the end of what has been written so far.
    pub fn snapshot_row(
        &mut self,
        order: &Order,
        row: SnapshotRow,
        read_micros: i64,
    ) -> EnvelopeRecord<'_> {
        let snapshot = match row {
            SnapshotRow::First => "first",
            SnapshotRow::Inner => "true",
            SnapshotRow::Last => "last",
        };
        let commit_millis = read_micros.div_euclid(1000);
        self.now_millis = self.now_millis.max(commit_millis);
        let place =
            Place { snapshot, commit_millis, tx_id: FIRST_TX_ID, last_commit: None, lsn: self.lsn };
        self.event(Event { op: b'r', before: None, after: Some(order), place });
        self.record(order.order_id)
    }

    fn operation<E>(
        &mut self,
        operation: &Operation,
        place: Place,
        emit: &mut impl FnMut(EnvelopeRecord<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        match operation {
            Operation::Insert(order) => self.create(order, place, emit),
            Operation::Update { before, after } if operation.changes_key() => {
                self.remove(before, place, emit)?;
                self.create(after, place, emit)
            }
            Operation::Update { before, after } => {
                self.event(Event { op: b'u', before: Some(before), after: Some(after), place });
                emit(self.record(after.order_id))
            }
            Operation::Delete(order) => self.remove(order, place, emit),
        }
    }

    fn create<E>(
        &mut self,
        order: &Order,
        place: Place,
        emit: &mut impl FnMut(EnvelopeRecord<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.event(Event { op: b'c', before: None, after: Some(order), place });
        emit(self.record(order.order_id))
    }

    fn remove<E>(
        &mut self,
        order: &Order,
        place: Place,
        emit: &mut impl FnMut(EnvelopeRecord<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.event(Event { op: b'd', before: Some(order), after: None, place });
        let record = self.record(order.order_id);
        emit(record)?;
        emit(EnvelopeRecord { value: None, ..record })
    }

    /// PostgreSQL's number of the stream's transaction: 32 bits that wrap around.
    fn tx_id(&self, transaction: u64) -> u64 {
        self.first_tx_id.wrapping_add(transaction).wrapping_sub(1) & 0xffff_ffff
    }

    /// Lets the connector handle something that was committed at that time.
    fn handle_at(&mut self, commit_millis: i64) {
        let delay = self.random.between(1, CONNECTOR_DELAY_MILLIS_MAX);
        self.now_millis = self.now_millis.max(commit_millis.saturating_add(delay));
    }

    /// Moves on in the log by some bytes, a multiple of eight as the log's records are.
    fn move_on(&mut self, low: u64, high: u64) {
        let step = low / 8 + self.random.below((high - low) / 8 + 1);
        self.lsn = self.lsn.saturating_add(step * 8);
    }

    fn record(&mut self, order_id: i32) -> EnvelopeRecord<'_> {
        self.key.clear();
        self.key.extend_from_slice(&self.frame.key_head);
        self.key.extend_from_slice(b"{\"order_id\":");
        json::push_integer(order_id, &mut self.key);
        self.key.push(b'}');
        self.key.extend_from_slice(self.frame.tail);
        EnvelopeRecord {
            key: &self.key,
            value: Some(&self.value),
            timestamp_millis: self.now_millis,
        }
    }

    fn event(&mut self, event: Event<'_>) {
        let out = &mut self.value;
        out.clear();
        out.extend_from_slice(&self.frame.value_head);
        out.extend_from_slice(b"{\"before\":");
        push_row(event.before, out);
        out.extend_from_slice(b",\"after\":");
        push_row(event.after, out);
        self.frame.push_source(event.place, out);
        out.extend_from_slice(b",\"op\":\"");
        out.push(event.op);
        out.extend_from_slice(b"\",\"ts_ms\":");
        json::push_integer(self.now_millis, out);
        out.extend_from_slice(b",\"transaction\":null}");
        out.extend_from_slice(self.frame.tail);
    }
}

impl Frame {
    fn new(options: &EnvelopeOptions) -> Self {
        let mut source_head =
            br#","source":{"version":"2.4.2.Final","connector":"postgresql","name":"#.to_vec();
        json::push_connect_string(&options.server, &mut source_head);
        source_head.extend_from_slice(b",\"ts_ms\":");
        let mut source_db = b"\",\"db\":".to_vec();
        json::push_connect_string(&options.database, &mut source_db);
        source_db.extend_from_slice(b",\"sequence\":\"[");
        let (key_head, value_head, tail): (_, _, &[u8]) = match options.schema_block {
            SchemaBlock::Without => (Vec::new(), Vec::new(), b""),
            SchemaBlock::With => {
                (schema::key_head(&options.topic()), schema::value_head(&options.topic()), b"}")
            }
        };
        Self { key_head, value_head, tail, source_head, source_db }
    }

    fn push_source(&self, place: Place, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.source_head);
        json::push_integer(place.commit_millis, out);
        out.extend_from_slice(b",\"snapshot\":\"");
        out.extend_from_slice(place.snapshot.as_bytes());
        out.extend_from_slice(&self.source_db);
        match place.last_commit {
            Some(lsn) => {
                out.extend_from_slice(b"\\\"");
                json::push_integer(lsn, out);
                out.extend_from_slice(b"\\\",\\\"");
            }
            None => out.extend_from_slice(b"null,\\\""),
        }
        json::push_integer(place.lsn, out);
        out.extend_from_slice(b"\\\"]\",\"schema\":\"public\",\"table\":\"orders\",\"txId\":");
        json::push_integer(place.tx_id, out);
        out.extend_from_slice(b",\"lsn\":");
        json::push_integer(place.lsn, out);
        out.extend_from_slice(b",\"xmin\":null}");
    }
}

fn push_row(row: Option<&Order>, out: &mut Vec<u8>) {
    let Some(order) = row else { return out.extend_from_slice(b"null") };
    out.extend_from_slice(b"{\"order_id\":");
    json::push_integer(order.order_id, out);
    out.extend_from_slice(b",\"customer_id\":");
    json::push_integer(order.customer_id, out);
    out.extend_from_slice(b",\"product_name\":");
    push_text(order.product_name.as_deref(), out);
    out.extend_from_slice(b",\"amount\":");
    match order.amount {
        Some(amount) => json::push_decimal(amount.0, out),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b",\"status\":");
    push_text(order.status.as_deref(), out);
    // A NULL in a column with a default is written as that default, which for now() is the epoch.
    out.extend_from_slice(b",\"created_at\":");
    json::push_integer(order.created_at_micros.unwrap_or_default(), out);
    out.extend_from_slice(b",\"updated_at\":");
    json::push_integer(order.updated_at_micros.unwrap_or_default(), out);
    out.push(b'}');
}

fn push_text(text: Option<&str>, out: &mut Vec<u8>) {
    match text {
        Some(text) => json::push_connect_string(text, out),
        None => out.extend_from_slice(b"null"),
    }
}
