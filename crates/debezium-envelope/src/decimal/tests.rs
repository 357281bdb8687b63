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
    assert_eq!(ours.to_string(), theirs.to_plain_string(), "{bytes:02x?} scale {scale}");
}

#[test]
fn every_decimal_of_one_or_two_bytes_agrees_with_bigdecimal() {
    for scale in [0, 1, 2, 4, 5, 6] {
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
        scale in 0..60_i32,
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
