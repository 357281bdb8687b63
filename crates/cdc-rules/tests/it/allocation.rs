//! The promise that a row costs no allocation once the buffers are warm.

use cdc_config::Secret;
use cdc_core::{Change, ChangeEvent};
use cdc_rules::{
    BoundRules, Comparison, Condition, Deletes, Filter, FilterEffect, Pattern, RuleKind, Verdict,
};

use crate::support::{ORDER, batch, bind, event, shape, strings};

fn run(rules: &mut BoundRules, event: &ChangeEvent<'_>) {
    for _ in 0..1_000 {
        assert!(!matches!(rules.apply(event), Verdict::Reject(_)));
    }
}

#[test]
fn a_thousand_changes_allocate_nothing() {
    let filter = |effect, comparison| {
        let condition = Condition { column: "status".into(), comparisons: vec![comparison] };
        let (condition, operations, deletes) = (Some(condition), Vec::new(), Deletes::Pass);
        RuleKind::Filter(Filter { effect, operations, condition, deletes })
    };
    let keeping = vec![
        filter(FilterEffect::Keep, Comparison::In(strings(&["open", "paid"]))),
        RuleKind::Required { columns: strings(&["email"]) },
        RuleKind::Range { column: "amount".into(), min: Some("0".into()), max: None },
        RuleKind::Pattern { column: "email".into(), pattern: Pattern::parse("@").unwrap() },
        RuleKind::Rename { column: "note".into(), to: "remark".into() },
        RuleKind::Hash { column: "email".into(), key: Secret::new("k") },
        RuleKind::Hash { column: "amount".into(), key: Secret::new("k") },
        RuleKind::Hash { column: "created_at".into(), key: Secret::new("k") },
    ];
    let skipping = vec![filter(FilterEffect::Drop, Comparison::Equals("paid".into()))];
    let (shape, buffer, batch) = (shape(), ORDER.buffer(), batch());
    let row = buffer.row(&shape, "");
    let event = event(&batch, Change::Update { before: Some(row), after: row });
    for kinds in [keeping, skipping] {
        let mut rules = bind(kinds).unwrap();
        run(&mut rules, &event);
        let counted = allocation_counter::measure(|| run(&mut rules, &event));
        assert_eq!(counted.count_total, 0);
    }
}
