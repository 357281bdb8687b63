//! Tests on real components: they fail, and say what to install, where one is missing.

#[cfg(test)]
mod answers;
#[cfg(test)]
mod command;
#[cfg(test)]
mod postgres;
#[cfg(test)]
mod processes;
#[cfg(test)]
mod stack;
