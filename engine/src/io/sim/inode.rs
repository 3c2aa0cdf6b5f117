//! One file without its name: what is written, what is durable, and the changes
//! between the two.
//!
//! Names and their durability are in `directory`; which handle may do what is in
//! `handle`.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::numbers::{Digest, Numbers, count, index};
use super::pages::{Pages, Sector, sectors};
use super::units::{SECTOR_BYTES, Unit, UnitKind, Verdict};
use crate::io::EntryKind;

/// One change that is written and not durable.
#[derive(Debug, Clone)]
struct Pending {
    /// Its place among all changes of the disk.
    order: u64,
    change: Change,
    suspect: bool,
}

#[derive(Debug, Clone)]
enum Change {
    Sector {
        index: u64,
        bytes: Arc<Sector>,
    },
    /// `cut`: the file got shorter, so that what stood beyond is gone even if a
    /// later change extends it again.
    Length {
        len: u64,
        cut: bool,
    },
}

impl Change {
    fn is_sector(&self, wanted: u64) -> bool {
        matches!(self, Self::Sector { index, .. } if *index == wanted)
    }

    fn is_length(&self) -> bool {
        matches!(self, Self::Length { .. })
    }
}

/// A file.
#[derive(Debug, Clone)]
pub(super) struct Inode {
    /// Its present name, or the last one.
    pub(super) name: Arc<str>,
    pub(super) kind: EntryKind,
    written: Pages,
    durable: Pages,
    /// In the order of writing. Suspect ones come before all others.
    pending: Vec<Pending>,
    /// The sectors with stores to shared words, of which no unit tells.
    stored: BTreeSet<u64>,
}

impl Inode {
    /// A new file: empty, and its emptiness durable.
    pub(super) fn new(name: Arc<str>, kind: EntryKind) -> Self {
        let (written, durable) = (Pages::default(), Pages::default());
        Self { name, kind, written, durable, pending: Vec::new(), stored: BTreeSet::new() }
    }

    /// What reads return.
    pub(super) fn written(&self) -> &Pages {
        &self.written
    }

    /// What a power cut that loses everything leaves.
    pub(super) fn durable(&self) -> &Pages {
        &self.durable
    }

    /// Sets both views, as if it had always been so.
    pub(super) fn replace(&mut self, bytes: &[u8]) {
        self.written = Pages::of(bytes);
        self.durable = self.written.clone();
        self.pending.clear();
        self.stored.clear();
    }

    /// Turns one bit of both views over. `false` if the file is shorter.
    pub(super) fn flip(&mut self, bit: u64) -> bool {
        let at = bit / 8;
        if at >= self.written.len() {
            return false;
        }
        let (sector, within) = (at / count(SECTOR_BYTES), index(at % count(SECTOR_BYTES)));
        for view in [&mut self.written, &mut self.durable] {
            let mut bytes = view.sector(sector);
            if let Some(byte) = bytes.get_mut(within) {
                *byte ^= 1 << (bit % 8);
            }
            view.put_sector(sector, &bytes);
        }
        true
    }

    fn push(&mut self, order: &mut u64, change: Change) {
        *order += 1;
        self.pending.push(Pending { order: *order, change, suspect: false });
    }

    /// Writes, extending the file if needed. Each touched sector and the extension
    /// are one unit each.
    pub(super) fn write(&mut self, data: &[u8], offset: u64, order: &mut u64) {
        if data.is_empty() {
            return;
        }
        let end = offset.saturating_add(count(data.len()));
        if end > self.written.len() {
            self.written.set_len(end);
            self.push(order, Change::Length { len: end, cut: false });
        }
        self.written.write(data, offset);
        for sector in sectors(offset, data.len()) {
            let bytes = Arc::new(self.written.sector(sector));
            self.push(order, Change::Sector { index: sector, bytes });
        }
    }

    /// A shared word, in the byte order of the machine; 0 if the file ends before it
    /// does.
    pub(super) fn word(&self, index: u64) -> u64 {
        let mut bytes = [0; 8];
        match self.written.read(&mut bytes, index.saturating_mul(8)) {
            8 => u64::from_ne_bytes(bytes),
            _ => 0,
        }
    }

    /// Stores a shared word: written, and no unit that a power cut could keep. Nothing
    /// beyond the end.
    pub(super) fn store(&mut self, index: u64, value: u64) {
        let at = index.saturating_mul(8);
        if at.saturating_add(8) <= self.written.len() {
            self.written.write(&value.to_ne_bytes(), at);
            self.stored.extend(sectors(at, 8));
        }
    }

    /// Makes the sectors with stored words durable as they are now.
    pub(super) fn write_back(&mut self) {
        for sector in std::mem::take(&mut self.stored) {
            self.durable.put_sector(sector, &self.written.sector(sector));
        }
    }

    /// Whether a power cut changes anything.
    pub(super) fn is_volatile(&self) -> bool {
        !(self.stored.is_empty() && self.pending.is_empty())
    }

    /// Cuts or extends.
    pub(super) fn set_len(&mut self, len: u64, order: &mut u64) {
        let before = self.written.len();
        if len == before {
            return;
        }
        let cut = len < before;
        if cut {
            self.written.cut(len);
        } else {
            self.written.set_len(len);
        }
        self.push(order, Change::Length { len, cut });
    }

    /// Makes all that is pending durable, except what an earlier failed sync left
    /// suspect and nobody has written since.
    pub(super) fn sync(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        let last_len = settled_length(&pending);
        let mut suspects: Vec<Pending> = Vec::new();
        for (place, unit) in pending.into_iter().enumerate() {
            match &unit.change {
                Change::Length { len, cut } if last_len.is_some_and(|last| place <= last) => {
                    if *cut {
                        self.durable.cut(*len);
                        cut_suspects(&mut suspects, *len);
                    } else {
                        self.durable.set_len(*len);
                    }
                }
                Change::Sector { index, bytes } if !unit.suspect => {
                    self.durable.put_sector(*index, bytes);
                    suspects.retain(|suspect| !suspect.change.is_sector(*index));
                }
                _ => suspects.push(unit),
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
            let kind = match &unit.change {
                Change::Sector { index, .. } => UnitKind::Sector { index: *index },
                Change::Length { len, .. } => UnitKind::Length { len: *len },
            };
            (unit.order, Unit { name: self.name.clone(), kind, suspect: unit.suspect })
        })
    }

    /// The power goes. `verdicts` are those on [`units`](Self::units), in the same
    /// order; what survives is durable.
    pub(super) fn power_cut(&mut self, verdicts: &[Verdict]) {
        let pending = std::mem::take(&mut self.pending);
        let verdict = |place| verdicts.get(place).copied().unwrap_or(Verdict::Lose);
        let last_len = (0..pending.len())
            .rev()
            .find(|place| verdict(*place) == Verdict::Keep && is_length(&pending, *place));
        for (place, unit) in pending.iter().enumerate() {
            match &unit.change {
                Change::Sector { index, bytes } => {
                    if let Some(found) = surviving(&self.durable, *index, bytes, verdict(place)) {
                        self.durable.put_sector(*index, &found);
                    }
                }
                Change::Length { len, cut } if last_len.is_some_and(|last| place <= last) => {
                    if *cut {
                        self.durable.cut(*len);
                    } else {
                        self.durable.set_len(*len);
                    }
                }
                Change::Length { .. } => {}
            }
        }
        self.durable.cut(self.durable.len());
        self.written = self.durable.clone();
        self.stored.clear();
    }

    /// Takes in all that decides what reads and power cuts can show.
    pub(super) fn digest(&self, into: &mut Digest) {
        into.word(u64::from(self.kind == EntryKind::File));
        self.durable.digest(into);
        self.written.digest(into);
        into.word(count(self.pending.len()));
        for unit in &self.pending {
            into.word(u64::from(unit.suspect));
            match &unit.change {
                Change::Sector { index, bytes } => {
                    into.word(*index);
                    into.bytes(&**bytes);
                }
                Change::Length { len, cut } => {
                    into.word(*len);
                    into.word(u64::from(*cut));
                }
            }
        }
    }
}

fn is_length(pending: &[Pending], place: usize) -> bool {
    pending.get(place).is_some_and(|unit| unit.change.is_length())
}

/// The last length change that a successful sync makes durable, with all before
/// it. Suspect ones are settled by a later change of the length, or by a write
/// beyond a suspect cut: if that cut stayed undecided, it could take away what was
/// synced after it.
fn settled_length(pending: &[Pending]) -> Option<usize> {
    let clean = pending.iter().rposition(|unit| !unit.suspect && unit.change.is_length());
    let written_to = pending.iter().filter(|unit| !unit.suspect).filter_map(|unit| {
        let Change::Sector { index, .. } = &unit.change else { return None };
        Some(index.saturating_add(1).saturating_mul(count(SECTOR_BYTES)))
    });
    let written_to = written_to.max().unwrap_or(0);
    let overwritten = pending
        .iter()
        .any(|unit| matches!(&unit.change, Change::Length { len, cut: true } if *len < written_to));
    let any = pending.iter().rposition(|unit| unit.change.is_length());
    if overwritten { any } else { clean }
}

/// A cut that is durable ends what was undecided beyond it.
fn cut_suspects(suspects: &mut Vec<Pending>, len: u64) {
    suspects.retain_mut(|suspect| {
        let Change::Sector { index: sector, bytes } = &mut suspect.change else { return true };
        let kept = index(len.saturating_sub(sector.saturating_mul(count(SECTOR_BYTES))));
        if let Some(tail) = Arc::make_mut(bytes).get_mut(kept..) {
            tail.fill(0);
        }
        kept > 0
    });
}

/// What one version of a sector leaves on the disk; `None` if nothing changes.
fn surviving(durable: &Pages, sector: u64, new: &Sector, verdict: Verdict) -> Option<Sector> {
    let mut found = durable.sector(sector);
    match verdict {
        Verdict::Keep => return Some(*new),
        Verdict::Lose => return None,
        Verdict::Tear(bytes) => {
            for (old, new) in found.iter_mut().zip(new).take(bytes) {
                *old = *new;
            }
        }
        Verdict::Garble(seed) => {
            let mut numbers = Numbers::new(seed);
            for (old, new) in found.iter_mut().zip(new) {
                let [choice, noise, ..] = numbers.next().to_le_bytes();
                match choice % 3 {
                    // A write does not hurt what it leaves as it was: without that, nothing
                    // could ever be appended behind something durable in the same sector.
                    _ if *old == *new => {}
                    0 => {}
                    1 => *old = *new,
                    _ => *old = noise,
                }
            }
        }
    }
    Some(found)
}
