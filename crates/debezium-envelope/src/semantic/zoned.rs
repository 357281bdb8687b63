//! Instants as ISO-8601 text with an offset, turned into a count since 1970 in UTC.

use super::CellInput;
use super::text::PLACEHOLDER;
use crate::calendar::days_from_civil;
use crate::error::CellError;
use crate::row::{SemanticType, Timestamp, Value};
use crate::schema::ConnectSchema;

const EXPECTED: &str = "an ISO-8601 date and time with offset, infinity or -infinity";

pub(super) fn from_connect(schema: &ConnectSchema) -> Option<SemanticType> {
    (schema.name.as_deref() == Some("io.debezium.time.ZonedTimestamp") && schema.kind == "string")
        .then_some(SemanticType::ZonedTimestamp)
}

pub(super) fn decode(cell: &mut CellInput<'_, '_>) -> Result<(), CellError> {
    let token = cell.string(EXPECTED)?;
    let value = match cell.reader.characters_in(&token, &mut cell.scratch.text) {
        "infinity" => Value::Instant(Timestamp::Infinity),
        "-infinity" => Value::Instant(Timestamp::NegInfinity),
        PLACEHOLDER => Value::Unavailable,
        text => {
            let instant = parse(text).ok_or(CellError::InvalidText { expected: EXPECTED })?;
            Value::Instant(instant)
        }
    };
    cell.set(value);
    Ok(())
}

/// A cursor over the fixed-width fields of the text.
struct Fields<'t>(&'t [u8]);

impl Fields<'_> {
    fn eat(&mut self, byte: u8) -> Option<()> {
        let (first, rest) = self.0.split_first()?;
        (*first == byte).then(|| self.0 = rest)
    }

    /// A run of decimal digits between `least` and `most` long, and its length.
    fn digits(&mut self, least: usize, most: usize) -> Option<(i64, usize)> {
        let count = self.0.iter().take(most).take_while(|byte| byte.is_ascii_digit()).count();
        let (run, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        let number = run.iter().try_fold(0_i64, |number, digit| {
            number.checked_mul(10)?.checked_add(digit.wrapping_sub(b'0').into())
        })?;
        (count >= least).then_some((number, count))
    }

    fn two(&mut self, most: i64) -> Option<i64> {
        let (number, _) = self.digits(2, 2)?;
        (number <= most).then_some(number)
    }
}

/// Years are astronomical (0 is 1 BC), at least four digits, and signed when they are longer or
/// negative. The result is in microseconds when that is exact, else in nanoseconds.
fn parse(text: &str) -> Option<Timestamp> {
    let mut fields = Fields(text.as_bytes());
    let negative = fields.eat(b'-').is_some();
    let signed = negative || fields.eat(b'+').is_some();
    let (year, _) = fields.digits(4, if signed { 9 } else { 4 })?;
    let year = if negative { year.checked_neg()? } else { year };
    fields.eat(b'-')?;
    let month = fields.two(12)?;
    fields.eat(b'-')?;
    let day = fields.two(31)?;
    fields.eat(b'T')?;
    let hour = fields.two(24)?;
    fields.eat(b':')?;
    let minute = fields.two(59)?;
    let second = if fields.eat(b':').is_some() { fields.two(59)? } else { 0 };
    let nanos = fraction(&mut fields)?;
    let offset = offset_seconds(&mut fields)?;
    if !fields.0.is_empty() || (hour == 24 && (minute, second, nanos) != (0, 0, 0)) {
        return None;
    }
    let of_day = hour.checked_mul(3_600)?.checked_add(minute.checked_mul(60)?)?;
    let seconds = days_from_civil(year, month, day)?
        .checked_mul(86_400)?
        .checked_add(of_day.checked_add(second)?)?
        .checked_sub(offset)?;
    if nanos % 1_000 == 0 {
        Some(Timestamp::Micros(seconds.checked_mul(1_000_000)?.checked_add(nanos / 1_000)?))
    } else {
        Some(Timestamp::Nanos(seconds.checked_mul(1_000_000_000)?.checked_add(nanos)?))
    }
}

/// Nanoseconds of an optional fraction of one to nine digits.
fn fraction(fields: &mut Fields<'_>) -> Option<i64> {
    if fields.eat(b'.').is_none() {
        return Some(0);
    }
    let (number, digits) = fields.digits(1, 9)?;
    let missing = u32::try_from(9_usize.checked_sub(digits)?).ok()?;
    number.checked_mul(10_i64.checked_pow(missing)?)
}

fn offset_seconds(fields: &mut Fields<'_>) -> Option<i64> {
    if fields.eat(b'Z').is_some() {
        return Some(0);
    }
    let negative = fields.eat(b'-').is_some();
    if !negative {
        fields.eat(b'+')?;
    }
    let hours = fields.two(18)?;
    fields.eat(b':')?;
    let minutes = fields.two(59)?;
    let seconds = if fields.eat(b':').is_some() { fields.two(59)? } else { 0 };
    let total = hours.checked_mul(3_600)?.checked_add(minutes.checked_mul(60)?)?;
    let total = total.checked_add(seconds)?;
    if negative { total.checked_neg() } else { Some(total) }
}
