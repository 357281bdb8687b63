//! What holds for every row: no rules change nothing, verdicts repeat, and rejections stay silent
//! about values.

use std::sync::Arc;

use cdc_config::Secret;
use cdc_core::{Change, Date, Decimal, Time, Timestamp, Value};
use cdc_rules::{Pattern, RuleKind, RuleSet, Verdict};
use proptest::prelude::*;

use crate::support::{Order, Outcome, apply, batch, bind, event, shape, strings, text};

/// A value of any kind, whatever its column says: rules must not fall over one.
fn any_value() -> impl Strategy<Value = Value<'static>> {
    prop_oneof![
        Just(Value::Null),
        Just(Value::Unavailable),
        any::<bool>().prop_map(Value::Bool),
        any::<i16>().prop_map(Value::Int16),
        any::<i32>().prop_map(Value::Int32),
        any::<i64>().prop_map(Value::Int64),
        any::<f32>().prop_map(Value::Float32),
        any::<f64>().prop_map(Value::Float64),
        (any::<i128>(), -200..200_i32)
            .prop_map(|(unscaled, scale)| Value::Decimal(Decimal::Small { unscaled, scale })),
        Just(Value::Decimal(Decimal::NegInfinity)),
        prop::sample::select(vec!["", "paid", "a@b", "ünï\u{0}", "'; drop"]).prop_map(Value::Text),
        prop::sample::select(vec![[0_u8].as_slice(), b"\xff\xfe"]).prop_map(Value::Bytes),
        any::<i32>().prop_map(|days| Value::Date(Date::Days(days))),
        any::<i64>().prop_map(|nanos| Value::Time(Time::from_nanos(nanos))),
        any::<i64>().prop_map(|at| Value::Timestamp(Timestamp::Millis(at))),
        any::<i64>().prop_map(|at| Value::Timestamp(Timestamp::Nanos(at))),
        any::<i64>().prop_map(|at| Value::Instant(Timestamp::Micros(at))),
        any::<[u8; 16]>().prop_map(Value::Uuid),
    ]
}

fn any_order() -> impl Strategy<Value = Order<'static>> {
    prop::array::uniform6(any_value()).prop_map(Order)
}

fn one_of_each() -> Vec<RuleKind> {
    vec![
        RuleKind::Range { column: "order_id".into(), min: Some("0".into()), max: None },
        RuleKind::Range { column: "amount".into(), min: None, max: Some("100.5".into()) },
        RuleKind::Range { column: "created_at".into(), min: Some("2000-01-01".into()), max: None },
        RuleKind::Allowed { column: "status".into(), values: strings(&["", "paid"]) },
        RuleKind::Pattern { column: "note".into(), pattern: Pattern::parse("^[^;]*$").unwrap() },
        RuleKind::Drop { columns: strings(&["note"]) },
        RuleKind::Rename { column: "status".into(), to: "state".into() },
    ]
}

proptest! {
    #[test]
    fn no_rules_pass_every_change_untouched(order in any_order()) {
        let (shape, buffer, batch) = (shape(), order.buffer(), batch());
        let mut rules = RuleSet::empty().bind(&shape).unwrap();
        prop_assert!(Arc::ptr_eq(rules.output_shape(), &shape));
        let row = buffer.row(&shape, "");
        for change in [
            Change::Insert { after: row },
            Change::Snapshot { row },
            Change::Update { before: Some(row), after: row },
            Change::Delete { before: row },
            Change::Truncate,
        ] {
            let given = event(&batch, change);
            let Verdict::Keep(kept) = rules.apply(&given) else { panic!("nothing can refuse it") };
            prop_assert_eq!(kept.change.operation(), change.operation());
            prop_assert_eq!(kept.change.row().map(text), change.row().map(text));
            prop_assert_eq!((kept.table, kept.origin, kept.ordinal), (given.table, given.origin, given.ordinal));
        }
    }

    #[test]
    fn any_value_gets_a_verdict_that_repeats_and_never_quotes_it(order in any_order()) {
        let (shape, buffer) = (shape(), order.buffer());
        let mut rules = bind(one_of_each()).unwrap();
        let change = Change::Insert { after: buffer.row(&shape, "") };
        let outcome = apply(&mut rules, change);
        prop_assert_eq!(&outcome, &apply(&mut rules, change));
        if let Outcome::Rejected(_, message) = outcome {
            // Built from the rule alone: it is one of the five texts that no row was needed for.
            let expected = [
                "rule \"range(order_id)\": column \"order_id\" must be at least 0",
                "rule \"range(amount)\": column \"amount\" must be at most 100.5",
                "rule \"range(created_at)\": column \"created_at\" must be at least 2000-01-01",
                "rule \"allowed(status)\": column \"status\" must be one of the 2 allowed values",
                "rule \"pattern(note)\": column \"note\" must match the pattern \"^[^;]*$\"",
            ];
            prop_assert!(expected.contains(&message.as_str()), "{}", message);
        }
    }

    #[test]
    fn any_value_can_be_hashed_and_equal_values_hash_alike(order in any_order()) {
        let (shape, one, two) = (shape(), order.buffer(), order.buffer());
        let hashes = shape.columns().iter().map(|column| RuleKind::Hash {
            column: column.name.to_string(),
            key: Secret::new("k"),
        });
        let mut rules = bind(hashes.collect()).unwrap();
        let first = apply(&mut rules, Change::Delete { before: one.row(&shape, "") });
        let second = apply(&mut rules, Change::Snapshot { row: two.row(&shape, "") });
        prop_assert!(first.is_kept());
        prop_assert_eq!(first, second);
    }
}
