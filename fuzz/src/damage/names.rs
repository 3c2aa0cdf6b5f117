//! Damage to whole files: lost, doubled, under another name, of another log, of an
//! earlier time.

use std::sync::Arc;

use super::base::Base;
use super::hurt::{Damage, Files, Hurt};

/// Names that a file may get: the next numbers of its kind, and some that no log gives.
fn other_names(base: &Base, name: &str) -> Vec<String> {
    let suffix = name.rsplit_once('.').map(|(_, suffix)| suffix);
    let Some(suffix @ ("seg" | "idx")) = suffix else { return Vec::new() };
    let last = base.names().filter(|name| name.ends_with(".seg")).count();
    let numbered = |number: usize| format!("{number:020}.{suffix}");
    (0..last + 3).map(numbered).chain([format!("{:020}.{suffix}", u64::MAX)]).collect()
}

/// Every damage to every file.
pub fn whole_files(base: &Base, foreign: &Files) -> Vec<Damage> {
    let mut all = Vec::new();
    let content = |name: &String| base.files.get(name).cloned().unwrap_or_default();
    for name in base.names() {
        all.push(Damage::to(name, Hurt::Lose, format!("{name} lost")));
        if let Some(bytes) = foreign.get(name) {
            let hurt = Hurt::Replace(Arc::clone(bytes));
            all.push(Damage::to(name, hurt, format!("{name} of another log")));
        }
        for other in other_names(base, name) {
            if other == *name {
                continue;
            }
            let copy = (other.clone(), Hurt::Replace(content(name)));
            all.push(Damage::of(format!("{name} also as {other}"), vec![copy.clone()]));
            let renamed = vec![copy, (name.clone(), Hurt::Lose)];
            all.push(Damage::of(format!("{name} renamed to {other}"), renamed));
        }
        // The control file mirrors the witness of the newest segment. Swapping the two
        // takes both away: that is two losses, not one.
        for other in base.names().filter(|other| *other != "control" && name != "control") {
            if other <= name {
                continue;
            }
            let one = (name.clone(), Hurt::Replace(content(other)));
            let two = (other.clone(), Hurt::Replace(content(name)));
            all.push(Damage::of(format!("{other} over {name}"), vec![one.clone()]));
            all.push(Damage::of(format!("{name} over {other}"), vec![two.clone()]));
            all.push(Damage::of(format!("{name} and {other} swapped"), vec![one, two]));
        }
    }
    all
}

/// Each file as it was at an earlier time: whole, and from some place on.
pub fn earlier(base: &Base) -> Vec<Damage> {
    let mut all = Vec::new();
    for (time, older) in base.older.iter().enumerate() {
        for name in base.names() {
            let Some(old) = older.get(name) else { continue };
            let what = format!("{name} as it was before step {time}");
            all.push(Damage::to(name, Hurt::Replace(Arc::clone(old)), what));
            for from in [512, 4096, 4608, 8192] {
                let rest = old.get(from..).unwrap_or_default().into();
                let what = format!("{name} from {from} on as before step {time}");
                all.push(Damage::to(name, Hurt::Put(from, rest), what));
            }
        }
    }
    all
}
