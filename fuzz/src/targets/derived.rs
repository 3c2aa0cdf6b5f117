//! The derived-files target: anything in every file beside the segments.
//!
//! The log serves everything all the same. What can make it refuse is a witness, in the
//! control file, whose checksum was made to fit; what can make it answer with less is an
//! index of which that is true.

use super::bases::{Files, base};
use super::edit::Draft;
use super::input::Input;
use super::look::{Expect, How, look};
use super::run;
use crate::format::{CONTROL_FAILED, overwrite, seal};
use crate::oracle::Broken;

/// Names that are none of the log's, and stay as they are.
const FOREIGN: [&str; 8] = [
    "notes.txt",
    "1.seg",
    "00000000000000000000.seg",
    "00000000000000000001.seg.bak",
    "00000000000000000001.idx~",
    "control.old",
    "repair-1-1.control",
    "99999999999999999999.idx.tmp2",
];

/// Files that a crash may have left, of this log.
const OWN: [&str; 4] = [
    "00000000000000000001.idx.tmp",
    "00000000000000000009.idx.tmp",
    "00000000000000000009.idx",
    "00000000000000000002.idx",
];

/// No input does more.
const STEPS: usize = 12;

/// Three bytes say which log and how it is opened, the others what stands in its files.
///
/// # Errors
/// What the log should not have answered.
pub fn derived(bytes: &[u8]) -> Result<(), Broken> {
    let mut input = Input::new(bytes);
    let (which, how) = (input.byte(), How::read(&mut input));
    let Some(base) = base(usize::from(which & 0x3F)) else { return Ok(()) };
    let mut draft = Draft::new(base);
    let mut others = Vec::new();
    let mut foreign = Files::new();
    for _ in 0..STEPS {
        if input.is_empty() {
            break;
        }
        step(&mut draft, &mut input, &mut others, &mut foreign);
    }
    if which & 0x40 != 0 {
        seal::control(draft.edit("control"));
    }
    let disk = draft.disk();
    for name in others {
        disk.remove_file(&name);
        disk.put_other(&name);
    }
    let expect = if may_refuse(&draft) {
        Expect::Calm
    } else if how.reader && says_failed(&draft) {
        // Then what was written and not made durable is not shown to readers.
        Expect::Only(&base.told)
    } else {
        Expect::All(&base.told)
    };
    look(&disk, how, expect)?;
    match foreign.iter().find(|(name, bytes)| disk.read_file(name).as_ref() != Some(bytes)) {
        Some((name, _)) => Err(Broken::new("11: foreign files are untouched", name)),
        None => Ok(()),
    }
}

fn step(draft: &mut Draft, input: &mut Input<'_>, others: &mut Vec<String>, foreign: &mut Files) {
    let base = draft.base();
    let derived = base.names.get(base.segments..).unwrap_or_default();
    let choice = usize::from(input.byte());
    if choice >= 0xE0 {
        let name = FOREIGN.get(choice % FOREIGN.len()).copied().unwrap_or("notes.txt");
        let bytes = literal(input);
        foreign.insert(name.to_owned(), bytes.clone());
        draft.put(name, bytes);
        return;
    }
    let name = if choice >= 0xC0 {
        OWN.get(choice % OWN.len()).map(ToString::to_string)
    } else {
        derived.get(choice % derived.len().max(1)).cloned()
    };
    let Some(name) = name.filter(|name| name != "notes.txt") else { return };
    match input.choice(8) {
        0 => draft.remove(&name),
        1 => draft.put(&name, literal(input)),
        2 => {
            let other = input.choice(base.names.len());
            let bytes = base.names.get(other).and_then(|other| base.files.get(other));
            draft.put(&name, bytes.cloned().unwrap_or_default());
        }
        3 => others.push(name),
        4 => {
            let bytes = draft.edit(&name);
            let at = input.place(bytes.len());
            bytes.truncate(at);
        }
        5 => {
            let (at, piece) = (input.place(4096), literal(input));
            let bytes = draft.edit(&name);
            bytes.resize(bytes.len().max(at + piece.len()), 0);
            overwrite(bytes, at, &piece);
        }
        6 => draft.edit(&name).fill(input.byte()),
        _ => {
            let mut few = Input::new(input.bytes(24));
            draft.apply_to(&name, &mut few, false);
        }
    }
}

fn literal(input: &mut Input<'_>) -> Vec<u8> {
    let len = input.word() % 600;
    input.bytes(len).to_vec()
}

/// Whether something is there that a log may go by: a witness or an index that it did not
/// write, with checksums that fit.
fn may_refuse(draft: &Draft) -> bool {
    let known = draft.base().files.get("control").map(Vec::as_slice).unwrap_or_default();
    let known: Vec<_> = seal::control_slots(known).collect();
    let news = seal::control_slots(draft.file("control")).any(|said| !known.contains(&said));
    let runs = draft.base().names.iter().filter(|name| name.ends_with(".idx"));
    news || runs.into_iter().any(|name| run::is_forged(draft, name))
}

/// Whether the control file says that the last writer's sync failed.
fn says_failed(draft: &Draft) -> bool {
    let words = [Some(draft.file("control")), draft.base().files.get("control").map(Vec::as_slice)];
    let [now, before] = words.map(|bytes| bytes.and_then(|bytes| bytes.get(CONTROL_FAILED)));
    now != before && now == Some(&1_u64.to_le_bytes())
}
