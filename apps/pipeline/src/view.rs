//! What a person sees of a running pipeline: a pure function from figures to lines.
//!
//! At most 24 lines of 80 columns, in plain characters, so that it is readable over any connection. Who
//! paints it knows the terminal; this knows only its size.

use std::fmt::Display;
use std::time::Duration;

use cdc_engine::Reading;
use console::{measure_text_width, truncate_str};

/// The widest view: what a terminal has unless somebody made it larger.
const WIDTH_MAX: usize = 80;

/// The highest view.
const HEIGHT_MAX: usize = 24;

/// Columns of the words before the figures.
const LABEL_WIDTH: usize = 12;

/// Columns of each figure of a table.
const FIGURE_WIDTH: usize = 12;

/// The shortest room for the name of a table that says something.
const NAME_WIDTH_MIN: usize = 12;

/// How many lines and columns there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    /// Lines.
    pub(crate) height: usize,
    /// Columns.
    pub(crate) width: usize,
}

impl Size {
    /// What may be used of a terminal of this size. The last line and column stay free: a terminal
    /// scrolls or wraps when they are written.
    pub(crate) fn of_terminal(height: u16, width: u16) -> Self {
        let within = |size: u16, max: usize| usize::from(size).min(max).saturating_sub(1);
        Self { height: within(height, HEIGHT_MAX), width: within(width, WIDTH_MAX) }
    }
}

/// The figures of one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Moment {
    /// What is running.
    pub(crate) name: String,
    /// Since when.
    pub(crate) elapsed: Duration,
    /// The counters.
    pub(crate) reading: Reading,
    /// What has happened in a second.
    pub(crate) rates: Rates,
    /// How far behind in bytes, where that is known or can be estimated.
    pub(crate) lag_bytes: Option<u64>,
    /// How far behind in time.
    pub(crate) lag_seconds: u64,
    /// From the commit to being visible: half of all changes, and all but one in a hundred.
    pub(crate) latency_ms: (Option<u64>, Option<u64>),
    /// Memory of the process, where the system tells.
    pub(crate) memory: Option<u64>,
    /// What the source or the caller adds.
    pub(crate) notes: Vec<Note>,
    /// Each table.
    pub(crate) tables: Vec<TableLine>,
}

/// Events a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Rates {
    /// Records applied.
    pub(crate) records: u64,
    /// Rows written.
    pub(crate) rows: u64,
    /// Bytes of the records.
    pub(crate) bytes: u64,
}

/// A line of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note {
    /// What it is about, in one short word.
    pub(crate) label: &'static str,
    /// What there is to say.
    pub(crate) text: String,
}

/// The figures of one table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct TableLine {
    /// Where its changes go.
    pub(crate) name: String,
    /// Rows written in a second.
    pub(crate) rate: u64,
    /// Rows written.
    pub(crate) rows: u64,
    /// Records kept as dead letters.
    pub(crate) dead_lettered: u64,
}

/// The view, with no line longer and no more lines than there is room for.
pub(crate) fn lines(moment: &Moment, size: Size) -> Vec<String> {
    let mut lines = head(moment);
    let room = size.height.saturating_sub(lines.len());
    lines.extend(tables(&moment.tables, room, size.width));
    lines.truncate(size.height);
    for line in &mut lines {
        *line = truncate_str(line, size.width, "...").trim_end().to_owned();
    }
    lines
}

fn head(moment: &Moment) -> Vec<String> {
    let Moment { reading, rates, .. } = moment;
    let labelled = |label: &str, text: String| format!("{label:<LABEL_WIDTH$}{text}");
    let mut lines = vec![
        format!("{}, running for {}", moment.name, duration(moment.elapsed)),
        labelled(
            "throughput",
            format!(
                "{} rows/s, {} records/s, {}/s",
                grouped(rates.rows),
                grouped(rates.records),
                bytes(rates.bytes)
            ),
        ),
        labelled("behind", behind(moment)),
        labelled("freshness", freshness(moment)),
        labelled(
            "batch",
            format!(
                "{} records, {}; {} batches, {} repeated",
                grouped(reading.batch_records),
                bytes(reading.batch_bytes),
                grouped(reading.batches),
                grouped(reading.retries)
            ),
        ),
        labelled("memory", moment.memory.map_or_else(|| "not told".to_owned(), bytes)),
        labelled(
            "refused",
            format!(
                "{} dead letters of {} records, {} skipped",
                grouped(reading.dead_lettered),
                grouped(reading.records),
                grouped(reading.skipped)
            ),
        ),
    ];
    lines.extend(moment.notes.iter().map(|note| labelled(note.label, note.text.clone())));
    lines
}

fn behind(moment: &Moment) -> String {
    let records = moment.reading.lag_records;
    if records == 0 {
        return match moment.lag_bytes {
            Some(lag @ 1..) => format!("{} of the source's log", bytes(lag)),
            Some(0) | None => "nothing: everything that was read is applied".to_owned(),
        };
    }
    let bytes = moment.lag_bytes.map_or_else(String::new, |lag| format!(", {}", bytes(lag)));
    format!("{} records{bytes}, {} s", grouped(records), grouped(moment.lag_seconds))
}

/// How old the newest change was that a reader of the warehouse sees.
fn freshness(moment: &Moment) -> String {
    let Reading { records, lag_records, delay_ms, .. } = moment.reading;
    if records == 0 {
        return "nothing has been applied yet".to_owned();
    }
    let newest = if lag_records > 0 && moment.lag_seconds > 0 {
        format!("{} s", grouped(moment.lag_seconds))
    } else {
        format!("{} ms", grouped(delay_ms))
    };
    let or_dash = |millis: Option<u64>| millis.map_or("-".to_owned(), grouped);
    let (half, most) = moment.latency_ms;
    format!("{newest}; commit to visible p50 {} ms, p99 {} ms", or_dash(half), or_dash(most))
}

/// A heading and a line for each table; what finds no room is counted in the last line.
fn tables(tables: &[TableLine], room: usize, width: usize) -> Vec<String> {
    let figures = FIGURE_WIDTH.saturating_mul(3);
    let name_width = width.saturating_sub(figures).max(NAME_WIDTH_MIN);
    let line = |name: &str, figures: [&dyn Display; 3]| {
        let name = truncate_str(name, name_width, "...");
        // Counted in columns, which are not always characters.
        let pad = name_width.saturating_sub(measure_text_width(&name));
        let [rate, rows, letters] = figures;
        format!(
            "{name}{:pad$}{rate:>FIGURE_WIDTH$}{rows:>FIGURE_WIDTH$}{letters:>FIGURE_WIDTH$}",
            ""
        )
    };
    // An empty line and the heading.
    let Some(room) = room.checked_sub(2).filter(|room| *room > 0 && !tables.is_empty()) else {
        return Vec::new();
    };
    let fitting = if tables.len() <= room { tables.len() } else { room.saturating_sub(1) };
    let mut lines = vec![String::new(), line("table", [&"rows/s", &"rows", &"letters"])];
    let (shown, rest) = tables.split_at(fitting);
    lines.extend(shown.iter().map(|table| {
        let TableLine { name, rate, rows, dead_lettered } = table;
        line(name, [&grouped(*rate), &grouped(*rows), &grouped(*dead_lettered)])
    }));
    if !rest.is_empty() {
        let sum = |figure: fn(&TableLine) -> u64| {
            grouped(rest.iter().map(figure).fold(0, u64::saturating_add))
        };
        let name = format!("and {} more", rest.len());
        let (rate, rows) = (sum(|table| table.rate), sum(|table| table.rows));
        lines.push(line(&name, [&rate, &rows, &sum(|table| table.dead_lettered)]));
    }
    lines
}

/// A number that can be read at a glance: `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len().saturating_add(digits.len() / 3));
    for (index, digit) in digits.chars().enumerate() {
        let left = digits.len().saturating_sub(index);
        if index > 0 && left.is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A size with a unit and at most one digit behind the point.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if count < 1_000 {
        return format!("{count} B");
    }
    let mut tenths = count / 100;
    let mut unit = UNITS.iter();
    let mut name = unit.next();
    while tenths >= 10_000 {
        let Some(next) = unit.next() else { break };
        tenths /= 1_000;
        name = Some(next);
    }
    format!("{}.{} {}", grouped(tenths / 10), tenths % 10, name.copied().unwrap_or_default())
}

/// Hours, minutes and seconds.
fn duration(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    format!("{}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMINAL: Size = Size { height: 23, width: 79 };

    fn busy() -> Moment {
        Moment {
            name: "orders".to_owned(),
            elapsed: Duration::from_secs(3_723),
            reading: Reading {
                records: 1_234_567,
                rows: 1_234_500,
                skipped: 60,
                dead_lettered: 7,
                batches: 9_876,
                retries: 2,
                lag_records: 45_000,
                bytes: 1_234_567_000,
                batch_records: 4_096,
                batch_bytes: 4_096_000,
                delay_ms: 12,
                ..Reading::default()
            },
            rates: Rates { records: 98_765, rows: 98_700, bytes: 98_765_432 },
            lag_bytes: Some(45_000_000),
            lag_seconds: 3,
            latency_ms: (Some(5), Some(21)),
            memory: Some(63_400_000),
            notes: vec![Note { label: "slot", text: "reserved, 16.0 MB kept".to_owned() }],
            tables: vec![TableLine {
                name: "public.orders_fact".to_owned(),
                rate: 98_700,
                rows: 1_234_500,
                dead_lettered: 7,
            }],
        }
    }

    #[test]
    fn a_busy_pipeline_is_seen_at_a_glance() {
        let expected = "\
orders, running for 1:02:03
throughput  98,700 rows/s, 98,765 records/s, 98.7 MB/s
behind      45,000 records, 45.0 MB, 3 s
freshness   3 s; commit to visible p50 5 ms, p99 21 ms
batch       4,096 records, 4.0 MB; 9,876 batches, 2 repeated
memory      63.4 MB
refused     7 dead letters of 1,234,567 records, 60 skipped
slot        reserved, 16.0 MB kept

table                                            rows/s        rows     letters
public.orders_fact                               98,700   1,234,500           7";
        assert_eq!(lines(&busy(), TERMINAL).join("\n"), expected);
    }

    #[test]
    fn a_pipeline_that_has_just_started_says_what_is_not_known() {
        let quiet = Moment { name: "orders".to_owned(), ..Moment::default() };
        let expected = "\
orders, running for 0:00:00
throughput  0 rows/s, 0 records/s, 0 B/s
behind      nothing: everything that was read is applied
freshness   nothing has been applied yet
batch       0 records, 0 B; 0 batches, 0 repeated
memory      not told
refused     0 dead letters of 0 records, 0 skipped";
        assert_eq!(lines(&quiet, TERMINAL).join("\n"), expected);
    }

    #[test]
    fn freshness_is_that_of_the_last_batch_when_nothing_waits() {
        let mut moment = busy();
        moment.reading.lag_records = 0;
        let shown = lines(&moment, TERMINAL);
        assert_eq!(shown[3], "freshness   12 ms; commit to visible p50 5 ms, p99 21 ms");
    }

    #[test]
    fn no_line_is_longer_and_there_are_no_more_lines_than_the_terminal_has() {
        let mut moment = busy();
        moment.notes[0].text = "x".repeat(200);
        let table = |number: usize| TableLine {
            name: format!("public.a_table_with_a_very_long_name_日本語_{number}"),
            rate: 1,
            rows: u64::MAX,
            dead_lettered: 1,
        };
        moment.tables = (0..40).map(table).collect();
        for size in [TERMINAL, Size { height: 11, width: 50 }, Size { height: 4, width: 20 }] {
            let shown = lines(&moment, size);
            assert!(shown.len() <= size.height, "{shown:#?}");
            for line in shown {
                assert!(measure_text_width(&line) <= size.width, "{line}");
            }
        }
    }

    #[test]
    fn tables_without_room_are_counted_in_the_last_line() {
        let mut moment = busy();
        let table = |number: u64| TableLine {
            name: format!("t{number}"),
            rate: number,
            rows: 10,
            dead_lettered: 0,
        };
        moment.tables = (1..=20).map(table).collect();
        let shown = lines(&moment, TERMINAL);
        assert_eq!(shown.len(), 23);
        let last: Vec<&str> = shown[22].split_whitespace().collect();
        assert_eq!(last, ["and", "8", "more", "132", "80", "0"]);
    }

    #[test]
    fn sizes_have_the_largest_unit_that_leaves_a_digit() {
        let cases = [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 kB"),
            (999_949, "999.9 kB"),
            (1_000_000, "1.0 MB"),
            (12_345_678_901, "12.3 GB"),
            (u64::MAX, "18,446,744.0 TB"),
        ];
        for (count, text) in cases {
            assert_eq!(bytes(count), text);
        }
    }

    #[test]
    fn digits_are_grouped_by_three() {
        let texts: Vec<_> = [0, 999, 1_000, 12_345_678].into_iter().map(grouped).collect();
        assert_eq!(texts, ["0", "999", "1,000", "12,345,678"]);
    }

    #[test]
    fn a_large_terminal_is_not_filled_and_its_edge_is_left_free() {
        assert_eq!(Size::of_terminal(60, 200), TERMINAL);
        assert_eq!(Size::of_terminal(24, 80), TERMINAL);
        assert_eq!(Size::of_terminal(10, 40), Size { height: 9, width: 39 });
    }
}
