//! Ctrl-C.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::Failure;

/// Turns Ctrl-C into a wish to end, so that all is printed and the exit code is 0.
pub(crate) fn stop_on_interrupt() -> Result<Arc<AtomicBool>, Failure> {
    let stopped = Arc::new(AtomicBool::new(false));
    let handler = Arc::clone(&stopped);
    ctrlc::set_handler(move || handler.store(true, Ordering::Relaxed)).map_err(|error| {
        Failure::Input { name: "Ctrl-C".to_owned(), source: std::io::Error::other(error) }
    })?;
    Ok(stopped)
}
