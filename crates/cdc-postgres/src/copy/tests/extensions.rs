//! The bytes that `pgvector` and `PostGIS` read, for which no server stands here.

use std::sync::Arc;

use cdc_core::{Column, Geometry, NativeShape, Row, RowBuffer, RowShape, SemanticType, Value};

use super::{field, refused};
use crate::pair::CellEncoder;

/// Reads lists back from the buffer that they were built in.
fn cells(buffer: &RowBuffer, read: impl FnOnce(Row<'_>)) {
    let columns = (0..buffer.len()).map(|_| Column::new("c", SemanticType::SelfEvident)).collect();
    read(buffer.row(&Arc::new(RowShape::new(columns)), ""));
}

fn dense(buffer: &mut RowBuffer, items: &[Value<'_>]) {
    let list = buffer.open_list();
    for item in items {
        buffer.push(*item);
    }
    buffer.close_array(list);
}

#[test]
fn a_vector_has_its_dimensions_a_zero_word_and_narrow_floats() {
    let mut buffer = RowBuffer::new();
    dense(&mut buffer, &[Value::Float64(0.1), Value::Float64(-2.0)]);
    dense(&mut buffer, &[Value::Float32(1.0), Value::Float32(-65_504.0)]);
    dense(&mut buffer, &[Value::Float64(0.1 + f64::EPSILON)]);
    dense(&mut buffer, &[Value::Float64(f64::NAN)]);
    dense(&mut buffer, &[Value::Float32(0.1)]);
    dense(&mut buffer, &[]);
    cells(&buffer, |row| {
        let expected = [0, 2, 0, 0, 0x3d, 0xcc, 0xcc, 0xcd, 0xc0, 0, 0, 0];
        assert_eq!(field(CellEncoder::Vector, row.get(0)), expected);
        assert_eq!(field(CellEncoder::HalfVector, row.get(1)), [0, 2, 0, 0, 0x3c, 0, 0xfb, 0xff]);
        assert_eq!(refused(CellEncoder::Vector, row.get(2)), "not_exact");
        assert_eq!(refused(CellEncoder::Vector, row.get(3)), "not_exact");
        assert_eq!(refused(CellEncoder::HalfVector, row.get(4)), "not_exact");
        assert_eq!(refused(CellEncoder::Vector, row.get(5)), "out_of_range");
        assert_eq!(refused(CellEncoder::Vector, row.get(1)), "wrong_type");
    });
}

#[test]
fn a_sparse_vector_has_its_indices_in_order_and_counts_them_from_zero() {
    let mut buffer = RowBuffer::new();
    for (entries, dimensions) in [
        (&[(5_i32, 2.0), (2, 0.5), (3, 0.0)][..], 5),
        (&[(6, 1.0)], 5),
        (&[(0, 1.0)], 5),
        (&[(1, 1.0), (1, 2.0)], 5),
    ] {
        let list = buffer.open_list();
        for (index, element) in entries {
            buffer.push(Value::Int32(*index));
            buffer.push(Value::Float64(*element));
        }
        buffer.close_sparse_vector(list, dimensions);
    }
    cells(&buffer, |row| {
        let words: [u32; 7] = [5, 2, 0, 1, 4, 0.5_f32.to_bits(), 2.0_f32.to_bits()];
        let expected: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        assert_eq!(field(CellEncoder::SparseVector, row.get(0)), expected);
        for at in 1..4 {
            assert_eq!(refused(CellEncoder::SparseVector, row.get(at)), "out_of_range", "{at}");
        }
    });
}

/// As PostgreSQL shows a `real`, so that a text of a server with the extension is the same.
#[test]
fn a_sparse_vector_has_the_text_of_its_type() {
    let mut buffer = RowBuffer::new();
    for (elements, dimensions) in [
        (&[(3, -2.0), (1, 1.5), (2, 0.0)][..], 5),
        (&[], 1),
        (
            &[(1, 0.1), (2, 0.0001), (3, 0.000_012), (4, 123_456.0), (5, 1e6), (6, 3.402_823_5e38)],
            6,
        ),
        (&[(1, 1e-45), (1_000_000_000, 16_777_216.0)], 1_000_000_000),
    ] {
        let list = buffer.open_list();
        for (index, element) in elements {
            buffer.push(Value::Int32(*index));
            buffer.push(Value::Float64(*element));
        }
        buffer.close_sparse_vector(list, dimensions);
    }
    cells(&buffer, |row| {
        let text = |at| field(CellEncoder::Text { chars_max: None }, row.get(at));
        assert_eq!(text(0), b"{1:1.5,3:-2}/5");
        assert_eq!(text(1), b"{}/1");
        assert_eq!(text(2), b"{1:0.1,2:0.0001,3:1.2e-05,4:123456,5:1e+06,6:3.4028235e+38}/6");
        assert_eq!(text(3), b"{1:1e-45,1000000000:1.6777216e+07}/1000000000");
        let narrow = CellEncoder::Text { chars_max: Some(13) };
        assert_eq!(refused(narrow, row.get(0)), "too_long");
    });
}

#[test]
fn well_known_binary_gets_the_reference_system_that_stands_beside_it() {
    let little = [1, 1, 0, 0, 0, 9, 9];
    let with_4326 = [1, 1, 0, 0, 0x20, 0xe6, 0x10, 0, 0, 9, 9];
    let big = [0, 0, 0, 0, 1, 9];
    let shape = |wkb, srid| Value::Geometry(Geometry::new(wkb, srid));
    assert_eq!(field(CellEncoder::Wkb, shape(&little, None)), little);
    assert_eq!(field(CellEncoder::Wkb, shape(&little, Some(0))), little);
    assert_eq!(field(CellEncoder::Wkb, shape(&little, Some(4326))), with_4326);
    assert_eq!(field(CellEncoder::Wkb, shape(&with_4326, Some(4326))), with_4326);
    assert_eq!(field(CellEncoder::Wkb, shape(&with_4326, None)), with_4326);
    let expected = [0, 0x20, 0, 0, 1, 0, 0, 0x10, 0xe6, 9];
    assert_eq!(field(CellEncoder::Wkb, shape(&big, Some(4326))), expected);
    assert_eq!(refused(CellEncoder::Wkb, shape(&with_4326, Some(3857))), "invalid_form");
    assert_eq!(refused(CellEncoder::Wkb, shape(&little[..4], None)), "invalid_form");
    let native = Geometry::new(&little, None).with_native(Some(NativeShape::Box));
    for encoder in [CellEncoder::Wkb, CellEncoder::WkbBytes] {
        assert_eq!(refused(encoder, Value::Geometry(native)), "invalid_form");
        assert_eq!(field(encoder, shape(&little, Some(4326))), with_4326);
    }
}
