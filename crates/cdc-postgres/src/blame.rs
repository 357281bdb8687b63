//! From the line in a server's refusal to the record that the row came from.
//!
//! PostgreSQL says in the context of an error which line of a COPY it was reading, and in binary
//! form a line is a row. The text around the number follows the server's language, so only the
//! table's name and the first number after it are looked for, from the end of the context: what a
//! row's triggers did comes before the COPY that fired them, and has line numbers of its own.

use cdc_core::{DeadLetter, ErrorClass, Poison, RecordRef, TableId};
use sqlx::postgres::PgDatabaseError;

use crate::catalog::ColumnChecks;
use crate::error::{PostgresError, from_statement, rejection, row_is_at_fault};

/// What was being copied: enough to find the row that was refused.
pub(crate) struct Copied<'c> {
    /// What was attempted, naming the target.
    pub(crate) doing: &'c str,
    /// The table that the rows were copied into, by its own name.
    pub(crate) relation: &'c str,
    /// The table's number.
    pub(crate) table: TableId,
    /// Which column a CHECK constraint is about.
    pub(crate) checks: &'c ColumnChecks,
}

impl Copied<'_> {
    /// The error of a COPY, with the record when the server named a line. `record` gives the record
    /// of a row, counted from zero.
    pub(crate) fn error(
        &self,
        error: sqlx::Error,
        record: impl FnOnce(usize) -> Option<RecordRef>,
    ) -> PostgresError {
        let (doing, answer) = match from_statement(self.doing, error) {
            Ok(refused) => refused,
            Err(error) => return error,
        };
        let mut rejection = rejection(&answer, &doing).in_table(self.table);
        let context = answer.r#where().unwrap_or_default();
        let place = line(context, self.relation);
        if rejection.column.is_none() {
            rejection.column = place.and_then(|place| place.column).map(str::to_owned);
        }
        if rejection.column.is_none() {
            let constraint = answer.constraint();
            rejection.column = constraint.and_then(|name| self.checks.get(name)).cloned();
        }
        let at = place.and_then(|place| record(place.row));
        let message = rejection.message.clone();
        let poison = match at {
            Some(at) => Poison::Record(Box::new(DeadLetter { at, rejection: Box::new(rejection) })),
            None => Poison::Unknown(Box::new(rejection)),
        };
        PostgresError::Row { doing, message, class: ErrorClass::Poison(poison) }
    }
}

/// Whether the server refused a row, for whatever reason.
pub(crate) fn is_about_a_row(error: &sqlx::Error) -> bool {
    answer(error).is_some_and(row_is_at_fault)
}

/// The index that refused a row as a duplicate, and the table that it belongs to.
pub(crate) fn duplicate_of(error: &sqlx::Error) -> Option<(&str, &str)> {
    let answer = answer(error).filter(|answer| answer.code() == "23505")?;
    Some((answer.constraint()?, answer.table()?))
}

fn answer(error: &sqlx::Error) -> Option<&PgDatabaseError> {
    error.as_database_error()?.try_downcast_ref::<PgDatabaseError>()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place<'c> {
    /// Counted from zero.
    row: usize,
    column: Option<&'c str>,
}

/// The name before what the server shows of the value, when rows travel as text.
fn name(column: &str) -> &str {
    let end = column.find(": \"").or_else(|| column.rfind(": null input"));
    end.and_then(|end| column.get(..end)).unwrap_or(column)
}

fn line<'c>(context: &'c str, relation: &str) -> Option<Place<'c>> {
    context.lines().rev().find_map(|text| {
        let (_, rest) = text.split_once(relation)?;
        let start = rest.find(|c: char| c.is_ascii_digit())?;
        let (_, rest) = rest.split_at_checked(start)?;
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (digits, rest) = rest.split_at_checked(end)?;
        let row = digits.parse::<usize>().ok()?.checked_sub(1)?;
        Some(Place { row, column: rest.strip_prefix(", column ").map(name) })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_found_in_any_language() {
        let cases = [
            ("COPY orders_fact, line 3", Some((2, None))),
            ("COPY orders_fact, line 3, column amount", Some((2, Some("amount")))),
            ("COPY orders_fact, line 3, column q: \"a: \"b", Some((2, Some("q")))),
            ("COPY orders_fact, line 3, column q: null input", Some((2, Some("q")))),
            ("COPY orders_fact, Zeile 12, Spalte amount", Some((11, None))),
            ("テーブルorders_factのCOPY、行 7", Some((6, None))),
            ("PL/pgSQL function f() line 9 at RAISE\nCOPY orders_fact, line 4", Some((3, None))),
            ("function orders_fact_log() line 5\nCOPY orders_fact, line 4", Some((3, None))),
            ("COPY other, line 3", None),
            ("COPY orders_fact", None),
            ("", None),
        ];
        for (context, expected) in cases {
            let found = line(context, "orders_fact").map(|place| (place.row, place.column));
            assert_eq!(found, expected, "{context:?}");
        }
    }

    #[test]
    fn digits_in_the_name_are_not_the_line() {
        assert_eq!(line("COPY cdc_rows_12, line 3", "cdc_rows_12").map(|place| place.row), Some(2));
    }
}
