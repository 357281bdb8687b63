//! Compaction: a log that is compacted has the newest record of each key and not what happened to it, and
//! nothing in it says so. What is made of it from its beginning looks whole.

use cdc_core::TopicName;
use cdc_kafka::preflight::cleanup_policies;
use cdc_kafka::{CleanupPolicy, KafkaSettings};
use cdc_postgres::Mode;
use cdc_setup::Table;

use crate::failure::Failure;
use crate::output;

/// Refuses to rebuild a table of topics that are compacted.
pub(crate) async fn require_whole(kafka: &KafkaSettings, table: &Table) -> Result<(), Failure> {
    let target = &table.settings.target;
    for (topic, policy) in policies(kafka).await? {
        let Some(policy) = policy else {
            output::note(&format!(
                "the broker does not say whether {topic} is compacted: {target} lacks what compaction has \
                 removed. Grant the user DescribeConfigs on the topic to know before the start"
            ));
            continue;
        };
        if policy.compacts() {
            return Err(refusal(table, &topic, &policy));
        }
    }
    Ok(())
}

fn refusal(table: &Table, topic: &TopicName, policy: &CleanupPolicy) -> Failure {
    let target = &table.settings.target;
    let (lacks, instead) = match table.settings.mode {
        Mode::History => (
            "the changes that later ones of their keys have replaced",
            "bring rows that are missing back with `cdc-replayer repair`, which removes none",
        ),
        Mode::Mirror { .. } => (
            "values that only earlier changes of a row had",
            "have the connector take a new snapshot of the table, which the pipeline applies",
        ),
    };
    Failure::Data {
        message: format!(
            "cannot rebuild {target} from {topic}, whose cleanup.policy is {policy}: {lacks} may be gone \
             from it"
        ),
        hint: format!(
            "{instead}; or add --compacted to build the shadow of what is left, and look at `cdc-replayer \
             diff` before the swap. To keep every change from now on: kafka-configs.sh --alter --entity-type \
             topics --entity-name {topic} --add-config cleanup.policy=delete"
        ),
    }
}

/// Says which topics do not have all that a repair could bring back.
pub(crate) async fn tell(kafka: &KafkaSettings) -> Result<Vec<String>, Failure> {
    let mut compacted = Vec::new();
    for (topic, policy) in policies(kafka).await? {
        if let Some(policy) = policy.filter(CleanupPolicy::compacts) {
            output::note(&format!(
                "the cleanup.policy of {topic} is {policy}: rows whose records were compacted away stay \
                 missing. Use --from-file with a capture from before where there is one"
            ));
            compacted.push(topic.to_string());
        }
    }
    Ok(compacted)
}

async fn policies(
    kafka: &KafkaSettings,
) -> Result<Vec<(TopicName, Option<CleanupPolicy>)>, Failure> {
    let kafka = kafka.clone();
    let policies = tokio::task::spawn_blocking(move || cleanup_policies(&kafka)).await;
    let policies = policies.map_err(std::io::Error::other);
    let policies = policies.map_err(Failure::system("ask whether topics are compacted"))?;
    policies.map_err(|error| Failure::end("ask whether topics are compacted", error))
}
