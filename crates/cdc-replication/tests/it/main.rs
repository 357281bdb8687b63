//! Frames and their decoder, and the source against a real PostgreSQL.

#[cfg(test)]
mod decoder;
#[cfg(test)]
mod frames;
#[cfg(test)]
mod order;
#[cfg(test)]
mod slot;
#[cfg(test)]
mod snapshot;
#[cfg(test)]
mod support;
