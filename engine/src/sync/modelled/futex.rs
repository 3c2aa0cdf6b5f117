//! A number to sleep on, as the system's futex: whether it still is as expected and
//! falling asleep are one step, and a wake reaches those who sleep by then.

use shuttle::sync::atomic::{AtomicU32, Ordering};

use super::lock::{Condvar, Mutex};

#[derive(Debug, Default)]
pub(crate) struct Futex {
    value: AtomicU32,
    asleep: Mutex<()>,
    woken: Condvar,
}

impl Futex {
    pub(crate) fn load(&self) -> u32 {
        self.value.load(Ordering::SeqCst)
    }

    pub(crate) fn swap(&self, value: u32) -> u32 {
        self.value.swap(value, Ordering::SeqCst)
    }

    pub(crate) fn compare_exchange(&self, current: u32, new: u32) -> Result<u32, u32> {
        self.value.compare_exchange(current, new, Ordering::SeqCst, Ordering::SeqCst)
    }

    pub(crate) fn wait(&self, expected: u32) {
        let mut asleep = self.asleep.lock();
        if self.load() == expected {
            self.woken.wait(&mut asleep);
        }
    }

    pub(crate) fn wake_all(&self) {
        let _order = self.asleep.lock();
        self.woken.notify_all();
    }
}
