//! The adapter itself: one message decoder per topic, and the way from a message to an event.

use std::collections::BTreeMap;
use std::sync::Arc;

use cdc_core::{
    Change, ChangeEvent, Decoded, Decoder, Emission, Keyed, Origin, Record, Rejection, RowBuffer,
    SentChange, SkipReason, SnapshotPlace, SnapshotRow, SourcePosition, TableId, TopicName,
};
use debezium_envelope::{
    Declarations, DecodeError, Envelope, Limits, Message, MessageDecoder, Op, SnapshotMarker,
};

use crate::before::BeforeImages;
use crate::declarations::merged;
use crate::identity::identity_of;
use crate::rejection::{
    document, not_a_message, schema_of, undecodable, unknown_message, unknown_table,
};
use crate::{TableDeclarations, TableMap};

/// Decodes Debezium records into changes of configured tables.
///
/// It remembers one message decoder for each topic it has met, because the schemas that a decoder
/// compiles differ from topic to topic. A clone has the same configuration and remembers nothing:
/// use one for each lane.
///
/// | message | becomes |
/// |---|---|
/// | row event or truncate of a configured table | a change |
/// | row event or truncate of another table | a rejection, `unknown_table` |
/// | tombstone | skipped as such |
/// | heartbeat, transaction marker, logical message, schema change | skipped as control message |
/// | anything else | a rejection with the code of what is wrong |
#[derive(Debug)]
pub struct DebeziumDecoder {
    tables: TableMap,
    declarations: Declarations,
    /// How the rows before deletes are taken, of declared tables.
    befores: Arc<BTreeMap<TableId, BeforeImages>>,
    limits: Limits,
    topics: Vec<TopicDecoder>,
    /// Where in the list the last record's topic stands.
    current: usize,
    /// The bytes of the last value whose beginning its batch shares.
    joined: Vec<u8>,
    /// The cells of the last old row of which the key alone was real.
    image: RowBuffer,
    /// What the identity of the last change was made of.
    content: Vec<u8>,
}

#[derive(Debug)]
struct TopicDecoder {
    topic: TopicName,
    messages: MessageDecoder,
    /// The table that the topic is named after; said of records that cannot be understood.
    named_table: Option<TableId>,
    /// Where in the table map the last record's table stands.
    last_table: Option<usize>,
}

impl DebeziumDecoder {
    /// A decoder for these tables. Declarations of columns are needed for messages without a schema
    /// block only.
    pub fn new(
        tables: TableMap,
        declarations: impl IntoIterator<Item = TableDeclarations>,
        limits: Limits,
    ) -> Self {
        let declared: Vec<_> = declarations.into_iter().collect();
        let befores = declared.iter().filter_map(|table| {
            let name = table.table();
            Some((tables.get(name.schema(), name.name())?, table.before()))
        });
        let befores = Arc::new(befores.collect());
        Self::with(tables, merged(declared), befores, limits)
    }

    fn with(
        tables: TableMap,
        declarations: Declarations,
        befores: Arc<BTreeMap<TableId, BeforeImages>>,
        limits: Limits,
    ) -> Self {
        Self {
            tables,
            declarations,
            befores,
            limits,
            topics: Vec::new(),
            current: 0,
            joined: Vec::new(),
            image: RowBuffer::new(),
            content: Vec::new(),
        }
    }

    /// Makes the topic the current one, with a decoder of its own when it is new.
    fn select(&mut self, topic: &TopicName) {
        if self.topics.get(self.current).is_some_and(|current| is_same(&current.topic, topic)) {
            return;
        }
        let known = self.topics.iter().position(|known| is_same(&known.topic, topic));
        self.current = known.unwrap_or_else(|| {
            self.topics.push(TopicDecoder {
                topic: topic.clone(),
                messages: MessageDecoder::new(self.declarations.clone(), self.limits),
                named_table: self.tables.of_topic(topic.as_str()),
                last_table: None,
            });
            self.topics.len().saturating_sub(1)
        });
    }
}

impl Clone for DebeziumDecoder {
    fn clone(&self) -> Self {
        let (tables, declarations) = (self.tables.clone(), self.declarations.clone());
        Self::with(tables, declarations, Arc::clone(&self.befores), self.limits)
    }
}

impl Decoder for DebeziumDecoder {
    fn decode<'e>(&'e mut self, record: Record<'e>) -> Result<Decoded<'e>, Box<Rejection>> {
        let Some(value) = record.value else {
            // Whatever its key is: a delete came before it.
            return Ok(Decoded::Skip(SkipReason::Tombstone));
        };
        self.select(record.partition.topic());
        let topic = self.topics.get_mut(self.current);
        let TopicDecoder { messages, named_table, last_table, .. } =
            topic.expect("the topic was selected just now");
        let message = messages
            .decode(record.key, Some(value.joined(&mut self.joined)))
            .map_err(|error| undecodable(&error, *named_table))?;
        let envelope = match message {
            Message::Change(envelope) => envelope,
            Message::Tombstone(_) => return Ok(Decoded::Skip(SkipReason::Tombstone)),
            Message::LogicalMessage(_)
            | Message::Transaction(_)
            | Message::Heartbeat(_)
            | Message::SchemaChange(_) => return Ok(Decoded::Skip(SkipReason::ControlMessage)),
            Message::Other(_) | Message::Flattened(_) => return Err(not_a_message(*named_table)),
            Message::Document(_) => return Err(document(*named_table)),
            // The enum is open: a new kind must not be taken for a control message.
            _ => return Err(unknown_message(*named_table)),
        };
        let source = &envelope.source;
        let table = self
            .tables
            .get_near(schema_of(source), source.table, last_table)
            .ok_or_else(|| unknown_table(source))?;
        let mut change = change_of(&envelope).map_err(|error| undecodable(&error, Some(table)))?;
        let emission = emission_of(&envelope, &mut self.content);
        if let Change::Delete { before } = &mut change {
            let images = self.befores.get(&table).copied().unwrap_or_default();
            *before = images.taken(*before, envelope.key, &mut self.image);
        }
        let origin = origin_of(&envelope);
        let snapshot = snapshot_of(&envelope);
        let event = ChangeEvent { table, change, origin, emission, snapshot, ordinal: 0, record };
        Ok(Decoded::Change(event))
    }
}

/// Names are compared by pointer first: the records of a partition share theirs.
fn is_same(one: &TopicName, two: &TopicName) -> bool {
    std::ptr::eq(one.as_str(), two.as_str()) || one == two
}

fn change_of<'e>(envelope: &Envelope<'e>) -> Result<Change<'e>, DecodeError> {
    let op = envelope.op;
    let after = || envelope.after.ok_or(DecodeError::MissingAfter { op: op.code() });
    Ok(match op {
        Op::Create => Change::Insert { after: after()? },
        Op::Read => Change::Snapshot { row: after()? },
        Op::Update => Change::Update { before: envelope.before, after: after()? },
        Op::Delete => {
            let before = envelope.before.or(envelope.key);
            Change::Delete { before: before.ok_or(DecodeError::MissingBefore {})? }
        }
        Op::Truncate => Change::Truncate,
    })
}

fn origin_of(envelope: &Envelope<'_>) -> Origin {
    Origin {
        lsn: envelope.source.lsn.map(|lsn| lsn.0),
        tx_id: envelope.source.tx_id,
        committed_at_ms: envelope.source.ts_ms,
        captured_at_ms: envelope.ts_ms,
    }
}

/// What a streamed change is known by, when it says where it stands.
fn emission_of<'e>(envelope: &Envelope<'e>, content: &mut Vec<u8>) -> Option<Emission<'e>> {
    let source = &envelope.source;
    if source.snapshot != SnapshotMarker::False || envelope.op == Op::Read {
        return None;
    }
    let at = SourcePosition {
        lsn: source.lsn?.0,
        tx_id: source.tx_id?,
        committed_at_ms: source.ts_ms?,
        last_commit: source.sequence.and_then(|pair| pair.last_commit).map(|lsn| lsn.0),
    };
    if !is_storable(source.name) || !is_storable(source.db) {
        return None;
    }
    let is_keyed = envelope.key.is_some() || envelope.op == Op::Truncate;
    let keyed = if is_keyed { Keyed::Yes } else { Keyed::No };
    let change = SentChange { at, identity: identity_of(envelope, content), keyed };
    Some(Emission { connector: source.name, database: source.db, change })
}

/// Of which snapshot a row is, when it says so.
fn snapshot_of<'e>(envelope: &Envelope<'e>) -> Option<SnapshotRow<'e>> {
    let source = &envelope.source;
    let place = match source.snapshot {
        SnapshotMarker::False | SnapshotMarker::Incremental => return None,
        SnapshotMarker::True => SnapshotPlace::Within,
        SnapshotMarker::First | SnapshotMarker::FirstInDataCollection => SnapshotPlace::First,
        SnapshotMarker::LastInDataCollection | SnapshotMarker::Last => SnapshotPlace::Last,
    };
    if !is_storable(source.name) || !is_storable(source.db) {
        return None;
    }
    let (connector, database) = (source.name, source.db);
    Some(SnapshotRow { connector, database, lsn: source.lsn?.0, tx_id: source.tx_id?, place })
}

/// No store takes such a name, and a connector has none.
fn is_storable(name: &str) -> bool {
    !name.contains('\0')
}
