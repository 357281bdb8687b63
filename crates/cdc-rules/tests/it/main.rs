//! The crate as the engine uses it: rule sets bound to shapes and applied to changes.

#[cfg(test)]
mod allocation;
#[cfg(test)]
mod binding;
#[cfg(test)]
mod config;
#[cfg(test)]
mod filters;
#[cfg(test)]
mod projection;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod support;
#[cfg(test)]
mod validation;
