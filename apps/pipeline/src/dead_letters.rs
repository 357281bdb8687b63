//! `dead-letters`: what was refused and why, and what a person decides about it.

mod arguments;
mod originals;
mod retry;
mod shown;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use cdc_core::Halt;
use cdc_postgres::{
    LetterFilter, PostgresError, RawLetter, discard_letters, export_letters, list_letters,
    show_letter,
};
use cdc_workload::WorkloadError;
use cdc_workload::capture::{CaptureRecord, CaptureWriter};
use serde_json::json;

use crate::config::Settings;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
pub(crate) use arguments::{DeadLetters, OVERVIEW};
use arguments::{DiscardArgs, ExportArgs, ListArgs, Part, ShowArgs};

const READ: &str = "read the dead letters";
const EXPORT: &str = "export the dead letters";

/// Does what was asked for.
pub(crate) async fn dead_letters(
    settings: Settings,
    command: &DeadLetters,
) -> Result<Exit, Failure> {
    match command {
        DeadLetters::List(arguments) => list(&settings, arguments).await,
        DeadLetters::Show(arguments) => show(&settings, arguments).await,
        DeadLetters::Retry(arguments) => retry::retry(settings, arguments).await,
        DeadLetters::Discard(arguments) => discard(&settings, arguments).await,
        DeadLetters::Export(arguments) => export(&settings, arguments).await,
    }
}

async fn list(settings: &Settings, arguments: &ListArgs) -> Result<Exit, Failure> {
    let state = arguments.state.state();
    let filter = arguments.filter.filter(state);
    let groups = list_letters(&settings.postgres, &filter).await;
    let groups = groups.map_err(|error| Failure::end(READ, error))?;
    if arguments.common.json {
        output::line(shown::groups_as_json(&groups));
    } else {
        shown::groups(&groups, state).into_iter().for_each(output::line);
    }
    Ok(Exit::Done)
}

async fn show(settings: &Settings, arguments: &ShowArgs) -> Result<Exit, Failure> {
    let found = show_letter(&settings.postgres, &arguments.letter).await;
    let letter = found.map_err(|error| Failure::end(READ, error))?.ok_or_else(|| Failure::End {
        attempt: "show the dead letter",
        halt: Halt::Configuration,
        hint: Some("look it up with `cdc-pipeline dead-letters list`".to_owned()),
        source: "this pipeline has no such letter".into(),
    })?;
    let Some(part) = arguments.raw else {
        if arguments.common.json {
            output::line(shown::letter_as_json(&letter));
        } else {
            output::line(shown::letter(&letter));
        }
        return Ok(Exit::Done);
    };
    let mut out = output_to(arguments.output.as_deref())?;
    let filter = LetterFilter { ids: vec![letter.id], ..LetterFilter::default() };
    let write = |letter: &RawLetter| {
        if letter.is_masked() {
            eprintln!("{}", shown::masked_copy(letter.withheld.as_deref()));
        }
        let bytes = match part {
            Part::Key => &letter.key,
            Part::Value => &letter.value,
        };
        out.write_all(bytes.as_deref().unwrap_or_default())
            .map_err(Failure::system("write the bytes"))
    };
    export_letters(&settings.postgres, &filter, write).await?;
    out.flush().map_err(Failure::system("write the bytes"))?;
    Ok(Exit::Done)
}

async fn discard(settings: &Settings, arguments: &DiscardArgs) -> Result<Exit, Failure> {
    let filter = arguments.filter.filter(None);
    if filter == LetterFilter::default() && !arguments.all {
        return Err(Failure::End {
            attempt: "discard dead letters",
            halt: Halt::Configuration,
            hint: Some("say which ones, such as --id or --cause, or say --all".to_owned()),
            source: "nothing says which letters".into(),
        });
    }
    let reason = (!arguments.dry_run).then_some(&*arguments.reason);
    let letters = discard_letters(&settings.postgres, &filter, reason)
        .await
        .map_err(|error| Failure::end("discard dead letters", error))?;
    if arguments.common.json {
        output::line(json!({ "discarded": letters, "dry_run": arguments.dry_run }));
    } else if arguments.dry_run {
        output::line(format!("{} would be discarded", shown::letters(letters)));
    } else {
        output::line(format!("{} discarded; their bytes are kept", shown::letters(letters)));
    }
    Ok(Exit::Done)
}

async fn export(settings: &Settings, arguments: &ExportArgs) -> Result<Exit, Failure> {
    let filter = arguments.filter.filter(arguments.state.state());
    let mut capture = CaptureWriter::try_new(output_to(arguments.output.as_deref())?)?;
    let mut masked = 0_u64;
    let take = |letter: &RawLetter| {
        masked = masked.saturating_add(u64::from(letter.is_masked()));
        let record = CaptureRecord {
            topic: letter.partition.topic().as_str(),
            partition: letter.partition.number().get(),
            offset: letter.offset,
            timestamp_millis: letter.timestamp_ms,
            key: letter.key.as_deref(),
            value: letter.value.as_deref(),
            headers: &[],
        };
        capture.write(&record).map_err(Failure::from)
    };
    let letters = export_letters(&settings.postgres, &filter, take).await?;
    capture.finish()?;
    if masked > 0 {
        eprintln!(
            "{} of them masked: what is written of these is a copy without the values of columns that \
             rules hash or drop",
            shown::letters(masked)
        );
    }
    match (&arguments.output, arguments.common.json) {
        (Some(path), true) => {
            output::line(
                json!({ "exported": letters, "masked": masked, "file": path.display().to_string() }),
            );
        }
        (Some(path), false) => {
            output::line(format!("{} written to {}", shown::letters(letters), path.display()));
        }
        // Standard output holds the capture.
        (None, _) => {}
    }
    Ok(Exit::Done)
}

fn output_to(path: Option<&Path>) -> Result<Box<dyn Write + Send>, Failure> {
    Ok(match path {
        Some(path) => {
            let file = File::create(path).map_err(Failure::system("create the file"))?;
            Box::new(BufWriter::new(file))
        }
        None => Box::new(BufWriter::new(io::stdout())),
    })
}

impl From<PostgresError> for Failure {
    fn from(error: PostgresError) -> Self {
        Self::end(READ, error)
    }
}

impl From<WorkloadError> for Failure {
    fn from(error: WorkloadError) -> Self {
        Self::End {
            attempt: EXPORT,
            halt: Halt::Environment,
            hint: Some("name a place that can be written with --output".to_owned()),
            source: Box::new(error),
        }
    }
}
