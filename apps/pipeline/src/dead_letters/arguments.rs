//! What can be typed behind `dead-letters`.

use std::path::PathBuf;
use std::time::Duration;

use cdc_core::Partition;
use cdc_postgres::{LetterFilter, LetterState, WhichLetter};
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand, ValueEnum};

use crate::cli::ConfigArgs;

#[derive(Debug, Subcommand)]
pub(crate) enum DeadLetters {
    /// Show which letters there are, by cause.
    #[command(after_long_help = LIST)]
    List(ListArgs),
    /// Show everything about one letter but its values, or write its bytes.
    #[command(after_long_help = SHOW)]
    Show(ShowArgs),
    /// Apply letters again, with the configuration as it is now.
    #[command(after_long_help = RETRY)]
    Retry(RetryArgs),
    /// Put letters aside for a reason; their bytes stay.
    #[command(after_long_help = DISCARD)]
    Discard(DiscardArgs),
    /// Write the records of letters into a capture, for a test or a bug report.
    #[command(after_long_help = EXPORT)]
    Export(ExportArgs),
}

impl DeadLetters {
    pub(crate) fn common(&self) -> &ConfigArgs {
        match self {
            Self::List(arguments) => &arguments.common,
            Self::Show(arguments) => &arguments.common,
            Self::Retry(arguments) => &arguments.common,
            Self::Discard(arguments) => &arguments.common,
            Self::Export(arguments) => &arguments.common,
        }
    }
}

pub(crate) const OVERVIEW: &str = "\
A record that can never be applied is kept in cdc.dead_letter with its bytes and the reason, in the
transaction that moves the progress past it. Its neighbours are written. What to do about it:

  cdc-pipeline dead-letters list                       what is the matter, and how often
  cdc-pipeline dead-letters show 17                    one letter; a hint says what to change
  (change the rule, the declaration or the warehouse table)
  cdc-pipeline dead-letters retry --cause check --dry-run
  cdc-pipeline dead-letters retry --cause check
  cdc-pipeline dead-letters discard --id 17 --reason \"test row\"

The pipeline may run meanwhile.";

pub(crate) const LIST: &str = "\
One paragraph for each cause: table, stage, reason, column, and the constraint or rule in the
message. Open letters are listed unless --state says otherwise. No values are printed.

Exit codes:
  0  the letters are listed; there may be none
  2  configuration: the file has to be corrected, or `init` to be run
  4  environment: the warehouse cannot be reached, or a right is missing";

pub(crate) const SHOW: &str = "\
A letter is named by its number, or by the place of its record:
  cdc-pipeline dead-letters show 17
  cdc-pipeline dead-letters show dbserver1.public.orders/0/4711

With --raw the bytes of its value or key are written to standard output, or into --output, exactly
as they were read.

Exit codes:
  0  the letter is shown
  2  there is no such letter, or the file has to be corrected
  4  environment: the warehouse cannot be reached, or a right is missing";

pub(crate) const RETRY: &str = "\
The stored bytes take the whole way again: decoder, rules, plan, COPY or merge, with the
configuration and the warehouse as they are now. Letters go in the order of their logs, in
transactions that also mark them, so that a retry may be repeated, interrupted, or run beside the
pipeline or another retry without doing anything twice.

What becomes of a letter:
  written          its change is in the target now; also a change that a later letter of its key
                   replaces in a mirror
  already present  a history had the row, found by its place in the log: nothing was written
  superseded       a mirror has a newer version of the row, or the row was deleted since
  skipped          a filter leaves it out now, or it is no change
  failed again     it stays open, with its new reason; behind_dead_letter: an earlier letter of its
                   key in a mirror is open
  resolved         somebody else retried or discarded it meanwhile

Later changes of a mirror's row wait behind its letter, as letters with the reason
behind_dead_letter. They are retried with it, in their order; while it is open they stay.

Letters that a pipeline has yet to read again, because its progress was removed, are left alone.
--dry-run does all of it and rolls each transaction back.

Exit codes:
  0  nothing failed again
  2  configuration: the file has to be corrected, or `init` to be run
  3  some letters failed again: they are listed by reason
  4  environment: the warehouse cannot be reached, or the session was lost; run it again";

pub(crate) const DISCARD: &str = "\
Discarded letters stay in cdc.dead_letter with their bytes, the reason, the role and the time; only
a retry passes over them. What waits behind one of them can be retried then. The books stay as they are: they count what was kept as a dead letter.
Some filter is needed; --all discards every open letter.

Exit codes:
  0  the letters are discarded; there may be none
  2  configuration: the command line or the file has to be corrected, or `init` to be run
  4  environment: the warehouse cannot be reached, or a right is missing";

pub(crate) const EXPORT: &str = "\
A capture is a header line and one line of JSON for each record, with topic, partition, offset,
time, key and value; bytes that are not text are in base64. It holds the values of the rows: mind
who may see them. Headers of records are not part of a capture. Letters in any state are exported
unless --state says otherwise.

Exit codes:
  0  the records are written
  2  configuration: the file has to be corrected, or `init` to be run
  4  environment: the warehouse cannot be reached, or the file cannot be written";

/// Which letters.
#[derive(Debug, Args)]
pub(crate) struct FilterArgs {
    /// Letters with this number; may be repeated.
    #[arg(long, value_name = "NUMBER")]
    id: Vec<i64>,
    /// Letters of this table, by its name in the source or in the warehouse.
    #[arg(long, value_name = "SCHEMA.NAME")]
    table: Option<String>,
    /// Letters that were refused for this reason, by the word that `list` shows.
    #[arg(long, value_name = "WORD")]
    cause: Option<String>,
    /// Letters with this column at fault.
    #[arg(long, value_name = "NAME")]
    column: Option<String>,
    /// Letters of this topic.
    #[arg(long)]
    topic: Option<String>,
    /// Letters of partitions with this number.
    #[arg(long, value_name = "NUMBER")]
    partition: Option<i32>,
    /// Letters from this offset on.
    #[arg(long, value_name = "OFFSET")]
    from: Option<i64>,
    /// Letters before this offset.
    #[arg(long, value_name = "OFFSET")]
    until: Option<i64>,
    /// Letters that were kept within this time, such as 30m, 12h or 7d.
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Duration>,
}

impl FilterArgs {
    pub(crate) fn filter(&self, state: Option<LetterState>) -> LetterFilter {
        LetterFilter {
            ids: self.id.clone(),
            table: self.table.clone(),
            reason: self.cause.clone(),
            column: self.column.clone(),
            topic: self.topic.clone(),
            partition: self.partition,
            from: self.from,
            until: self.until,
            within: self.since,
            state,
        }
    }
}

/// What became of letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StateArg {
    Open,
    Retried,
    Superseded,
    Discarded,
    All,
}

impl StateArg {
    pub(crate) fn state(self) -> Option<LetterState> {
        match self {
            Self::Open => Some(LetterState::Open),
            Self::Retried => Some(LetterState::Retried),
            Self::Superseded => Some(LetterState::Superseded),
            Self::Discarded => Some(LetterState::Discarded),
            Self::All => None,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) common: ConfigArgs,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    /// Letters in this state.
    #[arg(long, value_enum, default_value_t = StateArg::Open)]
    pub(crate) state: StateArg,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    Key,
    Value,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    pub(crate) common: ConfigArgs,
    /// The number of the letter, or TOPIC/PARTITION/OFFSET.
    #[arg(value_name = "LETTER", value_parser = which)]
    pub(crate) letter: WhichLetter,
    /// Write these bytes instead; they are values of a row.
    #[arg(long, value_enum, value_name = "PART", num_args = 0..=1, default_missing_value = "value",
          conflicts_with = "json")]
    pub(crate) raw: Option<Part>,
    /// Write them into this file.
    #[arg(long, value_name = "FILE", requires = "raw")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct RetryArgs {
    #[command(flatten)]
    pub(crate) common: ConfigArgs,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    /// Do all of it, and roll it back.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag that can be typed")]
pub(crate) struct DiscardArgs {
    #[command(flatten)]
    pub(crate) common: ConfigArgs,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    /// Why, for those who read the data later.
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) reason: String,
    /// Discard every open letter.
    #[arg(long)]
    pub(crate) all: bool,
    /// Only say how many letters it would be.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    pub(crate) common: ConfigArgs,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    /// Letters in this state.
    #[arg(long, value_enum, default_value_t = StateArg::All)]
    pub(crate) state: StateArg,
    /// The file to write, instead of standard output; one that is there is replaced.
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

fn time(text: &str) -> Result<Duration, String> {
    let expected = || "expected a number with s, m, h or d, such as 12h".to_owned();
    let unit = text.chars().last().ok_or_else(expected)?;
    let seconds = match unit {
        's' => 1_u64,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(expected()),
    };
    let number: u64 =
        text.strip_suffix(unit).unwrap_or_default().parse().map_err(|_| expected())?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(expected)
}

fn which(text: &str) -> Result<WhichLetter, String> {
    if let Ok(id) = text.parse() {
        return Ok(WhichLetter::Id(id));
    }
    let expected = || "expected a number, or TOPIC/PARTITION/OFFSET".to_owned();
    let parts: Vec<&str> = text.split('/').collect();
    let (topic, generation, partition, offset) = match *parts {
        [topic, partition, offset] => (topic, "0", partition, offset),
        [topic, generation, partition, offset] => (topic, generation, partition, offset),
        _ => return Err(expected()),
    };
    let generation = generation.parse().map_err(|_| expected())?;
    let number = partition.parse().map_err(|_| expected())?;
    let offset = offset.parse().map_err(|_| expected())?;
    let partition = Partition::new(topic, generation, number).map_err(|_| expected())?;
    Ok(WhichLetter::At(partition, offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_number_with_its_unit() {
        assert_eq!(time("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(time("2h"), Ok(Duration::from_hours(2)));
        assert_eq!(time("7d"), Ok(Duration::from_hours(7 * 24)));
        for bad in ["", "h", "12", "-1h", "1.5h", "99999999999999999999d", "1w", "1hh"] {
            assert!(time(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_letter_is_named_by_its_number_or_by_its_place() {
        assert_eq!(which("17"), Ok(WhichLetter::Id(17)));
        let at = |generation| Partition::new("shop.public.orders", generation, 3).unwrap();
        assert_eq!(which("shop.public.orders/3/42"), Ok(WhichLetter::At(at(0), 42)));
        assert_eq!(which("shop.public.orders/1/3/42"), Ok(WhichLetter::At(at(1), 42)));
        for bad in ["", "orders", "orders/1", "orders/x/1", "a/b/c/d/e"] {
            assert!(which(bad).is_err(), "{bad:?}");
        }
    }
}
