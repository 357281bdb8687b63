//! What the program knows by itself, printed for people or machines.

use std::fmt::Write as _;

use cdc_postgres::{TypePair, type_pairs};
use serde_json::json;

use crate::cli::ExplainTopic;
use crate::exit::Exit;
use crate::output;

/// Prints what was asked for.
pub(crate) fn explain(topic: &ExplainTopic) -> Exit {
    let ExplainTopic::Types(arguments) = topic;
    let text = if arguments.json { types_json() } else { types_table() };
    output::line(text);
    Exit::Done
}

fn types_json() -> String {
    let pairs: Vec<_> = type_pairs()
        .map(|TypePair { source, target, form, condition, why }| {
            json!({
                "source": source,
                "column": target,
                "form": form,
                "condition": condition,
                "why": why,
            })
        })
        .collect();
    json!({ "pairs": pairs }).to_string()
}

/// One line per pair, the source named where it changes.
fn types_table() -> String {
    let width = |text: fn(&TypePair) -> &'static str, heading: &str| {
        let longest = type_pairs().map(|pair| text(&pair).len()).max().unwrap_or(0);
        longest.max(heading.len())
    };
    let source_width = width(|pair| pair.source, "source");
    let target_width = width(|pair| pair.target, "column");
    let condition_width = width(condition, "condition");
    let mut table = String::new();
    let mut line = |source: &str, target: &str, condition: &str, why: &str| {
        writeln!(
            table,
            "{source:source_width$}  {target:target_width$}  {condition:condition_width$}  {why}"
        )
        .expect("writing to a String cannot fail");
    };
    line("source", "column", "condition", "why");
    let mut above = "";
    for pair in type_pairs() {
        let source = if pair.source == above { "" } else { pair.source };
        above = pair.source;
        line(source, pair.target, condition(&pair), pair.why);
    }
    table.push_str(
        "\nAny other pair is refused before a run writes anything. An array goes into an array of the \
         type.\nMore: cdc-pipeline explain types --help",
    );
    table
}

fn condition(pair: &TypePair) -> &'static str {
    if pair.condition.is_empty() { "always" } else { pair.condition }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_a_line_for_each_pair_and_names_each_source_once() {
        let table = types_table();
        let pairs: Vec<_> = type_pairs().collect();
        // The heading, and three lines below the pairs.
        assert_eq!(table.lines().count(), pairs.len() + 4);
        for pair in &pairs {
            let named = table.lines().filter(|line| {
                line.strip_prefix(pair.source).is_some_and(|rest| rest.starts_with("  "))
            });
            assert_eq!(named.count(), 1, "{}", pair.source);
        }
    }

    #[test]
    fn machines_get_every_pair() {
        let json: serde_json::Value = serde_json::from_str(&types_json()).expect("JSON");
        let pairs = json["pairs"].as_array().expect("an array");
        assert_eq!(pairs.len(), type_pairs().count());
        let interval = pairs.iter().find(|pair| pair["source"] == "interval").expect("a pair");
        assert_eq!(interval["column"], "interval");
        assert_eq!(interval["condition"], "each value is checked");
    }
}
