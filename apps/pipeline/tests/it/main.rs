//! The built program on real components: PostgreSQL, Kafka, Connect with Debezium.

#[cfg(test)]
mod changed_target;
#[cfg(test)]
mod chaos;
#[cfg(test)]
mod continuity;
#[cfg(test)]
mod crashes;
#[cfg(test)]
mod dead_letters;
#[cfg(test)]
mod deletes;
#[cfg(test)]
mod garbage;
#[cfg(test)]
mod groups;
#[cfg(test)]
mod judges;
#[cfg(test)]
mod ledger;
#[cfg(test)]
mod masked_letters;
#[cfg(test)]
mod moments;
#[cfg(test)]
mod native;
#[cfg(test)]
mod open_during_snapshot;
#[cfg(test)]
mod preparation;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod restored_source;
#[cfg(test)]
mod rig;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod running;
#[cfg(test)]
mod sent_again;
#[cfg(test)]
mod setbacks;
#[cfg(test)]
mod shapes;
#[cfg(test)]
mod snapshots;
#[cfg(test)]
mod snapshots_in_partitions;
#[cfg(test)]
mod source_catalog;
#[cfg(test)]
mod stopping;
#[cfg(test)]
mod truncates;
#[cfg(test)]
mod verify;
#[cfg(test)]
mod version;
