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
    assert_eq!(refused(CellEncoder::Wkb, Value::Geometry(native)), "invalid_form");
}
