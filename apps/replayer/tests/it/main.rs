//! The built program on a real broker and a real server, beside a pipeline that wrote the history.

#[cfg(test)]
mod capture;
#[cfg(test)]
mod compaction;
#[cfg(test)]
mod generations;
#[cfg(test)]
mod rebuild;
#[cfg(test)]
mod repair;
#[cfg(test)]
mod rig;
#[cfg(test)]
mod topics;
