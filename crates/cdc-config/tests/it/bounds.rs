//! Hostile files end in a short report, whatever their size and shape.

use std::fmt::Write;

use cdc_config::Document;
use cdc_config::limits::{FILE_BYTES_MAX, KEY_PARTS_MAX, PROBLEMS_MAX};

use crate::pipeline::{GOOD, read};

fn report(text: &str) -> String {
    let problems = read(text).unwrap_err();
    assert!(problems.iter().count() <= PROBLEMS_MAX);
    let report = problems.to_string();
    assert!(report.len() < PROBLEMS_MAX * 2_000, "{} bytes", report.len());
    report
}

#[test]
fn refuses_a_file_that_is_too_long() {
    let text = format!("{GOOD}\n#{}", "x".repeat(FILE_BYTES_MAX));
    assert!(report(&text).contains("the file is longer than 1048576 bytes"));
}

#[test]
fn refuses_nesting_by_dots_and_by_brackets() {
    let dots = vec!["a"; 200_000].join(".");
    assert!(report(&format!("{dots} = 1")).contains("more than 16 parts"));
    assert!(report(&format!("[{dots}]")).contains("more than 16 parts"));
    assert!(report(&format!("x = {{ {dots} = 1 }}")).contains("more than 16 parts"));
    let spaced = vec!["\"a\""; 100_000].join(" . ");
    assert!(report(&format!("{spaced} = 1")).contains("more than 16 parts"));
    report(&format!("x = {}", "[".repeat(500_000)));
    report(&format!("x = {}", "{a=".repeat(300_000)));
}

#[test]
fn accepts_the_deepest_nesting_the_bounds_allow() {
    let key = vec!["a"; KEY_PARTS_MAX].join(".");
    let text = format!("{}1{}", format!("{key} = {{ ").repeat(81), " }".repeat(81));
    report(&text);
    let text = format!("{}{key} = 1{}", format!("{key} = {{ ").repeat(80), " }".repeat(80));
    let document = Document::parse("f", &text);
    document.root().contains("a");
    assert!(document.into_result(Some(())).is_ok());
}

#[test]
fn counts_the_problems_it_does_not_show() {
    let mut text = GOOD.to_owned();
    text.push_str("[many]\n");
    let mut topics = String::from("topics = [");
    for index in 0..20_000 {
        writeln!(text, "[k{index}]").unwrap();
        topics.push_str("1,");
    }
    let text = text.replace("topics = [", &topics);
    let problems = read(&text).unwrap_err();
    assert_eq!(problems.iter().count(), PROBLEMS_MAX);
    assert_eq!(problems.len(), 40_001);
    assert!(problems.to_string().ends_with("and 39901 more problems"));
}

#[test]
fn survives_any_prefix_and_any_broken_byte_of_a_file() {
    for (end, _) in GOOD.char_indices() {
        let (prefix, rest) = GOOD.split_at(end);
        if let Err(problems) = read(prefix) {
            assert!(!problems.is_empty() && !problems.to_string().is_empty());
        }
        for broken in ["\"", "[", "]", "{", "=", "\n", "\u{0}", "é", "'''", "\\"] {
            let text = format!("{prefix}{broken}{rest}");
            if let Err(problems) = read(&text) {
                assert!(!problems.to_string().contains("hunter2"));
            }
        }
    }
}

#[test]
fn shows_no_control_characters() {
    let text = "\"a\\u001b[31m\" = 1\nb = \"\u{1b}[31m\"\n\u{1b}[0m = 2\n";
    let report = report(text);
    assert!(!report.contains('\u{1b}'), "{report:?}");
}

#[test]
fn shortens_long_keys_and_values() {
    let long = "x".repeat(100_000);
    report(&format!("{long} = 1\n[pipeline]\nname = \"n\"\nport = \"{long}\"\n"));
}

#[test]
fn takes_time_in_proportion_to_the_file() {
    // Every line is read as public, and every line is broken.
    let mut text = String::from("[map]\n");
    while text.len() < FILE_BYTES_MAX - 20 {
        writeln!(text, "k{} = x", text.len()).unwrap();
    }
    let started = std::time::Instant::now();
    let document = Document::parse("f", &text);
    document.root().entries("map");
    document.into_result(Some(())).unwrap_err();
    assert!(started.elapsed().as_secs() < 30, "{:?}", started.elapsed());
}
