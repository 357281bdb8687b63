//! What every test stands on: one real stack for all of them, and on it things of each test's own.
//!
//! Start reading at [`Source`] (a source database with its connector), [`Topic`] (a topic, captured
//! or published by hand) and [`Deployment`] (a configured pipeline and its warehouse database).

use std::env;
use std::fmt::Write as _;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use cdc_stack::postgres::Durability;
use cdc_stack::{Stack, StackOptions};
use cdc_workload::Random;

mod comparison;
mod deployment;
mod program;
mod source;
pub(crate) mod topic;
mod warehouse;

pub(crate) use comparison::{
    HistoryCounts, assert_books_balance, assert_equal, assert_history, assert_mirror,
    assert_no_dead_letters,
};
pub(crate) use deployment::{Deployment, Mode};
pub(crate) use program::{Ended, Running, program};
pub(crate) use source::Source;
pub(crate) use topic::Topic;
pub(crate) use warehouse::Warehouse;

/// How long anything may take. A busy machine needs a part of it, a deadlock all of it.
pub(crate) const LIMIT: Duration = Duration::from_mins(4);

/// The stack that all tests share, started by the first of them. It ends with the process.
pub(crate) fn stack() -> &'static Stack {
    static STACK: OnceLock<Stack> = OnceLock::new();
    STACK.get_or_init(|| {
        let options = StackOptions { durability: Durability::Relaxed, ..StackOptions::default() };
        Stack::start(&options).unwrap_or_else(|error| panic!("{error}"))
    })
}

/// Waits until `found` gives something.
pub(crate) fn until_some<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(began.elapsed() < LIMIT, "{what} did not happen within {} s", LIMIT.as_secs());
        thread::sleep(Duration::from_millis(50));
    }
}

/// Waits until a condition holds.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    until_some(what, || holds().then_some(()));
}

/// Bytes as the server's `encode(…, 'hex')` shows them.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing into a String does not fail");
        text
    })
}

/// Random moments, by a seed that is printed and can be given as `CDC_TEST_SEED`.
#[derive(Debug)]
pub(crate) struct Moments(Random);

impl Moments {
    /// Moments of the seed in the environment, or of this moment.
    pub(crate) fn seeded() -> Self {
        let given = env::var("CDC_TEST_SEED").ok();
        let seed = given.map_or_else(
            || {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970");
                u64::from(now.subsec_nanos())
            },
            |seed| seed.parse().expect("CDC_TEST_SEED is a number"),
        );
        println!("CDC_TEST_SEED={seed} repeats these moments");
        Self(Random::new(seed))
    }

    /// Moments that follow from these and differ from them.
    pub(crate) fn fork(&mut self) -> Self {
        Self(Random::new(self.0.bits()))
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0.bits() % bound
    }
}
