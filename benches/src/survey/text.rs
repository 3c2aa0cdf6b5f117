//! A survey as a plain text table: what it was taken on in lines that start with `#`, a
//! header, and one fact a line, its fields set apart by tabs.

use std::fmt::Write;
use std::str::FromStr;

use super::fact::{Fact, Measure, Side, Way, Word, Work};

const COLUMNS: [&str; 14] = [
    "part",
    "way",
    "threads",
    "in_flight",
    "batch",
    "payload_bytes",
    "streams",
    "log_bytes",
    "measure",
    "at",
    "side",
    "round",
    "value",
    "unit",
];

const MARK: &str = "# ";

/// Between what several surveys were taken on.
const BETWEEN: &str = "; ";

/// What figures were taken on, so that they never stand without it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct About {
    /// The command that took them.
    pub command: String,
    /// When it was started.
    pub date: String,
    /// The version of annals.
    pub version: String,
    /// The machine, as [`describe`](crate::machine::describe) has it.
    pub machine: String,
    /// The kind of file system that was written to; empty where that is not known.
    pub file_system: String,
    /// The load averages before the start; empty where they are not known.
    pub load: String,
    /// How many pairs of turns count, and how long a turn is.
    pub turns: String,
    /// Whether it came to its end; `no` with a reason where it did not.
    pub complete: String,
}

impl About {
    /// Every field with its name.
    pub fn fields(&self) -> [(&'static str, &str); 8] {
        [
            ("command", &self.command),
            ("date", &self.date),
            ("version", &self.version),
            ("machine", &self.machine),
            ("file system", &self.file_system),
            ("load before", &self.load),
            ("turns", &self.turns),
            ("complete", &self.complete),
        ]
    }

    fn field(&mut self, name: &str) -> Option<&mut String> {
        Some(match name {
            "command" => &mut self.command,
            "date" => &mut self.date,
            "version" => &mut self.version,
            "machine" => &mut self.machine,
            "file system" => &mut self.file_system,
            "load before" => &mut self.load,
            "turns" => &mut self.turns,
            "complete" => &mut self.complete,
            _ => return None,
        })
    }

    /// Whether what was written reached no device, so that durable figures mean nothing.
    pub fn is_in_memory(&self) -> bool {
        crate::machine::is_memory(&self.file_system)
    }
}

/// Facts with what they were taken on.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Survey {
    /// What they were taken on.
    pub about: About,
    /// The facts, as they were taken.
    pub facts: Vec<Fact>,
}

impl Survey {
    /// Adds the facts of another survey of the same version of annals on the same kind of
    /// machine and file system, each with what else it was taken on. A work that both have has
    /// the rounds of both.
    ///
    /// # Errors
    /// If they are not of the same; this one is then as it was.
    pub fn join(&mut self, other: Self) -> Result<(), String> {
        let same = ["version", "machine", "file system"];
        for ((name, own), (_, theirs)) in self.about.fields().iter().zip(other.about.fields()) {
            if same.contains(name) && *own != theirs {
                return Err(format!("{name}: {theirs:?} is not {own:?}"));
            }
        }
        for (name, theirs) in other.about.fields() {
            if let Some(own) = self.about.field(name)
                && own.split(BETWEEN).all(|own| own != theirs)
            {
                own.push_str(BETWEEN);
                own.push_str(theirs);
            }
        }
        self.facts.extend(other.facts);
        Ok(())
    }

    /// The table.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for (name, value) in self.about.fields() {
            let value = value.replace(char::is_control, " ");
            // Writing to a string does not fail.
            let _ = writeln!(text, "{MARK}{name}: {}", value.trim());
        }
        text.push_str(&COLUMNS.join("\t"));
        text.push('\n');
        for fact in &self.facts {
            line(&mut text, fact);
        }
        text
    }

    /// A table as [`to_text`](Self::to_text) makes it. Lines that start with `#` and are not
    /// known are passed over.
    ///
    /// # Errors
    /// With the number of the first line that is not as it should be.
    pub fn from_text(text: &str) -> Result<Self, String> {
        let mut survey = Self::default();
        let mut header = false;
        for (index, line) in text.lines().enumerate() {
            let wrong = |why: String| format!("line {}: {why}", index + 1);
            if let Some(about) = line.strip_prefix(MARK) {
                let (name, value) =
                    about.split_once(": ").unwrap_or((about.trim_end_matches(':'), ""));
                if let Some(field) = survey.about.field(name) {
                    value.clone_into(field);
                }
            } else if !header {
                if !line.split('\t').eq(COLUMNS) {
                    return Err(wrong(format!("the header is not {}", COLUMNS.join(", "))));
                }
                header = true;
            } else if !line.is_empty() {
                survey.facts.push(parse(line).map_err(wrong)?);
            }
        }
        if header { Ok(survey) } else { Err("there is no header".to_owned()) }
    }
}

fn line(text: &mut String, fact: &Fact) {
    let Fact { work, side, measure, at, round, value } = fact;
    let Work { part, way, threads, in_flight, batch, payload, streams, log_bytes } = work;
    let _ = writeln!(
        text,
        "{}\t{}\t{threads}\t{in_flight}\t{batch}\t{payload}\t{streams}\t{log_bytes}\t{}\t{at}\t{}\t\
         {round}\t{value}\t{}",
        part.word(),
        way.word(),
        measure.word(),
        side.word(),
        measure.unit(*part),
    );
}

fn parse(line: &str) -> Result<Fact, String> {
    let fields: Vec<_> = line.split('\t').collect();
    let [
        part,
        way,
        threads,
        in_flight,
        batch,
        payload,
        streams,
        log_bytes,
        measure,
        at,
        side,
        round,
        value,
        unit,
    ] = fields[..]
    else {
        return Err(format!("{} fields, not {}", fields.len(), COLUMNS.len()));
    };
    let part = word("part", part)?;
    let measure: Measure = word("measure", measure)?;
    if measure.unit(part) != unit {
        return Err(format!("unit: {unit:?} is not {:?}", measure.unit(part)));
    }
    let work = Work {
        part,
        way: word::<Way>("way", way)?,
        threads: number("threads", threads)?,
        in_flight: number("in_flight", in_flight)?,
        batch: number("batch", batch)?,
        payload: number("payload_bytes", payload)?,
        streams: number("streams", streams)?,
        log_bytes: number("log_bytes", log_bytes)?,
    };
    let (at, value): (f64, f64) = (number("at", at)?, number("value", value)?);
    if !at.is_finite() || !value.is_finite() || at < 0.0 || value < 0.0 {
        return Err(format!("{at} and {value} are not both numbers from 0 on"));
    }
    let (side, round) = (word::<Side>("side", side)?, number("round", round)?);
    Ok(Fact { work, side, measure, at, round, value })
}

fn word<W: Word>(column: &str, text: &str) -> Result<W, String> {
    W::of(text).ok_or_else(|| format!("{column}: {text:?} is none of them"))
}

fn number<N: FromStr>(column: &str, text: &str) -> Result<N, String> {
    text.parse().map_err(|_| format!("{column}: {text:?} is no number"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey::Plan;

    fn survey() -> Survey {
        let mut facts = Vec::new();
        for (number, work) in Plan::full(Vec::new()).works().into_iter().enumerate() {
            let value = 1e9 / (number as f64 + 3.0);
            for (measure, _) in Measure::WORDS {
                let fact =
                    Fact { work, side: Side::Floor, measure: *measure, at: 99.9, round: 2, value };
                facts.extend([fact, Fact { side: Side::Annals, at: 0.0, ..fact }]);
            }
        }
        let about = About {
            command: "annals bench <&> # x".to_owned(),
            machine: "2 cores: fast ones".to_owned(),
            file_system: "ext4".to_owned(),
            ..About::default()
        };
        Survey { about, facts }
    }

    #[test]
    fn what_is_written_is_read_again_to_the_last_bit() {
        let survey = survey();
        let text = survey.to_text();
        assert_eq!(Survey::from_text(&text).unwrap(), survey);
        assert_eq!(text.lines().count(), 8 + 1 + survey.facts.len());
    }

    #[test]
    fn surveys_of_one_machine_join() {
        let mut all = survey();
        let mut second = survey();
        second.about.command = "annals bench replay".to_owned();
        second.facts.truncate(3);
        all.join(second.clone()).unwrap();
        assert_eq!(all.about.command, "annals bench <&> # x; annals bench replay");
        assert_eq!(all.about.machine, survey().about.machine);
        assert_eq!(all.facts.len(), survey().facts.len() + 3);
        second.about.machine = "one core".to_owned();
        let before = all.clone();
        assert!(all.join(second).unwrap_err().starts_with("machine: \"one core\" is not"));
        assert_eq!(all, before);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let text = survey().to_text();
        let with =
            |from: &str, to: &str| Survey::from_text(&text.replacen(from, to, 1)).unwrap_err();
        assert!(with("part\t", "parts\t").starts_with("line 9: the header is not part, way"));
        assert_eq!(with("\nappend\t", "\npend\t"), "line 10: part: \"pend\" is none of them");
        assert_eq!(
            with("\tdurable\t1\t", "\tdurable\tone\t"),
            "line 10: threads: \"one\" is no number"
        );
        assert_eq!(
            with("\tevents/s\n", "\tMiB/s\n"),
            "line 10: unit: \"MiB/s\" is not \"events/s\""
        );
        assert_eq!(with("\tevents/s\n", "\n"), "line 10: 13 fields, not 14");
        assert_eq!(with("\t99.9\t", "\tNaN\t").split(" and ").next(), Some("line 10: NaN"));
        assert_eq!(Survey::from_text("").unwrap_err(), "there is no header");
    }
}
