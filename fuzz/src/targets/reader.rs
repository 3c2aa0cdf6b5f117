//! The reader target: changes to any file, then whatever looks at a log without owning
//! it: a reader, a verification, a plan of repair; and the repair.

use std::sync::Arc;

use annals::io::sim::SimStorage;
use annals::{Error, Reading, apply_repair, plan_repair, verify};

use super::edit::Seals;
use super::input::Input;
use super::look::{Expect, How, look};
use super::segments::drafted;
use crate::check::options;
use crate::oracle::Broken;
use crate::told::Told;

const CALM: &str = "13: damage is an error that says so";

/// As `segments`, with one byte more: what looks.
///
/// # Errors
/// What should not have been answered.
pub fn reader(bytes: &[u8]) -> Result<(), Broken> {
    let mut input = Input::new(bytes);
    let ((draft, (how, looks)), seals) =
        drafted(&mut input, |input| (How::read(input), input.byte()));
    let Some(draft) = draft else { return Ok(()) };
    let disk = draft.disk();
    match looks & 3 {
        0 | 1 => {
            let how = How { reader: true, ..how };
            let before = disk.fingerprint();
            let told = &draft.base().told;
            let expect = if seals == Seals::None { Expect::Only(told) } else { Expect::Calm };
            look(&disk, how, expect)?;
            if disk.fingerprint() != before {
                return Err(Broken::new("a reader writes nothing", "it does"));
            }
            Ok(())
        }
        // Of one that was sealed again, ids may be doubled, and what a witness says of the
        // last group may not fit: appends would carry on from that.
        looks => {
            let ways = if seals == Seals::None { how.ways } else { how.ways & 0x1F };
            let how = How { ways, ..how };
            if looks == 2 { verified(&disk, how).map(drop) } else { repaired(&disk, how) }
        }
    }
}

/// What may be said of a directory that holds no log, or one that is not known.
fn calm(error: Error) -> Result<(), Broken> {
    match error {
        Error::NotFound { .. } | Error::Unsupported { .. } => Ok(()),
        error => Err(Broken::new(CALM, format!("{error:?}"))),
    }
}

/// Verifies; a log without findings opens and can be read.
fn verified(disk: &SimStorage, how: How) -> Result<bool, Broken> {
    let before = disk.fingerprint();
    let report = match verify(disk, &mut |_, _| {}) {
        Ok(report) => report,
        Err(error) => return calm(error).map(|()| false),
    };
    if disk.fingerprint() != before {
        return Err(Broken::new("verifying writes nothing", "it does"));
    }
    if !report.findings.is_empty() || report.recovery.is_none() {
        return Ok(false);
    }
    let how = How { strict: false, reading: Reading::Pread, ..how };
    // Features of a later version may keep writers out, and let readers read.
    let writable = options(Reading::Pread).open_on(Arc::new(disk.fork()));
    let reader = how.reader || matches!(writable, Err(Error::Unsupported { .. }));
    drop(writable);
    let how = How { reader, ..how };
    let opened = look(&disk.fork(), how, Expect::All(&events(disk)?));
    opened.map_err(|broken| broken.within("verified without a finding"))?;
    Ok(true)
}

/// What a reader sees of a log that was found to be whole.
fn events(disk: &SimStorage) -> Result<Vec<Told>, Broken> {
    let failed = |error| Broken::new("what is verified can be read", error);
    let fork = Arc::new(disk.fork());
    let reader = options(Reading::Mapped).open_reader_on(fork).map_err(failed)?;
    let events = reader.read_all().collect().map_err(failed)?;
    Ok(events.iter().map(|event| Told::read(&event.as_event())).collect())
}

/// Plans a repair and does it: what it says is whole is whole.
fn repaired(disk: &SimStorage, how: How) -> Result<(), Broken> {
    let before = disk.fingerprint();
    let plan = match plan_repair(disk) {
        Ok(plan) => plan,
        Err(error) => return calm(error),
    };
    if disk.fingerprint() != before {
        return Err(Broken::new("planning writes nothing", "it does"));
    }
    if !plan.can_be_applied() {
        return match apply_repair(disk, &plan, &mut |_| {}) {
            Err(Error::Corrupt(_)) => Ok(()),
            other => Err(Broken::new("what cannot be mended is left", format!("{other:?}"))),
        };
    }
    match apply_repair(disk, &plan, &mut |_| {}) {
        Ok(repaired) if repaired.report.findings.is_empty() => {
            if plan.kept.is_some() && !verified(disk, how)? {
                return Err(Broken::new("a repaired log is whole", format!("{plan:?}")));
            }
            Ok(())
        }
        Ok(_) | Err(Error::Corrupt(_)) => Ok(()),
        Err(error) => Err(Broken::new(CALM, format!("{error:?}"))),
    }
}
