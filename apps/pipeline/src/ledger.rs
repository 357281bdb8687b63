//! `ledger`: what became of the records of each range, and whether the books balance.

use cdc_postgres::{Books, Decision, LogBooks, Mismatch, read_ledger};
use serde_json::{Value, json};

use crate::cli::ConfigArgs;
use crate::config::Settings;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

/// Prints the books. Exit code 0 when they balance.
pub(crate) async fn ledger(settings: &Settings, arguments: &ConfigArgs) -> Result<Exit, Failure> {
    let read = read_ledger(&settings.postgres).await;
    let books = read.map_err(|error| Failure::end("read the ledger", error))?;
    if arguments.json {
        output::line(as_json(&books));
    } else {
        for log in &books.logs {
            output::line(describe(log));
        }
        for decision in &books.decisions {
            output::line(remind(decision));
        }
        for mismatch in &books.mismatches {
            output::line(complain(mismatch));
        }
    }
    match books.mismatches.len() {
        0 => {
            if !arguments.json {
                output::line(verdict(&books));
            }
            Ok(Exit::Done)
        }
        count => Err(Failure::Unbalanced { count }),
    }
}

fn verdict(books: &Books) -> String {
    let read: u64 = books.logs.iter().map(|log| log.read).sum();
    match books.logs.len() {
        0 => "no books yet: nothing has been applied".to_owned(),
        1 => format!("books balance: 1 partition, {read} records"),
        more => format!("books balance: {more} partitions, {read} records"),
    }
}

/// One line of a log.
fn describe(log: &LogBooks) -> String {
    let LogBooks { partition, entries, read, written, folded, skipped, dead_lettered, .. } = log;
    let Some((first, until)) = log.range else {
        let stands = match log.checkpoint {
            Some(next) => format!("books begin at {next}, where the checkpoint stands"),
            None => "nothing has been applied yet".to_owned(),
        };
        return format!("{partition}: no entries; {stands}");
    };
    let reasons: Vec<String> =
        log.skipped_by.iter().map(|(reason, records)| format!("{reason} {records}")).collect();
    let reasons =
        if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join(", ")) };
    let passed_over = match log.passed_over {
        0 => String::new(),
        offsets => format!("; {offsets} offsets were gone and passed over"),
    };
    format!(
        "{partition}: [{first}, {until}) in {entries} entries, {read} read = {written} written + \
         {folded} folded + {skipped} skipped{reasons} + {dead_lettered} dead letters{passed_over}"
    )
}

/// One line of a decision.
fn remind(decision: &Decision) -> String {
    let Decision { id, kind, reason, decided_by, decided_at, state } = decision;
    let what = kind.replace('_', " ");
    if kind == "source_accepted" {
        // Its state is what was known of the source, which says nothing to a person.
        return format!("decision {id}: {what} by {decided_by} at {decided_at}: {reason}");
    }
    format!("decision {id}: {what} by {decided_by} at {decided_at}: {reason}\n    {state}")
}

fn complain(mismatch: &Mismatch) -> String {
    let Mismatch { partition, place, kind, message, fix } = mismatch;
    format!("mismatch [{}] {partition} at {place}: {message}\n    {fix}", kind.name())
}

fn as_json(books: &Books) -> Value {
    let logs = books.logs.iter().map(|log| {
        json!({
            "topic": log.partition.topic().as_str(),
            "generation": log.partition.generation().get(),
            "partition": log.partition.number().get(),
            "entries": log.entries,
            "from": log.range.map(|(first, _)| first),
            "until": log.range.map(|(_, until)| until),
            "checkpoint": log.checkpoint,
            "read": log.read,
            "written": log.written,
            "folded": log.folded,
            "skipped": log.skipped,
            "skipped_by": log.skipped_by,
            "dead_lettered": log.dead_lettered,
            "passed_over": log.passed_over,
        })
    });
    let mismatches = books.mismatches.iter().map(|mismatch| {
        json!({
            "kind": mismatch.kind.name(),
            "topic": mismatch.partition.topic().as_str(),
            "generation": mismatch.partition.generation().get(),
            "partition": mismatch.partition.number().get(),
            "offset": mismatch.place,
            "message": mismatch.message,
            "fix": mismatch.fix,
        })
    });
    let decisions = books.decisions.iter().map(|decision| {
        json!({
            "id": decision.id,
            "kind": decision.kind,
            "reason": decision.reason,
            "decided_by": decision.decided_by,
            "decided_at": decision.decided_at,
            "state": serde_json::from_str::<Value>(&decision.state).unwrap_or_default(),
        })
    });
    json!({
        "balanced": books.mismatches.is_empty(),
        "partitions": logs.collect::<Vec<_>>(),
        "mismatches": mismatches.collect::<Vec<_>>(),
        "decisions": decisions.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use cdc_core::Partition;
    use cdc_postgres::MismatchKind;

    use super::*;

    fn log() -> LogBooks {
        LogBooks {
            partition: Partition::new("shop.public.orders", 0, 3).unwrap(),
            entries: 2,
            range: Some((100, 200)),
            read: 90,
            written: 60,
            folded: 20,
            skipped: 9,
            skipped_by: BTreeMap::from([("tests".to_owned(), 2), ("tombstone".to_owned(), 7)]),
            dead_lettered: 1,
            passed_over: 0,
            checkpoint: Some(200),
        }
    }

    #[test]
    fn a_log_reads_as_an_equation() {
        assert_eq!(
            describe(&log()),
            "shop.public.orders/0/3: [100, 200) in 2 entries, 90 read = 60 written + 20 folded + 9 \
             skipped (tests 2, tombstone 7) + 1 dead letters"
        );
        let passed = LogBooks { passed_over: 15, ..log() };
        let said = describe(&passed);
        assert!(said.ends_with("1 dead letters; 15 offsets were gone and passed over"), "{said}");
        let upgraded = LogBooks { range: None, skipped_by: BTreeMap::new(), ..log() };
        assert_eq!(
            describe(&upgraded),
            "shop.public.orders/0/3: no entries; books begin at 200, where the checkpoint stands"
        );
    }

    #[test]
    fn a_mismatch_names_its_place_and_the_next_step() {
        let mismatch = Mismatch {
            partition: log().partition,
            place: 120,
            kind: MismatchKind::Hole,
            message: "the offsets from 120 up to 130 are in no entry".to_owned(),
            fix: "look".to_owned(),
        };
        let decision = Decision {
            id: 3,
            kind: "gap_accepted".to_owned(),
            reason: "a long night".to_owned(),
            decided_by: "warehouse".to_owned(),
            decided_at: "2026-01-01T00:00:00+00".to_owned(),
            state: "[]".to_owned(),
        };
        assert!(remind(&decision).starts_with("decision 3: gap accepted by warehouse at 2026"));
        let books =
            Books { logs: vec![log()], mismatches: vec![mismatch], decisions: vec![decision] };
        let said = complain(books.mismatches.first().unwrap());
        assert!(said.starts_with("mismatch [hole] shop.public.orders/0/3 at 120: "), "{said}");
        let value = as_json(&books);
        assert_eq!(value["balanced"], false);
        assert_eq!(value["decisions"][0]["reason"], "a long night");
        assert_eq!(value["mismatches"][0]["offset"], 120);
        assert_eq!(value["partitions"][0]["skipped_by"]["tombstone"], 7);
    }
}
