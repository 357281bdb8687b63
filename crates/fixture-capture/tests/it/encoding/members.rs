//! The members of a JSON object in their order, with their values as text.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Names and texts.
pub(super) struct Members<'t>(pub(super) Vec<(String, &'t str)>);

impl<'t> Members<'t> {
    /// The members of an object; `None` for another kind of value.
    pub(super) fn of(text: &'t str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    pub(super) fn get(&self, name: &str) -> Option<&'t str> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, text)| *text)
    }
}

/// The object without spaces, in which the value of one member is another.
pub(super) fn replaced(text: &str, name: &str, with: impl Fn(&str) -> String) -> String {
    let Some(Members(members)) = Members::of(text) else { return text.to_owned() };
    let member = |(own, value): &(String, &str)| {
        let value = if own == name { with(value) } else { (*value).to_owned() };
        format!("{}:{value}", serde_json::to_string(own).unwrap())
    };
    format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(","))
}

impl<'de: 't, 't> Deserialize<'de> for Members<'t> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Vec<(String, &'de str)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
                    members.push((name, value.get()));
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(InOrder).map(Members)
    }
}
