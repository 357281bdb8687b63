//! The crate from outside, as an end uses it: one reader of a realistic pipeline file, and files
//! with every sort of mistake in them.

#[cfg(test)]
mod bounds;
#[cfg(test)]
mod pipeline;
#[cfg(test)]
mod reading;
#[cfg(test)]
mod report;
#[cfg(test)]
mod secrets;
