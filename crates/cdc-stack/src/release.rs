//! Which Kafka and which Debezium a Connect worker is made of.

use crate::file::digest;
use crate::java::POM;

/// The versions of a Connect worker and of Debezium in it.
///
/// A worker talks to brokers of older and newer versions, so a release says nothing about those.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Release {
    /// The versions that the rest of the stack has, as `docker/native/pom.xml` names them.
    #[default]
    Pinned,
    /// Other versions, as Maven names them: "3.4.0.Final" and "4.1.1".
    Of {
        /// Debezium's version.
        debezium: String,
        /// The version of the Connect worker; each Debezium wants one of its time.
        kafka: String,
    },
}

impl Release {
    /// What Maven is told beside the project file, whose own versions these replace.
    pub(crate) fn properties(&self) -> Vec<String> {
        match self {
            Self::Pinned => Vec::new(),
            Self::Of { debezium, kafka } => {
                vec![format!("-Ddebezium={debezium}"), format!("-Dkafka={kafka}")]
            }
        }
    }

    /// The oldest Java that the archives are compiled for. Of other releases it is known of those since
    /// Debezium 3; an older one only asks for more than it needs.
    pub(crate) fn java(&self) -> u32 {
        match self {
            Self::Pinned => 11,
            Self::Of { .. } => 17,
        }
    }

    /// The name of the cached folder with this release's archives.
    pub(crate) fn folder(&self) -> String {
        let properties = self.properties();
        let parts: Vec<&str> =
            [POM].into_iter().chain(properties.iter().map(String::as_str)).collect();
        format!("java-{}", digest(&parts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_release_has_a_folder_of_its_own() {
        let of = |debezium: &str, kafka: &str| Release::Of {
            debezium: debezium.to_owned(),
            kafka: kafka.to_owned(),
        };
        let releases = [Release::Pinned, of("3.4.0.Final", "4.1.1"), of("3.4.0.Final", "4.1.0")];
        let folders: std::collections::BTreeSet<String> =
            releases.iter().map(Release::folder).collect();
        assert_eq!(folders.len(), releases.len());
    }
}
