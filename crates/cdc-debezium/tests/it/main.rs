//! The adapter from outside: record bytes in, events, skips and rejections out.

#[cfg(test)]
mod before;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod control;
#[cfg(test)]
mod events;
#[cfg(test)]
mod garbage;
#[cfg(test)]
mod routing;
#[cfg(test)]
mod support;
#[cfg(test)]
mod workload;
