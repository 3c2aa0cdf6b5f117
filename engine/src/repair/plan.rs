//! All that is to be done to a log. Reads only.

use std::collections::BTreeSet;

use super::kept::{Ending, Prefix, prefix};
use super::lost;
use super::step::RepairStep;
use crate::catalog::survey::{Survey, damage, survey_with_gaps};
use crate::error::{Corrupt, Damage, Error, Result};
use crate::io::Storage;
use crate::place::Place;
use crate::recovery::analysis::{Analysis, How, analyse};
use crate::segment::{ReadMode, Segment, name, scan};
use crate::verify::{self, Finding};

const NO_FILE: &str = "something else has its name; put the file in its place and plan again";
const UNKNOWN: &str = "no step is known that would keep the events around it";

/// What repairing a log would do, made by [`plan_repair`](super::plan_repair).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RepairPlan {
    /// What is to be done, in this order; empty if there is nothing to do.
    pub steps: Vec<RepairStep>,
    /// What verifying finds. After damage that hides other damage, not all of it.
    pub findings: Vec<Finding>,
    /// Position of the last event that the log has afterwards; `None` if it cannot be
    /// mended.
    pub kept: Option<u64>,
    /// Bytes of the copies that are made first.
    pub copy_bytes: u64,
}

impl RepairPlan {
    /// Whether it can be applied: no damage in it is beyond mending.
    pub fn can_be_applied(&self) -> bool {
        self.cannot_mend().is_none()
    }

    /// The first damage that cannot be mended.
    pub(super) fn cannot_mend(&self) -> Option<&Corrupt> {
        self.steps.iter().find_map(|step| match step {
            RepairStep::CannotMend { damage, .. } => Some(damage),
            _ => None,
        })
    }

    fn hopeless(damage: Corrupt, why: &'static str) -> Self {
        Self {
            findings: vec![Finding { corrupt: damage.clone() }],
            steps: vec![RepairStep::CannotMend { damage, why }],
            ..Self::default()
        }
    }
}

/// Makes a plan, by whoever keeps writers out.
pub(super) fn plan(storage: &dyn Storage) -> Result<RepairPlan> {
    let survey = match survey_with_gaps(storage) {
        Ok(survey) => survey,
        Err(Error::Corrupt(corrupt)) => return Ok(RepairPlan::hopeless(corrupt, NO_FILE)),
        Err(error) => return Err(error),
    };
    let report = verify::look(storage, &mut |_, _| {})?;
    let mut plan = RepairPlan { findings: report.findings, ..RepairPlan::default() };
    for file in &survey.temporaries {
        plan.steps.push(RepairStep::RemoveUnfinished { file: file.clone() });
    }
    // A log that was never finished being made has none: opening makes it again.
    let Some((ending, analysis)) = ending(storage, &survey)? else { return Ok(plan) };
    let end = match prefix(storage, &survey, &ending)? {
        Prefix::CannotMend(damage, why) => {
            plan.steps.push(RepairStep::CannotMend { damage, why });
            None
        }
        Prefix::Until(kept, damage) => {
            let (lost, files) = lost::behind(storage, &survey, &kept)?;
            plan.kept = Some(kept.next_position.saturating_sub(1));
            plan.steps.push(RepairStep::Quarantine {
                damage,
                segment: kept.place.segment(),
                offset: kept.place.offset(),
                kept: kept.next_position.saturating_sub(1),
                lost,
                files,
            });
            Some((kept.place, true))
        }
        Prefix::Whole => {
            let Some(analysis) = analysis else { return Ok(plan) };
            plan.kept = Some(analysis.recovery.head);
            plan.steps.extend(cut_tail(&survey, &analysis)?);
            Some((analysis.end.place, false))
        }
    };
    if let Some((end, cut)) = end {
        for finding in plan.findings.clone() {
            plan.steps.extend(mend(&finding.corrupt, end, cut));
        }
        plan.steps.extend(missing_indexes(&survey, end));
    }
    plan.copy_bytes = copy_bytes(storage, &plan)?;
    Ok(plan)
}

type Found = (Ending, Option<Analysis>);

/// Where recovery would say that the log ends. `None` if there is none yet.
fn ending(storage: &dyn Storage, survey: &Survey) -> Result<Option<Found>> {
    if let Some(missing) = survey.gap()
        && let Error::Corrupt(corrupt) = damage(missing, Damage::Missing)
    {
        return Ok(Some((Ending::Refused(corrupt), None)));
    }
    let how = How { mode: ReadMode::Pread, strict: false, write: false };
    match analyse(storage, how, &|_, _| None) {
        Ok(None) => Ok(None),
        Ok(Some(analysis)) => Ok(Some((Ending::At(analysis.end.place), Some(analysis)))),
        Err(Error::Corrupt(corrupt)) => Ok(Some((Ending::Refused(corrupt), None))),
        Err(error) => Err(error),
    }
}

fn cut_tail(survey: &Survey, analysis: &Analysis) -> Result<Option<RepairStep>> {
    let Some(discarded) = &analysis.recovery.discarded else { return Ok(None) };
    let mut files = vec![name::segment(discarded.segment)];
    for later in &analysis.later {
        if written(later)? {
            files.push(later.name.clone());
        }
    }
    if survey.control {
        files.push(name::CONTROL.to_owned());
    }
    Ok(Some(RepairStep::CutTail {
        segment: discarded.segment,
        offset: discarded.offset,
        bytes: discarded.bytes,
        reason: discarded.reason,
        kept: analysis.recovery.head,
        files,
    }))
}

fn written(segment: &Segment) -> Result<bool> {
    Ok(scan::last_written(segment, 0, segment.len()?)?.is_some())
}

/// What is done about a finding; `None` if what is behind `end` goes anyway.
fn mend(damage: &Corrupt, end: Place, cut: bool) -> Option<RepairStep> {
    let damage = damage.clone();
    if damage.file == name::CONTROL {
        // A log that is cut gets a new one.
        return (!cut).then_some(RepairStep::RebuildControl { damage });
    }
    if damage.cause == Damage::Index {
        let (file, segment) = (damage.file, damage.segment);
        let goes = cut && segment >= end.segment();
        return (!goes).then_some(RepairStep::RebuildIndex { file, segment, missing: false });
    }
    let behind = damage.segment > end.segment()
        || damage.segment == end.segment() && damage.offset >= end.offset();
    if cut && behind {
        return None;
    }
    Some(match damage.cause {
        Damage::NotZero | Damage::Witness => RepairStep::Clear { damage },
        _ => RepairStep::CannotMend { damage, why: UNKNOWN },
    })
}

/// Sealed segments without an index: opening would make it when it is needed.
fn missing_indexes(survey: &Survey, end: Place) -> Vec<RepairStep> {
    let sealed = survey.segments.range(..end.segment()).map(|(number, _)| *number);
    let missing = sealed.filter(|number| !survey.runs.contains_key(number));
    let step =
        |segment| RepairStep::RebuildIndex { file: name::run(segment), segment, missing: true };
    missing.map(step).collect()
}

fn copy_bytes(storage: &dyn Storage, plan: &RepairPlan) -> Result<u64> {
    let files: BTreeSet<_> = plan.steps.iter().flat_map(RepairStep::files).collect();
    let entries = storage.list().map_err(|error| Error::io("list", &storage.describe(), error))?;
    let copied = entries.iter().filter(|entry| files.contains(entry.name.as_str()));
    Ok(copied.map(|entry| entry.len).sum())
}
