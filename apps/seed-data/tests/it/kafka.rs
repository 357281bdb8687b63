//! Messages into a real broker.

use cdc_stack::kafka::{Broker, BrokerOptions};

use crate::program::summary;

#[test]
fn every_record_is_in_the_topic_with_its_key() {
    let broker = Broker::start(&BrokerOptions::default()).expect("a broker");
    let brokers = broker.bootstrap();
    let mut arguments = vec!["kafka", "--brokers", &brokers, "--partitions", "3"];
    arguments.extend(["--count", "200", "--per-transaction", "9", "--topic", "shop.public.orders"]);
    let summary = summary(&arguments);
    let records = summary["records"].as_u64().expect("a number").to_string();
    let mut consumer = vec!["--bootstrap-server", &brokers, "--topic", "shop.public.orders"];
    consumer.extend(["--from-beginning", "--max-messages", &records, "--timeout-ms", "30000"]);
    consumer.extend(["--property", "print.key=true", "--property", "print.partition=true"]);
    let output = broker.tool("kafka.tools.ConsoleConsumer", &consumer).expect("the consumer");
    let lines: Vec<&str> = output.lines().filter(|line| line.starts_with("Partition:")).collect();
    assert_eq!(lines.len().to_string(), records);
    let count = |part: &str| lines.iter().filter(|line| line.contains(part)).count();
    assert_eq!(summary["inserts"], count("\"op\":\"c\""));
    assert_eq!(summary["updates"], count("\"op\":\"u\""));
    assert_eq!(summary["deletes"], count("\"op\":\"d\""));
    assert_eq!(summary["deletes"], lines.iter().filter(|line| line.ends_with("\tnull")).count());
    assert!((0..3).all(|partition| count(&format!("Partition:{partition}")) > 0));
    let is_expected = |line: &&str| {
        line.contains("{\"order_id\":")
            && (line.ends_with("null") || line.contains("\"name\":\"shop\""))
    };
    assert!(lines.iter().all(is_expected), "{output}");
}
