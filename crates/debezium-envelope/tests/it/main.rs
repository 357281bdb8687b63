//! The decoder and the encoder from the outside, on the fixtures and on generated rows.

#[cfg(test)]
mod allocation;
#[cfg(test)]
mod bodies;
#[cfg(test)]
mod catalogue;
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod defaults;
#[cfg(test)]
mod encoding;
#[cfg(test)]
mod envelopes;
#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod messages;
#[cfg(test)]
mod mutation;
#[cfg(test)]
mod owned;
#[cfg(test)]
mod times;
#[cfg(test)]
mod types;
