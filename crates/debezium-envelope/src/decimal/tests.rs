//! Decimals against `bigdecimal` and against the vectors of the format.

use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::BigInt;
use proptest::prelude::*;

use super::{Decimal, DecimalError};
use crate::limits::Limits;

fn parse(text: &str) -> Result<String, DecimalError> {
    Decimal::parse(text, &mut Vec::new(), &Limits::default()).map(|decimal| decimal.to_string())
}

fn agrees_with_bigdecimal(bytes: &[u8], scale: i32) {
    let ours = Decimal::from_connect_bytes(bytes, scale);
    let theirs = BigDecimal::from_bigint(BigInt::from_signed_bytes_be(bytes), scale.into());
    assert_eq!(ours.to_big().as_ref(), Some(&theirs), "{bytes:02x?} scale {scale}");
    // PostgreSQL writes zero with one digit before the point, whatever the scale.
    let is_zero = bytes.iter().all(|byte| *byte == 0);
    let text = if is_zero && scale < 0 { "0".to_owned() } else { theirs.to_plain_string() };
    assert_eq!(ours.to_string(), text, "{bytes:02x?} scale {scale}");
    let mut scratch = Vec::new();
    let parsed = Decimal::parse(&text, &mut scratch, &Limits::default());
    assert!(parsed.is_ok_and(|parsed| parsed.is_same_number(&ours)), "{text}");
}

#[test]
fn every_decimal_of_one_or_two_bytes_agrees_with_bigdecimal() {
    for scale in [-7, -5, -4, -2, -1, 0, 1, 2, 4, 5, 6] {
        for first in 0..=255_u8 {
            agrees_with_bigdecimal(&[first], scale);
            for second in 0..=255_u8 {
                agrees_with_bigdecimal(&[first, second], scale);
            }
        }
    }
}

/// Hexadecimal unscaled bytes, scale, expected text.
const VECTORS: &[(&str, i32, &str)] = &[
    ("00", 0, "0"),
    ("00", 2, "0.00"),
    ("00", 38, "0.00000000000000000000000000000000000000"),
    ("00", -3, "0"),
    ("01", 0, "1"),
    ("ff", 0, "-1"),
    ("01", 2, "0.01"),
    ("ff", 2, "-0.01"),
    ("fb", 1, "-0.5"),
    ("64", 2, "1.00"),
    ("6e", 2, "1.10"),
    ("7f", 0, "127"),
    ("0080", 0, "128"),
    ("80", 0, "-128"),
    ("ff7f", 0, "-129"),
    ("ff64", 2, "-1.56"),
    ("ff00", 0, "-256"),
    ("7fff", 0, "32767"),
    ("008000", 0, "32768"),
    ("00ffff", 4, "6.5535"),
    ("ff7fffff", 3, "-8388.609"),
    ("7fffffff", 0, "2147483647"),
    ("ff7fffffff", 0, "-2147483649"),
    ("01e23a", 2, "1234.50"),
    ("fe1dc6", 2, "-1234.50"),
    ("0363f8", 4, "22.2200"),
    ("7fffffffffffffff", 0, "9223372036854775807"),
    ("008000000000000000", 0, "9223372036854775808"),
    ("8000000000000000", 2, "-92233720368547758.08"),
    ("ff7fffffffffffffff", 0, "-9223372036854775809"),
    ("0de0b6b3a7640000", 18, "1.000000000000000000"),
    ("01", 38, "0.00000000000000000000000000000000000001"),
    ("4b3b4ca85a86c47a098a223fffffffff", 0, "99999999999999999999999999999999999999"),
    ("b4c4b357a5793b85f675ddc000000001", 38, "-0.99999999999999999999999999999999999999"),
    ("7fffffffffffffffffffffffffffffff", 0, "170141183460469231731687303715884105727"),
    ("80000000000000000000000000000000", 0, "-170141183460469231731687303715884105728"),
    ("0080000000000000000000000000000000", 0, "170141183460469231731687303715884105728"),
    ("ff7fffffffffffffffffffffffffffffff", 0, "-170141183460469231731687303715884105729"),
    (
        "161bcca7119915b50764b4abe86529797775a5f171950fffffffffffffffffff",
        38,
        "99999999999999999999999999999999999999.99999999999999999999999999999999999999",
    ),
    (
        "446c3b15f9926687d2c40534fdb564000000000000",
        50,
        "1.00000000000000000000000000000000000000000000000000",
    ),
    ("05", -2, "500"),
    ("fb", -2, "-500"),
    ("7b", -3, "123000"),
    ("00000001", 2, "0.01"),
    ("ffffffff", 2, "-0.01"),
    ("ff80", 0, "-128"),
    ("0000", 2, "0.00"),
];

fn bytes_of(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(hex.get(at..at + 2).unwrap(), 16).unwrap())
        .collect()
}

#[test]
fn vectors_have_their_text_and_parse_back_to_the_same_number() {
    for (hex, scale, text) in VECTORS {
        let bytes = bytes_of(hex);
        let decimal = Decimal::from_connect_bytes(&bytes, *scale);
        assert_eq!(decimal.to_string(), *text);
        let mut scratch = Vec::new();
        let parsed = Decimal::parse(text, &mut scratch, &Limits::default()).unwrap();
        assert!(parsed.is_same_number(&decimal), "{text}");
        if *scale >= 0 {
            assert_eq!(parsed, decimal, "{text}");
        }
    }
}

#[test]
fn parses_exponents_signs_and_special_words() {
    for (text, expected) in [
        ("1E+3", "1000"),
        ("0E-8", "0.00000000"),
        ("1e-7", "0.0000001"),
        ("+1.50", "1.50"),
        (".5", "0.5"),
        ("5.", "5"),
        ("-0", "0"),
        ("007", "7"),
        ("NAN", "NaN"),
        ("POSITIVE_INFINITY", "Infinity"),
        ("NEGATIVE_INFINITY", "-Infinity"),
    ] {
        assert_eq!(parse(text).as_deref(), Ok(expected), "{text}");
    }
    for text in ["", "-", ".", "1e", "1e+", "1.2.3", "0x1", " 1", "1 ", "--1", "1e1.5", "inf", "٣"]
    {
        assert_eq!(parse(text), Err(DecimalError::NotANumber {}), "{text}");
    }
}

#[test]
fn holds_the_limits_of_postgres() {
    let nines = "9".repeat(131_072);
    assert_eq!(parse(&nines).as_ref(), Ok(&nines));
    assert_eq!(parse(&format!("{nines}9")), Err(DecimalError::TooManyDigits {}));
    assert!(parse(&format!("0.{}", "1".repeat(16_383))).is_ok());
    assert_eq!(parse(&format!("0.{}", "1".repeat(16_384))), Err(DecimalError::ScaleOutOfRange {}));
    assert_eq!(parse("1e999999999"), Err(DecimalError::ScaleOutOfRange {}));
    assert_eq!(parse("1e-2147483648"), Err(DecimalError::ScaleOutOfRange {}));
    assert_eq!(parse("1e99999999999"), Err(DecimalError::ScaleOutOfRange {}));
}

#[test]
fn prints_a_monstrous_scale_with_an_exponent() {
    let huge = Decimal::Small { unscaled: 7, scale: i32::MIN };
    assert_eq!(huge.to_string(), "7e2147483648");
    let tiny = Decimal::Small { unscaled: -7, scale: i32::MAX };
    assert_eq!(tiny.to_string(), "-7e-2147483647");
}

#[test]
fn rescales_only_without_loss() {
    let limits = Limits::default();
    let decimal = Decimal::Small { unscaled: 15, scale: 1 };
    let rescaled = |scale| decimal.rescale(scale, &mut Vec::new(), &limits).map(|d| d.to_string());
    assert_eq!(rescaled(2).as_deref(), Ok("1.50"));
    assert_eq!(rescaled(60).map(|text| text.len()), Ok(62));
    assert_eq!(rescaled(0), Err(DecimalError::Inexact {}));
    let hundred = Decimal::Small { unscaled: 100, scale: 0 };
    let mut scratch = Vec::new();
    assert_eq!(
        hundred.rescale(-2, &mut scratch, &limits),
        Ok(Decimal::Small { unscaled: 1, scale: -2 })
    );
}

#[test]
fn equal_numbers_are_equal_whatever_their_scale() {
    let small = |unscaled, scale| Decimal::Small { unscaled, scale };
    assert!(small(11, 1).is_same_number(&small(110, 2)));
    assert!(small(5, -2).is_same_number(&small(500, 0)));
    assert!(small(0, 5).is_same_number(&small(0, -7)));
    assert!(!small(11, 1).is_same_number(&small(11, 2)));
    assert!(!small(0, 0).is_same_number(&Decimal::NaN));
    assert!(Decimal::NaN.is_same_number(&Decimal::NaN));
    assert!(!Decimal::Infinity.is_same_number(&Decimal::NegInfinity));
}

proptest! {
    #[test]
    fn any_bytes_agree_with_bigdecimal(
        bytes in proptest::collection::vec(any::<u8>(), 1..40),
        scale in -60..60_i32,
    ) {
        agrees_with_bigdecimal(&bytes, scale);
    }

    #[test]
    fn text_survives_a_round_trip(unscaled in any::<i128>(), scale in 0..60_i32) {
        let decimal = Decimal::Small { unscaled, scale };
        let mut scratch = Vec::new();
        let parsed = Decimal::parse(&decimal.to_string(), &mut scratch, &Limits::default());
        prop_assert_eq!(parsed, Ok(decimal));
    }
}

/// So many digits, the first of them not zero.
fn digits(count: usize, seed: u64) -> String {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut text = String::with_capacity(count);
    for place in 0..count {
        let (least, choice) = if place == 0 { (1, 9) } else { (0, 10) };
        text.push(char::from_digit(u32::try_from(next() % choice).unwrap() + least, 10).unwrap());
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn numbers_up_to_the_limits_of_postgres_agree_with_bigdecimal(
        whole in prop_oneof![1..60_usize, 1..=131_072_usize, 131_070..=131_073_usize],
        fraction in prop_oneof![0..40_usize, 0..=16_383_usize, 16_382..=16_384_usize],
        negative in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let sign = if negative { "-" } else { "" };
        let point = if fraction == 0 { "" } else { "." };
        let text = format!("{sign}{}{point}{}", digits(whole, seed), digits(fraction, !seed));
        let (limits, mut scratch) = (Limits::default(), Vec::new());
        let ours = Decimal::parse(&text, &mut scratch, &limits);
        if whole > 131_072 || fraction > 16_383 {
            prop_assert!(ours.is_err(), "{whole}.{fraction} is beyond the limits");
            return Ok(());
        }
        let ours = ours.unwrap();
        prop_assert_eq!(ours.check(&limits), Ok(()));
        prop_assert!(ours.to_string() == text, "{whole}.{fraction} prints other digits");
        let theirs: BigDecimal = text.parse().unwrap();
        prop_assert!(ours.to_big() == Some(theirs.clone()), "{whole}.{fraction} is another number");
        // The same bytes, as Connect would send them.
        let (unscaled, scale) = theirs.into_bigint_and_exponent();
        let bytes = unscaled.to_signed_bytes_be();
        let sent = Decimal::from_connect_bytes(&bytes, i32::try_from(scale).unwrap());
        prop_assert!(sent == ours, "{whole}.{fraction} differs as bytes");
    }

    #[test]
    fn a_negative_scale_means_zeros_up_to_the_limits_of_postgres(
        unscaled in any::<i128>(),
        zeros in prop_oneof![0..60_i32, 0..=131_072_i32, 131_032..=131_073_i32],
    ) {
        prop_assume!(unscaled != 0);
        let decimal = Decimal::Small { unscaled, scale: -zeros };
        let digits = unscaled.unsigned_abs().to_string().len() + usize::try_from(zeros).unwrap();
        let checked = decimal.check(&Limits::default());
        prop_assert_eq!(checked.is_ok(), digits <= 131_072 && zeros <= 131_072);
        let parsed = format!("{unscaled}e{zeros}");
        let mut scratch = Vec::new();
        let parsed = Decimal::parse(&parsed, &mut scratch, &Limits::default());
        prop_assert_eq!(parsed.is_ok(), checked.is_ok());
        if checked.is_ok() {
            let plain = format!("{unscaled}{}", "0".repeat(usize::try_from(zeros).unwrap()));
            prop_assert!(decimal.to_string() == plain);
            prop_assert!(parsed.unwrap().is_same_number(&decimal));
        }
    }
}
