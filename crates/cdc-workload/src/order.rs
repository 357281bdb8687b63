//! One row of the table `orders`, and its money and time in the text that PostgreSQL reads.

use std::fmt;

/// A row of `orders`; the fields are its columns, in the table's order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Order {
    /// `order_id serial primary key`.
    pub order_id: i32,
    /// `customer_id int not null`.
    pub customer_id: i32,
    /// `product_name varchar(255)`, in characters.
    pub product_name: Option<String>,
    /// `amount decimal(10,2)`.
    pub amount: Option<Cents>,
    /// `status varchar(50)`, in characters.
    pub status: Option<String>,
    /// `created_at timestamp`, microseconds since 1970-01-01 without time zone.
    pub created_at_micros: Option<i64>,
    /// `updated_at timestamp`, microseconds since 1970-01-01 without time zone.
    pub updated_at_micros: Option<i64>,
}

/// An amount of money: the unscaled integer of a `decimal(10,2)`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cents(pub i64);

impl Cents {
    /// The largest amount of a `decimal(10,2)`: 99999999.99. The smallest is its negative.
    pub const MAX: Self = Self(9_999_999_999);
}

impl fmt::Display for Cents {
    /// Exactly two decimals, as the column shows it: `-0.05`, `123.40`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let magnitude = self.0.unsigned_abs();
        write!(formatter, "{sign}{}.{:02}", magnitude / 100, magnitude % 100)
    }
}

/// Shows microseconds since 1970-01-01 as PostgreSQL's `timestamp` reads them, with six decimals.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TimestampText(pub(crate) i64);

const MICROS_PER_DAY: i64 = 86_400_000_000;

impl fmt::Display for TimestampText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil_date(self.0.div_euclid(MICROS_PER_DAY));
        let micros = self.0.rem_euclid(MICROS_PER_DAY);
        let seconds = micros / 1_000_000;
        // The year before 1 is 1 BC: PostgreSQL has no year 0.
        let (year, era) = if year > 0 { (year, "") } else { (1 - year, " BC") };
        write!(
            formatter,
            "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}.{:06}{era}",
            seconds / 3600,
            seconds / 60 % 60,
            seconds % 60,
            micros % 1_000_000
        )
    }
}

/// Year, month and day of a day number in the proleptic Gregorian calendar, 0 being 1970-01-01.
///
/// Years are counted from March, so that the leap day is the last day of a year and the lengths of
/// the months before it follow a line (153 days in every five months).
fn civil_date(day: i64) -> (i64, i64, i64) {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day_of_month)
}

#[cfg(test)]
mod tests {
    use super::{Cents, TimestampText};

    #[test]
    fn money_has_its_sign_and_two_decimals() {
        let shown: Vec<String> =
            [0, 5, -5, -100, 12_340, Cents::MAX.0].map(|cents| Cents(cents).to_string()).into();
        assert_eq!(shown, ["0.00", "0.05", "-0.05", "-1.00", "123.40", "99999999.99"]);
    }

    #[test]
    fn time_has_the_calendar_of_postgresql() {
        for (micros, text) in [
            (0, "1970-01-01 00:00:00.000000"),
            (-1, "1969-12-31 23:59:59.999999"),
            (1_709_251_199_999_999, "2024-02-29 23:59:59.999999"),
            (-62_135_596_800_000_000, "0001-01-01 00:00:00.000000"),
            (-210_863_520_000_000_000, "4713-01-01 00:00:00.000000 BC"),
            (-12_219_336_000_000_000, "1582-10-14 12:00:00.000000"),
            (253_402_300_799_999_999, "9999-12-31 23:59:59.999999"),
        ] {
            assert_eq!(TimestampText(micros).to_string(), text);
        }
    }
}
