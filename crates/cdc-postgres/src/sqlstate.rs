//! What a server's error code says about what may be done next.
//!
//! An allow list: a code that is not here is a fault of this program or of something it does not
//! know, and going on would be guessing. It is used for errors that a living session reported
//! before COMMIT was sent; after that the outcome is unknown whatever the code.
//!
//! Two codes mean two things, and the text of the error has to decide:
//! - `23514` without a constraint name is "no partition of relation … found for row": the
//!   environment lacks a partition, the row is fine.
//! - `42703` and `42804` are the environment because our statements name only columns which the
//!   catalog listed when the plan was made.

mod table;

use table::STATES;

/// What is known about a failure from its code alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StateClass {
    /// The session is gone; what it did last may or may not have happened.
    SessionLost,
    /// Nothing was applied, and the same may succeed later.
    Transient,
    /// The binary form of a column no longer is what the plan was made for.
    TargetChanged,
    /// Rights, objects or room are missing; no row is at fault.
    Environment,
    /// A row is at fault.
    Data,
    /// This program asked for something that makes no sense, or the server is broken.
    Logic,
}

/// The reason, a stable word to group failures by, and the class of an SQLSTATE.
pub(crate) fn classify(code: &str) -> (&'static str, StateClass) {
    let listed = |wanted: &str| STATES.iter().find(|state| state.code == wanted);
    let class = code.get(..2).unwrap_or_default();
    match listed(code).or_else(|| listed(class)) {
        Some(state) => (state.reason, state.class),
        None => ("unexpected_server_error", StateClass::Logic),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::path::Path;
    use std::{env, fs};

    use super::StateClass::{Data, Environment, Logic, SessionLost, TargetChanged, Transient};
    use super::*;

    /// Every row of the table once, by a code it must catch, and codes it must not know.
    const EXPECTED: &[(&str, StateClass, &str)] = &[
        ("08006", SessionLost, "connection_lost"),
        ("08003", SessionLost, "connection_lost"),
        ("08P01", TargetChanged, "binary_form_mismatch"),
        ("25P03", SessionLost, "idle_transaction_timeout"),
        ("25P04", SessionLost, "transaction_timeout"),
        ("57P01", SessionLost, "session_terminated"),
        ("57P02", SessionLost, "server_crashed"),
        ("57P03", SessionLost, "server_starting_or_stopping"),
        ("57P04", SessionLost, "database_dropped"),
        ("57P05", SessionLost, "idle_session_timeout"),
        ("40003", SessionLost, "completion_unknown"),
        ("40001", Transient, "serialization_failure"),
        ("40P01", Transient, "deadlock"),
        ("55P03", Transient, "lock_timeout"),
        ("57014", Transient, "statement_cancelled"),
        ("25006", Transient, "read_only_server"),
        ("26000", Transient, "prepared_statement_lost"),
        ("53400", Transient, "insufficient_resources"),
        ("53100", Transient, "disk_full"),
        ("53200", Transient, "out_of_memory"),
        ("53300", Transient, "too_many_connections"),
        ("22P03", TargetChanged, "binary_form_mismatch"),
        ("22P04", TargetChanged, "copy_format_mismatch"),
        ("2200H", Environment, "sequence_exhausted"),
        ("28P01", Environment, "login_refused"),
        ("28000", Environment, "login_refused"),
        ("3D000", Environment, "database_missing"),
        ("3F000", Environment, "schema_missing"),
        ("42501", Environment, "permission_denied"),
        ("42P01", Environment, "table_missing"),
        ("42703", Environment, "column_missing"),
        ("42704", Environment, "object_missing"),
        ("42883", Environment, "function_missing"),
        ("42804", Environment, "column_type_changed"),
        ("42809", Environment, "not_a_table"),
        ("42P10", Environment, "key_index_missing"),
        ("428C9", Environment, "column_generated"),
        ("54011", Environment, "too_many_columns"),
        ("58030", Environment, "storage_failed"),
        ("22023", Data, "value_refused"),
        ("22001", Data, "too_long"),
        ("22003", Data, "out_of_range"),
        ("22008", Data, "date_out_of_range"),
        ("22021", Data, "invalid_character"),
        ("22P02", Data, "invalid_text"),
        ("22P05", Data, "untranslatable_character"),
        ("21000", Data, "key_twice_in_batch"),
        ("23001", Data, "constraint"),
        ("23502", Data, "not_null"),
        ("23503", Data, "foreign_key"),
        ("23505", Data, "unique"),
        ("23514", Data, "check"),
        ("23P01", Data, "exclusion"),
        ("44000", Data, "view_check_option"),
        ("54000", Data, "index_row_too_large"),
        ("54001", Data, "nested_too_deeply"),
        ("0A000", Logic, "unexpected_server_error"),
        ("25P02", Logic, "unexpected_server_error"),
        ("42601", Logic, "unexpected_server_error"),
        ("42P07", Logic, "unexpected_server_error"),
        ("54023", Logic, "unexpected_server_error"),
        ("55000", Logic, "unexpected_server_error"),
        ("P0001", Logic, "unexpected_server_error"),
        ("XX000", Logic, "unexpected_server_error"),
        ("XX001", Logic, "unexpected_server_error"),
        ("", Logic, "unexpected_server_error"),
        ("2", Logic, "unexpected_server_error"),
        ("é", Logic, "unexpected_server_error"),
    ];

    #[test]
    fn each_code_has_its_class_and_reason() {
        for (code, class, reason) in EXPECTED {
            assert_eq!(classify(code), (*reason, *class), "{code:?}");
        }
    }

    #[test]
    fn each_row_of_the_table_is_expected_by_a_case() {
        for state in STATES {
            let covered = EXPECTED.iter().any(|(code, class, reason)| {
                code.starts_with(state.code) && (*class, *reason) == (state.class, state.reason)
            });
            assert!(covered, "{} has no case", state.code);
        }
    }

    /// Set to anything, it has the page written instead of compared.
    const WRITE: &str = "WRITE_SERVER_ERRORS";

    const INTRODUCTION: &str = "\
# Errors of the warehouse's server

What the pipeline does when the server answers with an error depends on its code (SQLSTATE). A code of
five characters goes before its class of two. `23514` without the name of a constraint is a missing
partition of the target, which is the environment. After COMMIT was sent the outcome is unknown whatever
the code, and the checkpoint is asked. This page is written from the program's own table
(`just server-errors`).
";

    const REST: &str = "
## Any other code

It is a fault of the program or of something it does not know, and going on would be guessing: it halts
(`unexpected_server_error`).
";

    /// What each class leads to, in the order of the page.
    const CLASSES: &[(StateClass, &str, &str)] = &[
        (
            SessionLost,
            "The session is gone",
            "A new session asks the checkpoint what became of the batch, and goes on from there.",
        ),
        (
            Transient,
            "The same may succeed later",
            "The batch is repeated, after pauses from 50 ms to 10 s, for as long as it takes.",
        ),
        (
            TargetChanged,
            "The target was changed",
            "Nothing of the batch is applied. Its tables are planned again, once; when that does not help, the pipeline halts (exit code 3).",
        ),
        (
            Environment,
            "Something around the rows",
            "The pipeline halts (exit code 4) and no row is set aside. The hint says what is missing.",
        ),
        (
            Data,
            "A row is at fault",
            "The row becomes a dead letter with this reason, and its neighbours are written.",
        ),
    ];

    fn page() -> String {
        let mut page = INTRODUCTION.to_owned();
        for (class, title, action) in CLASSES {
            write!(page, "\n## {title}\n\n{action}\n\n| code | reason | why |\n|---|---|---|\n")
                .unwrap();
            for state in STATES.iter().filter(|state| state.class == *class) {
                writeln!(page, "| `{}` | `{}` | {} |", state.code, state.reason, state.why)
                    .unwrap();
            }
        }
        page + REST
    }

    #[test]
    fn the_page_says_what_the_table_says() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/server-errors.md");
        if env::var_os(WRITE).is_some() {
            fs::write(&path, page()).unwrap();
        }
        let kept = fs::read_to_string(&path).unwrap();
        assert_eq!(kept, page(), "write it anew with `just server-errors`");
    }

    #[test]
    fn each_row_is_on_the_page() {
        let page = page();
        for state in STATES {
            assert!(page.contains(&format!("| `{}` |", state.code)), "{} is missing", state.code);
        }
    }

    #[test]
    fn no_code_is_listed_twice() {
        for (index, state) in STATES.iter().enumerate() {
            let again = STATES.iter().skip(index + 1).any(|other| other.code == state.code);
            assert!(!again, "{} is listed twice", state.code);
        }
    }
}
