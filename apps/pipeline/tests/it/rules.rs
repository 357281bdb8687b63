//! Rules of the configuration, from the file to the rows.

use cdc_workload::{Mix, Operation, Workload, WorkloadOptions};
use serde_json::Value;

use crate::rig::topic::{Letter, envelopes, letters};
use crate::rig::{Deployment, Mode, Topic, Warehouse, hex};

const KEY: &str = "correct horse";

const RULES: &str = r#"
[[table.rule]]
kind = "filter"
action = "drop"
column = "status"
equals = "pending"

[[table.rule]]
kind = "range"
column = "amount"
min = "0"

[[table.rule]]
kind = "hash"
column = "product_name"
key = { env = "HASH_KEY" }
"#;

/// HMAC-SHA-256 of a column in hexadecimal, by the server's own SHA-256.
fn hmac_sql(column: &str) -> String {
    let mut block = KEY.as_bytes().to_vec();
    block.resize(64, 0);
    let pad = |with: u8| hex(&block.iter().map(|byte| byte ^ with).collect::<Vec<u8>>());
    let (inner, outer) = (pad(0x36), pad(0x5c));
    format!(
        "encode(sha256('\\x{outer}'::bytea || sha256('\\x{inner}'::bytea || \
         convert_to({column}, 'UTF8'))), 'hex')"
    )
}

/// The same message about a row with a negative amount: -1.00.
fn negative(letter: &Letter) -> Letter {
    let value = letter.value.as_deref().expect("a value");
    let mut message: Value = serde_json::from_slice(value).expect("JSON");
    message["after"]["order_id"] = 500_000.into();
    message["after"]["status"] = "shipped".into();
    message["after"]["amount"] = "nA==".into();
    let key = b"{\"order_id\":500000}".to_vec();
    Letter { key, value: Some(message.to_string().into_bytes()) }
}

#[test]
fn rows_are_filtered_masked_and_rejected_as_configured() {
    let topic = Topic::shared("ruled.public.orders", 1);
    let mut deployment = Deployment::new("ruled", Mode::Mirror, &topic, Warehouse::shared("ruled"));
    deployment.table.push_str(RULES);
    deployment.environment.push(("HASH_KEY", KEY.to_owned()));
    let deployment = deployment.initialised();

    let mix = Mix::try_new(1, 0, 0).expect("a mix of inserts");
    let options = WorkloadOptions { mix, ..WorkloadOptions::default() };
    let transactions: Vec<_> = Workload::new(options).take(300).collect();
    let mut records = letters(&mut envelopes(), &transactions);
    let rejected = negative(records.first().expect("a record"));
    records.push(rejected);
    topic.publish(&records);
    let summary = deployment.run_until_caught_up();

    let orders = transactions.iter().flat_map(|transaction| &transaction.operations);
    let kept: Vec<_> = orders
        .filter_map(|operation| match operation {
            Operation::Insert(order) => Some(order),
            Operation::Update { .. } | Operation::Delete(_) => None,
        })
        .filter(|order| order.status.as_deref() != Some("pending"))
        .collect();
    assert!(kept.len() > 100 && kept.len() < 300, "{} of 300 rows are kept", kept.len());
    assert_eq!(summary["rows"], kept.len(), "{summary}");
    assert_eq!(summary["skipped"], 300 - kept.len(), "{summary}");
    assert_eq!(summary["dead_lettered"], 1, "{summary}");

    let warehouse = &deployment.warehouse;
    assert_eq!(warehouse.ask("select count(*) from orders_current where status = 'pending'"), "0");
    let originals: Vec<String> = kept
        .iter()
        .map(|order| {
            format!("({}, '{}')", order.order_id, order.product_name.as_deref().expect("a product"))
        })
        .collect();
    let masked = format!(
        "select count(*) from orders_current join (values {}) as source (order_id, product) \
         using (order_id) where product_name = {}",
        originals.join(", "),
        hmac_sql("product")
    );
    assert_eq!(warehouse.ask(&masked), kept.len().to_string());
    let letter = "select stage, column_name, message like '%range(amount)%', hint is not null, \
                  message || hint like '%-1%' from cdc.dead_letter";
    assert_eq!(warehouse.ask(letter), "rule|amount|t|t|f");
}
