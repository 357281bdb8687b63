//! Spans of time: counts in which months and days are already merged, and exact ISO-8601 text.

use super::CellInput;
use super::iso::Fields;
use crate::error::CellError;
use crate::row::{Interval, IntervalForm, SemanticType, Value};
use crate::schema::ConnectSchema;

const TEXT: &str = "an ISO-8601 period such as P1Y2M3DT4H5M6.7S";
const COUNT: &str = "a 64-bit count of time units";
const RANGE: &str = "32-bit months, 32-bit days and 64-bit whole microseconds";

pub(super) fn from_connect(schema: &ConnectSchema) -> Option<SemanticType> {
    match (schema.name.as_deref()?, schema.kind.as_str()) {
        ("io.debezium.time.MicroDuration", "int64") => {
            Some(SemanticType::Interval(IntervalForm::Micros))
        }
        ("io.debezium.time.NanoDuration", "int64") => {
            Some(SemanticType::Interval(IntervalForm::Nanos))
        }
        ("io.debezium.time.Interval", "string") => Some(SemanticType::Interval(IntervalForm::Iso)),
        _ => None,
    }
}

pub(super) fn decode(form: IntervalForm, cell: &mut CellInput<'_, '_>) -> Result<(), CellError> {
    let span = |micros| Interval { months: 0, days: 0, micros };
    let interval = match form {
        IntervalForm::Micros => span(cell.integer(COUNT)?),
        IntervalForm::Nanos => {
            let nanos = cell.integer(COUNT)?;
            if nanos % 1_000 != 0 {
                return Err(CellError::OutOfRange { expected: RANGE });
            }
            span(nanos / 1_000)
        }
        IntervalForm::Iso => {
            let token = cell.string(TEXT)?;
            let text = cell.reader.characters_in(&token, &mut cell.scratch.text);
            let parts = Parts::parse(text).ok_or(CellError::InvalidText { expected: TEXT })?;
            parts.interval().ok_or(CellError::OutOfRange { expected: RANGE })?
        }
    };
    cell.set(Value::Interval(interval))?;
    Ok(())
}

/// The parts of a span, each with its own sign.
#[derive(Debug, Default)]
pub(super) struct Parts {
    pub(super) years: i64,
    pub(super) months: i64,
    pub(super) days: i64,
    pub(super) hours: i64,
    pub(super) minutes: i64,
    pub(super) seconds: i64,
    /// Nanoseconds with the sign of the seconds.
    pub(super) nanos: i64,
}

impl Parts {
    /// `P`, some of years, months and days, then `T` and some of hours, minutes and seconds, in this
    /// order.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = Self::default();
        let mut fields = Fields::new(text);
        fields.eat(b'P')?;
        let mut in_time = false;
        let mut rank = 0_u8;
        while fields.end().is_none() {
            if !in_time && fields.eat(b'T').is_some() {
                in_time = true;
            }
            let negative = fields.eat(b'-').is_some();
            let (number, _) = fields.digits(1, 18)?;
            let nanos = fields.fraction()?;
            let signed = |number: i64| if negative { number.checked_neg() } else { Some(number) };
            let (own_rank, place, unit) = match in_time {
                false if fields.eat(b'Y').is_some() => (1, &mut parts.years, b'Y'),
                false if fields.eat(b'M').is_some() => (2, &mut parts.months, b'M'),
                false if fields.eat(b'D').is_some() => (3, &mut parts.days, b'D'),
                true if fields.eat(b'H').is_some() => (4, &mut parts.hours, b'H'),
                true if fields.eat(b'M').is_some() => (5, &mut parts.minutes, b'M'),
                true if fields.eat(b'S').is_some() => (6, &mut parts.seconds, b'S'),
                false | true => return None,
            };
            if own_rank <= rank || (nanos != 0 && unit != b'S') {
                return None;
            }
            rank = own_rank;
            *place = signed(number)?;
            parts.nanos = signed(nanos)?;
        }
        (rank > 0 && (!in_time || rank > 3)).then_some(parts)
    }

    /// The span, when each part fits and no digit is below a microsecond.
    pub(super) fn interval(&self) -> Option<Interval> {
        if self.nanos % 1_000 != 0 {
            return None;
        }
        let months = self.years.checked_mul(12)?.checked_add(self.months)?;
        let minutes = self.hours.checked_mul(60)?.checked_add(self.minutes)?;
        let seconds = minutes.checked_mul(60)?.checked_add(self.seconds)?;
        let micros = seconds.checked_mul(1_000_000)?.checked_add(self.nanos / 1_000)?;
        let (months, days) = (months.try_into().ok()?, self.days.try_into().ok()?);
        Some(Interval { months, days, micros })
    }
}
