//! A channel without a bound, from one sender to one receiver: what the log needs of
//! `crossbeam-channel`.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::lock::{Condvar, Mutex};
use super::time::Instant;

pub(crate) fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Shared {
        state: Mutex::new(State { sent: VecDeque::new(), sender: true, receiver: true }),
        changed: Condvar::new(),
    });
    (Sender(Arc::clone(&shared)), Receiver(shared))
}

#[derive(Debug)]
struct Shared<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<T> {
    sent: VecDeque<T>,
    /// Each side is still there.
    sender: bool,
    receiver: bool,
}

#[derive(Debug)]
pub(crate) struct Sender<T>(Arc<Shared<T>>);

#[derive(Debug)]
pub(crate) struct Receiver<T>(Arc<Shared<T>>);

/// Nobody receives any more.
#[derive(Debug)]
pub(crate) struct SendError;

/// Nobody sends any more, and all that was sent was received.
#[derive(Debug)]
pub(crate) struct RecvError;

/// Why nothing was received in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RecvTimeoutError {
    Timeout,
    Disconnected,
}

impl<T> Sender<T> {
    pub(crate) fn send(&self, what: T) -> Result<(), SendError> {
        let mut state = self.0.state.lock();
        if !state.receiver {
            return Err(SendError);
        }
        state.sent.push_back(what);
        drop(state);
        self.0.changed.notify_one();
        Ok(())
    }
}

impl<T> Receiver<T> {
    pub(crate) fn recv(&self) -> Result<T, RecvError> {
        let mut state = self.0.state.lock();
        loop {
            if let Some(what) = state.sent.pop_front() {
                return Ok(what);
            }
            if !state.sender {
                return Err(RecvError);
            }
            self.0.changed.wait(&mut state);
        }
    }

    pub(crate) fn recv_timeout(&self, time: Duration) -> Result<T, RecvTimeoutError> {
        let deadline = Instant::now().checked_add(time);
        let mut state = self.0.state.lock();
        loop {
            if let Some(what) = state.sent.pop_front() {
                return Ok(what);
            }
            if !state.sender {
                return Err(RecvTimeoutError::Disconnected);
            }
            let Some(deadline) = deadline else {
                self.0.changed.wait(&mut state);
                continue;
            };
            if self.0.changed.wait_until(&mut state, deadline).timed_out() && state.sent.is_empty()
            {
                return Err(RecvTimeoutError::Timeout);
            }
        }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.0.state.lock().sender = false;
        self.0.changed.notify_all();
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.0.state.lock().receiver = false;
    }
}
