//! Scalars in the JSON dialect of Kafka's converter.

/// A string as Jackson writes it: two-character escapes where JSON has them, upper-case hexadecimal
/// for other controls, surrogate pairs for characters beyond U+FFFF, everything else as it is.
pub(super) fn put_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text;
    loop {
        let special = |byte: u8| !(0x20..0xf0).contains(&byte) || matches!(byte, b'"' | b'\\');
        let Some((plain, tail)) =
            rest.bytes().position(special).and_then(|at| rest.split_at_checked(at))
        else {
            out.extend_from_slice(rest.as_bytes());
            break;
        };
        out.extend_from_slice(plain.as_bytes());
        let mut characters = tail.chars();
        if let Some(character) = characters.next() {
            put_escape(out, character);
        }
        rest = characters.as_str();
    }
    out.push(b'"');
}

fn put_escape(out: &mut Vec<u8>, character: char) {
    let short = match character {
        '"' => b'"',
        '\\' => b'\\',
        '\u{8}' => b'b',
        '\u{c}' => b'f',
        '\n' => b'n',
        '\r' => b'r',
        '\t' => b't',
        other => {
            for unit in other.encode_utf16(&mut [0; 2]) {
                out.extend_from_slice(b"\\u");
                for shift in [12_u32, 8, 4, 0] {
                    let digit = char::from_digit(u32::from((*unit >> shift) & 0xf), 16);
                    let digit = digit.unwrap_or('0').to_ascii_uppercase();
                    out.extend_from_slice(digit.encode_utf8(&mut [0; 4]).as_bytes());
                }
            }
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

pub(super) fn put_integer(out: &mut Vec<u8>, number: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

pub(super) fn put_optional(out: &mut Vec<u8>, number: Option<i64>) {
    match number {
        Some(number) => put_integer(out, number),
        None => out.extend_from_slice(b"null"),
    }
}

/// A floating number in Java's form from its shortest scientific form, such as `-1.5e-7`: plain
/// between 10^-3 and 10^7, else with `E`, always with a digit after the point.
pub(super) fn put_java_float(out: &mut Vec<u8>, scientific: &str) {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let magnitude = mantissa.strip_prefix('-').unwrap_or(mantissa);
    if magnitude.len() != mantissa.len() {
        out.push(b'-');
    }
    let (whole, fraction) = magnitude.split_once('.').unwrap_or((magnitude, ""));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let put_fraction = |out: &mut Vec<u8>, fraction: &str| {
        out.push(b'.');
        out.extend_from_slice(if fraction.is_empty() { b"0" } else { fraction.as_bytes() });
    };
    match exponent {
        0 => {
            out.extend_from_slice(whole.as_bytes());
            put_fraction(out, fraction);
        }
        1..=6 => {
            let moved = usize::try_from(exponent).unwrap_or(0);
            out.extend_from_slice(whole.as_bytes());
            let (inside, outside) = fraction.split_at_checked(moved).unwrap_or((fraction, ""));
            out.extend_from_slice(inside.as_bytes());
            let zeros = moved.saturating_sub(inside.len());
            out.extend(std::iter::repeat_n(b'0', zeros));
            put_fraction(out, outside);
        }
        -3..=-1 => {
            let zeros = usize::try_from(exponent.unsigned_abs()).unwrap_or(1).saturating_sub(1);
            out.extend_from_slice(b"0.");
            out.extend(std::iter::repeat_n(b'0', zeros));
            out.extend_from_slice(whole.as_bytes());
            out.extend_from_slice(fraction.as_bytes());
        }
        _ => {
            out.extend_from_slice(whole.as_bytes());
            put_fraction(out, fraction);
            out.push(b'E');
            put_integer(out, exponent.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{put_java_float, put_string};

    #[test]
    fn floats_have_the_form_that_java_gives_them() {
        for (number, expected) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.5, "1.5"),
            (-0.1, "-0.1"),
            (255.0, "255.0"),
            (0.001, "0.001"),
            (0.000_999, "9.99E-4"),
            (9_999_999.0, "9999999.0"),
            (10_000_000.0, "1.0E7"),
            (1.797_693_134_862_315_7e308, "1.7976931348623157E308"),
            (-9.223_372_036_854_776e16, "-9.223372036854776E16"),
            (123_456.789, "123456.789"),
        ] {
            let mut out = Vec::new();
            put_java_float(&mut out, &format!("{number:e}"));
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn strings_have_the_escapes_that_the_converter_gives_them() {
        let mut out = Vec::new();
        put_string(&mut out, "日ü🎉\"\\/\n\u{1}\u{7f}");
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "\"日ü\\uD83C\\uDF89\\\"\\\\/\\n\\u0001\u{7f}\""
        );
    }
}
