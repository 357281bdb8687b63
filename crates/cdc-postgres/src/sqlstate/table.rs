//! The SQLSTATE codes that are known, and what each means to a pipeline.

use super::StateClass;

/// One row of the table: a full code or the two characters of its class.
pub(super) struct State {
    pub(super) code: &'static str,
    pub(super) class: StateClass,
    /// A stable word to group failures by.
    pub(super) reason: &'static str,
    /// What it means, which is why it has its class.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "read by people, and by the test that writes their page")
    )]
    pub(super) why: &'static str,
}

const fn state(
    code: &'static str,
    class: StateClass,
    reason: &'static str,
    why: &'static str,
) -> State {
    State { code, class, reason, why }
}

/// Full codes win over classes, wherever they stand.
pub(super) const STATES: &[State] = &[
    // Connection.
    state(
        "08",
        StateClass::SessionLost,
        "connection_lost",
        "the connection failed; what was sent last may have been done",
    ),
    state(
        "08P01",
        StateClass::TargetChanged,
        "binary_form_mismatch",
        "sent for a binary value shorter or longer than its column's type wants: the column was changed",
    ),
    state(
        "25P03",
        StateClass::SessionLost,
        "idle_transaction_timeout",
        "the server ended a session that waited inside a transaction",
    ),
    state(
        "25P04",
        StateClass::SessionLost,
        "transaction_timeout",
        "the server ended a session whose transaction took too long",
    ),
    state(
        "57P01",
        StateClass::SessionLost,
        "session_terminated",
        "an administrator, a restart or a takeover ended the session",
    ),
    state(
        "57P02",
        StateClass::SessionLost,
        "server_crashed",
        "another session crashed and the server restarts",
    ),
    state(
        "57P03",
        StateClass::SessionLost,
        "server_starting_or_stopping",
        "the server is starting, stopping or recovering",
    ),
    state(
        "57P04",
        StateClass::SessionLost,
        "database_dropped",
        "the database was dropped under the session; it may come back with a restore",
    ),
    state(
        "57P05",
        StateClass::SessionLost,
        "idle_session_timeout",
        "the server ended a session that was idle",
    ),
    state(
        "40003",
        StateClass::SessionLost,
        "completion_unknown",
        "the server cannot say whether the statement was completed",
    ),
    // Concurrency and resources: the transaction has been rolled back, waiting helps.
    state(
        "40001",
        StateClass::Transient,
        "serialization_failure",
        "another transaction was in the way; this one was rolled back whole",
    ),
    state(
        "40P01",
        StateClass::Transient,
        "deadlock",
        "two transactions waited for each other; this one was rolled back whole",
    ),
    state(
        "55P03",
        StateClass::Transient,
        "lock_timeout",
        "somebody holds a lock on the table or the partition; waiting helps",
    ),
    state(
        "57014",
        StateClass::Transient,
        "statement_cancelled",
        "somebody, or a time limit, cancelled the statement; the transaction was rolled back",
    ),
    state(
        "25006",
        StateClass::Transient,
        "read_only_server",
        "the server is a standby or set to read only; after a switch-over it is not",
    ),
    state(
        "26000",
        StateClass::Transient,
        "prepared_statement_lost",
        "a pooler gave the session another server, which does not know the statement",
    ),
    state(
        "53",
        StateClass::Transient,
        "insufficient_resources",
        "the server is short of something",
    ),
    state("53100", StateClass::Transient, "disk_full", "the disk is full; somebody can make room"),
    state("53200", StateClass::Transient, "out_of_memory", "the server is out of memory for now"),
    state(
        "53300",
        StateClass::Transient,
        "too_many_connections",
        "all connections are taken; some will end",
    ),
    // A plan that no longer fits its target.
    state(
        "22P03",
        StateClass::TargetChanged,
        "binary_form_mismatch",
        "COPY read a binary value that its column does not take: the column was changed",
    ),
    state(
        "22P04",
        StateClass::TargetChanged,
        "copy_format_mismatch",
        "COPY read another number of columns than the table has: a column came or went",
    ),
    // Surroundings.
    state(
        "2200H",
        StateClass::Environment,
        "sequence_exhausted",
        "a sequence of the target has come to its end, which concerns each further row",
    ),
    state(
        "28",
        StateClass::Environment,
        "login_refused",
        "the role, its password or its certificate is refused",
    ),
    state("3D000", StateClass::Environment, "database_missing", "there is no such database"),
    state("3F000", StateClass::Environment, "schema_missing", "there is no such schema"),
    state("42501", StateClass::Environment, "permission_denied", "the role lacks a right"),
    state("42P01", StateClass::Environment, "table_missing", "the table was dropped or renamed"),
    state(
        "42703",
        StateClass::Environment,
        "column_missing",
        "statements name only columns that the catalog listed: one was dropped or renamed",
    ),
    state(
        "42704",
        StateClass::Environment,
        "object_missing",
        "a type, role or other object is missing",
    ),
    state(
        "42883",
        StateClass::Environment,
        "function_missing",
        "a function of the state schema is missing: the schema is older than the program",
    ),
    state(
        "42804",
        StateClass::Environment,
        "column_type_changed",
        "statements carry the types that the catalog listed: one was changed",
    ),
    state(
        "42809",
        StateClass::Environment,
        "not_a_table",
        "the target has become a view or something else that takes no rows",
    ),
    state(
        "42P10",
        StateClass::Environment,
        "key_index_missing",
        "the unique index that a merge goes by was dropped",
    ),
    state(
        "428C9",
        StateClass::Environment,
        "column_generated",
        "a column was made one that the server computes itself",
    ),
    state(
        "54011",
        StateClass::Environment,
        "too_many_columns",
        "a statement has more columns than a server can take",
    ),
    state(
        "58",
        StateClass::Environment,
        "storage_failed",
        "the server cannot read or write its files",
    ),
    // Rows.
    state(
        "22",
        StateClass::Data,
        "value_refused",
        "a value does not fit its column's type or a function that is applied to it",
    ),
    state("22001", StateClass::Data, "too_long", "a text is longer than its column"),
    state(
        "22003",
        StateClass::Data,
        "out_of_range",
        "a number is beyond its column's range or precision",
    ),
    state(
        "22008",
        StateClass::Data,
        "date_out_of_range",
        "a date or time is beyond its column's range",
    ),
    state(
        "22021",
        StateClass::Data,
        "invalid_character",
        "a text has a character that the database cannot store, as the zero byte",
    ),
    state(
        "22P02",
        StateClass::Data,
        "invalid_text",
        "a text is not one that its column's type can read, as an unknown label of an enum",
    ),
    state(
        "22P05",
        StateClass::Data,
        "untranslatable_character",
        "a text has a character that the database's encoding lacks",
    ),
    state(
        "21000",
        StateClass::Data,
        "key_twice_in_batch",
        "a merge met one key twice, which staging prevents: the rows are at odds with the index",
    ),
    state("23", StateClass::Data, "constraint", "the row breaks a constraint"),
    state("23502", StateClass::Data, "not_null", "the column does not take NULL"),
    state("23503", StateClass::Data, "foreign_key", "the row that this one refers to is not there"),
    state(
        "23505",
        StateClass::Data,
        "unique",
        "another row stands there, under a unique index that is not the target's key",
    ),
    state("23514", StateClass::Data, "check", "the row breaks a CHECK"),
    state(
        "23P01",
        StateClass::Data,
        "exclusion",
        "the row overlaps another one under an exclusion constraint",
    ),
    state(
        "44000",
        StateClass::Data,
        "view_check_option",
        "the row is outside the view that it is written through",
    ),
    state(
        "54000",
        StateClass::Data,
        "index_row_too_large",
        "a value is too large for an index of the target",
    ),
    state(
        "54001",
        StateClass::Data,
        "nested_too_deeply",
        "the statements are shallow: it is a document that is nested too deeply",
    ),
];
