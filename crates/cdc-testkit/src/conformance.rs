//! Named cases that every sink, source and decoder must pass, whatever stands behind it.
//!
//! The contracts of `cdc-core` are written for people; these suites are the same contracts for
//! machines. A crate that implements an end writes a small adapter and runs the cases from its own
//! tests, each on a fresh place. A case answers `Ok` or one [`Violation`]; it never panics by
//! itself, and it ends within a bounded time even if the end under test hangs.
//!
//! ```
//! use cdc_testkit::conformance::decoder::{self, TextSamples};
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
//! # runtime.block_on(async {
//! for case in decoder::CASES {
//!     println!("{case}");
//!     decoder::run(&TextSamples, case).await.unwrap();
//! }
//! # });
//! # Ok::<(), std::io::Error>(())
//! ```

use std::future::Future;
use std::time::Duration;

/// A case waits several times in a row; each wait has the adapter's patience.
const WAITS_PER_CASE: u32 = 4;

/// What a case saw that the contract forbids.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{case}: {what}")]
pub struct Violation {
    /// The case's name.
    pub case: &'static str,
    /// What was expected, and what was seen instead.
    pub what: String,
}

/// What a case found: nothing wrong, or what was wrong.
type Finding = Result<(), String>;

/// Runs a case within a limit: an end that hangs is a violation too.
async fn judge(
    case: &'static str,
    patience: Duration,
    finding: impl Future<Output = Finding>,
) -> Result<(), Violation> {
    let limit = patience.saturating_mul(WAITS_PER_CASE);
    let what = match tokio::time::timeout(limit, finding).await {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(what)) => what,
        Err(_) => format!("did not end within {limit:?}"),
    };
    Err(Violation { case, what })
}

/// Fails with a text unless a condition holds.
fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Finding {
    if holds { Ok(()) } else { Err(otherwise()) }
}

/// An error and its causes on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// Makes a public function of each case, so that a case can be run by itself, by its name, and in
/// a row with all others, without any list that could forget one.
macro_rules! suite {
    ($subject:ident: $($(#[$doc:meta])+ $module:ident::$case:ident;)+) => {
        /// The names of all cases, in the order in which they run.
        pub const CASES: &[&str] = &[$(stringify!($case)),+];

        $(
            $(#[$doc])+
            ///
            /// # Errors
            ///
            /// What was seen instead.
            pub async fn $case<U: $subject>(under_test: &U) -> Result<(), Violation> {
                let finding = Box::pin($module::$case(under_test));
                judge(stringify!($case), under_test.patience(), finding).await
            }
        )+

        /// Runs the case with this name.
        ///
        /// # Errors
        ///
        /// What the case saw that the contract forbids, or that there is no such case.
        pub async fn run<U: $subject>(under_test: &U, case: &str) -> Result<(), Violation> {
            match case {
                $(stringify!($case) => $case(under_test).await,)+
                unknown => Err(Violation {
                    case: "run",
                    what: format!("there is no case named {unknown:?}"),
                }),
            }
        }

        /// Runs all cases and gives back what they saw that the contract forbids.
        pub async fn run_all<U: $subject>(under_test: &U) -> Vec<Violation> {
            let mut violations = Vec::new();
            $(violations.extend($case(under_test).await.err());)+
            violations
        }
    };
}

pub mod decoder;
pub mod sink;
pub mod source;
