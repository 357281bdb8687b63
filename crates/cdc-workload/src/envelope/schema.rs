//! The schema blocks of the topic's keys and values, everything before their payload.

const ORDER_ID: &str = r#"{"type":"int32","optional":false,"default":0,"field":"order_id"}"#;

const OTHER_COLUMNS: &str = concat!(
    r#"{"type":"int32","optional":false,"field":"customer_id"},"#,
    r#"{"type":"string","optional":true,"field":"product_name"},"#,
    r#"{"type":"bytes","optional":true,"name":"org.apache.kafka.connect.data.Decimal","version":1,"#,
    r#""parameters":{"scale":"2","connect.decimal.precision":"10"},"field":"amount"},"#,
    r#"{"type":"string","optional":true,"field":"status"},"#,
    r#"{"type":"int64","optional":true,"name":"io.debezium.time.MicroTimestamp","version":1,"#,
    r#""default":0,"field":"created_at"},"#,
    r#"{"type":"int64","optional":true,"name":"io.debezium.time.MicroTimestamp","version":1,"#,
    r#""default":0,"field":"updated_at"}"#,
);

const SOURCE: &str = concat!(
    r#"{"type":"struct","fields":["#,
    r#"{"type":"string","optional":false,"field":"version"},"#,
    r#"{"type":"string","optional":false,"field":"connector"},"#,
    r#"{"type":"string","optional":false,"field":"name"},"#,
    r#"{"type":"int64","optional":false,"field":"ts_ms"},"#,
    r#"{"type":"string","optional":true,"name":"io.debezium.data.Enum","version":1,"#,
    r#""parameters":{"allowed":"true,last,false,incremental"},"default":"false","field":"snapshot"},"#,
    r#"{"type":"string","optional":false,"field":"db"},"#,
    r#"{"type":"string","optional":true,"field":"sequence"},"#,
    r#"{"type":"string","optional":false,"field":"schema"},"#,
    r#"{"type":"string","optional":false,"field":"table"},"#,
    r#"{"type":"int64","optional":true,"field":"txId"},"#,
    r#"{"type":"int64","optional":true,"field":"lsn"},"#,
    r#"{"type":"int64","optional":true,"field":"xmin"}"#,
    r#"],"optional":false,"name":"io.debezium.connector.postgresql.Source","field":"source"}"#,
);

const OP_AND_TRANSACTION: &str = concat!(
    r#"{"type":"string","optional":false,"field":"op"},"#,
    r#"{"type":"int64","optional":true,"field":"ts_ms"},"#,
    r#"{"type":"struct","fields":["#,
    r#"{"type":"string","optional":false,"field":"id"},"#,
    r#"{"type":"int64","optional":false,"field":"total_order"},"#,
    r#"{"type":"int64","optional":false,"field":"data_collection_order"}"#,
    r#"],"optional":true,"name":"event.block","version":1,"field":"transaction"}"#,
);

/// The start of a key, up to its payload.
pub(super) fn key_head(topic: &str) -> Vec<u8> {
    format!(
        r#"{{"schema":{{"type":"struct","fields":[{ORDER_ID}],"optional":false,"name":"{topic}.Key"}},"payload":"#
    )
    .into_bytes()
}

/// The start of a value, up to its payload.
pub(super) fn value_head(topic: &str) -> Vec<u8> {
    let row = |field: &str| {
        format!(
            r#"{{"type":"struct","fields":[{ORDER_ID},{OTHER_COLUMNS}],"optional":true,"name":"{topic}.Value","field":"{field}"}}"#
        )
    };
    let (before, after) = (row("before"), row("after"));
    format!(
        r#"{{"schema":{{"type":"struct","fields":[{before},{after},{SOURCE},{OP_AND_TRANSACTION}],"optional":false,"name":"{topic}.Envelope","version":1}},"payload":"#
    )
    .into_bytes()
}
