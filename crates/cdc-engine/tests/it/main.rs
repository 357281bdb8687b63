//! The engine on in-memory ends with scripted faults.

#[cfg(test)]
mod continuity;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod overlap;
#[cfg(test)]
mod panics;
#[cfg(test)]
mod poison;
#[cfg(test)]
mod preparation;
#[cfg(test)]
mod rebalance;
#[cfg(test)]
mod rig;
#[cfg(test)]
mod sent_again;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod snapshots;
