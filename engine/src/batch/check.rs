//! Sizes against their limits, with the errors that name both.

use crate::error::{Error, Result};
use crate::record::field::wide;

pub(super) fn most(what: &'static str, size: usize, limit: usize) -> Result<()> {
    if size > limit {
        return Err(Error::TooLarge { what, size: wide(size), limit: wide(limit) });
    }
    Ok(())
}

pub(super) fn within(what: &'static str, size: usize, limit: usize) -> Result<()> {
    if size == 0 {
        return Err(Error::Invalid { what, why: "it is empty" });
    }
    most(what, size, limit)
}
