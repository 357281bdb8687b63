//! The laws of positions, deltas and checkpoints.

#[cfg(test)]
mod algebra;
#[cfg(test)]
mod marks;
