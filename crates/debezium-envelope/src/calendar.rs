//! The proleptic Gregorian calendar, for years far beyond those that date libraries hold.

/// Days since 1970-01-01 of a day in the proleptic Gregorian calendar; `None` when it does not
/// exist. Counts from March, so that the leap day ends its year.
pub(crate) fn days_from_civil(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => {
            if leap {
                29
            } else {
                28
            }
        }
        _ => return None,
    };
    if day < 1 || day > length {
        return None;
    }
    let shifted_year = if month <= 2 { year.checked_sub(1)? } else { year };
    let shifted_month = if month <= 2 { month.checked_add(9)? } else { month.checked_sub(3)? };
    let era = shifted_year.div_euclid(400);
    let year_of_era = shifted_year.rem_euclid(400);
    let day_of_year =
        (shifted_month.checked_mul(153)?.checked_add(2)? / 5).checked_add(day)?.checked_sub(1)?;
    let leap_days = (year_of_era / 4).checked_sub(year_of_era / 100)?;
    let day_of_era =
        year_of_era.checked_mul(365)?.checked_add(leap_days)?.checked_add(day_of_year)?;
    era.checked_mul(146_097)?.checked_add(day_of_era)?.checked_sub(719_468)
}

/// Year, month and day of a count of days since 1970-01-01; the reverse of [`days_from_civil`].
pub(crate) fn civil_from_days(days: i64) -> Option<(i64, i64, i64)> {
    let shifted = days.checked_add(719_468)?;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let without_leap_days = day_of_era
        .checked_sub(day_of_era / 1_460)?
        .checked_add(day_of_era / 36_524)?
        .checked_sub(day_of_era / 146_096)?;
    let year_of_era = without_leap_days / 365;
    let leap_days = (year_of_era / 4).checked_sub(year_of_era / 100)?;
    let days_before = year_of_era.checked_mul(365)?.checked_add(leap_days)?;
    let day_of_year = day_of_era.checked_sub(days_before)?;
    let shifted_month = day_of_year.checked_mul(5)?.checked_add(2)? / 153;
    let days_before_month = shifted_month.checked_mul(153)?.checked_add(2)? / 5;
    let day = day_of_year.checked_sub(days_before_month)?.checked_add(1)?;
    let late = shifted_month < 10;
    let month = if late { shifted_month.checked_add(3)? } else { shifted_month.checked_sub(9)? };
    let year = era.checked_mul(400)?.checked_add(year_of_era)?;
    Some((if month <= 2 { year.checked_add(1)? } else { year }, month, day))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{civil_from_days, days_from_civil};

    #[test]
    fn known_days_have_their_numbers() {
        for (year, month, day, number) in [
            (1970, 1, 1, 0),
            (2000, 1, 1, 10_957),
            (1, 1, 1, -719_162),
            (-4712, 1, 1, -2_440_550),
            (9999, 12, 31, 2_932_896),
            (1582, 10, 14, -141_428),
            (2024, 2, 29, 19_782),
        ] {
            assert_eq!(days_from_civil(year, month, day), Some(number));
            assert_eq!(civil_from_days(number), Some((year, month, day)));
        }
    }

    #[test]
    fn days_that_do_not_exist_have_no_number() {
        for (year, month, day) in
            [(2023, 2, 29), (1900, 2, 29), (2024, 4, 31), (2024, 13, 1), (1, 1, 0)]
        {
            assert_eq!(days_from_civil(year, month, day), None);
        }
        assert!(days_from_civil(2000, 2, 29).is_some());
    }

    proptest! {
        #[test]
        fn every_day_survives_the_round_trip(days in -3_000_000_000_i64..3_000_000_000) {
            let (year, month, day) = civil_from_days(days).unwrap();
            prop_assert_eq!(days_from_civil(year, month, day), Some(days));
        }
    }
}
