//! The decoder passes the suite that every decoder must pass.

use cdc_core::{Operation, Partition};
use cdc_debezium::DebeziumDecoder;
use cdc_testkit::conformance::decoder::{self, CASES, DecoderUnderTest, MARKER, Message};

use crate::support::{KEY, ROW, TOPIC, envelope, with_schema};

/// Messages of the orders table, and what else Debezium puts into its topics.
struct Orders;

impl DecoderUnderTest for Orders {
    type Decoder = DebeziumDecoder;

    fn decoder(&self) -> DebeziumDecoder {
        crate::support::decoder()
    }

    fn partition(&self) -> Partition {
        Partition::new(TOPIC, 0, 0).unwrap()
    }

    fn changes(&self) -> Vec<(Message, Operation)> {
        let samples = [
            ("c", "null", ROW, Operation::Insert),
            ("r", "null", ROW, Operation::Snapshot),
            ("u", "null", ROW, Operation::Update),
            ("u", ROW, ROW, Operation::Update),
            ("d", ROW, "null", Operation::Delete),
            ("d", r#"{"order_id":7}"#, "null", Operation::Delete),
            ("t", "null", "null", Operation::Truncate),
        ];
        let plain = samples.map(|(op, before, after, operation)| {
            (Message::new(KEY, envelope(op, before, after)), operation)
        });
        let described = Message::new(KEY, with_schema(&envelope("u", ROW, ROW)));
        plain.into_iter().chain([(described, Operation::Update)]).collect()
    }

    fn skipped(&self) -> Vec<Message> {
        let values = [
            "null",
            r#"{"schema":null,"payload":null}"#,
            r#"{"ts_ms":1706695200000}"#,
            r#"{"status":"BEGIN","id":"9:42","event_count":null,"data_collections":null,"ts_ms":1}"#,
        ];
        let tombstone = Message::new(KEY, "").with_value(None);
        values.into_iter().map(|value| Message::new(KEY, value)).chain([tombstone]).collect()
    }

    fn malformed(&self) -> Vec<Message> {
        let good = envelope("c", "null", ROW);
        // The question mark, because the word alone is a number in Base64.
        let named = format!("\"{MARKER}?\"");
        let replaced = |from: &str, to: &str| good.replace(from, to);
        let cut_short = replaced("\"paid\"", &named).trim_end_matches('}').to_owned();
        let values = [
            MARKER.to_owned(),
            named.clone(),
            format!("[{named}]"),
            format!("{{{named}:{named}}}"),
            cut_short,
            replaced(r#""op":"c""#, &format!(r#""op":{named}"#)),
            replaced(r#""order_id":7"#, &format!(r#""order_id":{named}"#)),
            replaced("\"BNI=\"", &named),
            replaced("1706695200500000", &named),
            replaced("\"paid\"", &format!("[{named}]")),
            replaced(r#""table":"orders""#, r#""table":"other""#).replace("\"paid\"", &named),
            with_schema(&replaced("\"BNI=\"", &named)),
            envelope("c", "null", &named),
            envelope("c", &ROW.replace("paid", MARKER), "null"),
        ];
        values.map(|value| Message::new(KEY, value)).to_vec()
    }
}

#[tokio::test]
async fn the_decoder_passes_every_case() {
    for case in CASES {
        println!("decoder: {case}");
        decoder::run(&Orders, case).await.unwrap();
    }
}
