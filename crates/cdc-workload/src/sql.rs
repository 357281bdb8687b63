//! Operations as SQL text for a source PostgreSQL.
//!
//! Text, because it can be shown, kept in a file and piped into `psql`. Literals are right under
//! either setting of `standard_conforming_strings`, and no line of them can be taken for a command
//! of `psql`.

use std::fmt::{self, Display, Write};

use crate::order::TimestampText;
use crate::{Cents, Load, Operation, Order, Transaction};

const COLUMNS: &str = "order_id, customer_id, product_name, amount, status, created_at, updated_at";

/// Creates the table of the source, if it is missing, and lets updates and deletes carry the whole
/// earlier row.
pub const CREATE_TABLE: &str = "\
CREATE TABLE IF NOT EXISTS public.orders (
    order_id     SERIAL PRIMARY KEY,
    customer_id  INT NOT NULL,
    product_name VARCHAR(255),
    amount       DECIMAL(10, 2),
    status       VARCHAR(50),
    created_at   TIMESTAMP DEFAULT NOW(),
    updated_at   TIMESTAMP DEFAULT NOW()
);
ALTER TABLE public.orders REPLICA IDENTITY FULL;
";

/// Appends one transaction, from BEGIN to COMMIT, with a line end after each statement.
pub fn write_transaction(transaction: &Transaction, out: &mut String) {
    out.push_str("BEGIN;\n");
    match transaction.load {
        Load::Statements => {
            for operation in &transaction.operations {
                write_operation(operation, out);
            }
        }
        Load::Copy => {
            let rows = transaction.operations.iter().filter_map(|operation| match operation {
                Operation::Insert(order) => Some(order),
                Operation::Update { .. } | Operation::Delete(_) => None,
            });
            write_copy(rows, out);
        }
    }
    out.push_str("COMMIT;\n");
}

/// Appends a COPY of these rows, its data and its end, in the form that `psql` reads.
pub fn write_copy<'o>(rows: impl IntoIterator<Item = &'o Order>, out: &mut String) {
    write_text(out, format_args!("COPY public.orders ({COLUMNS}) FROM STDIN;\n"));
    for order in rows {
        write_text(out, format_args!("{}\t{}\t", order.order_id, order.customer_id));
        write_copy_field(order.product_name.as_deref(), out);
        out.push('\t');
        write_copy_field(order.amount, out);
        out.push('\t');
        write_copy_field(order.status.as_deref(), out);
        out.push('\t');
        write_copy_field(order.created_at_micros.map(TimestampText), out);
        out.push('\t');
        write_copy_field(order.updated_at_micros.map(TimestampText), out);
        out.push('\n');
    }
    out.push_str("\\.\n");
}

/// The query that reserves `count` keys for a workload and gives the first of them.
///
/// The sequence of `order_id`, if there is one, moves behind them, so rows which an application
/// inserts beside the workload get keys of their own. The answer is 1 only for an empty table.
pub fn reserve_order_ids(count: u32) -> String {
    format!(
        "\
WITH reserved AS (
    SELECT greatest(
        nextval(pg_get_serial_sequence('public.orders', 'order_id')),
        (SELECT max(order_id)::bigint + 1 FROM public.orders WHERE order_id < {last}),
        CASE WHEN EXISTS (SELECT FROM public.orders) THEN 2 ELSE 1 END
    ) AS first
), moved AS MATERIALIZED (
    SELECT first, setval(
        pg_get_serial_sequence('public.orders', 'order_id'),
        least(first + {count}, {last}), false
    ) FROM reserved
)
SELECT first FROM moved;
",
        last = i32::MAX
    )
}

fn write_operation(operation: &Operation, out: &mut String) {
    match operation {
        Operation::Insert(order) => write_insert(order, out),
        Operation::Update { before, after } => write_update(before, after, out),
        Operation::Delete(order) => {
            write_text(
                out,
                format_args!("DELETE FROM public.orders WHERE order_id = {};\n", order.order_id),
            );
        }
    }
}

fn write_insert(order: &Order, out: &mut String) {
    write_text(
        out,
        format_args!(
            "INSERT INTO public.orders ({COLUMNS}) VALUES ({}, {}, {}, {}, {}, {}, {});\n",
            order.order_id,
            order.customer_id,
            TextLiteral(order.product_name.as_deref()),
            AmountLiteral(order.amount),
            TextLiteral(order.status.as_deref()),
            TimeLiteral(order.created_at_micros),
            TimeLiteral(order.updated_at_micros),
        ),
    );
}

/// Names the columns that differ, as an application would, and the status when none does: an update
/// that changes nothing is an event of the log all the same.
fn write_update(before: &Order, after: &Order, out: &mut String) {
    out.push_str("UPDATE public.orders SET ");
    let start = out.len();
    let mut set = |is_changed: bool, column: &str, value: &dyn Display| {
        if is_changed {
            let comma = if out.len() > start { ", " } else { "" };
            write_text(out, format_args!("{comma}{column} = {value}"));
        }
    };
    set(before.order_id != after.order_id, "order_id", &after.order_id);
    set(before.customer_id != after.customer_id, "customer_id", &after.customer_id);
    let product = TextLiteral(after.product_name.as_deref());
    set(before.product_name != after.product_name, "product_name", &product);
    set(before.amount != after.amount, "amount", &AmountLiteral(after.amount));
    let status = TextLiteral(after.status.as_deref());
    set(before.status != after.status || before == after, "status", &status);
    let created = TimeLiteral(after.created_at_micros);
    set(before.created_at_micros != after.created_at_micros, "created_at", &created);
    let updated = TimeLiteral(after.updated_at_micros);
    set(before.updated_at_micros != after.updated_at_micros, "updated_at", &updated);
    write_text(out, format_args!(" WHERE order_id = {};\n", before.order_id));
}

fn write_text(out: &mut String, text: fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing into a String does not fail");
}

/// NULL, or text in quotes.
struct TextLiteral<'t>(Option<&'t str>);

impl Display for TextLiteral<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(text) = self.0 else { return out.write_str("NULL") };
        let is_plain = !text.chars().any(|char| char == '\\' || char.is_ascii_control());
        out.write_str(if is_plain { "'" } else { "E'" })?;
        for char in text.chars() {
            match char {
                '\'' => out.write_str("''")?,
                '\\' => out.write_str("\\\\")?,
                control if control.is_ascii_control() => {
                    write!(out, "\\x{:02x}", u32::from(control))?;
                }
                other => out.write_char(other)?,
            }
        }
        out.write_char('\'')
    }
}

/// NULL, or a number.
struct AmountLiteral(Option<Cents>);

impl Display for AmountLiteral {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(amount) => amount.fmt(out),
            None => out.write_str("NULL"),
        }
    }
}

/// NULL, or a time in quotes.
struct TimeLiteral(Option<i64>);

impl Display for TimeLiteral {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(micros) => write!(out, "'{}'", TimestampText(micros)),
            None => out.write_str("NULL"),
        }
    }
}

/// A field of COPY's text format: `\N` for NULL, and an escape for each character that the format
/// or a reader of lines would take for its own.
fn write_copy_field(value: Option<impl Display>, out: &mut String) {
    let Some(value) = value else { return out.push_str("\\N") };
    let start = out.len();
    write_text(out, format_args!("{value}"));
    let is_special = |byte: &u8| *byte == b'\\' || byte.is_ascii_control();
    if !out.as_bytes().iter().skip(start).any(is_special) {
        return;
    }
    let text = out.split_off(start);
    for char in text.chars() {
        match char {
            '\\' => out.push_str("\\\\"),
            control if control.is_ascii_control() => {
                write_text(out, format_args!("\\x{:02x}", u32::from(control)));
            }
            other => out.push(other),
        }
    }
}
