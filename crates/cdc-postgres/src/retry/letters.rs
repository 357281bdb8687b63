//! The headers of a letter, from the form in which they are stored.

use serde_json::Value;

use crate::error::Cause;

/// Headers that own their bytes.
pub(super) type Headers = Vec<(String, Option<Vec<u8>>)>;

/// Reads `[{"name": text, "value": hexadecimal text or null}]`.
pub(super) fn headers(stored: &str) -> Result<Headers, Cause> {
    let expected = || Cause::from("expected a list of headers with name and value");
    let stored: Vec<Value> = serde_json::from_str(stored)?;
    let header = |entry: &Value| {
        let name = entry.get("name")?.as_str()?.to_owned();
        match entry.get("value")? {
            Value::Null => Some((name, None)),
            Value::String(digits) => Some((name, Some(bytes(digits)?))),
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
        }
    };
    let headers: Option<Headers> = stored.iter().map(header).collect();
    headers.ok_or_else(expected)
}

fn bytes(digits: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let digit = |digit: u8| u8::try_from(char::from(digit).to_digit(16)?).ok();
    let byte = |[high, low]: &[u8; 2]| Some((digit(*high)? << 4) | digit(*low)?);
    if rest.is_empty() { pairs.iter().map(byte).collect() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back_in_order_with_their_bytes() {
        let stored =
            r#"[{"name":"a\"","value":"00ff"},{"name":"a","value":null},{"name":"","value":""}]"#;
        let expected = [("a\"", Some(b"\x00\xff".to_vec())), ("a", None), ("", Some(Vec::new()))];
        assert_eq!(
            headers(stored).unwrap(),
            expected.map(|(name, value)| (name.to_owned(), value))
        );
        for bad in ["{}", "[1]", r#"[{"name":"a"}]"#, r#"[{"name":"a","value":"0"}]"#, "[\"zz\"]"] {
            assert!(headers(bad).is_err(), "{bad}");
        }
    }
}
