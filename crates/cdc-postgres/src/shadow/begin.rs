//! Which beginnings a shadow may have, and how it is created.

use cdc_core::{NextOffset, Partition};

use super::{Shadow, catalog, forget, statements};
use crate::catalog::TargetTable;
use crate::checkpoint::generation;
use crate::error::PostgresError;
use crate::settings::Mode;
use crate::sql::literal;

impl Shadow {
    /// Refuses positions from which the table cannot come out whole.
    pub(super) fn require_beginning(
        &self,
        starts: &[(Partition, NextOffset)],
    ) -> Result<(), PostgresError> {
        if let Some((partition, _)) = starts.iter().find(|(it, _)| generation(it) > 0) {
            return Err(PostgresError::Occupied {
                message: format!(
                    "{} cannot be rebuilt: {} is followed in generation {}, and what came before it \
                     stands in another log or in other partitions",
                    self.live.target,
                    partition.topic(),
                    generation(partition)
                ),
                fix:
                    "let the pipeline start over from a new snapshot, as \"Starting over\" in the \
                      README says"
                        .to_owned(),
            });
        }
        let late = starts.iter().find(|(_, start)| *start > NextOffset::ZERO);
        match (self.live.mode, late) {
            (Mode::Mirror { .. }, _) | (Mode::History, None) => Ok(()),
            (Mode::History, Some((partition, start))) => Err(PostgresError::Occupied {
                message: format!(
                    "the history {} can be rebuilt from offset 0 alone, and {partition} would be read \
                     from {start}: the rows before that would be missing",
                    self.live.target
                ),
                fix: "bring rows of a part back with `cdc-replayer repair`".to_owned(),
            }),
        }
    }

    /// Refuses a mirror of which no row could be found again.
    pub(super) fn require_key(&self, table: &TargetTable) -> Result<(), PostgresError> {
        match self.live.mode {
            Mode::Mirror { .. } if table.primary_key.is_empty() => Err(PostgresError::Occupied {
                message: format!("the mirror {} has no primary key", self.live.target),
                fix: "run `cdc-pipeline check`: it says which one it needs".to_owned(),
            }),
            Mode::Mirror { .. } | Mode::History => Ok(()),
        }
    }

    /// Refuses positions that leave out what the pipeline has applied.
    pub(super) async fn require_all_partitions(
        &mut self,
        starts: &[(Partition, NextOffset)],
    ) -> Result<(), PostgresError> {
        let applied = catalog::applied(&mut self.session, &self.settings.pipeline).await?;
        let known = |partition: &Partition| starts.iter().find(|(it, _)| it == partition);
        let of_topics = |(partition, _): &&(Partition, Option<NextOffset>)| {
            starts.iter().any(|(it, _)| it.topic() == partition.topic())
        };
        if applied.iter().filter(of_topics).all(|(_, next)| next.is_none()) {
            return Err(PostgresError::Occupied {
                message: format!(
                    "the pipeline {} has applied nothing of these topics yet",
                    self.settings.pipeline
                ),
                fix: "run `cdc-pipeline run`: there is nothing to rebuild".to_owned(),
            });
        }
        for (partition, next) in applied.iter().filter(of_topics) {
            let next = next.unwrap_or(NextOffset::ZERO);
            let Some((_, start)) = known(partition) else {
                return Err(PostgresError::Occupied {
                    message: format!(
                        "{partition} would be left out, and the pipeline has applied it up to {next}"
                    ),
                    fix: "give --from an offset for every partition, or one for all".to_owned(),
                });
            };
            if *start > next {
                return Err(PostgresError::Occupied {
                    message: format!(
                        "{partition} would be read from {start}, and the pipeline has applied it up to \
                         {next} only"
                    ),
                    fix: format!("begin at {next} or before"),
                });
            }
        }
        Ok(())
    }

    /// The statements that create it, with the progress of its run.
    pub(super) async fn create(
        &mut self,
        live: &TargetTable,
        from: &str,
        starts: &[(Partition, NextOffset)],
    ) -> Result<String, PostgresError> {
        let filled = catalog::server_filled(&mut self.session, &live.name).await?;
        // Somebody may have dropped an earlier one by hand.
        let mut statements = vec!["BEGIN".to_owned(), forget(&self.run)];
        let comment = self.comment(from);
        statements.extend(statements::create(&self.name.0, live, self.live.mode, &filled));
        statements.push(format!("COMMENT ON TABLE {} IS {}", self.name.0, literal(&comment)));
        let run = literal(self.run.as_str());
        statements.push(format!(
            "INSERT INTO cdc.pipeline_table (pipeline, target, source) VALUES ({run}, {}, {})",
            literal(&self.name.to_string()),
            literal(&self.live.source.to_string()),
        ));
        statements.extend(starts.iter().map(|(partition, start)| {
            format!(
                "INSERT INTO cdc.checkpoint (pipeline, topic, generation, partition, next_offset) \
                 VALUES ({run}, {}, {}, {}, {start})",
                literal(partition.topic().as_str()),
                generation(partition),
                partition.number().get(),
            )
        }));
        statements.push("COMMIT".to_owned());
        Ok(statements.join("; "))
    }
}
