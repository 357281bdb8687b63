//! Help, and what is refused before anything happens.

use crate::program::{refusal, run, text};

#[test]
fn the_help_teaches_by_examples() {
    for arguments in [&["--help"][..], &["help"]] {
        let output = run(arguments);
        assert!(output.status.success());
        let help = text(&output.stdout);
        for part in ["cdc-seed-data sql --url", "cdc-seed-data kafka", "--hostile", "Exit codes"] {
            assert!(help.contains(part), "{part} is missing in:\n{help}");
        }
    }
    let help = text(&run(&["sql", "--help"]).stdout);
    for option in ["--seed", "--rate", "--count", "--keys", "--mix", "--per-transaction", "--json"]
    {
        assert!(help.contains(option), "{option} is missing in:\n{help}");
    }
}

#[test]
fn nothing_to_do_shows_the_help_and_is_wrong_usage() {
    let (code, message) = refusal(&[]);
    assert_eq!(code, Some(2));
    assert!(message.contains("Usage: cdc-seed-data"), "{message}");
}

#[test]
fn wrong_options_are_refused_with_the_near_miss_or_what_is_allowed() {
    for (arguments, part) in [
        (&["fil", "x"][..], "'file'"),
        (&["file", "x", "--sed", "7"], "'--seed'"),
        (&["file", "x", "--per-transactoin", "7"], "'--per-transaction'"),
        (&["file", "x", "--mix", "4:1"], "insert:update:delete"),
        (&["file", "x", "--mix", "0:0:0"], "no operation"),
        (&["file", "x", "--keys", "0"], "1.."),
        (&["file", "x", "--start", "yesterday"], "2024-01-01T00:00:00Z"),
        (&["file", "x", "--topic", ""], "--topic needs a name"),
        (&["file", "x", "--topic", "two words"], "--topic: a topic name has only"),
        (&["file", "x", "--topic", ".."], "--topic: a topic name has only"),
        (&["file"], "<PATH>"),
        (&["sql"], "--url"),
        (&["kafka", "--partitions", "0"], "1..=10000"),
    ] {
        let (code, message) = refusal(arguments);
        assert_eq!(code, Some(2), "{arguments:?}: {message}");
        assert!(message.contains(part), "{arguments:?}: {message}");
    }
}
