//! `capture`: a part of the topics into a file.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cdc_core::{ByteBudget, TopicName};
use cdc_engine::Shutdown;
use cdc_kafka::{KafkaRange, KafkaSpan};
use cdc_replay::{CaptureFile, Pace, Paced};
use cdc_setup::Settings;
use serde_json::json;

use crate::cli::CaptureArgs;
use crate::failure::Failure;
use crate::output;
use crate::progress::{self, Shown, per_second};
use crate::range::{Reader, WhatIsLeft, as_json};
use crate::reading::read_all;
use crate::{signals, topics};

/// What a stopped capture says.
const AGAIN: &str = "start it again: no file was left, and it begins at the beginning";

/// Writes the file.
pub(crate) async fn capture(settings: Settings, arguments: &CaptureArgs) -> Result<(), Failure> {
    let bounds = arguments.range.bounds()?;
    let topics = chosen(settings.kafka()?.topics(), arguments)?;
    let kafka = settings.kafka()?.clone().with_topics(topics);
    let (stop, shutdown) = Shutdown::channel();
    signals::stop_on_signal(stop)?;
    let file = (!arguments.dry_run).then(|| CaptureFile::create(&arguments.output)).transpose()?;
    let reader = Reader { settings: &settings, kafka: &kafka, shutdown: shutdown.clone() };
    let spans = reader.spans(bounds, WhatIsLeft::Serves).await?;
    let report = Report { spans: spans.clone(), arguments };
    let Some(mut file) = file else {
        report.print(None);
        return Ok(());
    };
    let started = Instant::now();
    let done = Arc::<AtomicU64>::default();
    let counted = Arc::clone(&done);
    let shown = tokio::spawn(progress::show(Shown {
        done: move || counted.load(Ordering::Relaxed),
        note: String::new,
        total: report.offsets(),
    }));
    let source = KafkaRange::start(&kafka, spans, ByteBudget::new(settings.memory))
        .map_err(|error| Failure::end("start reading from Kafka", error))?;
    let source = Paced::new(source, Pace::new(arguments.rate));
    let read = read_all(source, shutdown, AGAIN, |batch| {
        file.add(&batch)?;
        done.store(file.records(), Ordering::Relaxed);
        Ok(())
    });
    let read = read.await;
    shown.abort();
    read?;
    let records = file.records();
    let bytes = file.finish()?;
    report.print(Some(&Written { records, bytes, elapsed: started.elapsed() }));
    Ok(())
}

/// The topics that are read, of those in the configuration file.
fn chosen(topics: &[TopicName], arguments: &CaptureArgs) -> Result<Vec<TopicName>, Failure> {
    let CaptureArgs { tables, topics: wanted, .. } = arguments;
    if tables.is_empty() && wanted.is_empty() {
        return Ok(topics.to_vec());
    }
    if !wanted.is_empty() {
        return topics::named(topics, wanted);
    }
    for table in tables {
        if !topics.iter().any(|topic| topics::is_named_after(topic, table)) {
            return Err(Failure::Tables {
                message: format!("no topic of this pipeline has a name that ends in .{table}"),
                hint: format!("name the topic itself with --topic: {}", topics::list(topics)),
            });
        }
    }
    let is_of = |topic: &&TopicName| tables.iter().any(|it| topics::is_named_after(topic, it));
    Ok(topics.iter().filter(is_of).cloned().collect())
}

/// What was written.
struct Written {
    records: u64,
    bytes: u64,
    elapsed: Duration,
}

/// What a capture did, or would do.
struct Report<'a> {
    spans: Vec<KafkaSpan>,
    arguments: &'a CaptureArgs,
}

impl Report<'_> {
    /// An upper bound of the records.
    fn offsets(&self) -> u64 {
        self.spans.iter().map(KafkaSpan::offsets).sum()
    }

    fn print(&self, written: Option<&Written>) {
        if self.arguments.json {
            output::line(self.json(written));
        } else {
            output::line(self.text(written));
        }
    }

    fn json(&self, written: Option<&Written>) -> serde_json::Value {
        let mut report = json!({
            "outcome": "done",
            "dry_run": self.arguments.dry_run,
            "file": self.arguments.output.display().to_string(),
            "ranges": as_json(&self.spans),
            "offsets": self.offsets(),
        });
        if let (Some(Written { records, bytes, elapsed }), Some(fields)) =
            (written, report.as_object_mut())
        {
            fields.insert("records".to_owned(), json!(records));
            fields.insert("bytes".to_owned(), json!(bytes));
            fields.insert("seconds".to_owned(), json!(elapsed.as_secs_f64()));
        }
        report
    }

    fn text(&self, written: Option<&Written>) -> String {
        let file = self.arguments.output.display();
        let mut text = match written {
            Some(Written { records, bytes, elapsed }) => format!(
                "done: {records} records, {bytes} bytes in {file}, in {:.1} s ({} records/s)",
                elapsed.as_secs_f64(),
                per_second(*records, *elapsed),
            ),
            None => format!("{} offsets would go into {file}; nothing was written", self.offsets()),
        };
        let spans = self.spans.iter();
        let lines =
            spans.map(|it| format!("\n  {}: from {} to {}", it.partition, it.from, it.until));
        text.extend(lines);
        text
    }
}
