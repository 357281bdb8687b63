//! Tests of the built program as its users run it.

#[cfg(test)]
mod file;
#[cfg(test)]
mod kafka;
#[cfg(test)]
mod program;
#[cfg(test)]
mod sql;
#[cfg(test)]
mod usage;
