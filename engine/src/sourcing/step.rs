//! The exactly-once step of processors and processes: some inputs are folded into one batch,
//! up to the first that fails, and committed.

use crate::sourcing::SubscriptionError;
use crate::{Batch, Error};

pub(super) type Result<T> = std::result::Result<T, SubscriptionError>;

/// How many inputs are handled in one step, at most.
pub(super) const STEP_EVENTS: usize = 256;

/// With so many bytes of output a step is large enough.
pub(super) const STEP_BYTES: u64 = 4 << 20;

/// How often one input that meets a conflict is handled before that is a failure of it.
const ATTEMPTS: u32 = 16;

/// How far a step was folded.
#[derive(Debug)]
pub(super) struct Folded {
    pub(super) batch: Batch,
    /// How many inputs are in it.
    pub(super) count: usize,
    pub(super) end: End,
}

/// Why a step was folded no further.
#[derive(Debug)]
pub(super) enum End {
    /// There is no more, or it is enough: the batch can be committed.
    Whole,
    /// The next input fails, for this reason.
    Failed(String),
    /// The next input cannot be handled in one batch with those before it.
    Cut,
}

/// What folds inputs into batches.
pub(super) trait Step {
    type Input;

    /// Folds the first of these inputs.
    fn fold(&mut self, inputs: &[Self::Input]) -> Result<Folded>;

    /// Commits what was folded from all of these, and takes them out.
    fn commit(&mut self, inputs: &mut Vec<Self::Input>, batch: Batch) -> Result<()>;

    /// The first input failed; the others come again.
    fn refuse(&mut self, failed: Self::Input, rest: Vec<Self::Input>, reason: &str) -> Result<()>;

    /// What was folded last is not committed.
    fn forget(&mut self);

    /// Whether what was not committed for this error is folded again.
    fn is_tried_again(&self, _error: &Error) -> bool {
        false
    }
}

/// Handles some inputs, and leaves what it did not come to. Returns how many.
pub(super) fn run<S: Step>(step: &mut S, inputs: &mut Vec<S::Input>) -> Result<u64> {
    let (mut most, mut reason, mut attempts) = (inputs.len(), None, 0);
    loop {
        let folded = step.fold(inputs.get(..most).unwrap_or_default())?;
        let (batch, count) = (folded.batch, folded.count);
        if !matches!(folded.end, End::Whole) {
            // The states and the output have seen some of it: once more, up to that input.
            step.forget();
            most = count;
            reason = if let End::Failed(why) = folded.end { Some(why) } else { None };
            continue;
        }
        let mut rest = inputs.split_off(count);
        if count > 0
            && let Err(error) = step.commit(inputs, batch)
        {
            inputs.append(&mut rest);
            let error = match error {
                SubscriptionError::Store(error) if step.is_tried_again(&error) => error,
                other => return Err(other),
            };
            step.forget();
            attempts += u32::from(count == 1);
            (most, reason) = (count.div_ceil(2), None);
            if attempts == ATTEMPTS {
                (most, reason) = (0, Some(error.to_string()));
            }
            continue;
        }
        *inputs = rest;
        if let Some(reason) = reason.filter(|_| count == most) {
            let failed = inputs.remove(0);
            step.refuse(failed, std::mem::take(inputs), &reason)?;
        }
        return Ok(u64::try_from(count).unwrap_or_default());
    }
}
