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

/// One row of the table: a full code or the two characters of its class.
struct State {
    code: &'static str,
    reason: &'static str,
    class: StateClass,
}

const fn state(code: &'static str, class: StateClass, reason: &'static str) -> State {
    State { code, reason, class }
}

/// Full codes win over classes, wherever they stand.
const STATES: &[State] = &[
    // Connection. The server reports 08P01 itself only for a binary value shorter or longer than
    // its type wants, so it is the target that changed.
    state("08", StateClass::SessionLost, "connection_lost"),
    state("08P01", StateClass::TargetChanged, "binary_form_mismatch"),
    state("25P03", StateClass::SessionLost, "idle_transaction_timeout"),
    state("25P04", StateClass::SessionLost, "transaction_timeout"),
    state("57P01", StateClass::SessionLost, "session_terminated"),
    state("57P02", StateClass::SessionLost, "server_crashed"),
    state("57P03", StateClass::SessionLost, "server_starting_or_stopping"),
    state("57P04", StateClass::SessionLost, "database_dropped"),
    state("57P05", StateClass::SessionLost, "idle_session_timeout"),
    state("40003", StateClass::SessionLost, "completion_unknown"),
    // Concurrency and resources: the transaction has been rolled back, waiting helps.
    state("40001", StateClass::Transient, "serialization_failure"),
    state("40P01", StateClass::Transient, "deadlock"),
    state("55P03", StateClass::Transient, "lock_timeout"),
    state("57014", StateClass::Transient, "statement_cancelled"),
    state("25006", StateClass::Transient, "read_only_server"),
    state("26000", StateClass::Transient, "prepared_statement_lost"),
    state("53", StateClass::Transient, "insufficient_resources"),
    state("53100", StateClass::Transient, "disk_full"),
    state("53200", StateClass::Transient, "out_of_memory"),
    state("53300", StateClass::Transient, "too_many_connections"),
    // A plan that no longer fits its target.
    state("22P03", StateClass::TargetChanged, "binary_form_mismatch"),
    state("22P04", StateClass::TargetChanged, "copy_format_mismatch"),
    // Surroundings.
    state("2200H", StateClass::Environment, "sequence_exhausted"),
    state("28", StateClass::Environment, "login_refused"),
    state("3D000", StateClass::Environment, "database_missing"),
    state("3F000", StateClass::Environment, "schema_missing"),
    state("42501", StateClass::Environment, "permission_denied"),
    state("42P01", StateClass::Environment, "table_missing"),
    state("42703", StateClass::Environment, "column_missing"),
    state("42704", StateClass::Environment, "object_missing"),
    state("42883", StateClass::Environment, "function_missing"),
    state("42804", StateClass::Environment, "column_type_changed"),
    state("42809", StateClass::Environment, "not_a_table"),
    state("42P10", StateClass::Environment, "key_index_missing"),
    state("428C9", StateClass::Environment, "column_generated"),
    state("54011", StateClass::Environment, "too_many_columns"),
    state("58", StateClass::Environment, "storage_failed"),
    // Rows.
    state("22", StateClass::Data, "value_refused"),
    state("22001", StateClass::Data, "too_long"),
    state("22003", StateClass::Data, "out_of_range"),
    state("22008", StateClass::Data, "date_out_of_range"),
    state("22021", StateClass::Data, "invalid_character"),
    state("22P02", StateClass::Data, "invalid_text"),
    state("22P05", StateClass::Data, "untranslatable_character"),
    state("21000", StateClass::Data, "key_twice_in_batch"),
    state("23", StateClass::Data, "constraint"),
    state("23502", StateClass::Data, "not_null"),
    state("23503", StateClass::Data, "foreign_key"),
    state("23505", StateClass::Data, "unique"),
    state("23514", StateClass::Data, "check"),
    state("23P01", StateClass::Data, "exclusion"),
    state("44000", StateClass::Data, "view_check_option"),
    state("54000", StateClass::Data, "index_row_too_large"),
    // Our own statements are shallow: it is a document that is nested too deeply.
    state("54001", StateClass::Data, "nested_too_deeply"),
];

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

    #[test]
    fn no_code_is_listed_twice() {
        for (index, state) in STATES.iter().enumerate() {
            let again = STATES.iter().skip(index + 1).any(|other| other.code == state.code);
            assert!(!again, "{} is listed twice", state.code);
        }
    }
}
