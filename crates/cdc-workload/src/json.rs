//! JSON into a byte buffer, without an allocation per value.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// Appends a number in decimal digits.
pub(crate) fn push_integer(number: impl itoa::Integer, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Appends an unscaled decimal as Connect's `Decimal`: base64 of the shortest two's complement,
/// most significant byte first.
pub(crate) fn push_decimal(unscaled: i64, out: &mut Vec<u8>) {
    // As many bytes as hold the magnitude and a sign bit: 1 to 8.
    let magnitude = if unscaled < 0 { !unscaled } else { unscaled };
    let skipped = usize::try_from(magnitude.leading_zeros().saturating_sub(1) / 8).unwrap_or(0);
    let bytes = unscaled.to_be_bytes();
    let shortest = bytes.get(skipped..).unwrap_or(&bytes);
    let mut text = [0; 12];
    let length =
        STANDARD.encode_slice(shortest, &mut text).expect("eight bytes are twelve characters");
    out.push(b'"');
    out.extend(text.iter().take(length));
    out.push(b'"');
}

/// Appends text in quotes as Kafka Connect's converter escapes it: characters above U+FFFF become
/// pairs of escapes with upper-case digits, all others but controls, quote and backslash stay raw.
pub(crate) fn push_connect_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    // A lead byte from 0xF0 on starts a character above U+FFFF.
    let is_raw = |byte: u8| byte >= b' ' && byte != b'"' && byte != b'\\' && byte < 0xf0;
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| !is_raw(byte)) {
        let Some((raw, special)) = rest.split_at_checked(at) else { break };
        out.extend_from_slice(raw.as_bytes());
        let mut chars = special.chars();
        if let Some(char) = chars.next() {
            push_escape(char, out);
        }
        rest = chars.as_str();
    }
    out.extend_from_slice(rest.as_bytes());
    out.push(b'"');
}

/// Appends text in quotes with the fewest escapes: controls, quote and backslash.
pub(crate) fn push_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    push_rest_of_string(text, out);
}

/// Appends the end of a text whose beginning, opening quote included, has been written.
pub(crate) fn push_rest_of_string(text: &str, out: &mut Vec<u8>) {
    let mut rest = text.as_bytes();
    while let Some(at) =
        rest.iter().position(|byte| *byte < b' ' || *byte == b'"' || *byte == b'\\')
    {
        let Some((raw, [special, after @ ..])) = rest.split_at_checked(at) else { break };
        out.extend_from_slice(raw);
        push_escape(char::from(*special), out);
        rest = after;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

fn push_escape(char: char, out: &mut Vec<u8>) {
    let letter = match char {
        '"' => b'"',
        '\\' => b'\\',
        '\u{8}' => b'b',
        '\t' => b't',
        '\n' => b'n',
        '\u{c}' => b'f',
        '\r' => b'r',
        other => {
            for unit in other.encode_utf16(&mut [0; 2]) {
                out.extend_from_slice(b"\\u");
                for shift in [12, 8, 4, 0] {
                    let digit = usize::from((*unit >> shift) & 0xf);
                    out.push(HEX.get(digit).copied().unwrap_or(b'0'));
                }
            }
            return;
        }
    };
    out.extend_from_slice(&[b'\\', letter]);
}

#[cfg(test)]
mod tests {
    use super::{push_connect_string, push_decimal, push_string};

    fn written(write: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("JSON is UTF-8")
    }

    #[test]
    fn decimals_are_the_shortest_twos_complement() {
        for (unscaled, text) in [
            (0, "AA=="),
            (127, "fw=="),
            (128, "AIA="),
            (-128, "gA=="),
            (-129, "/38="),
            (220, "ANw="),
            (1234, "BNI="),
            (i64::MIN, "gAAAAAAAAAA="),
            (i64::MAX, "f/////////8="),
        ] {
            assert_eq!(written(|out| push_decimal(unscaled, out)), format!("\"{text}\""));
        }
    }

    #[test]
    fn connect_escapes_what_its_json_library_escapes() {
        let text = "ü日本🎉\"\\/\u{8}\t\n\u{c}\r\u{1}\u{1f}\u{7f}\u{2028}";
        let expected =
            "\"ü日本\\uD83C\\uDF89\\\"\\\\/\\b\\t\\n\\f\\r\\u0001\\u001F\u{7f}\u{2028}\"";
        assert_eq!(written(|out| push_connect_string(text, out)), expected);
    }

    #[test]
    fn any_text_comes_back_from_either_form() {
        let text: String = (0..0x300).chain(0xff00..0x1_0100).filter_map(char::from_u32).collect();
        for json in
            [written(|out| push_string(&text, out)), written(|out| push_connect_string(&text, out))]
        {
            assert_eq!(serde_json::from_str::<String>(&json).expect("valid JSON"), text);
        }
    }
}
