//! What every [`Store`] must do, as checks that an implementer runs. (Feature
//! `conformance`.)
//!
//! Subscriptions, processors, aggregates and projections rest on these promises and on no
//! others, so a program that runs on one store that passes runs on another. Each [`Check`]
//! states one promise. [`check_all`] runs them, each on new and empty stores, and returns all
//! that failed with what was seen. An implementer writes one test:
//!
//! ```
//! use std::sync::Arc;
//! use annals::Log;
//! use annals::sourcing::{Store, conformance};
//!
//! # #[cfg(feature = "sim")]
//! conformance::check_all(&|| match Log::temporary() {
//!     Ok(log) => Arc::new(log) as Arc<dyn Store>,
//!     Err(error) => panic!("{error}"),
//! })?;
//! # Ok::<(), conformance::Failures>(())
//! ```
//!
//! One alone is run by its name, to see what is wrong with a store:
//!
//! ```
//! # use std::sync::Arc;
//! use annals::sourcing::{Store, conformance};
//! fn one(name: &str, make: &dyn Fn() -> Arc<dyn Store>) -> Result<(), conformance::Failure> {
//!     let mut checks = conformance::checks();
//!     checks.find(|check| check.name == name).map_or(Ok(()), |check| check.run(make))
//! }
//! assert!(conformance::checks().all(|check| !check.promise.is_empty()));
//! ```
//!
//! # What is not checked
//!
//! The trait has no call to open a store again, so what survives a crash is not seen here:
//! whether what was called durable is, and that of two batches the second is never there
//! without the first. The checks take less than a second on a log in memory. Where a store
//! must tell of something that it waited for, it has ten seconds.

mod batches;
mod durability;
mod expectations;
mod fields;
mod ids;
mod keys;
mod reading;
mod snapshots;
mod starts;
mod support;
mod tailing;
mod threads;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use self::support::Verdict;
use crate::sourcing::Store;

/// What makes a new store that holds nothing, each time that it is called.
pub type Make<'m> = dyn Fn() -> Arc<dyn Store> + 'm;

/// One promise of a [`Store`], and how to find out whether a store keeps it.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Check {
    /// Its name, unique among the checks.
    pub name: &'static str,
    /// What a store promises by the trait.
    pub promise: &'static str,
    run: fn(&Make<'_>) -> Verdict,
}

impl Check {
    /// Runs it on stores that `make` makes. A store that panics fails it.
    ///
    /// # Errors
    /// [`Failure`] with what was seen instead of what is promised.
    pub fn run(&self, make: &Make<'_>) -> Result<(), Failure> {
        let ran = catch_unwind(AssertUnwindSafe(|| (self.run)(make)));
        let seen = match ran {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(seen)) => seen.to_string(),
            Err(panic) => {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
                format!("a panic: {}", text.unwrap_or("it says nothing"))
            }
        };
        Err(Failure { check: self.name, promise: self.promise, seen })
    }
}

/// A promise that a store does not keep.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{check}: {promise}\n    seen: {seen}")]
#[non_exhaustive]
pub struct Failure {
    /// The [name](Check::name) of the check.
    pub check: &'static str,
    /// What is promised.
    pub promise: &'static str,
    /// What was seen instead, and where in the check.
    pub seen: String,
}

/// All promises that a store does not keep, from [`check_all`]; at least one.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
pub struct Failures {
    /// In the order of [`checks`].
    pub failures: Vec<Failure>,
}

impl fmt::Display for Failures {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} promises of a store are not kept", self.failures.len())?;
        self.failures.iter().try_for_each(|failure| write!(formatter, "\n  {failure}"))
    }
}

/// As it is displayed, since that is what `unwrap` in a test shows.
impl fmt::Debug for Failures {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// All checks. The [module](self) has an example.
pub fn checks() -> impl Iterator<Item = Check> {
    let all = [
        expectations::CHECKS,
        batches::CHECKS,
        ids::CHECKS,
        keys::CHECKS,
        reading::CHECKS,
        fields::CHECKS,
        snapshots::CHECKS,
        starts::CHECKS,
        tailing::CHECKS,
        durability::CHECKS,
        threads::CHECKS,
    ];
    all.into_iter().flatten().copied()
}

/// Runs all checks, also after one has failed. The [module](self) has an example.
///
/// # Errors
/// [`Failures`] with each promise that is not kept.
pub fn check_all(make: &Make<'_>) -> Result<(), Failures> {
    let failures: Vec<_> = checks().filter_map(|check| check.run(make).err()).collect();
    if failures.is_empty() { Ok(()) } else { Err(Failures { failures }) }
}

/// A list of checks: of each the function, which gives the name, and the promise.
macro_rules! promises {
    ($($name:ident: $promise:literal;)*) => {
        pub(super) const CHECKS: &[crate::sourcing::conformance::Check] = &[$(
            crate::sourcing::conformance::Check {
                name: stringify!($name),
                promise: $promise,
                run: $name,
            },
        )*];
    };
}
use promises;
