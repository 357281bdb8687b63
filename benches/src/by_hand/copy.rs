//! An order's change as a row of the history in the binary form of COPY, as somebody would write it
//! down who knows this one table.
//!
//! It writes the columns that the pipeline writes, and checks what it must: lengths of text, and that no
//! text holds a NUL, which the server would refuse with the whole batch.

use debezium_envelope::Timestamp;

use super::{Amount, Moment, Operation, OrderChange, Text};

/// What stands before the rows in the binary form of COPY: a signature, no flags, no extension.
pub const COPY_HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// Columns of a row: those of an order, and nine that say where it comes from.
const COLUMNS: i16 = 16;
/// Microseconds from 1970 to 2000, where PostgreSQL begins to count.
const EPOCH_MICROS: i64 = 946_684_800_000_000;
const NULL: [u8; 4] = (-1_i32).to_be_bytes();
/// Digits of a `numeric` to the base that PostgreSQL uses.
const BASE: u128 = 10_000;

impl OrderChange<'_> {
    /// Appends the row of the change; `None` when the table cannot hold it.
    pub fn put_history(&self, out: &mut Vec<u8>, partition: i32, offset: i64) -> Option<()> {
        let (row, code) = match self.op {
            Operation::Create => (self.after.as_ref()?, b"c"),
            Operation::Read => (self.after.as_ref()?, b"r"),
            Operation::Update => (self.after.as_ref()?, b"u"),
            Operation::Delete => (self.before.as_ref()?, b"d"),
        };
        out.extend_from_slice(&COLUMNS.to_be_bytes());
        put(out, &row.order_id.to_be_bytes())?;
        match row.customer_id {
            Some(customer) => put(out, &customer.to_be_bytes())?,
            None => out.extend_from_slice(&NULL),
        }
        put_text(out, row.product_name.as_ref(), 255)?;
        put_amount(out, row.amount)?;
        put_text(out, row.status.as_ref(), 50)?;
        put_moment(out, row.created_at)?;
        put_moment(out, row.updated_at)?;
        let captured = self.ts_ms.and_then(|millis| millis.checked_mul(1_000));
        put_moment(out, captured.map(|micros| Moment(Timestamp::Micros(micros))))?;
        put(out, code)?;
        put(out, &0_i32.to_be_bytes())?;
        put(out, &partition.to_be_bytes())?;
        put(out, &offset.to_be_bytes())?;
        put(out, &0_i32.to_be_bytes())?;
        for number in [self.source.lsn, self.source.tx_id] {
            match number {
                Some(number) => put(out, &number.to_be_bytes())?,
                None => out.extend_from_slice(&NULL),
            }
        }
        // Orders have no values that are long enough to be left out.
        out.extend_from_slice(&NULL);
        Some(())
    }
}

fn put(out: &mut Vec<u8>, field: &[u8]) -> Option<()> {
    out.extend_from_slice(&u32::try_from(field.len()).ok()?.to_be_bytes());
    out.extend_from_slice(field);
    Some(())
}

fn put_text(out: &mut Vec<u8>, text: Option<&Text<'_>>, chars_max: usize) -> Option<()> {
    match text {
        None => {
            out.extend_from_slice(&NULL);
            Some(())
        }
        Some(Text::Unavailable) => None,
        Some(Text::Is(text)) => {
            let is_short = text.len() <= chars_max || text.chars().count() <= chars_max;
            (is_short && !text.as_bytes().contains(&0)).then_some(())?;
            put(out, text.as_bytes())
        }
    }
}

fn put_moment(out: &mut Vec<u8>, moment: Option<Moment>) -> Option<()> {
    let micros = match moment {
        None => {
            out.extend_from_slice(&NULL);
            return Some(());
        }
        Some(Moment(Timestamp::Micros(micros))) => micros.checked_sub(EPOCH_MICROS)?,
        Some(Moment(Timestamp::Infinity)) => i64::MAX,
        Some(Moment(Timestamp::NegInfinity)) => i64::MIN,
        Some(Moment(
            Timestamp::Millis(_) | Timestamp::Nanos(_) | Timestamp::MicrosSince2000(_),
        )) => return None,
    };
    put(out, &micros.to_be_bytes())
}

/// A `numeric(10,2)`: how many digits, the first one's weight, sign, digits after the point, digits.
fn put_amount(out: &mut Vec<u8>, amount: Option<Amount>) -> Option<()> {
    let Some(Amount(cents)) = amount else {
        out.extend_from_slice(&NULL);
        return Some(());
    };
    let magnitude = cents.unsigned_abs();
    (magnitude < 10_u128.pow(10)).then_some(())?;
    // Two zeros make whole digits of the cents.
    let mut rest = magnitude.checked_mul(100)?;
    let mut digits = [0_u16; 4];
    for digit in digits.iter_mut().rev() {
        *digit = u16::try_from(rest % BASE).ok()?;
        rest /= BASE;
    }
    let first = digits.iter().position(|digit| *digit != 0).unwrap_or(digits.len());
    let last = digits.iter().rposition(|digit| *digit != 0).map_or(first, |last| last + 1);
    let kept = digits.get(first..last)?;
    let weight = if kept.is_empty() { 0 } else { 2_i16.checked_sub(i16::try_from(first).ok()?)? };
    let sign = if cents < 0 { 0x4000_u16 } else { 0 };
    let length = kept.len().checked_mul(2)?.checked_add(8)?;
    out.extend_from_slice(&u32::try_from(length).ok()?.to_be_bytes());
    out.extend_from_slice(&u16::try_from(kept.len()).ok()?.to_be_bytes());
    out.extend_from_slice(&weight.to_be_bytes());
    out.extend_from_slice(&sign.to_be_bytes());
    out.extend_from_slice(&2_u16.to_be_bytes());
    for digit in kept {
        out.extend_from_slice(&digit.to_be_bytes());
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_the_digits_that_the_server_reads() {
        let cases: [(i128, &[i16]); 5] = [
            (0, &[0, 0, 0, 2]),
            (-5, &[1, -1, 0x4000, 2, 500]),
            (12_345, &[2, 0, 0, 2, 123, 4_500]),
            (1_000_000, &[1, 1, 0, 2, 1]),
            (9_999_999_999, &[3, 1, 0, 2, 9_999, 9_999, 9_900]),
        ];
        for (cents, words) in cases {
            let mut out = Vec::new();
            put_amount(&mut out, Some(Amount(cents))).unwrap();
            let found: Vec<i16> =
                out[4..].chunks(2).map(|word| i16::from_be_bytes([word[0], word[1]])).collect();
            assert_eq!(found, words, "{cents}");
        }
        assert_eq!(put_amount(&mut Vec::new(), Some(Amount(10_000_000_000))), None);
    }
}
