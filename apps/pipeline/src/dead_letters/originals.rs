//! The records of masked letters, from Kafka.

use cdc_core::{Offset, Partition, with_causes};
use cdc_kafka::{FoundRecord, KafkaSettings, LookedUp, look_up};
use cdc_postgres::{Lost, Original, Originals};

/// Reads records from the brokers of the configuration; see [`Originals`].
#[derive(Debug)]
pub(super) struct FromKafka {
    settings: KafkaSettings,
    /// Why the brokers cannot be read. They are waited for once, and not for every page of letters.
    unreachable: Option<String>,
}

impl FromKafka {
    pub(super) fn new(settings: KafkaSettings) -> Self {
        Self { settings, unreachable: None }
    }

    async fn look_up(
        &self,
        partition: &Partition,
        offsets: &[Offset],
    ) -> Result<Vec<LookedUp>, String> {
        if let Some(why) = &self.unreachable {
            return Err(why.clone());
        }
        let (settings, partition, offsets) =
            (self.settings.clone(), partition.clone(), offsets.to_vec());
        let looked =
            tokio::task::spawn_blocking(move || look_up(&settings, &partition, &offsets)).await;
        match looked {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(error)) => Err(with_causes(&error)),
            Err(panicked) => Err(with_causes(&panicked)),
        }
    }
}

impl Originals for FromKafka {
    async fn read(
        &mut self,
        partition: &Partition,
        offsets: &[Offset],
    ) -> Vec<Result<Original, Lost>> {
        match self.look_up(partition, offsets).await {
            Ok(found) => found.into_iter().map(original).collect(),
            Err(why) => {
                self.unreachable = Some(why.clone());
                offsets.iter().map(|_| Err(Lost::Unreachable(why.clone()))).collect()
            }
        }
    }
}

fn original(found: LookedUp) -> Result<Original, Lost> {
    match found {
        LookedUp::Record(FoundRecord { timestamp_ms, key, value, headers }) => {
            Ok(Original { timestamp_ms, key, value, headers })
        }
        LookedUp::Removed { first } => Err(Lost::Removed { first: first.get() }),
        LookedUp::BeyondEnd { end } => Err(Lost::BeyondEnd { end: end.get() }),
        LookedUp::Absent => Err(Lost::Absent),
    }
}
