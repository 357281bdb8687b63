//! The sink against a real PostgreSQL.

#[cfg(test)]
mod source_marks;
#[cfg(test)]
mod support;

#[cfg(test)]
mod chains;
#[cfg(test)]
mod check;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod continuity;
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod drift;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod fencing;
#[cfg(test)]
mod history;
#[cfg(test)]
mod init;
#[cfg(test)]
mod ledger;
#[cfg(test)]
mod letters;
#[cfg(test)]
mod many_letters;
#[cfg(test)]
mod masked_letters;
#[cfg(test)]
mod mirror;
#[cfg(test)]
mod mirror_oracle;
#[cfg(test)]
mod newcomers;
#[cfg(test)]
mod overlap;
#[cfg(test)]
mod parked;
#[cfg(test)]
mod partition_waves;
#[cfg(test)]
mod partitions;
#[cfg(test)]
mod poison;
#[cfg(test)]
mod shadow;
#[cfg(test)]
mod source;
#[cfg(test)]
mod state;
#[cfg(test)]
mod text_rows;
#[cfg(test)]
mod verify;
#[cfg(test)]
mod views;
#[cfg(test)]
mod waves;
