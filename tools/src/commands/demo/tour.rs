//! How the tour is told: steps, what they say, and what was checked.

use std::fmt;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::error::{Answer, Failure};
use crate::output::Output;
use crate::output::style::{BAD, DIM, GOOD, HEADING};

/// The tour so far.
pub(super) struct Tour<'o> {
    output: &'o mut Output,
    steps: u32,
    checks: Vec<Check>,
}

struct Check {
    holds: bool,
    what: String,
}

impl<'o> Tour<'o> {
    pub(super) fn new(output: &'o mut Output) -> Self {
        Self { output, steps: 0, checks: Vec::new() }
    }

    /// What the tour is about.
    pub(super) fn begin(&mut self, about: &str) -> Result<(), Failure> {
        self.text(format_args!("{HEADING}annals demo{HEADING:#}: {about}"))
    }

    /// A new step.
    pub(super) fn step(&mut self, title: &str, about: &str) -> Result<(), Failure> {
        self.steps += 1;
        let number = self.steps;
        self.text(format_args!(""))?;
        self.text(format_args!("{HEADING}{number}  {title}{HEADING:#}: {about}"))
    }

    /// A line of the step, for people.
    pub(super) fn say(&mut self, line: fmt::Arguments<'_>) -> Result<(), Failure> {
        self.text(format_args!("   {line}"))
    }

    /// The step's numbers, for `--json`.
    pub(super) fn facts(&mut self, step: &str, facts: Value) -> Result<(), Failure> {
        if !self.output.is_json() {
            return Ok(());
        }
        let mut object = json!({ "step": step });
        if let (Some(object), Value::Object(facts)) = (object.as_object_mut(), facts) {
            object.extend(facts);
        }
        self.output.object(&object)?;
        self.output.flush()
    }

    /// Notes whether a promise was kept; told at the end.
    pub(super) fn check(&mut self, holds: bool, what: String) {
        self.checks.push(Check { holds, what });
    }

    /// Tells what was checked, and whether all of it held.
    pub(super) fn end(&mut self) -> Result<Answer, Failure> {
        let failed = self.checks.iter().filter(|check| !check.holds).count();
        self.text(format_args!(""))?;
        self.text(format_args!("{HEADING}Verified{HEADING:#}"))?;
        for check in std::mem::take(&mut self.checks) {
            let Check { holds, what } = &check;
            if *holds {
                self.say(format_args!("{GOOD}ok{GOOD:#}      {what}"))?;
            } else {
                self.say(format_args!("{BAD}FAILED{BAD:#}  {what}"))?;
            }
            self.facts("check", json!({ "ok": holds, "what": what }))?;
        }
        self.facts("end", json!({ "ok": failed == 0, "failed": failed }))?;
        if failed == 0 {
            return Ok(Answer::Yes);
        }
        self.text(format_args!("{BAD}{failed} of the checks failed{BAD:#}"))?;
        Ok(Answer::No)
    }

    /// Steps take a while: each line is shown when it is known.
    fn text(&mut self, line: fmt::Arguments<'_>) -> Result<(), Failure> {
        if self.output.is_json() {
            return Ok(());
        }
        self.output.line(line)?;
        self.output.flush()
    }

    /// A line in the background, for people.
    pub(super) fn aside(&mut self, line: fmt::Arguments<'_>) -> Result<(), Failure> {
        self.say(format_args!("{DIM}{line}{DIM:#}"))
    }
}

/// What `work` gives, and how long it took.
pub(super) fn timed<T>(
    work: impl FnOnce() -> Result<T, Failure>,
) -> Result<(T, Duration), Failure> {
    let started = Instant::now();
    let value = work()?;
    Ok((value, started.elapsed()))
}
