//! The headers of a letter, from the form in which they are stored.

use serde_json::Value;

use crate::error::Cause;

/// Headers that own their bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Headers(Vec<(String, Option<Vec<u8>>)>);

impl Headers {
    /// Reads `[{"name": text, "value": hexadecimal text or null}]`.
    pub(super) fn parse(stored: &str) -> Result<Self, Cause> {
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
        let headers: Option<Vec<_>> = stored.iter().map(header).collect();
        headers.map(Self).ok_or_else(expected)
    }

    /// The same, borrowed.
    pub(super) fn parts(&self) -> Vec<(&str, Option<&[u8]>)> {
        self.0.iter().map(|(name, value)| (&**name, value.as_deref())).collect()
    }
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
        let headers = Headers::parse(stored).unwrap();
        let empty: &[u8] = b"";
        assert_eq!(
            headers.parts(),
            [("a\"", Some(b"\x00\xff".as_slice())), ("a", None), ("", Some(empty))]
        );
        for bad in ["{}", "[1]", r#"[{"name":"a"}]"#, r#"[{"name":"a","value":"0"}]"#, "[\"zz\"]"] {
            assert!(Headers::parse(bad).is_err(), "{bad}");
        }
    }
}
