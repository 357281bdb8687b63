//! Tests of the crate against its own promises, an independent reading of its bytes, and a real
//! PostgreSQL.

#[cfg(test)]
mod capture;
#[cfg(test)]
mod decoder;
#[cfg(test)]
mod envelope;
#[cfg(test)]
mod sql;
#[cfg(test)]
mod stream;
