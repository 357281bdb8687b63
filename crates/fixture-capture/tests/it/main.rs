//! The captures in the repository are whole: every release and mode, every table, every event.

#[cfg(test)]
mod complete;
#[cfg(test)]
mod control;
#[cfg(test)]
mod encoding;
#[cfg(test)]
mod flattened;
#[cfg(test)]
mod matrix;
