//! Lines of text from binary rows, for what no server here has types for and for rows that are wrong.

use std::sync::Arc;

use cdc_core::{Column, Geometry, RowBuffer, RowShape, SemanticType, Value};

use super::super::CopyBuffer;
use super::*;

fn lines(encoders: &[ColumnEncoder], buffer: &CopyBuffer) -> Result<String, Malformed> {
    let mut out = Vec::new();
    TextRows::new(encoders.into()).push(buffer.bytes(), &mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

fn line(encoder: ColumnEncoder, value: Value<'_>) -> String {
    let mut buffer = CopyBuffer::new();
    buffer.begin_row(1);
    buffer.put(encoder, value).unwrap();
    lines(&[encoder], &buffer).unwrap()
}

fn refusal(encoder: CellEncoder, value: Value<'_>) -> &'static str {
    let mut buffer = CopyBuffer::new();
    buffer.begin_row(1);
    let before = buffer.len();
    let error = buffer.put(ColumnEncoder::TextOne(encoder), value).unwrap_err();
    assert_eq!(buffer.len(), before, "nothing is left of a refused value");
    error.reason
}

/// Columns whose cells are lists, which are built in a buffer.
fn cells(buffer: &RowBuffer, read: impl FnOnce(cdc_core::Row<'_>)) {
    let columns = (0..buffer.len()).map(|_| Column::new("c", SemanticType::SelfEvident)).collect();
    read(buffer.row(&Arc::new(RowShape::new(columns)), ""));
}

#[test]
fn what_would_end_a_field_is_escaped_and_null_is_no_text() {
    let encoders = [ColumnEncoder::TextOne(CellEncoder::Text { chars_max: None }); 2];
    let mut buffer = CopyBuffer::new();
    for (first, second) in [("\\N", "a\tb\r\nc"), ("\\.", "")] {
        buffer.begin_row(2);
        buffer.put(encoders[0], Value::Text(first)).unwrap();
        buffer.put(encoders[1], Value::Text(second)).unwrap();
    }
    buffer.begin_row(2);
    buffer.put_null();
    buffer.put_null();
    let expected = "\\\\N\ta\\tb\\r\\nc\n\\\\.\t\n\\N\t\\N\n";
    assert_eq!(lines(&encoders, &buffer).unwrap(), expected);
}

#[test]
fn vectors_have_the_text_that_their_extension_reads() {
    let mut buffer = RowBuffer::new();
    for items in [
        [Value::Float64(0.1), Value::Float64(-2.0)],
        [Value::Float32(0.000_060_975_55), Value::Float32(65_504.0)],
        [Value::Float32(0.000_000_059_604_645), Value::Float32(-0.0)],
    ] {
        let list = buffer.open_list();
        for item in items {
            buffer.push(item);
        }
        buffer.close_array(list);
    }
    cells(&buffer, |row| {
        let one = ColumnEncoder::TextOne;
        assert_eq!(line(one(CellEncoder::Vector), row.get(0)), "[1e-1,-2e0]\n");
        assert_eq!(line(one(CellEncoder::HalfVector), row.get(1)), "[6.097555e-5,6.5504e4]\n");
        assert_eq!(line(one(CellEncoder::HalfVector), row.get(2)), "[5.9604645e-8,-0e0]\n");
    });
}

#[test]
fn arrays_have_the_delimiter_of_their_type() {
    let mut buffer = RowBuffer::new();
    let outer = buffer.open_list();
    for number in [1, 2] {
        let list = buffer.open_list();
        buffer.push(Value::Int32(number));
        buffer.push(Value::Null);
        buffer.close_array(list);
    }
    buffer.close_array(outer);
    let list = buffer.open_list();
    buffer.close_array(list);
    cells(&buffer, |row| {
        let many = ColumnEncoder::TextArray { element: CellEncoder::Int4, delimiter: b';' };
        assert_eq!(line(many, row.get(0)), "{{\"1\";NULL};{\"2\";NULL}}\n");
        assert_eq!(line(many, row.get(1)), "{}\n");
    });
}

#[test]
fn shapes_of_postgis_are_hexadecimal_well_known_binary() {
    let wkb = [1, 7, 0, 0, 0, 0, 0, 0, 0];
    let value = Value::Geometry(Geometry::new(&wkb, None));
    let encoder = ColumnEncoder::TextOne(CellEncoder::Wkb);
    assert_eq!(line(encoder, value), "010700000000000000\n");
}

#[test]
fn text_is_checked_as_strictly_as_in_binary_form() {
    let long = "n".repeat(64);
    assert_eq!(refusal(CellEncoder::Name, Value::Text(&long)), "too_long");
    assert_eq!(refusal(CellEncoder::Inet, Value::Text("10.0.0")), "invalid_form");
    assert_eq!(refusal(CellEncoder::Macaddr, Value::Text("08002b010203")), "invalid_form");
    assert_eq!(refusal(CellEncoder::TextForm, Value::Bytes(&[0xff])), "invalid_form");
    assert_eq!(refusal(CellEncoder::TextForm, Value::Bytes(&[0])), "nul_character");
    assert_eq!(refusal(CellEncoder::TextForm, Value::Text("x")), "wrong_type");
    assert_eq!(refusal(CellEncoder::TextForm, Value::Unavailable), "unavailable");
}

#[test]
fn rows_of_another_form_than_the_plans_are_an_error() {
    let mut buffer = CopyBuffer::new();
    buffer.begin_row(1);
    buffer.put_i32(1);
    assert_eq!(lines(&[CellEncoder::Int8.into()], &buffer), Err(Malformed));
    assert_eq!(lines(&[], &buffer), Err(Malformed));
    assert_eq!(lines(&[CellEncoder::Int4.into()], &buffer).unwrap(), "1\n");
}
