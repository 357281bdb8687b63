//! The source against a real PostgreSQL.

#[cfg(test)]
mod order;
#[cfg(test)]
mod slot;
#[cfg(test)]
mod snapshot;
#[cfg(test)]
mod support;
