//! What became of each cell.

use cdc_testkit::captures::Capture;
use fixture_capture::modes::key_of;

use super::columns::{Columns, SourceColumn, is_included};
use super::images::{Image, Part, Side};
use super::target::{Back, Group};

/// A cell of the source, and what became of it in the warehouse.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cell {
    pub(super) release: String,
    pub(super) mode: String,
    pub(super) table: String,
    pub(super) column: String,
    /// The type, as the report calls it.
    pub(super) label: String,
    pub(super) way: Way,
    /// Whether an update left the value alone, and its old row was not sent.
    pub(super) unchanged: bool,
    /// The source's text.
    pub(super) source: Option<String>,
    pub(super) fate: Fate,
}

/// How the connector came by a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    Snapshot,
    Stream,
}

/// What became of a cell.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fate {
    /// It is there with this text.
    Text(Option<String>),
    /// The source did not send it, and it is not taken for NULL.
    Unavailable,
    /// The source sent it, and it is taken for one that it did not send.
    Mistaken,
    /// It is refused, for this reason.
    Refused(String),
    /// No message has the column.
    Absent,
}

/// The cells of a group, and those that its messages lack.
pub(super) fn of_group(capture: &Capture, group: &Group, columns: &Columns) -> Vec<Cell> {
    let rows = group.images.iter().zip(&group.rows);
    rows.flat_map(|(image, back)| of_image(capture, group, image, back, columns)).collect()
}

fn of_image(
    capture: &Capture,
    group: &Group,
    image: &Image,
    back: &Back,
    columns: &Columns,
) -> Vec<Cell> {
    let event = &capture.events[image.event];
    let texts = match image.side {
        Side::Before => event.before.as_ref(),
        Side::After => event.after.as_ref(),
    };
    let key = key_of(&group.table);
    let mut cells = Vec::new();
    for (column, source) in texts.expect("the source has the image") {
        let is_due = match image.part {
            Part::Row => is_included(&capture.about, column),
            Part::OldKey | Part::Key => key.contains(&column.as_str()),
        };
        let before = event.before.as_ref().and_then(|texts| texts.get(column));
        let unchanged = source.is_some() && event.identity == "d" && before == Some(source);
        let is_whole = image.part != Part::OldKey || key.contains(&column.as_str());
        let sent = group.shape.columns().iter().map(|column| &*column.name);
        let sent = sent.into_iter().find(|name| *name == column || *name == mangled(column));
        let fate = match sent {
            None if !is_due => continue,
            None => Fate::Absent,
            Some(_) if !is_whole => continue,
            Some(name) => fate(group, image, name, back, unchanged),
        };
        let known = columns.get(&(group.table.clone(), column.clone()));
        cells.push(Cell {
            release: capture.about.release.clone(),
            mode: capture.about.mode.clone(),
            table: group.table.clone(),
            column: column.clone(),
            label: known.map_or_else(|| "altered".to_owned(), SourceColumn::label),
            way: if event.op == "r" { Way::Snapshot } else { Way::Stream },
            unchanged,
            source: source.clone(),
            fate,
        });
    }
    cells
}

fn fate(group: &Group, image: &Image, column: &str, back: &Back, unchanged: bool) -> Fate {
    if let Some(reason) = group.refused.get(column).or_else(|| image.refused.get(column)) {
        return Fate::Refused(reason.clone());
    }
    let text = back.row.get(column).expect("what is not refused is written").clone();
    let names = back.unavailable.iter().flatten();
    match names.into_iter().any(|name| name == column) {
        true if unchanged => Fate::Unavailable,
        true => Fate::Mistaken,
        false => Fate::Text(text),
    }
}

/// A name outside ASCII as some releases read it from the stream.
fn mangled(name: &str) -> String {
    let character = |byte: u8| match byte {
        0..=127 => char::from(byte),
        _ => char::from_u32(0xff00 | u32::from(byte)).expect("it is a character"),
    };
    name.bytes().map(character).collect()
}
