//! A repair as a run: its name, and how far the pipeline is.

use cdc_core::{NextOffset, Partition};

use crate::checkpoint::Parameters;
use crate::error::{PostgresError, from_driver};
use crate::repair::run_name;
use crate::session::Session;
use crate::settings::{PipelineName, PostgresSettings};
use crate::state;

/// Taken for as long as a run lives, so that the next one of the same kind gets another name.
const TAKE: &str = "SELECT pg_try_advisory_lock(hashtextextended('cdc repair ' || $1, 0))";

const APPLIED: &str = "
SELECT held.next_offset
  FROM unnest($2::text[], $3::int4[], $4::int4[])
       WITH ORDINALITY AS wanted (topic, generation, partition, place)
  LEFT JOIN cdc.checkpoint AS held
    ON held.pipeline = $1
   AND (held.topic, held.generation, held.partition)
     = (wanted.topic, wanted.generation, wanted.partition)
 ORDER BY wanted.place";

const FORGET: [&str; 2] = [
    "DELETE FROM cdc.checkpoint WHERE pipeline = $1",
    "DELETE FROM cdc.ledger WHERE pipeline = $1",
];

/// More repairs of one part at once than this are refused.
const RUNS_MAX: u32 = 64;

/// A repair that has a name of its own, for as long as it lives.
///
/// A run that was killed has left its checkpoint under its name. The next run of the same part takes
/// the name over, because nobody lives under it, and so goes on where the other one stood.
#[derive(Debug)]
pub struct RepairRun {
    settings: PostgresSettings,
    name: PipelineName,
    session: Session,
}

impl RepairRun {
    /// A run for this part of the logs of the pipeline in the settings. `part` is any text that is the same
    /// for the same part.
    ///
    /// # Errors
    ///
    /// When the warehouse cannot be reached or lacks the state tables, or has too many such runs.
    pub async fn open(settings: PostgresSettings, part: &str) -> Result<Self, PostgresError> {
        let mut session = state::open(&settings).await?;
        for number in 1..=RUNS_MAX {
            let name = name(&settings.pipeline, part, number);
            let taken: bool = sqlx::query_scalar(TAKE)
                .bind(name.as_str())
                .fetch_one(session.driver())
                .await
                .map_err(|error| from_driver("taking the name of a repair", error))?;
            if taken {
                return Ok(Self { settings, name, session });
            }
        }
        Err(PostgresError::Occupied {
            message: format!("{RUNS_MAX} repairs of the same part are running"),
            fix: "wait until one of them has ended".to_owned(),
        })
    }

    /// The name of the run, under which it keeps its progress until it has ended.
    pub fn name(&self) -> &PipelineName {
        &self.name
    }

    pub(super) fn settings(&self) -> &PostgresSettings {
        &self.settings
    }

    /// How far the pipeline has applied each of these partitions; `None` where it has applied nothing.
    ///
    /// # Errors
    ///
    /// When the server refuses.
    pub async fn applied(
        &mut self,
        partitions: &[Partition],
    ) -> Result<Vec<Option<NextOffset>>, PostgresError> {
        let pipeline = self.settings.pipeline.clone();
        read(&mut self.session, &pipeline, partitions).await
    }

    /// How far a run of this name had come before; `None` where it had not begun.
    ///
    /// # Errors
    ///
    /// When the server refuses.
    pub async fn resumed(
        &mut self,
        partitions: &[Partition],
    ) -> Result<Vec<Option<NextOffset>>, PostgresError> {
        let name = self.name.clone();
        read(&mut self.session, &name, partitions).await
    }

    /// Forgets the progress of a run that has read its whole part.
    ///
    /// # Errors
    ///
    /// When the server refuses.
    pub async fn finish(mut self) -> Result<(), PostgresError> {
        for statement in FORGET {
            sqlx::query(statement)
                .bind(self.name.as_str())
                .execute(self.session.driver())
                .await
                .map_err(|error| from_driver("forgetting the progress of a repair", error))?;
        }
        Ok(())
    }
}

async fn read(
    session: &mut Session,
    pipeline: &PipelineName,
    partitions: &[Partition],
) -> Result<Vec<Option<NextOffset>>, PostgresError> {
    let parameters = Parameters::of(partitions);
    let positions: Vec<Option<i64>> = sqlx::query_scalar(APPLIED)
        .bind(pipeline.as_str())
        .bind(&parameters.topics)
        .bind(&parameters.generations)
        .bind(&parameters.numbers)
        .fetch_all(session.driver())
        .await
        .map_err(|error| from_driver("reading the checkpoint", error))?;
    Ok(positions.into_iter().map(|raw| NextOffset::try_new(raw?).ok()).collect())
}

fn name(pipeline: &PipelineName, part: &str, number: u32) -> PipelineName {
    run_name(pipeline, "repair", part, Some(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_other_parts_have_other_names_and_all_are_valid() {
        let pipeline = PipelineName::parse(&"ö".repeat(24)).unwrap();
        let first = name(&pipeline, "beginning end", 1);
        assert_eq!(first, name(&pipeline, "beginning end", 1));
        assert_ne!(first, name(&pipeline, "0 end", 1));
        assert_ne!(first, name(&pipeline, "beginning end", 2));
        let orders = PipelineName::parse("orders").unwrap();
        assert!(name(&orders, "beginning end", 1).as_str().starts_with("orders repair "));
    }
}
