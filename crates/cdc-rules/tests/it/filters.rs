//! Which changes a filter skips, and what it leaves alone because it cannot know.

use cdc_core::{Change, Operation, SkipReason, Value};
use cdc_rules::{Comparison, Condition, Deletes, Filter, FilterEffect, Rule, RuleKind, RuleSet};

use crate::support::{ORDER, Order, Outcome, apply, bind, insert, shape, strings};

fn filter(effect: FilterEffect, column: &str, comparison: Comparison) -> RuleKind {
    let condition = Condition { column: column.into(), comparisons: vec![comparison] };
    let deletes = Deletes::Pass;
    RuleKind::Filter(Filter { effect, operations: Vec::new(), condition: Some(condition), deletes })
}

fn by_operation(effect: FilterEffect, operations: &[Operation]) -> RuleKind {
    let (operations, deletes) = (operations.to_vec(), Deletes::Pass);
    RuleKind::Filter(Filter { effect, operations, condition: None, deletes })
}

fn every_operation(kind: &RuleKind) -> Vec<(Operation, bool)> {
    let (shape, buffer) = (shape(), ORDER.buffer());
    let row = buffer.row(&shape, "");
    let mut rules = bind(vec![kind.clone()]).unwrap();
    [
        Change::Insert { after: row },
        Change::Snapshot { row },
        Change::Update { before: None, after: row },
        Change::Delete { before: row },
        Change::Truncate,
    ]
    .into_iter()
    .map(|change| (change.operation(), apply(&mut rules, change).is_kept()))
    .collect()
}

#[test]
fn operations_are_kept_or_dropped_as_listed() {
    let listed = [Operation::Delete, Operation::Truncate];
    for (operation, kept) in every_operation(&by_operation(FilterEffect::Drop, &listed)) {
        assert_eq!(kept, !listed.contains(&operation), "{operation:?}");
    }
    for (operation, kept) in every_operation(&by_operation(FilterEffect::Keep, &listed)) {
        assert_eq!(kept, listed.contains(&operation), "{operation:?}");
    }
}

#[test]
fn every_comparison_decides_as_in_sql() {
    let null = ORDER.with("status", Value::Null);
    let texts = |texts| Comparison::In(strings(texts));
    for (column, comparison, order, holds) in [
        ("status", Comparison::Equals("paid".into()), ORDER, true),
        ("status", Comparison::Equals("open".into()), ORDER, false),
        ("status", Comparison::Equals("paid".into()), null, false),
        ("status", Comparison::NotEquals("paid".into()), ORDER, false),
        ("status", Comparison::NotEquals("open".into()), ORDER, true),
        ("status", Comparison::NotEquals("open".into()), null, false),
        ("status", texts(&["open", "paid"]), ORDER, true),
        ("status", texts(&["open"]), ORDER, false),
        ("status", texts(&["open"]), null, false),
        ("status", Comparison::IsNull, null, true),
        ("status", Comparison::IsNull, ORDER, false),
        ("status", Comparison::NotNull, ORDER, true),
        ("status", Comparison::NotNull, null, false),
        ("amount", Comparison::Less("10.501".into()), ORDER, true),
        ("amount", Comparison::Less("10.5".into()), ORDER, false),
        ("amount", Comparison::Greater("10.499".into()), ORDER, true),
        ("amount", Comparison::Greater("10.5".into()), ORDER, false),
        ("created_at", Comparison::Greater("2024-01-31".into()), ORDER, true),
        ("created_at", Comparison::Less("2024-01-31".into()), ORDER, false),
        ("note", Comparison::Equals("fragile".into()), ORDER, true),
    ] {
        let shown = format!("{column} {comparison:?}");
        let kept = insert(vec![filter(FilterEffect::Keep, column, comparison.clone())], order);
        assert_eq!(kept.is_kept(), holds, "keep {shown}");
        let dropped = insert(vec![filter(FilterEffect::Drop, column, comparison)], order);
        assert_eq!(dropped.is_kept(), !holds, "drop {shown}");
    }
}

#[test]
fn several_comparisons_must_all_hold() {
    let comparisons = vec![Comparison::Greater("10".into()), Comparison::Less("11".into())];
    let condition = Some(Condition { column: "amount".into(), comparisons });
    let filter = Filter {
        effect: FilterEffect::Drop,
        operations: vec![Operation::Insert],
        condition,
        deletes: Deletes::Pass,
    };
    let rules = || vec![RuleKind::Filter(filter.clone())];
    assert_eq!(insert(rules(), ORDER), Outcome::Skipped("drop(insert, amount)".into()));
    let other = cdc_core::Decimal::Small { unscaled: 11, scale: 0 };
    assert!(insert(rules(), ORDER.with("amount", Value::Decimal(other))).is_kept());
}

#[test]
fn nothing_is_skipped_on_an_unavailable_value() {
    let order = ORDER.with("status", Value::Unavailable);
    for effect in [FilterEffect::Keep, FilterEffect::Drop] {
        for comparison in
            [Comparison::Equals("paid".into()), Comparison::IsNull, Comparison::NotNull]
        {
            assert!(insert(vec![filter(effect, "status", comparison)], order).is_kept());
        }
    }
}

fn delete(deletes: Deletes, order: Order<'_>) -> Outcome {
    let (shape, buffer) = (shape(), order.buffer());
    let condition =
        Condition { column: "status".into(), comparisons: vec![Comparison::Equals("paid".into())] };
    let filter = Filter {
        effect: FilterEffect::Keep,
        operations: Vec::new(),
        condition: Some(condition),
        deletes,
    };
    let mut rules = bind(vec![RuleKind::Filter(filter)]).unwrap();
    apply(&mut rules, Change::Delete { before: buffer.row(&shape, "") })
}

#[test]
fn a_condition_judges_deletes_only_when_asked_to() {
    let without_image = ORDER.with("status", Value::Null);
    assert!(delete(Deletes::Pass, without_image).is_kept());
    assert!(delete(Deletes::Pass, ORDER).is_kept());
    assert!(delete(Deletes::Judge, ORDER).is_kept());
    assert!(!delete(Deletes::Judge, without_image).is_kept());
}

#[test]
fn an_update_is_judged_by_the_row_after_it() {
    let (shape, before) = (shape(), ORDER.buffer());
    let after = ORDER.with("status", Value::Text("test")).buffer();
    let kind = filter(FilterEffect::Drop, "status", Comparison::Equals("test".into()));
    let mut rules = bind(vec![kind]).unwrap();
    let (old, new) = (before.row(&shape, ""), after.row(&shape, ""));
    let outcome = apply(&mut rules, Change::Update { before: Some(old), after: new });
    assert_eq!(outcome, Outcome::Skipped("drop(status)".into()));
    let outcome = apply(&mut rules, Change::Update { before: Some(new), after: old });
    assert!(outcome.is_kept());
}

#[test]
fn a_truncate_gets_the_same_verdict_with_and_without_binding() {
    let all = [Operation::Insert, Operation::Truncate];
    let condition = |effect, operations: &[Operation]| {
        let RuleKind::Filter(filter) = filter(effect, "status", Comparison::IsNull) else {
            unreachable!("the helper makes filters")
        };
        RuleKind::Filter(Filter { operations: operations.to_vec(), ..filter })
    };
    for (kind, kept) in [
        (by_operation(FilterEffect::Drop, &all), false),
        (by_operation(FilterEffect::Keep, &all), true),
        (by_operation(FilterEffect::Keep, &[Operation::Insert]), false),
        (condition(FilterEffect::Keep, &[]), true),
        (condition(FilterEffect::Drop, &[]), true),
        (condition(FilterEffect::Drop, &all), true),
        (condition(FilterEffect::Keep, &[Operation::Insert]), false),
        (RuleKind::Required { columns: strings(&["status"]) }, true),
    ] {
        let set = RuleSet::new(vec![Rule::new(kind).named("rule")]);
        let expected = (!kept).then(|| SkipReason::Filtered("rule".into()));
        assert_eq!(set.verdict_without_row(Operation::Truncate), expected, "{set:?}");
        let mut bound = set.bind(&shape()).unwrap();
        assert_eq!(apply(&mut bound, Change::Truncate).is_kept(), kept, "{set:?}");
    }
}
