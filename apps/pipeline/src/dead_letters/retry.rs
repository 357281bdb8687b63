//! `dead-letters retry`: letters through the whole chain as it is today.

use std::num::NonZeroUsize;

use cdc_core::{ByteBudget, Decoder};
use cdc_engine::{
    Ends, EngineSettings, Meter, Outcome, Pipeline, RejectedShare, SentAgain, Shutdown, StopWhen,
};
use cdc_postgres::{LostLetters, Originals, Retry, RetryFailure, RetryMode, RetryReport};
use serde_json::{Value, json};

use super::arguments::RetryArgs;
use super::originals::FromKafka;
use super::shown::letters;
use crate::config::{Origin, Settings, Table};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::{output, run, signals};

/// Retries what the filter names. Exit code 0 when nothing failed again.
pub(super) async fn retry(settings: Settings, arguments: &RetryArgs) -> Result<Exit, Failure> {
    let (stop, shutdown) = Shutdown::channel();
    signals::stop_on_signal(stop)?;
    let mode = if arguments.dry_run { RetryMode::DryRun } else { RetryMode::Commit };
    let filter = arguments.filter.filter(None);
    let budget = ByteBudget::new(settings.memory);
    let targets = settings.tables.iter().map(|table| table.settings.clone()).collect();
    let postgres = settings.postgres.clone();
    let opened = Retry::open(postgres, targets, filter, mode, budget.clone()).await;
    let opened = opened.map_err(|error| Failure::end("retry dead letters", error))?;
    let retried = opened.retried.clone();
    let again = Again { engine: settings.engine, budget, shutdown };
    let ended = match settings.origin {
        Origin::Kafka(kafka) => {
            let opened = opened.reading(FromKafka::new(kafka));
            again.run(opened, run::decoder(&settings.tables)?, &settings.tables).await
        }
        Origin::Replication { .. } => {
            again.run(opened, run::replication_decoder(&settings.tables)?, &settings.tables).await
        }
    };
    let report = retried.report();
    if arguments.common.json {
        output::line(as_json(&report, mode));
    } else {
        describe(&report, mode).into_iter().for_each(output::line);
    }
    match ended? {
        Outcome::Ended | Outcome::CaughtUp | Outcome::Stopped if is_dead(&report) => {
            let again = match mode {
                RetryMode::Commit => "failed again and stay open",
                RetryMode::DryRun => "would fail again",
            };
            let dead = report.failed().saturating_add(report.lost());
            Err(Failure::StillDead(format!("{} {again}, listed above", letters(dead))))
        }
        Outcome::Ended | Outcome::CaughtUp | Outcome::Stopped => Ok(Exit::Done),
    }
}

/// How letters go their way again.
struct Again {
    engine: EngineSettings,
    budget: ByteBudget,
    shutdown: Shutdown,
}

impl Again {
    async fn run<O: Originals, D: Decoder + Clone>(
        self,
        opened: Retry<O>,
        decoder: D,
        tables: &[Table],
    ) -> Result<Outcome, Failure> {
        let rules = tables.iter().map(|table| table.rules.clone()).collect();
        let (source, sink) = (opened.source, opened.sink);
        let ends = Ends { source, decoder: || decoder.clone(), sink, rules };
        // They were refused: whoever sent them sent them once, and they had no effect.
        let engine = EngineSettings {
            lanes: NonZeroUsize::MIN,
            stop_when: StopWhen::Asked,
            sent_again: SentAgain::Apply,
            // Letters that are refused again stay letters.
            rejected_max: RejectedShare::ALL,
            ..self.engine
        };
        let pipeline = Pipeline::open(engine, ends, self.budget, Meter::shared()).await?;
        Ok(pipeline.run(self.shutdown).await?)
    }
}

fn is_dead(report: &RetryReport) -> bool {
    report.failed() > 0 || report.lost() > 0
}

/// The report for a person: a line for each thing that happened.
fn describe(report: &RetryReport, mode: RetryMode) -> Vec<String> {
    let RetryReport { selected, unread, written, present, superseded, resolved, .. } = report;
    let mut lines = Vec::new();
    if *selected == 0 {
        lines.push("no open dead letters to retry".to_owned());
    } else {
        let rolled_back = match mode {
            RetryMode::Commit => "",
            RetryMode::DryRun => ", rolled back",
        };
        lines.push(format!("{} tried{rolled_back}", letters(*selected)));
    }
    let mut add = |count: u64, what: &str| {
        if count > 0 {
            lines.push(format!("    {count} {what}"));
        }
    };
    add(*written, "written");
    add(*present, "already present");
    add(*superseded, "superseded by a newer version of the row");
    for (reason, count) in &report.skipped {
        add(*count, &format!("skipped: {reason}"));
    }
    add(*resolved, "resolved by somebody else meanwhile");
    for failure in &report.failures {
        add(failure.letters, &describe_failure(failure));
    }
    for lost in &report.lost {
        add(lost.letters, &describe_lost(lost));
    }
    add(*unread, "left alone: the pipeline has yet to read their records again");
    lines
}

/// How many letters of a reason are named to a person.
const NAMED: usize = 20;

fn describe_lost(group: &LostLetters) -> String {
    let LostLetters { lost, letters: count, first } = group;
    let mut lines = vec![format!("not tried: {lost}"), format!("hint: {}", lost.hint())];
    let letter =
        |(id, partition, offset): &_| format!("letter {id}: {partition} at offset {offset}");
    lines.extend(first.iter().take(NAMED).map(letter));
    let named = u64::try_from(first.len().min(NAMED)).unwrap_or(u64::MAX);
    if let more @ 1.. = count.saturating_sub(named) {
        lines.push(format!("and {}", letters(more)));
    }
    lines.join("\n        ")
}

fn describe_failure(failure: &RetryFailure) -> String {
    let RetryFailure { stage, reason, column, message, hint, .. } = failure;
    let column = column.as_ref().map_or(String::new(), |column| format!(" in {column}"));
    let mut text = format!("failed again: {reason}{column}, {stage}\n        {message}");
    if let Some(hint) = hint {
        text.push_str("\n        hint: ");
        text.push_str(hint);
    }
    text
}

/// The report for machines; names are stable.
fn as_json(report: &RetryReport, mode: RetryMode) -> Value {
    let failures = report.failures.iter().map(|failure| {
        json!({
            "stage": failure.stage,
            "reason": failure.reason,
            "column": failure.column,
            "message": failure.message,
            "hint": failure.hint,
            "letters": failure.letters,
        })
    });
    let lost = report.lost.iter().map(|group| {
        let first = group.first.iter().map(|(id, partition, offset)| {
            json!({
                "id": id,
                "topic": partition.topic().as_str(),
                "generation": partition.generation().get(),
                "partition": partition.number().get(),
                "offset": offset,
            })
        });
        json!({
            "reason": group.lost.code(),
            "message": group.lost.to_string(),
            "hint": group.lost.hint(),
            "letters": group.letters,
            "first": first.collect::<Vec<_>>(),
        })
    });
    json!({
        "dry_run": mode == RetryMode::DryRun,
        "selected": report.selected,
        "written": report.written,
        "already_present": report.present,
        "superseded": report.superseded,
        "skipped": report.skipped,
        "resolved": report.resolved,
        "failed": report.failed(),
        "failures": failures.collect::<Vec<_>>(),
        "lost": report.lost(),
        "lost_letters": lost.collect::<Vec<_>>(),
        "unread": report.unread,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use cdc_core::Partition;
    use cdc_postgres::Lost;

    use super::*;

    #[test]
    fn a_report_says_what_became_of_every_letter() {
        let failure = RetryFailure {
            stage: "apply",
            reason: "check".to_owned(),
            column: Some("amount".to_owned()),
            message: "the row breaks the constraint cheap".to_owned(),
            hint: Some("relax it".to_owned()),
            letters: 2,
        };
        let partition = Partition::new("t", 0, 0).expect("a partition");
        let lost = Lost::Removed { first: 8 };
        let lost = LostLetters { lost, letters: 3, first: vec![(5, partition, 7)] };
        let report = RetryReport {
            selected: 12,
            unread: 1,
            written: 3,
            present: 1,
            superseded: 1,
            resolved: 1,
            skipped: BTreeMap::from([("tests".to_owned(), 1)]),
            failures: vec![failure],
            lost: vec![lost],
        };
        assert_eq!(
            describe(&report, RetryMode::DryRun).join("\n"),
            "12 letters tried, rolled back\n    3 written\n    1 already present\n    1 superseded by a newer \
             version of the row\n    1 skipped: tests\n    1 resolved by somebody else meanwhile\n    2 failed \
             again: check in amount, apply\n        the row breaks the constraint cheap\n        hint: relax \
             it\n    3 not tried: its record is gone from the log, which begins at 8 now, and the letter \
             has a masked copy alone\n        hint: let the source send the row again, by a change of it \
             or an ad-hoc snapshot; compare with `cdc-pipeline verify`; then discard the letter\n        \
             letter 5: t/0/0 at offset 7\n        and 2 letters\n    1 left alone: the pipeline has yet to \
             read their records again"
        );
        let value = as_json(&report, RetryMode::Commit);
        assert_eq!((&value["failed"], &value["skipped"]["tests"]), (&json!(2), &json!(1)));
        let nothing = RetryReport::default();
        assert_eq!(describe(&nothing, RetryMode::Commit), ["no open dead letters to retry"]);
    }
}
