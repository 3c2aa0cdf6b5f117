//! w7: from one thread or process to another with one atomic, and one futex where the other
//! sleeps.
//!
//! The one that sends stores when it began, and then a number that is never the same twice in
//! a row; the other one spins on the number, or sleeps on it.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// What is handed over. In memory of one process, or mapped by two.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Words {
    stamp: AtomicU64,
    sent: AtomicU32,
}

/// How somebody waits for what comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// Looks again and again.
    Spinning,
    /// Sleeps until it is woken.
    Parked,
}

/// Who waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Where {
    /// A thread of the same process.
    Here,
    /// Another process.
    Elsewhere,
}

impl Words {
    /// Hands a time over, and wakes who sleeps.
    pub fn send(&self, stamp: u64, waiting: Waiting, to: Where) {
        self.stamp.store(stamp, Ordering::Relaxed);
        self.sent.fetch_add(1, Ordering::Release);
        match (waiting, to) {
            (Waiting::Spinning, _) => {}
            (Waiting::Parked, Where::Here) => atomic_wait::wake_one(&self.sent),
            (Waiting::Parked, Where::Elsewhere) => wake_elsewhere(&self.sent),
        }
    }

    /// How often something was sent.
    pub fn sent(&self) -> u32 {
        self.sent.load(Ordering::Acquire)
    }

    /// Waits until more was sent than `seen`. Returns how much was, and the time that was
    /// sent last.
    pub fn receive(&self, seen: u32, waiting: Waiting, from: Where) -> (u32, u64) {
        loop {
            let sent = self.sent();
            if sent != seen {
                return (sent, self.stamp.load(Ordering::Relaxed));
            }
            match (waiting, from) {
                (Waiting::Spinning, _) => std::hint::spin_loop(),
                (Waiting::Parked, Where::Here) => atomic_wait::wait(&self.sent, seen),
                (Waiting::Parked, Where::Elsewhere) => wait_elsewhere(&self.sent, seen),
            }
        }
    }
}

// The futexes of `atomic_wait` are those of one process.

#[cfg(target_os = "linux")]
fn wake_elsewhere(word: &AtomicU32) {
    use rustix::thread::futex;
    // Fails only for an address that is not mapped.
    let _woken = futex::wake(word, futex::Flags::empty(), 1);
}

#[cfg(target_os = "linux")]
fn wait_elsewhere(word: &AtomicU32, seen: u32) {
    use rustix::thread::futex;
    // Whatever it answers, the word is looked at again.
    let _outcome = futex::wait(word, futex::Flags::empty(), seen, None);
}

#[cfg(not(target_os = "linux"))]
fn wake_elsewhere(_word: &AtomicU32) {}

#[cfg(not(target_os = "linux"))]
fn wait_elsewhere(_word: &AtomicU32, _seen: u32) {
    std::thread::sleep(std::time::Duration::from_millis(1));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_received() {
        for waiting in [Waiting::Spinning, Waiting::Parked] {
            for to in [Where::Here, Where::Elsewhere] {
                let words = Words::default();
                std::thread::scope(|scope| {
                    scope.spawn(|| words.send(17, waiting, to));
                    assert_eq!(words.receive(0, waiting, to), (1, 17));
                });
            }
        }
    }
}
