//! Raw log entries, many to an arena.

use cdc_checkpoint::{NextOffset, Offset, OffsetRange, Partition};

use crate::BudgetLease;
use crate::record_value::{RecordValue, shared_length};

/// The header in which a source without log offsets says where a record stands in its own terms: UTF-8
/// text without NUL, opaque for everybody else, of at most [`PLACE_BYTES_MAX`] bytes.
///
/// It counts only in batches that were built [with places](RecordBatchBuilder::with_places). In all
/// others, such as those of a broker whose users name headers as they like, it is a header like any.
pub const PLACE_HEADER: &str = "place";

/// The longest place: it is stored with every batch.
pub const PLACE_BYTES_MAX: usize = 1024;

/// What a source copies into a batch: one log entry, borrowed from its driver.
#[derive(Debug, Clone, Copy)]
pub struct RecordParts<'a> {
    /// Where the entry stands in its partition.
    pub offset: Offset,
    /// The log's own time of the entry, milliseconds since 1970, when it has one.
    pub timestamp_ms: Option<i64>,
    /// The key's bytes; `None` is a null key.
    pub key: Option<&'a [u8]>,
    /// The value's bytes; `None` is a null value.
    pub value: Option<&'a [u8]>,
    /// Header names and values in order; names may repeat.
    pub headers: &'a [(&'a str, Option<&'a [u8]>)],
}

/// A raw log entry in a [`RecordBatch`].
#[derive(Debug, Clone, Copy)]
pub struct Record<'r> {
    /// The log it stands in.
    pub partition: &'r Partition,
    /// Where it stands.
    pub offset: Offset,
    /// The log's own time of it, milliseconds since 1970.
    pub timestamp_ms: Option<i64>,
    /// The key's bytes; `None` is a null key.
    pub key: Option<&'r [u8]>,
    /// The value's bytes; `None` is a null value.
    pub value: Option<RecordValue<'r>>,
    /// The headers.
    pub headers: Headers<'r>,
}

/// The headers of a record, in order.
#[derive(Debug, Clone, Copy, Default)]
pub struct Headers<'r> {
    encoded: &'r [u8],
    with_place: bool,
}

impl<'r> Headers<'r> {
    /// Where the record stands in its source's own terms, when its source says so; see
    /// [`PLACE_HEADER`].
    pub fn place(self) -> Option<&'r str> {
        if !self.with_place {
            return None;
        }
        let (_, place) = self.into_iter().find(|(name, _)| *name == PLACE_HEADER)?;
        std::str::from_utf8(place?).ok()
    }
}

impl<'r> IntoIterator for Headers<'r> {
    type Item = (&'r str, Option<&'r [u8]>);
    type IntoIter = HeaderIter<'r>;

    fn into_iter(self) -> HeaderIter<'r> {
        HeaderIter { encoded: self.encoded }
    }
}

/// Yields the headers of a record in order.
#[derive(Debug)]
pub struct HeaderIter<'r> {
    encoded: &'r [u8],
}

impl<'r> Iterator for HeaderIter<'r> {
    type Item = (&'r str, Option<&'r [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, rest) = split_field(self.encoded)?;
        let (value, rest) = split_field(rest)?;
        self.encoded = rest;
        Some((std::str::from_utf8(name?).ok()?, value))
    }
}

/// Lengths are 32 bits; this one marks a null.
const NULL_LENGTH: u32 = u32::MAX;

fn push_field(arena: &mut Vec<u8>, field: Option<&[u8]>) {
    let length = field.map_or(NULL_LENGTH, |bytes| {
        u32::try_from(bytes.len()).expect("a log entry is far smaller than 4 GiB")
    });
    arena.extend_from_slice(&length.to_le_bytes());
    arena.extend_from_slice(field.unwrap_or_default());
}

/// A field, or the mark of a null one, and what follows it.
type SplitField<'a> = (Option<&'a [u8]>, &'a [u8]);

fn split_field(bytes: &[u8]) -> Option<SplitField<'_>> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*length);
    if length == NULL_LENGTH {
        return Some((None, rest));
    }
    let (field, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    Some((Some(field), rest))
}

#[derive(Debug, Clone, Copy)]
struct Meta {
    offset: Offset,
    timestamp_ms: Option<i64>,
    /// Where the entry's fields start in the arena: key, value, then headers.
    start: usize,
    end: usize,
    /// What the value begins with, when the arena has it already; the value's field is the rest.
    shared: Span,
}

/// A part of the arena.
#[derive(Debug, Clone, Copy, Default)]
struct Span {
    start: usize,
    length: usize,
}

impl Span {
    fn of(self, arena: &[u8]) -> &[u8] {
        let end = self.start.saturating_add(self.length);
        arena.get(self.start..end).unwrap_or_default()
    }
}

/// Consecutive records of one partition in one arena, with the range of the log they cover.
///
/// The range may be wider than the records: logs skip offsets for compacted records and
/// transaction markers, and where reading resumes is the reader's position, not the last
/// record's offset plus one.
#[derive(Debug)]
pub struct RecordBatch {
    partition: Partition,
    assignment: u64,
    range: OffsetRange,
    arena: Vec<u8>,
    metas: Vec<Meta>,
    with_places: bool,
    lease: BudgetLease,
}

impl RecordBatch {
    /// The log the records stand in.
    pub fn partition(&self) -> &Partition {
        &self.partition
    }

    /// Under which assignment they were read; see [`Assignment`](crate::Assignment).
    pub fn assignment(&self) -> u64 {
        self.assignment
    }

    /// The part of the log that the batch covers.
    pub fn range(&self) -> OffsetRange {
        self.range
    }

    /// How many records it holds.
    pub fn len(&self) -> usize {
        self.metas.len()
    }

    /// Whether it covers a part of the log without any record.
    pub fn is_empty(&self) -> bool {
        self.metas.is_empty()
    }

    /// Bytes charged for it.
    pub fn bytes(&self) -> usize {
        self.lease.bytes()
    }

    /// The record at `index`.
    pub fn get(&self, index: usize) -> Option<Record<'_>> {
        let meta = self.metas.get(index)?;
        let fields = self.arena.get(meta.start..meta.end)?;
        let (key, rest) = split_field(fields)?;
        let (value, rest) = split_field(rest)?;
        let shared = meta.shared.of(&self.arena);
        Some(Record {
            partition: &self.partition,
            offset: meta.offset,
            timestamp_ms: meta.timestamp_ms,
            key,
            value: value.map(|rest| RecordValue::new(shared, rest)),
            headers: Headers { encoded: rest, with_place: self.with_places },
        })
    }

    /// All records in log order.
    pub fn iter(&self) -> impl Iterator<Item = Record<'_>> {
        (0..self.len()).filter_map(|index| self.get(index))
    }

    /// The last record before a position.
    pub fn last_before(&self, until: NextOffset) -> Option<Record<'_>> {
        let end = self.metas.partition_point(|meta| meta.offset.position() < until);
        self.get(end.checked_sub(1)?)
    }

    /// The part of the log that the records `first..last` stand for, so that the parts of any way
    /// of cutting the batch join without a gap.
    #[expect(clippy::missing_panics_doc, reason = "records are in rising order by construction")]
    pub fn range_of(&self, first: usize, last: usize) -> OffsetRange {
        let start_of = |index: usize| match self.metas.get(index) {
            Some(meta) if index > 0 => meta.offset.position(),
            Some(_) => self.range.from(),
            None => self.range.until(),
        };
        OffsetRange::try_new(start_of(first), start_of(last.max(first)))
            .expect("a builder takes records in rising order only")
    }
}

/// Fills a [`RecordBatch`].
#[derive(Debug)]
pub struct RecordBatchBuilder {
    partition: Partition,
    assignment: u64,
    from: NextOffset,
    until: NextOffset,
    arena: Vec<u8>,
    metas: Vec<Meta>,
    /// The last value that stands in the arena as a whole: later ones may begin like it.
    reference: Span,
    with_places: bool,
}

impl RecordBatchBuilder {
    /// An empty batch that starts at a position of a partition.
    pub fn new(partition: Partition, assignment: u64, from: NextOffset) -> Self {
        Self {
            partition,
            assignment,
            from,
            until: from,
            arena: Vec::new(),
            metas: Vec::new(),
            reference: Span::default(),
            with_places: false,
        }
    }

    /// Says that the [place](PLACE_HEADER) header of the records is where they stand in the source's own
    /// terms. Only for a source that writes it itself: nobody else's text may steer where it resumes.
    #[must_use]
    pub fn with_places(mut self) -> Self {
        self.with_places = true;
        self
    }

    /// Reserves memory for about this many bytes.
    #[must_use]
    pub fn with_capacity(mut self, bytes: usize) -> Self {
        self.arena.reserve(bytes);
        self
    }

    /// Copies a record to the end of the batch. A beginning that its value has in common with an
    /// earlier one is not copied again.
    ///
    /// # Panics
    ///
    /// When the record does not come after what the batch covers: a source that goes back without
    /// a new batch would make ranges lie. And when a place that counts is longer than
    /// [`PLACE_BYTES_MAX`] or no text that can be stored: without it nobody finds the way back.
    pub fn push(&mut self, parts: &RecordParts<'_>) {
        assert!(
            parts.offset.position() >= self.until,
            "records of a batch are in rising order of offset"
        );
        let start = self.arena.len();
        push_field(&mut self.arena, parts.key);
        let shared = self.push_value(parts.value);
        for (name, value) in parts.headers {
            if self.with_places && *name == PLACE_HEADER {
                assert!(value.is_some_and(is_place), "a place is a short text");
            }
            push_field(&mut self.arena, Some(name.as_bytes()));
            push_field(&mut self.arena, *value);
        }
        self.metas.push(Meta {
            offset: parts.offset,
            timestamp_ms: parts.timestamp_ms,
            start,
            end: self.arena.len(),
            shared,
        });
        self.until = parts.offset.next();
    }

    /// Copies what the arena does not have of a value yet, and says where the beginning stands.
    fn push_value(&mut self, value: Option<&[u8]>) -> Span {
        let bytes = value.unwrap_or_default();
        let length = shared_length(self.reference.of(&self.arena), bytes);
        let rest = bytes.get(length..).unwrap_or_default();
        push_field(&mut self.arena, value.map(|_| rest));
        if length > 0 {
            return Span { length, ..self.reference };
        }
        if value.is_some() {
            let start = self.arena.len().saturating_sub(rest.len());
            self.reference = Span { start, length: rest.len() };
        }
        Span::default()
    }

    /// Says that the log has been read up to `position`, beyond the last record.
    pub fn cover_until(&mut self, position: NextOffset) {
        self.until = self.until.max(position);
    }

    /// How many records have been pushed.
    pub fn len(&self) -> usize {
        self.metas.len()
    }

    /// Whether no record has been pushed.
    pub fn is_empty(&self) -> bool {
        self.metas.is_empty()
    }

    /// Memory the batch takes, in bytes.
    pub fn bytes(&self) -> usize {
        self.arena.len().saturating_add(self.metas.len().saturating_mul(size_of::<Meta>()))
    }

    /// Where the batch ends so far.
    pub fn until(&self) -> NextOffset {
        self.until
    }

    /// Seals the batch. The lease is resized to what the batch really takes.
    #[expect(clippy::missing_panics_doc, reason = "the end of a batch only moves forward")]
    pub fn finish(self, mut lease: BudgetLease) -> RecordBatch {
        lease.resize(self.bytes());
        let range = OffsetRange::try_new(self.from, self.until)
            .expect("pushing and covering only move the end forward");
        RecordBatch {
            partition: self.partition,
            assignment: self.assignment,
            range,
            arena: self.arena,
            metas: self.metas,
            with_places: self.with_places,
            lease,
        }
    }
}

fn is_place(value: &[u8]) -> bool {
    let fits = value.len() <= PLACE_BYTES_MAX && !value.contains(&0);
    fits && std::str::from_utf8(value).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ByteBudget;

    fn batch() -> RecordBatch {
        let partition = Partition::new("t", 0, 0).unwrap();
        let mut builder = RecordBatchBuilder::new(partition, 1, NextOffset::try_new(3).unwrap());
        for (offset, value) in [(5, Some(b"five".as_slice())), (6, None), (9, Some(b""))] {
            builder.push(&RecordParts {
                offset: Offset::try_new(offset).unwrap(),
                timestamp_ms: Some(1),
                key: Some(b"k"),
                value,
                headers: &[("h", None), ("h", Some(b"v"))],
            });
        }
        builder.cover_until(NextOffset::try_new(12).unwrap());
        builder.finish(ByteBudget::new(1_000).charge(0))
    }

    #[test]
    fn gives_back_what_was_pushed_and_tells_null_from_empty() {
        let batch = batch();
        let values: Vec<_> =
            batch.iter().map(|record| record.value.map(RecordValue::to_vec)).collect();
        assert_eq!(values, [Some(b"five".to_vec()), None, Some(Vec::new())]);
        let headers: Vec<_> = batch.get(0).unwrap().headers.into_iter().collect();
        assert_eq!(headers, [("h", None), ("h", Some(b"v".as_slice()))]);
        assert!(batch.get(3).is_none());
    }

    #[test]
    fn a_beginning_that_many_values_have_is_kept_once() {
        let schema = |letter: &str| letter.repeat(2_000);
        let mut values: Vec<_> = (0..50).map(|i| Some(schema("a") + &i.to_string())).collect();
        values.splice(20..20, [None, Some(String::new()), Some("short".to_owned())]);
        values.extend((0..50).map(|i| Some(schema("b") + &i.to_string())));
        let partition = Partition::new("t", 0, 0).unwrap();
        let mut builder = RecordBatchBuilder::new(partition, 1, NextOffset::ZERO);
        for (offset, value) in (0..).zip(&values) {
            builder.push(&RecordParts {
                offset: Offset::try_new(offset).unwrap(),
                timestamp_ms: None,
                key: Some(b"key"),
                value: value.as_ref().map(String::as_bytes),
                headers: &[],
            });
        }
        assert!(builder.bytes() < 30_000, "{} bytes", builder.bytes());
        let batch = builder.finish(ByteBudget::new(1_000).charge(0));
        let mut scratch = Vec::new();
        for (record, value) in batch.iter().zip(&values) {
            let found = record.value.map(|found| found.joined(&mut scratch));
            assert_eq!(found, value.as_ref().map(String::as_bytes));
        }
    }

    fn with_header(builder: RecordBatchBuilder, name: &str, value: &[u8]) -> RecordBatch {
        let mut builder = builder;
        builder.push(&RecordParts {
            offset: Offset::try_new(5).unwrap(),
            timestamp_ms: None,
            key: None,
            value: None,
            headers: &[("other", None), (name, Some(value))],
        });
        builder.finish(ByteBudget::new(1_000).charge(0))
    }

    fn builder() -> RecordBatchBuilder {
        RecordBatchBuilder::new(Partition::new("t", 0, 0).unwrap(), 1, NextOffset::ZERO)
    }

    #[test]
    fn a_header_is_a_place_only_where_the_source_says_so() {
        let place = |builder, name| {
            let batch = with_header(builder, name, b"s/7/1");
            let headers = batch.get(0).unwrap().headers;
            assert_eq!(headers.into_iter().count(), 2);
            headers.place().map(str::to_owned)
        };
        assert_eq!(place(builder().with_places(), PLACE_HEADER).as_deref(), Some("s/7/1"));
        assert_eq!(place(builder().with_places(), "another"), None);
        assert_eq!(place(builder(), PLACE_HEADER), None, "somebody's header of that name");
    }

    #[test]
    fn a_place_that_cannot_be_stored_is_refused_and_an_ordinary_header_is_not() {
        for value in [vec![b'x'; PLACE_BYTES_MAX + 1], vec![0xff], b"a\0b".to_vec()] {
            with_header(builder(), PLACE_HEADER, &value);
            let refused = || with_header(builder().with_places(), PLACE_HEADER, &value);
            assert!(std::panic::catch_unwind(refused).is_err(), "{} bytes", value.len());
        }
        with_header(builder().with_places(), PLACE_HEADER, &[b'x'; PLACE_BYTES_MAX]);
    }

    #[test]
    fn any_cut_of_a_batch_covers_its_range_without_a_gap() {
        let batch = batch();
        assert_eq!(batch.range().to_string(), "[3, 12)");
        assert_eq!(batch.range_of(0, 3), batch.range());
        for cut in 0..=3 {
            let (head, tail) = (batch.range_of(0, cut), batch.range_of(cut, 3));
            assert_eq!(head.until(), tail.from());
            assert_eq!((head.from(), tail.until()), (batch.range().from(), batch.range().until()));
        }
    }

    #[test]
    #[should_panic(expected = "rising order")]
    fn a_record_that_goes_back_is_refused() {
        let partition = Partition::new("t", 0, 0).unwrap();
        let mut builder = RecordBatchBuilder::new(partition, 1, NextOffset::try_new(3).unwrap());
        builder.push(&RecordParts {
            offset: Offset::try_new(2).unwrap(),
            timestamp_ms: None,
            key: None,
            value: None,
            headers: &[],
        });
    }
}
