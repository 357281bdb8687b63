//! From the driver's errors to ours: the only place that looks into them.

use cdc_core::{ErrorClass, Halt, Poison, Rejection, Stage};
use sqlx::postgres::PgDatabaseError;

use super::{PostgresError, hint};
use crate::sqlstate::{StateClass, classify};

/// What `cdc.advance_and_book` raises when the step does not join.
pub(crate) const FENCED: &str = "CD001";

/// What `cdc.require_types` raises when the target has changed.
const CHANGED: &str = "CD002";

/// A failure of which no row can be named.
pub(crate) fn from_driver(doing: impl Into<String>, error: sqlx::Error) -> PostgresError {
    match answer(doing.into(), error) {
        Ok((doing, answer)) => from_answer(doing, *answer),
        Err(error) => error,
    }
}

/// A failure that a row may be at fault for: then the server's answer, to find the row with.
pub(crate) fn from_statement(
    doing: impl Into<String>,
    error: sqlx::Error,
) -> Result<(String, Box<PgDatabaseError>), PostgresError> {
    let (doing, answer) = answer(doing.into(), error)?;
    if row_is_at_fault(&answer) { Ok((doing, answer)) } else { Err(from_answer(doing, *answer)) }
}

/// The server's answer; anything else is an error already.
fn answer(
    doing: String,
    error: sqlx::Error,
) -> Result<(String, Box<PgDatabaseError>), PostgresError> {
    let local = is_local(&error);
    if let sqlx::Error::Database(database) = error {
        return match database.try_downcast::<PgDatabaseError>() {
            Ok(answer) => Ok((doing, answer)),
            Err(other) => Err(PostgresError::SessionLost { doing, source: other.into_error() }),
        };
    }
    if !local {
        return Err(PostgresError::SessionLost { doing, source: error.into() });
    }
    Err(PostgresError::Server {
        doing,
        sqlstate: "none".to_owned(),
        reason: "unexpected_answer",
        class: ErrorClass::Fatal(Halt::Data),
        hint: hint::for_reason("unexpected_server_error", StateClass::Logic),
        source: Some(error.into()),
    })
}

/// Errors that arise on this side while the session stays sound.
fn is_local(error: &sqlx::Error) -> bool {
    matches!(
        error,
        sqlx::Error::RowNotFound
            | sqlx::Error::TypeNotFound { .. }
            | sqlx::Error::ColumnIndexOutOfBounds { .. }
            | sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::Encode(_)
            | sqlx::Error::Decode(_)
            | sqlx::Error::InvalidArgument(_)
    )
}

/// A check constraint always has a name; without one, the target has no partition for the row.
fn lacks_partition(answer: &PgDatabaseError) -> bool {
    answer.code() == "23514" && answer.constraint().is_none()
}

/// Input functions of some types call a text that they cannot read a syntax error, as the server calls
/// wrong SQL; that is found by another routine, or at no place in particular.
fn is_refused_text(answer: &PgDatabaseError) -> bool {
    answer.code() == "42601"
        && answer.r#where().is_some()
        && answer.routine() != Some("scanner_yyerror")
}

/// Whether the server refused a row, rather than a statement or anything around it.
pub(crate) fn row_is_at_fault(answer: &PgDatabaseError) -> bool {
    (classify(answer.code()).1 == StateClass::Data || is_refused_text(answer))
        && !lacks_partition(answer)
}

fn from_answer(doing: String, answer: PgDatabaseError) -> PostgresError {
    let sqlstate = answer.code().to_owned();
    if sqlstate == FENCED {
        return PostgresError::Fenced { step: doing, source: Box::new(answer) };
    }
    let (mut reason, mut state) = match &*sqlstate {
        CHANGED => ("target_changed", StateClass::TargetChanged),
        code => classify(code),
    };
    let mut hint = hint::for_reason(reason, state);
    if lacks_partition(&answer) {
        (reason, state) = ("partition_missing", StateClass::Environment);
        hint = Some("create the missing partition of the target table".to_owned());
    }
    let class = match state {
        StateClass::SessionLost => {
            return PostgresError::SessionLost { doing, source: Box::new(answer) };
        }
        StateClass::Transient => ErrorClass::Transient,
        StateClass::TargetChanged => ErrorClass::Outdated,
        StateClass::Logic => ErrorClass::Fatal(Halt::Data),
        StateClass::Environment => ErrorClass::Fatal(Halt::Environment),
        StateClass::Data => {
            let rejection = rejection(&answer, &doing);
            ErrorClass::Poison(Poison::Unknown(Box::new(rejection)))
        }
    };
    // The text of a data error may repeat the value.
    let source = (state != StateClass::Data).then(|| answer.into());
    PostgresError::Server { doing, sqlstate, reason, class, hint, source }
}

/// What is known about a refused row, without its values.
pub(crate) fn rejection(answer: &PgDatabaseError, doing: &str) -> Rejection {
    let reason = if is_refused_text(answer) { "invalid_text" } else { classify(answer.code()).0 };
    let message = match answer.constraint() {
        Some(constraint) => format!("{doing}: the row breaks the constraint {constraint}"),
        None => format!("{doing}: the server refused the row ({reason})"),
    };
    let mut rejection = Rejection::new(Stage::Apply, reason, message);
    rejection.sqlstate = Some(answer.code().to_owned());
    rejection.column = answer.column().map(str::to_owned);
    rejection.hint = row_hint(reason).map(str::to_owned);
    rejection
}

fn row_hint(reason: &str) -> Option<&'static str> {
    match reason {
        "not_null" => Some(
            "allow NULL in the target column, or correct the row in the source; of a deleted row the \
             source may have sent its key alone",
        ),
        "check" | "constraint" | "exclusion" => {
            Some("relax the target's constraint, or correct the row in the source")
        }
        "too_long" => Some("widen the target column, or shorten the value in the source"),
        "unique" => Some("drop the target's unique index, or remove the row that stands there"),
        "foreign_key" => Some("drop the target's foreign key, or load the referenced row first"),
        "out_of_range" | "date_out_of_range" => Some("widen the target column"),
        _ => None,
    }
}
