//! Reads message values, one JSON text a line, and prints their rows with types.
//!
//! Column types for messages without schema block are arguments, such as `amount=decimal(10,2)`.
#![expect(clippy::print_stdout, reason = "printing is what this program is for")]

use std::io::BufRead as _;

use debezium_envelope::{Declarations, Limits, Message, MessageDecoder, Row, SemanticType, Value};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut declarations = Declarations::none();
    for argument in std::env::args().skip(1) {
        let (column, semantic) = argument.split_once('=').ok_or("expected column=type")?;
        declarations.declare("*", column, SemanticType::parse(semantic)?);
    }
    let mut decoder = MessageDecoder::new(declarations, Limits::default());
    for (number, line) in (1..).zip(std::io::stdin().lock().lines()) {
        let line = line?;
        match decoder.decode(None, Some(line.as_bytes())) {
            Ok(Message::Change(change)) => {
                let source = change.source;
                println!("{number}: {} {}.{}", change.op, source.schema, source.table);
                print_row("before", change.before);
                print_row("after", change.after);
            }
            Ok(other) => println!("{number}: {other:?}"),
            Err(error) => println!("{number}: {} ({error})", error.code()),
        }
    }
    Ok(())
}

fn print_row(label: &str, row: Option<Row<'_>>) {
    let Some(row) = row else { return };
    println!("  {label}");
    for (column, value) in row.shape().columns().iter().zip(row.values()) {
        let name = &column.name;
        let semantic = &column.semantic;
        if let Value::Decimal(decimal) = value {
            println!("    {name} {semantic} = {decimal}");
        } else {
            println!("    {name} {semantic} = {value:?}");
        }
    }
}
