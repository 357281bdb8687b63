//! Records as they were written.

use cdc_core::{ByteBudget, PLACE_HEADER, RecordBatch};

use super::SourceUnderTest;
use super::reader::{Entry, Log};
use crate::conformance::{Finding, ensure};

pub(super) async fn keys_values_and_headers_survive<U: SourceUnderTest>(u: &U) -> Finding {
    let mut log = Log::create(u, 1).await;
    let only = log.partition(0);
    let field = |text: &str| Some(text.as_bytes().to_vec());
    let header = |name: &str, value: Option<Vec<u8>>| (name.to_owned(), value);
    let fields = [None, field(""), field("text"), Some(vec![0, 255, 0, 128, 10])];
    let mut entries = Vec::new();
    for key in &fields {
        for value in &fields {
            let (key, value) = (key.clone(), value.clone());
            entries.push(Entry { key, value, headers: Vec::new() });
        }
    }
    let headers = vec![
        header("twice", field("first")),
        header("twice", None),
        header("empty", field("")),
        header("größe", Some(vec![0, 255])),
        header("twice", field("last")),
    ];
    for key in [None, field("with headers")] {
        let value = field("value");
        entries.push(Entry { key, value, headers: headers.clone() });
    }
    log.append(&only, entries).await;
    let mut reader = log.reader().await?;
    reader.resume_from_the_beginning().await?;
    reader.until_all(&[only], 0).await
}

pub(super) async fn a_header_that_somebody_wrote_is_no_place<U: SourceUnderTest>(u: &U) -> Finding {
    let mut log = Log::create(u, 1).await;
    let only = log.partition(0);
    let headers = vec![(PLACE_HEADER.to_owned(), Some(b"s/1/0/0".to_vec()))];
    log.append(&only, vec![Entry { headers, ..Entry::default() }]).await;
    let mut reader = log.reader().await?;
    reader.kept = Some(Vec::new());
    reader.resume_from_the_beginning().await?;
    reader.until_all(&[only], 0).await?;
    let kept = reader.kept.unwrap_or_default();
    let mut records = kept.iter().flat_map(RecordBatch::iter);
    ensure(records.all(|record| record.headers.place() != Some("s/1/0/0")), || {
        "a header that was written to the log is taken for a place of the source".to_owned()
    })
}

pub(super) async fn large_records_arrive_whole<U: SourceUnderTest>(u: &U) -> Finding {
    /// Below the 1,000,000 bytes that brokers take by default.
    const LARGE_BYTES: usize = 900_000;
    let mut log = Log::create(u, 1).await;
    let only = log.partition(0);
    let mut entries = Vec::new();
    for (length, byte) in [(10, b'a'), (LARGE_BYTES, b'b'), (10, b'c'), (LARGE_BYTES, b'd')] {
        let value = Some(vec![byte; length]);
        entries.push(Entry { value, ..Entry::default() });
    }
    log.append(&only, entries).await;
    let mut reader = log.reader_with(ByteBudget::new(LARGE_BYTES / 3)).await?;
    reader.resume_from_the_beginning().await?;
    reader.until_all(&[only], 0).await
}
