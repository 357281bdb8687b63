//! What brokers do with the old records of a topic.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use cdc_core::TopicName;
use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigResource, OwnedResourceSpecifier, ResourceSpecifier,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::KafkaError as DriverError;

use crate::KafkaSettings;
use crate::publisher::block_on;

/// How long a broker may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// A topic's `cleanup.policy`, as its broker says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CleanupPolicy(String);

impl CleanupPolicy {
    /// Whether records disappear from the middle of the log, where later ones have their key. What is left
    /// is the newest record of each key, and not what happened to it.
    pub fn compacts(&self) -> bool {
        self.0.split(',').any(|policy| policy.trim() == "compact")
    }
}

impl fmt::Display for CleanupPolicy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The policies of these topics, but for those of which the broker does not tell it, as it does not tell
/// users without the right to describe a topic's configuration.
pub(crate) fn policies(
    settings: &KafkaSettings,
    topics: &[TopicName],
) -> Result<BTreeMap<TopicName, CleanupPolicy>, DriverError> {
    let admin: AdminClient<DefaultClientContext> = settings.access_config().create()?;
    let options = AdminOptions::new().request_timeout(Some(PATIENCE));
    let wanted: Vec<_> =
        topics.iter().map(|topic| ResourceSpecifier::Topic(topic.as_str())).collect();
    let answers = block_on(admin.describe_configs(&wanted, &options))?;
    Ok(answers.iter().filter_map(|answer| policy(answer.as_ref().ok()?)).collect())
}

fn policy(config: &ConfigResource) -> Option<(TopicName, CleanupPolicy)> {
    let OwnedResourceSpecifier::Topic(name) = &config.specifier else { return None };
    let policy = config.get("cleanup.policy")?.value.clone()?;
    Some((TopicName::parse(name).ok()?, CleanupPolicy(policy)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_compacts_when_it_says_so_among_others() {
        let compacts = |policy: &str| CleanupPolicy(policy.to_owned()).compacts();
        assert!(compacts("compact") && compacts("delete,compact") && compacts("compact, delete"));
        assert!(!compacts("delete") && !compacts(""));
    }
}
