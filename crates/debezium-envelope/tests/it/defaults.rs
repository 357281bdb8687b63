//! Column defaults out of schema blocks.

use std::sync::Arc;

use debezium_envelope::{Declarations, Limits, Message, MessageDecoder, RowShape, Value};

const FIELDS: &[(&str, &str)] = &[
    ("id", r#""type":"int32","optional":false"#),
    ("status", r#""type":"string","optional":true,"default":"pending""#),
    (
        "amount",
        r#""type":"bytes","optional":false,"name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2"},"default":"BNI=""#,
    ),
    ("paid", r#""type":"boolean","optional":false,"default":false"#),
    ("count", r#""type":"int16","optional":false,"default":"no number""#),
    ("note", r#""type":"string","optional":true,"default":null"#),
];

fn message(default: &str) -> String {
    let field = |(name, rest): &(&str, &str)| format!(r#"{{"field":"{name}",{rest}}}"#);
    let fields = FIELDS.iter().map(field).collect::<Vec<_>>().join(",");
    let fields = fields.replace("pending", default);
    let row = |name: &str| format!(r#"{{"type":"struct","field":"{name}","fields":[{fields}]}}"#);
    let (before, after) = (row("before"), row("after"));
    let values = r#"{"id":1,"status":"pending","amount":"BNI=","paid":true,"count":2,"note":null}"#;
    format!(
        r#"{{"schema":{{"type":"struct","fields":[{before},{after},{{"type":"struct","field":"source"}},{{"type":"string","field":"op"}}]}},"payload":{{"before":{values},"after":null,"op":"d","source":{{"connector":"postgresql","schema":"public","table":"orders"}}}}}}"#
    )
}

fn shape(decoder: &mut MessageDecoder, default: &str) -> Arc<RowShape> {
    let message = message(default);
    match decoder.decode(Some(br#"{"id":1}"#), Some(message.as_bytes())) {
        Ok(Message::Change(envelope)) => Arc::clone(envelope.before.unwrap().shape()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_default_is_a_value_of_its_column_and_a_broken_one_is_none() {
    let mut decoder = MessageDecoder::new(Declarations::none(), Limits::default());
    let shape = shape(&mut decoder, "pending");
    let default = |name: &str| shape.default_of(shape.index_of(name).unwrap());
    assert_eq!(default("status"), Some(Value::Text("pending")));
    let Some(Value::Decimal(amount)) = default("amount") else { panic!("a decimal") };
    assert_eq!(amount.to_string(), "12.34");
    assert_eq!(default("paid"), Some(Value::Bool(false)));
    for name in ["id", "count", "note"] {
        assert_eq!(default(name), None, "{name}");
    }
    assert_eq!(shape.default_of(FIELDS.len()), None);
}

#[test]
fn another_default_is_noticed_and_leaves_the_shape_equal() {
    let mut decoder = MessageDecoder::new(Declarations::none(), Limits::default());
    let first = shape(&mut decoder, "pending");
    let second = shape(&mut decoder, "new");
    assert_eq!(first, second);
    assert_eq!(second.default_of(1), Some(Value::Text("new")));
    assert_eq!(shape(&mut decoder, "pending").default_of(1), Some(Value::Text("pending")));
}
