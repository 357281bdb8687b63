//! Tests on real components: they fail, and say what to install, where one is missing.

#[cfg(test)]
mod postgres;
#[cfg(test)]
mod processes;
#[cfg(test)]
mod stack;
