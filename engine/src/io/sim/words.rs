//! Words that the simulated processes share: the written bytes of a file, seen as
//! numbers, with sleepers and wakers.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::directory::InodeId;
use super::numbers::count;
use super::process::Life;
use super::state::{Shared, State};
use crate::io::{SharedWords, low_half};
use crate::sync::{Instant, thread};

/// How long a dead process sleeps where a live one would wait: its threads are not
/// to spin while they find out.
const DEAD_SLEEP: Duration = Duration::from_millis(1);

/// One mapping of the first words of a file. It keeps the file, as an open one does.
pub(super) struct SimWords {
    shared: Arc<Shared>,
    life: Life,
    inode: InodeId,
    words: usize,
    write: bool,
}

impl SimWords {
    /// A mapping of a file that [`State::opened`] was told of.
    pub(super) fn new(
        shared: Arc<Shared>,
        life: Life,
        inode: InodeId,
        words: usize,
        write: bool,
    ) -> Arc<Self> {
        Arc::new(Self { shared, life, inode, words, write })
    }

    fn word(&self, state: &State, index: usize) -> u64 {
        let inode = state.disk.inode(self.inode).ok().filter(|_| index < self.words);
        inode.map_or(0, |inode| inode.word(count(index)))
    }

    fn put(&self, state: &mut State, index: usize, value: u64) -> u64 {
        let may = self.write && index < self.words && state.processes.alive(self.life);
        let before = if may { self.word(state, index) } else { value };
        if before != value {
            state.disk_mut().store(self.inode, count(index), value);
        }
        if may { before } else { 0 }
    }
}

impl fmt::Debug for SimWords {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { life, inode, words, write, shared: _ } = self;
        let mut out = out.debug_struct("SimWords");
        out.field("life", life).field("inode", inode);
        out.field("words", words).field("write", write).finish_non_exhaustive()
    }
}

impl Drop for SimWords {
    fn drop(&mut self) {
        self.shared.state.lock().closed(self.life, self.inode);
    }
}

/// Each access locks the disk, so that all of them have one order.
impl SharedWords for SimWords {
    fn len(&self) -> usize {
        self.words
    }

    fn load(&self, index: usize) -> u64 {
        self.word(&self.shared.state.lock(), index)
    }

    fn store(&self, index: usize, value: u64) {
        self.put(&mut self.shared.state.lock(), index, value);
    }

    fn swap(&self, index: usize, value: u64) -> u64 {
        self.put(&mut self.shared.state.lock(), index, value)
    }

    fn wait(&self, index: usize, expected: u32, timeout: Duration) {
        if index >= self.words {
            return;
        }
        let deadline = Instant::now().checked_add(timeout);
        let mut state = self.shared.state.lock();
        if !state.processes.alive(self.life) {
            drop(state);
            thread::sleep(DEAD_SLEEP.min(timeout));
            return;
        }
        if low_half(self.word(&state, index)) != expected {
            return;
        }
        let word = (self.inode, index);
        let before = state.wakes_of(word);
        // A store alone ends no wait, as it does not on a real system.
        while state.wakes_of(word) == before && state.processes.alive(self.life) {
            let Some(deadline) = deadline else {
                self.shared.woken.wait(&mut state);
                continue;
            };
            if self.shared.woken.wait_until(&mut state, deadline).timed_out() {
                return;
            }
        }
    }

    fn wake(&self, index: usize) {
        let mut state = self.shared.state.lock();
        if index < self.words && state.processes.alive(self.life) {
            state.wake((self.inode, index));
            self.shared.woken.notify_all();
        }
    }
}
