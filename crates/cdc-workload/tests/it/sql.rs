//! The SQL text, executed by a real PostgreSQL, against the oracle.

use std::fmt::Write;

use cdc_stack::postgres::Cluster;
use cdc_workload::{Hostility, Oracle, Transaction, Workload, WorkloadOptions, sql};

/// Every column without loss: text as the hexadecimal form of its UTF-8, times as microseconds.
const DUMP: &str = "
    select order_id, customer_id,
        coalesce(encode(convert_to(product_name, 'UTF8'), 'hex'), 'NULL'),
        coalesce((amount * 100)::bigint::text, 'NULL'),
        coalesce(encode(convert_to(status, 'UTF8'), 'hex'), 'NULL'),
        (extract(epoch from created_at) * 1000000)::bigint,
        (extract(epoch from updated_at) * 1000000)::bigint
    from orders order by order_id";

fn expected_dump(oracle: &Oracle) -> String {
    let hex = |text: &Option<String>| {
        let Some(text) = text else { return "NULL".to_owned() };
        text.bytes().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").expect("a string");
            hex
        })
    };
    let lines: Vec<String> = oracle
        .rows()
        .values()
        .map(|order| {
            format!(
                "{}|{}|{}|{}|{}|{}|{}",
                order.order_id,
                order.customer_id,
                hex(&order.product_name),
                order.amount.map_or_else(|| "NULL".to_owned(), |amount| amount.0.to_string()),
                hex(&order.status),
                order.created_at_micros.expect("a time"),
                order.updated_at_micros.expect("a time"),
            )
        })
        .collect();
    lines.join("\n")
}

fn execute(prelude: &str, transactions: &[Transaction]) -> (String, String) {
    let cluster = Cluster::shared();
    let database = cluster.fresh_database("workload").expect("a database");
    let mut text = format!("{}{prelude}", sql::CREATE_TABLE);
    for transaction in transactions {
        sql::write_transaction(transaction, &mut text);
    }
    cluster.psql(&database, &text).expect("the text is accepted");
    (cluster.psql(&database, DUMP).expect("the table"), database)
}

fn stream(hostility: Hostility) -> Vec<Transaction> {
    let options = WorkloadOptions {
        seed: 2024,
        keys: 300,
        changes_per_transaction: 7,
        hostility,
        ..WorkloadOptions::default()
    };
    let mut workload = Workload::new(options);
    let mut transactions = Vec::from_iter(workload.copy(200));
    transactions.extend(workload.take(400));
    transactions
}

#[test]
fn postgresql_ends_with_the_rows_of_the_oracle() {
    let transactions = stream(Hostility::Realistic);
    let oracle = Oracle::of(&transactions);
    let (dump, database) = execute("", &transactions);
    assert_eq!(dump, expected_dump(&oracle));
    let sum = Cluster::shared().psql(&database, "select (sum(amount) * 100)::bigint from orders");
    assert_eq!(sum.expect("a sum"), oracle.amount_cents().to_string());
}

#[test]
fn postgresql_stores_hostile_values_exactly() {
    let transactions = stream(Hostility::Hostile);
    let (dump, _) = execute("", &transactions);
    assert_eq!(dump, expected_dump(&Oracle::of(&transactions)));
}

#[test]
fn literals_mean_the_same_without_standard_conforming_strings() {
    let transactions = stream(Hostility::Hostile);
    let prelude = "set standard_conforming_strings = off; set escape_string_warning = off;\n";
    let (dump, _) = execute(prelude, &transactions);
    assert_eq!(dump, expected_dump(&Oracle::of(&transactions)));
}

#[test]
fn reserved_keys_stay_clear_of_rows_and_of_the_sequence() {
    let (_, database) = execute("", &[]);
    let ask = |text: &str| Cluster::shared().psql(&database, text).expect("an answer");
    let own = "insert into orders (customer_id) values (1) returning order_id";
    assert_eq!(ask(&sql::reserve_order_ids(100)), "1");
    assert_eq!(ask(own), "101", "a row of the application comes after the reserved keys");
    assert_eq!(ask(&sql::reserve_order_ids(10)), "102", "so do the next reserved keys");
    ask("insert into orders (order_id, customer_id) values (500, 1), (2147483647, 1)");
    assert_eq!(ask(&sql::reserve_order_ids(10)), "501", "rows may be ahead of the sequence");
    assert_eq!(ask(own), "511");
}

#[test]
fn keys_are_reserved_without_a_sequence_too() {
    let (_, database) = execute(
        "alter table orders alter order_id drop default; drop sequence orders_order_id_seq;\n",
        &[],
    );
    let ask = |text: &str| Cluster::shared().psql(&database, text).expect("an answer");
    assert_eq!(ask(&sql::reserve_order_ids(100)), "1");
    ask("insert into orders (order_id, customer_id) values (-5, 1)");
    assert_eq!(ask(&sql::reserve_order_ids(100)), "2", "only an empty table starts at 1");
}
