//! The observer that tries every crash of a moment, unless it has seen its like before.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use annals::io::sim::SimStorage;

use super::Explored;
use crate::crash::{Depth, check_kill, check_power_cut, survivors};
use crate::numbers::digest;
use crate::oracle::{Broken, End, Oracle};
use crate::run::Observe;

/// Looks at every crash state of a moment that was not looked at before.
#[derive(Debug)]
pub struct Explorer {
    checked: Mutex<HashSet<(u128, u64)>>,
    disks: Mutex<HashSet<u128>>,
    states: AtomicU64,
    checks: AtomicU64,
    nested: AtomicU64,
    nested_of: u64,
    seed: u64,
}

/// How many power cuts are sampled where not every one is looked at.
const SAMPLES: u64 = 6;

/// In one of so many states recovery itself is crashed.
const NESTED_OF: u64 = 64;

/// In one of so many states every way of reading is tried in each opening.
const AGAIN_OF: u64 = 4;

/// In one of so many states every byte is compared with every index.
const SCAN_OF: u64 = 32;

impl Explorer {
    /// Has seen nothing yet.
    pub fn new(seed: u64) -> Self {
        Self {
            checked: Mutex::default(),
            disks: Mutex::default(),
            states: AtomicU64::new(0),
            checks: AtomicU64::new(0),
            nested: AtomicU64::new(0),
            nested_of: NESTED_OF,
            seed,
        }
    }

    /// Crashes recovery in every state, and not in a few of them.
    #[must_use]
    pub fn every_recovery(self) -> Self {
        Self { nested_of: 1, ..self }
    }

    /// How much it has looked at.
    pub(super) fn so_far(&self) -> Explored {
        let count = |of: &AtomicU64| of.load(Ordering::Relaxed);
        Explored {
            states: count(&self.states),
            checks: count(&self.checks),
            nested: count(&self.nested),
            ..Explored::default()
        }
    }

    /// How deeply this is to be checked, if it was not yet; counts it then. A disk that
    /// was checked with other knowledge is probed again only if readers keep
    /// checkpoints, which go by what is appended.
    fn is_new(&self, fingerprint: u128, knowledge: u64, oracle: &Oracle) -> Option<Depth> {
        let lock = |set| Mutex::lock(set).unwrap_or_else(PoisonError::into_inner);
        if !lock(&self.checked).insert((fingerprint, knowledge)) {
            return None;
        }
        let disks = self.disks.lock().unwrap_or_else(PoisonError::into_inner).insert(fingerprint);
        self.states.fetch_add(u64::from(disks), Ordering::Relaxed);
        self.checks.fetch_add(1, Ordering::Relaxed);
        Some(Depth { probe: disks || !oracle.marks.is_empty(), ..self.depth(fingerprint) })
    }

    fn depth(&self, fingerprint: u128) -> Depth {
        let choice = digest(&(fingerprint, self.seed));
        Depth {
            probe: true,
            nested: choice.is_multiple_of(self.nested_of),
            again: (choice >> 24).is_multiple_of(AGAIN_OF),
            scan: (choice >> 8).is_multiple_of(SCAN_OF),
            close: choice & 1 << 32 == 0,
        }
    }
}

impl Observe for Explorer {
    fn moment(&self, disk: &SimStorage, oracle: &Oracle) -> Result<(), Broken> {
        let knowledge = oracle.digest(End::Cut);
        let here = disk.fingerprint();
        // The same moment again, from another program: nothing new can follow.
        let Some(depth) = self.is_new(here, !oracle.digest(End::Kill), oracle) else {
            return Ok(());
        };
        let killed = check_kill(&disk.fork(), oracle, depth);
        let nested = killed.map_err(|broken| broken.within("after a kill"))?;
        self.nested.fetch_add(nested, Ordering::Relaxed);
        for fate in survivors(disk, SAMPLES, self.seed ^ digest(&here)) {
            let after = fate.of(disk);
            let fingerprint = after.fingerprint();
            let Some(depth) = self.is_new(fingerprint, knowledge, oracle) else { continue };
            let checked = check_power_cut(&after, oracle, depth);
            let nested = checked.map_err(|broken| broken.within(format!("after {fate:?}")))?;
            self.nested.fetch_add(nested, Ordering::Relaxed);
        }
        Ok(())
    }
}
