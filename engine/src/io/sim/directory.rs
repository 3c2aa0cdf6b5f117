//! The names of the disk: those that are written, those that are durable, and the
//! changes between the two.
//!
//! What a file holds is in `inode`; the two are put together in `disk`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::units::{Unit, UnitKind, Verdict};

/// Which file a name stands for.
pub(super) type InodeId = u64;

#[derive(Debug, Clone)]
struct Pending {
    order: u64,
    change: Change,
    suspect: bool,
}

/// Each change carries the file that it is about, so that it can survive without
/// the changes before it.
#[derive(Debug, Clone)]
enum Change {
    Create { name: Arc<str>, inode: InodeId },
    Rename { from: Arc<str>, to: Arc<str>, inode: InodeId },
    Remove { name: Arc<str>, inode: InodeId },
}

impl Change {
    fn inode(&self) -> InodeId {
        match self {
            Self::Create { inode, .. }
            | Self::Rename { inode, .. }
            | Self::Remove { inode, .. } => *inode,
        }
    }

    fn names(&self) -> (&str, Option<&str>) {
        match self {
            Self::Create { name, .. } | Self::Remove { name, .. } => (name, None),
            Self::Rename { from, to, .. } => (from, Some(to)),
        }
    }

    fn touches(&self, name: &str) -> bool {
        let (first, second) = self.names();
        first == name || second == Some(name)
    }

    /// Whether this change, once durable, settles what became of `earlier`.
    fn settles(&self, earlier: &Self) -> bool {
        let (first, second) = self.names();
        earlier.inode() == self.inode()
            || earlier.touches(first)
            || second.is_some_and(|second| earlier.touches(second))
    }
}

type Names = BTreeMap<Arc<str>, InodeId>;

/// Carries out one change on `names`. A file has one name at most: a rename that
/// survives without the one before it takes the file from wherever it is.
fn apply(names: &mut Names, change: &Change) {
    match change {
        Change::Create { name: to, inode } | Change::Rename { to, inode, .. } => {
            names.retain(|_, other| other != inode);
            names.insert(to.clone(), *inode);
        }
        Change::Remove { name, inode } => {
            if names.get(name) == Some(inode) {
                names.remove(name);
            }
        }
    }
}

/// The directory.
#[derive(Debug, Clone, Default)]
pub(super) struct Directory {
    written: Names,
    durable: Names,
    pending: Vec<Pending>,
}

impl Directory {
    pub(super) fn get(&self, name: &str) -> Option<InodeId> {
        self.written.get(name).copied()
    }

    pub(super) fn durable(&self, name: &str) -> Option<InodeId> {
        self.durable.get(name).copied()
    }

    /// All names that a list shows.
    pub(super) fn written(&self) -> impl Iterator<Item = (&Arc<str>, InodeId)> {
        self.written.iter().map(|(name, inode)| (name, *inode))
    }

    /// Every file that some outcome of a power cut can show, each once or more, in
    /// an order that follows from names alone.
    pub(super) fn reachable(&self) -> impl Iterator<Item = InodeId> {
        let named = self.durable.values().chain(self.written.values()).copied();
        named.chain(self.pending.iter().map(|unit| unit.change.inode()))
    }

    fn push(&mut self, order: &mut u64, change: Change) {
        apply(&mut self.written, &change);
        *order += 1;
        self.pending.push(Pending { order: *order, change, suspect: false });
    }

    pub(super) fn create(&mut self, name: Arc<str>, inode: InodeId, order: &mut u64) {
        self.push(order, Change::Create { name, inode });
    }

    pub(super) fn rename(&mut self, from: Arc<str>, to: Arc<str>, inode: InodeId, order: &mut u64) {
        self.push(order, Change::Rename { from, to, inode });
    }

    pub(super) fn remove(&mut self, name: Arc<str>, inode: InodeId, order: &mut u64) {
        self.push(order, Change::Remove { name, inode });
    }

    /// Gives a name to a file in both views, as if it had always been so.
    pub(super) fn put(&mut self, name: &Arc<str>, inode: InodeId) {
        self.pending.retain(|unit| !unit.change.touches(name) && unit.change.inode() != inode);
        for view in [&mut self.written, &mut self.durable] {
            view.retain(|_, other| *other != inode);
            view.insert(name.clone(), inode);
        }
    }

    /// Takes a name out of both views, as if it had never been.
    pub(super) fn take(&mut self, name: &str) -> bool {
        self.pending.retain(|unit| !unit.change.touches(name));
        let durable = self.durable.remove(name).is_some();
        self.written.remove(name).is_some() || durable
    }

    /// Makes all that is pending durable, except what an earlier failed sync left
    /// suspect and no later change settles.
    pub(super) fn sync(&mut self) {
        let mut suspects: Vec<Pending> = Vec::new();
        for unit in std::mem::take(&mut self.pending) {
            if unit.suspect {
                suspects.push(unit);
            } else {
                suspects.retain(|suspect| !unit.change.settles(&suspect.change));
                apply(&mut self.durable, &unit.change);
            }
        }
        self.pending = suspects;
    }

    /// A sync has failed: nothing that is pending can be relied on any more.
    pub(super) fn fail_sync(&mut self) {
        for unit in &mut self.pending {
            unit.suspect = true;
        }
    }

    /// The pending units with their places among all changes of the disk.
    pub(super) fn units(&self) -> impl Iterator<Item = (u64, Unit)> {
        self.pending.iter().map(|unit| {
            let (name, kind) = match &unit.change {
                Change::Create { name, .. } => (name, UnitKind::Create),
                Change::Remove { name, .. } => (name, UnitKind::Remove),
                Change::Rename { from, to, .. } => (from, UnitKind::Rename { to: to.clone() }),
            };
            (unit.order, Unit { name: name.clone(), kind, suspect: unit.suspect })
        })
    }

    /// The power goes. `verdicts` are those on [`units`](Self::units), in the same
    /// order; the names that survive are durable.
    pub(super) fn power_cut(&mut self, verdicts: &[Verdict]) {
        for (unit, verdict) in std::mem::take(&mut self.pending).iter().zip(verdicts) {
            if *verdict == Verdict::Keep {
                apply(&mut self.durable, &unit.change);
            }
        }
        self.written = self.durable.clone();
    }

    /// Shows `each` all that decides what lists and power cuts can show: words that
    /// say what comes, names, and the files that they stand for.
    pub(super) fn describe(&self, mut each: impl FnMut(&str, &str, InodeId)) {
        for (name, inode) in &self.durable {
            each("durable", name, *inode);
        }
        for (name, inode) in &self.written {
            each("written", name, *inode);
        }
        for unit in &self.pending {
            let word = match &unit.change {
                Change::Create { .. } => "create",
                Change::Rename { .. } => "rename",
                Change::Remove { .. } => "remove",
            };
            let (first, second) = unit.change.names();
            each(word, first, unit.change.inode());
            each(if unit.suspect { "suspect" } else { "to" }, second.unwrap_or(""), 0);
        }
    }
}
