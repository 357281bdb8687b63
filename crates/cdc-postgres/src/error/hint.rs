//! What to do about the server's refusals that no retry can cure.

use crate::sqlstate::StateClass;

/// A hint for a reason of the SQLSTATE table.
pub(super) fn for_reason(reason: &str, class: StateClass) -> Option<String> {
    let text = match reason {
        "permission_denied" => "grant the missing right: `cdc-pipeline check` prints the statement",
        "table_missing" | "schema_missing" => {
            "create the table again, or change the target in the configuration"
        }
        "column_missing" | "column_type_changed" | "column_generated" => {
            "restart the pipeline, so that it reads the target's columns again"
        }
        "function_missing" | "object_missing" => "run `cdc-pipeline init`",
        "key_index_missing" => "create the target's primary key again",
        "sequence_exhausted" => "change the identity column to bigint",
        "login_refused" => "correct the role or the password in `sink.postgres.url`",
        "database_missing" => "create the database, or correct its name in `sink.postgres.url`",
        "disk_full" => "free disk space on the warehouse",
        "binary_form_mismatch" | "copy_format_mismatch" | "target_changed" => {
            "look at the target: a column has changed its type, again after the table was planned anew"
        }
        "unexpected_server_error" => "report this as a bug, with the server's log of that moment",
        _ => match class {
            StateClass::Environment => "look at the server's log of that moment",
            StateClass::SessionLost
            | StateClass::Transient
            | StateClass::TargetChanged
            | StateClass::Data
            | StateClass::Logic => return None,
        },
    };
    Some(text.to_owned())
}

/// The ways out when too much waits behind letters of a table.
pub(super) fn for_chain(table: &str, letter: Option<i64>) -> String {
    let which =
        letter.map_or_else(|| format!("--table {table}"), |letter| format!("--id {letter}"));
    format!(
        "look at them with `cdc-pipeline dead-letters list`, remove the cause and run `cdc-pipeline \
         dead-letters retry {which}`, or give them up with `cdc-pipeline dead-letters discard {which} \
         --reason`; then start again"
    )
}
