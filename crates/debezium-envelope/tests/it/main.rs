//! The decoder and the encoder from the outside, on the fixtures.

#[cfg(test)]
mod envelopes;
#[cfg(test)]
mod fixtures;
