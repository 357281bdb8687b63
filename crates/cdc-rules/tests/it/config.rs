//! Rules from TOML: the three examples of the documentation, every kind, and mistakes.

use cdc_config::{Document, FixedEnvironment, Problems};
use cdc_core::Operation;
use cdc_rules::{Comparison, Deletes, FilterEffect, Rule, RuleKind, RuleSet};

fn read(rules: &str) -> Result<RuleSet, Problems> {
    let text = format!("[[table]]\n{rules}");
    let environment = FixedEnvironment::new().with_variable("HASH_KEY", "hunter2");
    let document = Document::parse("pipeline.toml", &text).with_environment(environment);
    let set = document.root().sections("table").first().and_then(RuleSet::read);
    document.into_result(set)
}

#[test]
fn every_kind_of_rule_reads() {
    let set = read(
        r#"
        [[table.rule]]
        kind = "required"
        columns = ["customer_id"]
        [[table.rule]]
        kind = "range"
        column = "amount"
        min = "0"
        max = "1000000"
        [[table.rule]]
        kind = "hash"
        column = "email"
        key = { env = "HASH_KEY" }
        [[table.rule]]
        kind = "allowed"
        column = "status"
        values = ["", "paid"]
        [[table.rule]]
        kind = "pattern"
        name = "country code"
        column = "country"
        pattern = "^[A-Z]{2}$"
        [[table.rule]]
        kind = "rename"
        column = "a"
        to = "b"
        [[table.rule]]
        kind = "drop"
        columns = ["c"]
        [[table.rule]]
        kind = "filter"
        action = "keep"
        operations = ["insert", "delete"]
        deletes = "judge"
        column = "tenant"
        in = ["1", "2"]
        is_null = false
        "#,
    )
    .unwrap();
    let names: Vec<_> = set.rules().iter().map(Rule::name).collect();
    assert_eq!(
        names,
        [
            "required(customer_id)",
            "range(amount)",
            "hash(email)",
            "allowed(status)",
            "country code",
            "rename(a)",
            "drop(c)",
            "keep(insert, delete, tenant)"
        ]
    );
    let Some(RuleKind::Filter(filter)) = set.rules().last().map(Rule::kind) else {
        panic!("the last rule is a filter")
    };
    assert_eq!(filter.effect, FilterEffect::Keep);
    assert_eq!(filter.operations, [Operation::Insert, Operation::Delete]);
    assert_eq!(filter.deletes, Deletes::Judge);
    let comparisons = &filter.condition.as_ref().unwrap().comparisons;
    let expected = [Comparison::In(vec!["1".into(), "2".into()]), Comparison::NotNull];
    assert_eq!(comparisons, &expected);
}

#[test]
fn a_table_without_rules_has_the_empty_set() {
    assert!(read("").unwrap().is_empty());
}

#[test]
fn every_mistake_is_one_problem_with_its_field() {
    for (rule, field, expected) in [
        ("kind = \"requierd\"\ncolumns = [\"a\"]", "table[0].rule[0].kind", "required"),
        ("columns = [\"a\"]", "table[0].rule[0].kind", "one of"),
        ("kind = \"required\"", "table[0].rule[0].columns", "a list"),
        ("kind = \"range\"\ncolumn = \"a\"", "table[0].rule[0]", "min, max or both"),
        ("kind = \"range\"\ncolumn = \"a\"\nmin = 1", "table[0].rule[0].min", "a string"),
        ("kind = \"drop\"\ncolumns = [\"a\"]\ncolumn = \"b\"", "table[0].rule[0].column", ""),
        (
            "kind = \"pattern\"\ncolumn = \"a\"\npattern = \"(\"",
            "table[0].rule[0].pattern",
            "regular",
        ),
        ("kind = \"hash\"\ncolumn = \"a\"\nkey = \"k\"", "table[0].rule[0].key", "env"),
        ("kind = \"filter\"\naction = \"drop\"", "table[0].rule[0]", "operations"),
        (
            "kind = \"filter\"\naction = \"drop\"\nequals = \"a\"",
            "table[0].rule[0].column",
            "column",
        ),
        (
            "kind = \"filter\"\naction = \"drop\"\ncolumn = \"a\"",
            "table[0].rule[0].column",
            "comparison",
        ),
        (
            "kind = \"filter\"\naction = \"drop\"\noperations = [\"insrt\"]",
            "table[0].rule[0].operations[0]",
            "insert",
        ),
        ("kind = \"filter\"\noperations = [\"insert\"]", "table[0].rule[0].action", "keep"),
    ] {
        let problems = read(&format!("[[table.rule]]\n{rule}\n")).unwrap_err();
        let found: Vec<_> = problems.iter().map(|problem| problem.field().to_owned()).collect();
        assert_eq!(found, [field], "{rule}\n{problems}");
        assert!(problems.to_string().contains(expected), "{problems}");
        assert!(!problems.to_string().contains("hunter2"));
    }
}

#[test]
fn all_rules_are_read_before_the_first_mistake_ends_it() {
    let problems = read(
        "[[table.rule]]\nkind = \"drop\"\n[[table.rule]]\nkind = \"hash\"\nname = \"x\"\n\
         [[table.rule]]\nkind = \"required\"\ncolumns = [\"a\"]\nname = \"x\"\n",
    )
    .unwrap_err();
    assert_eq!(problems.len(), 4, "{problems}");
}
