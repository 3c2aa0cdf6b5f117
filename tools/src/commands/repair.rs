//! `annals repair`: says what mending a log would do and lose, and does it if asked.

use annals::io::OsStorage;
use annals::{Lost, RepairPlan, RepairStep, Repaired, apply_repair, plan_repair};
use serde::Serialize;
use std::path::Path;

use crate::cli::Repair;
use crate::error::{Answer, Failure, OfLog};
use crate::output::style::{BAD, DIM, GOOD, HEADING};
use crate::output::{Output, units};

/// A line of `--json`: the steps, then the copies that were made, then the outcome.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Line<'a> {
    Step {
        step: &'static str,
        /// What it does and what is lost, in words.
        what: String,
        files: Vec<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        lost: Option<LostJson<'a>>,
    },
    Copy {
        file: &'a str,
        copy_of: &'a str,
    },
    Summary {
        applied: bool,
        steps: usize,
        /// Position of the last event that the log has afterwards.
        #[serde(skip_serializing_if = "Option::is_none")]
        kept: Option<u64>,
        /// Bytes of the copies that are made first.
        copy_bytes: u64,
        /// Whether nothing is wrong: now, and if nothing was applied, before.
        whole: bool,
        findings: usize,
    },
}

#[derive(Serialize)]
struct LostJson<'a> {
    from: u64,
    to: u64,
    /// At least so many.
    events: u64,
    bytes: u64,
    segments: u64,
    streams: &'a [String],
}

impl<'a> From<&'a Lost> for LostJson<'a> {
    fn from(lost: &'a Lost) -> Self {
        Self {
            from: lost.from,
            to: lost.to,
            events: lost.events(),
            bytes: lost.bytes,
            segments: lost.segments,
            streams: &lost.streams,
        }
    }
}

pub(crate) fn run(asked: &Repair, output: &mut Output) -> Result<Answer, Failure> {
    let storage = OsStorage::new(&asked.log);
    let plan = plan_repair(&storage).of(&asked.log)?;
    if !asked.apply || plan.steps.is_empty() || !plan.can_be_applied() {
        return planned(asked, &plan, output);
    }
    let repaired = apply_repair(&storage, &plan, &mut |_| {}).of(&asked.log)?;
    applied(&asked.log, &plan, &repaired, output)
}

fn planned(asked: &Repair, plan: &RepairPlan, output: &mut Output) -> Result<Answer, Failure> {
    let nothing = plan.steps.is_empty();
    if output.is_json() {
        steps_json(output, &plan.steps)?;
        output.object(&Line::Summary {
            applied: false,
            steps: plan.steps.len(),
            kept: plan.kept,
            copy_bytes: plan.copy_bytes,
            whole: nothing,
            findings: plan.findings.len(),
        })?;
    } else if nothing {
        output.line(format_args!("{GOOD}nothing to do{GOOD:#}: the log is whole"))?;
    } else {
        output.line(format_args!("{HEADING}a repair would{HEADING:#}"))?;
        steps(output, &plan.steps)?;
        let advice = if !plan.can_be_applied() {
            "not all of this can be mended, so nothing is done; restore the log from a copy"
                .to_owned()
        } else {
            format!(
                "nothing was changed; `annals repair {} --apply` does it, after copies of {}",
                asked.log.display(),
                units::bytes(plan.copy_bytes)
            )
        };
        output.line(format_args!("{DIM}{advice}{DIM:#}"))?;
    }
    Ok(if nothing { Answer::Yes } else { Answer::No })
}

fn applied(
    log: &Path,
    plan: &RepairPlan,
    repaired: &Repaired,
    output: &mut Output,
) -> Result<Answer, Failure> {
    let findings = &repaired.report.findings;
    let whole = findings.is_empty();
    if output.is_json() {
        steps_json(output, &repaired.steps)?;
        for (file, copy_of) in &repaired.copies {
            output.object(&Line::Copy { file, copy_of })?;
        }
        output.object(&Line::Summary {
            applied: true,
            steps: repaired.steps.len(),
            kept: plan.kept,
            copy_bytes: plan.copy_bytes,
            whole,
            findings: findings.len(),
        })?;
    } else {
        output.line(format_args!("{HEADING}done{HEADING:#}"))?;
        steps(output, &repaired.steps)?;
        for (file, copy_of) in &repaired.copies {
            output.line(format_args!("{DIM}copied {copy_of} to {file}{DIM:#}"))?;
        }
        if !repaired.copies.is_empty() {
            output.line(format_args!(
                "the copies are in {}; the log never reads them, delete them when you need them \
                 no more",
                log.display()
            ))?;
        }
        for finding in findings {
            output.line(format_args!("{BAD}damage{BAD:#}: {}", finding.corrupt))?;
        }
        if whole {
            output.line(format_args!(
                "{GOOD}the log is whole{GOOD:#}: {} in {}",
                units::counted(repaired.report.events, "event"),
                units::counted(repaired.report.streams, "stream")
            ))?;
        } else {
            output.line(format_args!(
                "{BAD}the log is not whole{BAD:#}; restore it from a copy, or run this again"
            ))?;
        }
    }
    Ok(if whole { Answer::Yes } else { Answer::No })
}

fn steps(output: &mut Output, steps: &[RepairStep]) -> Result<(), Failure> {
    for step in steps {
        output.line(format_args!("  {step}"))?;
    }
    Ok(())
}

fn steps_json(output: &mut Output, steps: &[RepairStep]) -> Result<(), Failure> {
    for step in steps {
        output.object(&Line::Step {
            step: name(step),
            what: step.to_string(),
            files: step.files(),
            lost: step.lost().map(LostJson::from),
        })?;
    }
    Ok(())
}

const fn name(step: &RepairStep) -> &'static str {
    match step {
        RepairStep::CutTail { .. } => "cut_tail",
        RepairStep::Quarantine { .. } => "quarantine",
        RepairStep::Clear { .. } => "clear",
        RepairStep::RebuildIndex { .. } => "rebuild_index",
        RepairStep::RemoveUnfinished { .. } => "remove_unfinished",
        RepairStep::RebuildControl { .. } => "rebuild_control",
        RepairStep::CannotMend { .. } => "cannot_mend",
        _ => "other",
    }
}
