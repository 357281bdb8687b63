//! The vectors of the extension `pgvector`.
//!
//! Elements are narrower in the database than on the way: the producer reads the shortest decimal text
//! of a 32-bit float as a 64-bit one. Going back is exact when the narrow float has that very text.

use std::fmt::Write as _;

use cdc_core::Value;

use super::cell;
use super::error::{ValueError, not_exact, out_of_range, wrong_type};

/// Most dimensions of a vector.
const DIMENSIONS_MAX: usize = 16_000;

/// Most elements of a sparse vector that are not zero.
const SPARSE_MAX: usize = 16_000;

/// Appends a `vector`: dimensions, a word that is zero, 32-bit floats.
pub(super) fn put(out: &mut Vec<u8>, value: Value<'_>) -> Result<(), ValueError> {
    put_dense(out, value, 4, |out, element| {
        let Value::Float64(wide) = element else {
            return Err(wrong_type("a 64-bit float as an element", element));
        };
        out.extend_from_slice(&narrow(wide)?.to_be_bytes());
        Ok(())
    })
}

/// Appends a `real` from an element of a vector: a 64-bit float that was a 32-bit one, or one of 32
/// bits that was one of 16.
pub(super) fn put_narrowed(out: &mut Vec<u8>, value: Value<'_>) -> Result<(), ValueError> {
    let element = if let Value::Float64(wide) = value {
        narrow(wide)?
    } else if let Value::Float32(element) = value {
        element
    } else {
        return Err(wrong_type("a float as an element", value));
    };
    cell::put_fixed(out, element.to_be_bytes());
    Ok(())
}

/// Appends a `halfvec`: the same with 16-bit floats.
pub(super) fn put_half(out: &mut Vec<u8>, value: Value<'_>) -> Result<(), ValueError> {
    put_dense(out, value, 2, |out, element| {
        let Value::Float32(wide) = element else {
            return Err(wrong_type("a 32-bit float as an element", element));
        };
        let half = half(wide).ok_or_else(|| not_exact("expected 16-bit floats as elements"))?;
        out.extend_from_slice(&half.to_be_bytes());
        Ok(())
    })
}

fn put_dense(
    out: &mut Vec<u8>,
    value: Value<'_>,
    element_bytes: usize,
    mut put_element: impl FnMut(&mut Vec<u8>, Value<'_>) -> Result<(), ValueError>,
) -> Result<(), ValueError> {
    let Value::Array(vector) = value else { return Err(wrong_type("a vector", value)) };
    let dimensions = u16::try_from(vector.len()).ok();
    let dimensions = dimensions.filter(|_| (1..=DIMENSIONS_MAX).contains(&vector.len()));
    let dimensions = dimensions
        .ok_or_else(|| out_of_range(format!("expected 1 to {DIMENSIONS_MAX} dimensions")))?;
    cell::put_length(out, vector.len().saturating_mul(element_bytes).saturating_add(4))?;
    out.extend_from_slice(&dimensions.to_be_bytes());
    out.extend_from_slice(&[0, 0]);
    for element in vector.iter() {
        put_element(out, element)?;
    }
    Ok(())
}

/// Appends a `sparsevec`: dimensions, how many elements, a word that is zero, then all indices from 0
/// on and in order, then all elements. Elements that are zero are not written.
pub(super) fn put_sparse(out: &mut Vec<u8>, value: Value<'_>) -> Result<(), ValueError> {
    let (dimensions, elements) = sparse(value)?;
    let count = u32::try_from(elements.len()).unwrap_or(u32::MAX);
    cell::put_length(out, elements.len().saturating_mul(8).saturating_add(12))?;
    for word in [dimensions, count, 0] {
        out.extend_from_slice(&word.to_be_bytes());
    }
    for (index, _) in &elements {
        out.extend_from_slice(&index.to_be_bytes());
    }
    for (_, element) in &elements {
        out.extend_from_slice(&element.to_be_bytes());
    }
    Ok(())
}

/// A sparse vector in the text form of its type, such as `{1:1.5,3:-2}/5`.
pub(super) fn sparse_text(value: Value<'_>) -> Result<String, ValueError> {
    let (dimensions, elements) = sparse(value)?;
    let mut text = String::from("{");
    for (index, element) in elements {
        if text.len() > 1 {
            text.push(',');
        }
        write!(text, "{}:", index.saturating_add(1)).expect("writing to a String cannot fail");
        push_float(element, &mut text);
    }
    write!(text, "}}/{dimensions}").expect("writing to a String cannot fail");
    Ok(text)
}

/// The shortest digits of a float in PostgreSQL's way to write them: with an exponent of two digits for
/// the very small and for what has more than six digits before the point.
fn push_float(number: f32, text: &mut String) {
    let shortest = format!("{number:e}");
    let (digits, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    match exponent.parse::<i32>() {
        Ok(exponent) if !(-4..6).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            write!(text, "{digits}e{sign}{:02}", exponent.unsigned_abs())
        }
        Ok(_) | Err(_) => write!(text, "{number}"),
    }
    .expect("writing to a String cannot fail");
}

/// The dimensions of a sparse vector and its elements that are not zero, by their index from 0 on.
fn sparse(value: Value<'_>) -> Result<(u32, Vec<(u32, f32)>), ValueError> {
    let Value::SparseVector(vector) = value else {
        return Err(wrong_type("a sparse vector", value));
    };
    let mut elements = Vec::new();
    for (index, wide) in vector.iter() {
        let index = index.checked_sub(1).filter(|index| *index < vector.dimensions());
        let index = index.ok_or_else(|| out_of_range("expected indices within the dimensions"))?;
        let element = narrow(wide)?;
        if element != 0.0 {
            elements.push((index, element));
        }
    }
    elements.sort_by_key(|(index, _)| *index);
    let is_twice = |pair: &[(u32, f32)]| pair.first().map(|p| p.0) == pair.get(1).map(|p| p.0);
    if elements.len() > SPARSE_MAX || elements.windows(2).any(is_twice) {
        return Err(out_of_range(format!("expected at most {SPARSE_MAX} different indices")));
    }
    Ok((vector.dimensions(), elements))
}

/// The 32-bit float that a 64-bit one was before its text was read.
fn narrow(wide: f64) -> Result<f32, ValueError> {
    // The shortest text of the wide number is the text that the producer read, if that had at most
    // fifteen digits, as every 32-bit float has.
    let narrow = wide.to_string().parse::<f32>().ok().filter(|narrow| narrow.is_finite());
    let is_same = |narrow: &f32| {
        f64::from(*narrow).total_cmp(&wide).is_eq()
            || narrow.to_string().parse::<f64>().is_ok_and(|back| back.total_cmp(&wide).is_eq())
    };
    narrow.filter(is_same).ok_or_else(|| not_exact("expected finite 32-bit floats as elements"))
}

/// The float that 16 bits stand for.
pub(super) fn widened(half: u16) -> f32 {
    let sign = if half >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (half >> 10 & 0x1f, f32::from(half & 0x3ff) / 1_024.0);
    let (significand, power) =
        if exponent == 0 { (fraction, 1) } else { (1.0 + fraction, exponent) };
    sign * significand * 2.0_f32.powi(i32::from(power).saturating_sub(15))
}

/// The bits of a 16-bit float; `None` when it would be rounded, and for what is not finite.
fn half(wide: f32) -> Option<u16> {
    let bits = wide.to_bits();
    let sign = u16::try_from(bits >> 31).ok()? << 15;
    let exponent = i32::try_from(bits >> 23 & 0xff).ok()?.checked_sub(127)?;
    let fraction = bits & 0x007f_ffff;
    if wide == 0.0 {
        return Some(sign);
    }
    if (-14..=15).contains(&exponent) {
        let exponent = u16::try_from(exponent.checked_add(15)?).ok()? << 10;
        let kept = u16::try_from(fraction >> 13).ok()?;
        return (fraction.trailing_zeros() >= 13).then_some(sign | exponent | kept);
    }
    if !(-24..-14).contains(&exponent) {
        return None;
    }
    // A multiple of 2^-24: the significand, whose last bit stands for 2^(exponent - 23).
    let significand = fraction | 0x0080_0000;
    let shift = u32::try_from(exponent.checked_add(1)?.checked_neg()?).ok()?;
    let kept = significand.checked_shr(shift)?;
    (kept.checked_shl(shift) == Some(significand)).then_some(())?;
    Some(sign | u16::try_from(kept).ok()?)
}
