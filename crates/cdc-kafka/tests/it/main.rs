//! The source, the check before the start and the publisher against a real broker, and against the
//! client library's mock cluster where a fault must be exact.

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod continuity;
#[cfg(test)]
mod delivery;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod group;
#[cfg(test)]
mod logs;
#[cfg(test)]
mod lookup;
#[cfg(test)]
mod positions;
#[cfg(test)]
mod preflight;
#[cfg(test)]
mod support;
