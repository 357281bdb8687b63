//! `check`: everything that a run needs, looked at without changing anything.
//!
//! `run` looks at the same things before it starts, so what `check` accepts, `run` accepts. The source's
//! own database is the exception, unless it is what the pipeline reads: a run does not need it and does not
//! look at it.

mod refused;
mod samples;
mod source;
mod truncates;

use std::path::Path;
use std::time::Duration;

use cdc_core::{Classify, Halt, TopicName, with_causes};
use cdc_kafka::preflight::probe_and_sample;
use cdc_kafka::{KafkaError, KafkaSettings};
use cdc_postgres::{Finding, Severity, TableSettings};
use cdc_replication::{Lack, Need};
use serde_json::json;

use self::samples::{Samples, Seen};
use crate::advice;
use crate::cli::CheckArgs;
use crate::config::{Origin, Settings};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

/// Records of each topic that are looked at: enough to meet an insert or an update in a log that
/// ends in deletes.
const SAMPLE_RECORDS: usize = 100;

/// Prints all findings. Exit code 0 when nothing stands in the way of a run.
pub(crate) async fn check(settings: Settings, arguments: &CheckArgs) -> Result<Exit, Failure> {
    let settings = settings.with_patience(arguments.patience());
    let config = &*arguments.common.config;
    let (findings, _topics) = findings(&settings, Source::Asked).await?;
    if arguments.common.json {
        let items: Vec<_> = findings.iter().map(|finding| as_json(finding, config)).collect();
        output::line(json!({ "findings": items }));
    } else {
        for finding in &findings {
            output::line(describe(finding, config));
        }
    }
    verdict(&findings)?;
    if !arguments.common.json {
        let ready = "ready: nothing stands in the way of `cdc-pipeline run`";
        output::line(advice::with_config(ready, config));
    }
    Ok(Exit::Done)
}

/// Topics and how many partitions each has.
pub(crate) type Topics = Vec<(TopicName, usize)>;

/// Refuses a run that would trip over something, after showing all of it; gives the topics that were
/// looked at.
pub(crate) async fn refuse(settings: &Settings, config: &Path) -> Result<Topics, Failure> {
    let (findings, topics) = findings(settings, Source::LeftAlone).await?;
    for finding in &findings {
        match finding.severity {
            Severity::Error(_) => eprintln!("{}", describe(finding, config)),
            Severity::Warning => {
                let fix = advice::with_config(&finding.fix, config);
                tracing::warn!(id = finding.id, fix, "{}", finding.message);
            }
        }
    }
    verdict(&findings)?;
    Ok(topics)
}

/// A finding for a person: what it is, then the fix, ready to paste.
fn describe(finding: &Finding, config: &Path) -> String {
    let mut text = format!("{} [{}] {}", word(finding.severity), finding.id, finding.message);
    for line in advice::with_config(&finding.fix, config).lines() {
        text.push_str("\n    ");
        text.push_str(line);
    }
    text
}

fn as_json(finding: &Finding, config: &Path) -> serde_json::Value {
    json!({
        "id": finding.id,
        "severity": word(finding.severity),
        "message": finding.message,
        "fix": advice::with_config(&finding.fix, config),
    })
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error(_) => "error",
        Severity::Warning => "warning",
    }
}

/// The failure that findings amount to, if they stand in the way of a run. Of several kinds the one
/// decides that has to be mended before the others can be seen in full: the surroundings, then the
/// configuration, then data and schema.
fn verdict(findings: &[Finding]) -> Result<(), Failure> {
    let halts = findings.iter().filter_map(|finding| match finding.severity {
        Severity::Error(halt) => Some(halt),
        Severity::Warning => None,
    });
    let halts: Vec<Halt> = halts.collect();
    let order = [Halt::Environment, Halt::Configuration, Halt::Data];
    match order.into_iter().find(|halt| halts.contains(halt)) {
        None => Ok(()),
        Some(halt) => Err(Failure::Findings { count: halts.len(), exit: halt.into() }),
    }
}

/// Whether the source's own database is looked at, if the configuration names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Asked,
    LeftAlone,
}

/// Looks at where records come from and at the warehouse, and at the source.
async fn findings(settings: &Settings, source: Source) -> Result<(Vec<Finding>, Topics), Failure> {
    match &settings.origin {
        Origin::Kafka(kafka) => over_kafka(settings, kafka, source).await,
        Origin::Replication { settings: replication, .. } => {
            let names = settings.tables.iter().map(|table| table.settings.source.clone());
            let names: Vec<_> = names.collect();
            let lacks = cdc_replication::look_before(replication, &names).await;
            let mut findings: Vec<_> = lacks.into_iter().map(of_replication).collect();
            let targets = targets(settings);
            let checked = cdc_postgres::check(&settings.postgres, &targets, &[]).await;
            findings.extend(checked.findings);
            // A slot is one log, and its partitions are not counted.
            Ok((findings, Topics::new()))
        }
    }
}

fn of_replication(lack: Lack) -> Finding {
    let Lack { id, need, message, fix } = lack;
    let severity = match need {
        Need::Must(halt) => Severity::Error(halt),
        Need::Should => Severity::Warning,
    };
    Finding { id, severity, message, fix }
}

fn targets(settings: &Settings) -> Vec<TableSettings> {
    settings.tables.iter().map(|table| table.settings.clone()).collect()
}

async fn over_kafka(
    settings: &Settings,
    kafka: &KafkaSettings,
    source: Source,
) -> Result<(Vec<Finding>, Topics), Failure> {
    let names = kafka.topics();
    let asked = kafka.clone();
    let look = move || probe_and_sample(&asked, SAMPLE_RECORDS);
    let Ok(looked) = tokio::task::spawn_blocking(look).await else {
        return Err(Failure::Differs("looking at the topics panicked".to_owned()));
    };
    let mut postgres = settings.postgres.clone();
    if let Err(KafkaError::Unreachable { .. }) = &looked {
        // The server has had that time to come up as well.
        postgres.connect_patience = Duration::ZERO;
    }
    let (samples, mut seen, topics) = match looked {
        Ok((report, records)) => {
            let samples = Samples::new(&settings.tables, names, &records);
            let mut seen = samples.look()?;
            let topics = report.topics().iter();
            let topics: Topics =
                topics.map(|topic| (topic.name().clone(), topic.partitions().len())).collect();
            let counts: Vec<_> = topics.iter().map(|(name, count)| (name, *count)).collect();
            let refused = truncates::findings(&settings.tables, &counts, &seen.carried);
            seen.findings.extend(refused);
            (Some(samples), seen, topics)
        }
        Err(error) => {
            let mut seen = Seen::default();
            seen.findings.push(of_kafka(&error));
            (None, seen, Topics::new())
        }
    };
    if source == Source::Asked {
        let found = source::findings(settings, &seen).await;
        seen.findings.extend(found);
    }
    let mut checked = cdc_postgres::check(&postgres, &targets(settings), &seen.expected).await;
    seen.findings.append(&mut checked.findings);
    if let Some(samples) = samples {
        seen.findings.extend(samples.rehearse(&mut checked.rehearsal)?);
    }
    Ok((seen.findings, topics))
}

/// A broker that refuses or cannot be reached is a finding like any other, so that the warehouse is
/// looked at all the same.
fn of_kafka(error: &KafkaError) -> Finding {
    Finding {
        id: if matches!(error, KafkaError::Unreachable { .. }) {
            "kafka_unreachable"
        } else if matches!(error, KafkaError::MissingTopic { .. }) {
            "topic_missing"
        } else {
            "kafka_refused"
        },
        severity: Severity::Error(error.class().halt()),
        message: with_causes(error),
        fix: error.hint().unwrap_or_else(|| "look at the broker and its log".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use cdc_core::Halt::{Configuration, Data, Environment};

    use super::*;

    fn finding(severity: Severity) -> Finding {
        let fix = "run `cdc-pipeline init`".to_owned();
        Finding { id: "state_missing", severity, message: "no state".to_owned(), fix }
    }

    #[test]
    fn the_exit_code_is_that_of_what_has_to_be_mended_first() {
        let code = |severities: &[Severity]| {
            let findings: Vec<_> = severities.iter().copied().map(finding).collect();
            verdict(&findings).map_or_else(|failure| failure.exit(), |()| Exit::Done)
        };
        assert_eq!(code(&[Severity::Warning]), Exit::Done);
        assert_eq!(code(&[Severity::Error(Data), Severity::Warning]), Exit::Data);
        let both = [Severity::Error(Data), Severity::Error(Configuration)];
        assert_eq!(code(&both), Exit::Configuration);
        let all = [both.as_slice(), &[Severity::Error(Environment)]].concat();
        assert_eq!(code(&all), Exit::Environment);
    }

    #[test]
    fn a_fix_names_the_configuration_that_was_given() {
        let text = describe(&finding(Severity::Error(Configuration)), Path::new("etc/a.toml"));
        let expected =
            "error [state_missing] no state\n    run `cdc-pipeline init --config etc/a.toml`";
        assert_eq!(text, expected);
    }
}
