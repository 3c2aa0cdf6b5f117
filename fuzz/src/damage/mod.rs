//! Damage to what is durable: files cut at every byte, every bit turned over, blocks and
//! whole files zeroed, garbled, moved, lost, doubled, swapped, of an earlier time or of
//! another log, fields at their extremes, events that look like the log itself. A log
//! answers with everything or with an error, never with less or with something else.
//!
//! The one exception is the documented window: what was synced last, after the last
//! witness, with nothing whole behind it. What lies there is worked out from the
//! writes that were made, not from what the log says.
//!
//! * [`base`]: the logs, and what is known of them from outside
//! * [`hurt`]: damage as values
//! * [`judge`]: what a damaged log may answer
//! * [`blocks`], [`names`], [`fields`], [`images`]: kinds of damage

pub mod base;
pub mod blocks;
pub mod fields;
pub mod hurt;
pub mod images;
pub mod judge;
pub mod names;

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use annals::planted::Bug;

use crate::explore::plant;
use crate::numbers::{narrow, wide};
use crate::oracle::Broken;
use crate::program::Program;
use base::Base;
use hurt::{Damage, Files, Hurt};

/// What kind of damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A field at an extreme.
    Field,
    /// A file lost, doubled, renamed, swapped, of another log.
    File,
    /// A file, or its end, as it was.
    Older,
    /// A block zeroed.
    Zero,
    /// A block garbled.
    Garble,
    /// A block in a second place.
    Copy,
    /// Two blocks swapped.
    Swap,
    /// A block of another log.
    Foreign,
    /// An event that looks like a piece of the log, torn.
    Image,
    /// A bit turned over.
    Bit,
    /// A file cut.
    Cut,
}

/// All kinds, those of which there are few first.
pub const KINDS: [Kind; 11] = [
    Kind::Image,
    Kind::File,
    Kind::Older,
    Kind::Zero,
    Kind::Garble,
    Kind::Copy,
    Kind::Swap,
    Kind::Foreign,
    Kind::Field,
    Kind::Bit,
    Kind::Cut,
];

/// How much is swept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// Samples: for planted bugs.
    Quick,
    /// Every byte of every file of the first log is a cut, every bit of its first segment
    /// is turned over, every kind is there; of the other logs, samples of bits, cuts and
    /// fields.
    Usual,
    /// Every bit and every cut of all.
    All,
}

impl Plan {
    /// The step from one bit, cut or field to the next that is tried.
    fn step(self, site: usize, kind: Kind, name: &str) -> u64 {
        let first = name == "00000000000000000001.seg";
        match (self, kind) {
            (Self::All, _) => 1,
            (Self::Usual, Kind::Bit) if site == 0 && first => 1,
            (Self::Usual, Kind::Cut | Kind::Field) if site == 0 => 1,
            (_, Kind::Bit) => 97,
            (_, Kind::Cut) => 199,
            (_, Kind::Field) => 13,
            _ => 1,
        }
    }
}

/// Logs to damage: three segments with records of every kind, over two epochs; the last
/// append small, long, or the one that rolled; one that was closed; records of every kind
/// and appends of every level.
pub const BASES: [(&str, bool); 7] = [
    ("M S N B Zw Lw X Q M S O S R M Z X Bb Q S M N S", false),
    ("S X B S X X X S B R R S S B X S S", false),
    ("S B R S X B X", false),
    ("S S X R S R", false),
    ("S X B S X R S S B X S O S B X", true),
    ("M Sw N Zw L Q R M Sw Xb N Q R Zb L Sw M Nw Qw", false),
    ("M S N R Z L Q M Sw Nb R Lw M N Zb Q", true),
];

/// One log and all that can be done to it.
struct Site {
    base: Base,
    lists: BTreeMap<Kind, Vec<Damage>>,
}

impl Site {
    fn new(number: usize) -> Result<Self, Broken> {
        let make = |seed| match BASES.get(number) {
            Some((text, close)) => {
                let wrong = |error: String| Broken::new("a program", error);
                let program: Program = text.parse().map_err(wrong)?;
                Base::new(&program, *close, seed)
            }
            None => images::base(seed),
        };
        let (base, foreign) = (make(1)?, make(2)?);
        let images = number >= BASES.len();
        let list = |kind| (kind, Self::list(&base, &foreign.files, kind, images));
        let lists = KINDS.into_iter().map(list).collect();
        Ok(Self { base, lists })
    }

    /// Those kinds of which there are few enough to be written down.
    fn list(base: &Base, foreign: &Files, kind: Kind, images: bool) -> Vec<Damage> {
        match kind {
            Kind::Field => fields::fields(base),
            Kind::File => names::whole_files(base, foreign),
            Kind::Older => names::earlier(base),
            Kind::Image if images => images::torn(base),
            Kind::Bit | Kind::Cut | Kind::Image => Vec::new(),
            kind => blocks::blocks(base, foreign, kind, 1),
        }
    }

    /// The damage of this number: for bits and cuts the number of the bit or byte, counted
    /// through all files.
    fn nth(&self, kind: Kind, number: u64) -> Option<Damage> {
        let per_byte = match kind {
            Kind::Bit => 8,
            Kind::Cut => 1,
            kind => return self.lists.get(&kind)?.get(narrow(number)).cloned(),
        };
        let mut left = narrow(number);
        for name in self.base.names() {
            let count = self.base.files.get(name).map_or(0, |bytes| bytes.len()) * per_byte;
            if left < count {
                let hurt = if kind == Kind::Bit { Hurt::Flip(left) } else { Hurt::Cut(left) };
                return Some(Damage::to(name, hurt.clone(), format!("{hurt:?} of {name}")));
            }
            left -= count;
        }
        None
    }

    /// The numbers that a plan tries.
    fn numbers(&self, site: usize, kind: Kind, plan: Plan) -> Vec<u64> {
        let stepped = |from: u64, count: u64, step: u64| (from..from + count).step_by(narrow(step));
        let per_byte = match kind {
            Kind::Bit => 8,
            Kind::Cut => 1,
            kind => {
                let count = self.lists.get(&kind).map_or(0, Vec::len);
                return stepped(0, wide(count), plan.step(site, kind, "")).collect();
            }
        };
        let (mut from, mut all) = (0, Vec::new());
        for name in self.base.names() {
            let bytes = self.base.files.get(name).map_or(0, |bytes| wide(bytes.len()));
            all.extend(stepped(from, bytes * per_byte, plan.step(site, kind, name)));
            from += bytes * per_byte;
        }
        all
    }
}

/// How much was tried.
#[derive(Debug, Clone, Default)]
pub struct Swept {
    /// Damaged logs of each kind, each opened and read in both ways.
    pub counts: BTreeMap<Kind, u64>,
    /// How long it took.
    pub took: Duration,
}

impl Swept {
    /// All damaged logs.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }
}

impl fmt::Display for Swept {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.took.as_secs_f64();
        write!(out, "{} damaged logs, each read in both ways, {seconds:.1} s:", self.total())?;
        self.counts.iter().try_for_each(|(kind, count)| write!(out, " {kind:?} {count}"))
    }
}

/// How many threads sweep.
const THREADS: usize = 2;

/// How many damages a thread takes at once.
const AT_ONCE: usize = 64;

/// Damages every log in every way of these kinds, with a planted bug.
///
/// # Errors
/// The first that answered wrongly, with the damage and a line that does it again.
pub fn sweep(plan: Plan, kinds: &[Kind], bug: Option<Bug>) -> Result<Swept, Broken> {
    let began = Instant::now();
    plant(bug);
    let sites = (0..=BASES.len()).map(Site::new).collect::<Result<Vec<_>, _>>();
    plant(None);
    let sites = sites?;
    let mut work = Vec::new();
    for kind in kinds.iter().copied() {
        for (at, site) in sites.iter().enumerate() {
            let numbers = site.numbers(at, kind, plan);
            work.extend(numbers.chunks(AT_ONCE).map(|chunk| (at, site, kind, chunk.to_vec())));
        }
    }
    let (next, swept) = (AtomicUsize::new(0), Mutex::new(Ok(Swept::default())));
    let outcome = || swept.lock().unwrap_or_else(PoisonError::into_inner);
    let worker = || {
        plant(bug);
        while let Some((at, site, kind, numbers)) = work.get(next.fetch_add(1, Ordering::Relaxed))
            && outcome().is_ok()
        {
            let tried = numbers.iter().try_fold(0, |sum, number| {
                let tried = try_at(site, (*at, *kind, *number), bug)?;
                Ok::<_, Broken>(sum + u64::from(tried))
            });
            let mut outcome = outcome();
            match (&mut *outcome, tried) {
                (Ok(swept), Ok(tried)) => *swept.counts.entry(*kind).or_default() += tried,
                (Ok(_), Err(broken)) => *outcome = Err(broken),
                (Err(_), _) => {}
            }
        }
        plant(None);
    };
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(worker);
        }
    });
    let swept = swept.into_inner().unwrap_or_else(PoisonError::into_inner)?;
    Ok(Swept { took: began.elapsed(), ..swept })
}

fn try_at(
    site: &Site,
    (at, kind, number): (usize, Kind, u64),
    bug: Option<Bug>,
) -> Result<bool, Broken> {
    let Some(damage) = site.nth(kind, number) else { return Ok(false) };
    let check = AssertUnwindSafe(|| site.base.check(&damage, number));
    let outcome = catch_unwind(check).unwrap_or_else(|_panic| {
        Err(Broken::new("14: no panic, whatever the files hold", "it panics, as said above"))
    });
    outcome.map_err(|broken| {
        let planted = bug.map_or(String::new(), |bug| format!(" --plant {bug:?}"));
        let again = format!("cargo run -p annals-fuzz -- --damage {at}.{kind:?}.{number}{planted}");
        broken.within(format!("{damage}\n  again: {again}\n "))
    })
}

/// The kind of this name.
pub fn kind_named(name: &str) -> Option<Kind> {
    KINDS.into_iter().find(|kind| format!("{kind:?}") == name)
}

/// One damage again, as it is named in a failure: the log, the kind, the number.
///
/// # Errors
/// What is broken, or that there is no such damage.
pub fn try_one(which: &str, bug: Option<Bug>) -> Result<String, String> {
    let none = || format!("no damage is written {which:?}");
    let parts: Vec<_> = which.split('.').collect();
    let [at, kind, number] = *parts else { return Err(none()) };
    let (at, number) = (at.parse().map_err(|_| none())?, number.parse().map_err(|_| none())?);
    let kind = kind_named(kind).ok_or_else(none)?;
    if at > BASES.len() {
        return Err(none());
    }
    plant(bug);
    let outcome = Site::new(at).and_then(|site| {
        let damage = site.nth(kind, number).map(|damage| damage.what);
        Ok((damage, try_at(&site, (at, kind, number), bug)?))
    });
    plant(None);
    let (damage, _) = outcome.map_err(|broken| broken.to_string())?;
    damage.map(|what| format!("{what}: nothing broken")).ok_or_else(none)
}
