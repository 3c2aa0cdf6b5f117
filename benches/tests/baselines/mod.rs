//! Numbers that must not grow, in text files: a name and a number a line.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

/// Rewrites the files instead of comparing.
const WRITE: (&str, &str) = ("ANNALS_BASELINES", "write");

/// The line that says which build the numbers are of.
const OF: &str = "of ";

/// A file of numbers.
#[derive(Debug)]
pub(crate) struct Baselines {
    /// Its name in `benches/guards`.
    pub(crate) file: &'static str,
    /// What the numbers are, for the file's first line.
    pub(crate) what: &'static str,
    /// What they are of: numbers of anything else are not compared.
    pub(crate) of: Option<String>,
    /// How far a number may be off: a part of it, and so much in any case.
    pub(crate) slack: (f64, f64),
}

/// Says something, though the test passes.
pub(crate) fn note(text: &str) {
    // Tests' own output is shown only when they fail.
    let _written = writeln!(std::io::stderr(), "{text}");
}

impl Baselines {
    fn path(&self) -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("guards").join(self.file)
    }

    /// Compares what was measured with the file.
    ///
    /// # Panics
    /// If something grew, is not in the file, or is there and was not measured.
    pub(crate) fn check(&self, measured: &[(&str, f64)]) {
        if std::env::var(WRITE.0).is_ok_and(|value| value == WRITE.1) {
            std::fs::write(self.path(), self.text(measured)).unwrap();
            note(&format!("{}: rewritten", self.file));
            return;
        }
        let text = std::fs::read_to_string(self.path()).unwrap();
        let of = text.lines().find_map(|line| line.strip_prefix(OF));
        if of != self.of.as_deref() {
            let other = of.unwrap_or("no build");
            note(&format!("{}: another compiler: skipped (baselines are of {other})", self.file));
            return;
        }
        let findings = self.findings(&text, measured);
        assert!(findings.is_empty(), "{}:\n{}", self.file, findings.join("\n"));
    }

    fn text(&self, measured: &[(&str, f64)]) -> String {
        let mut text = format!("# {}\n", self.what);
        if let Some(of) = &self.of {
            writeln!(text, "{OF}{of}").unwrap();
        }
        for (name, number) in measured {
            writeln!(text, "{name} {number:.0}").unwrap();
        }
        text
    }

    /// What is wrong. What shrank is told and no fault.
    pub(crate) fn findings(&self, text: &str, measured: &[(&str, f64)]) -> Vec<String> {
        let mut expected: BTreeMap<&str, f64> = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with(['#']) && !line.starts_with(OF)) {
            let (name, number) = line.rsplit_once(' ').unwrap();
            expected.insert(name, number.parse().unwrap());
        }
        let mut findings = Vec::new();
        for (name, number) in measured {
            let Some(baseline) = expected.remove(name) else {
                findings.push(format!("{name}: {number:.0}, and there is no baseline"));
                continue;
            };
            let slack = (baseline * self.slack.0).max(self.slack.1);
            let percent = (number / baseline - 1.0) * 100.0;
            if *number > baseline + slack {
                findings.push(format!("{name}: {number:.0}, was {baseline:.0} ({percent:+.1}%)"));
            } else if *number < baseline - slack {
                let gain = format!("{number:.0}, was {baseline:.0} ({percent:+.1}%)");
                note(&format!("{}: {name}: {gain}: lower the baseline", self.file));
            }
        }
        findings.extend(expected.keys().map(|name| format!("{name}: was not measured")));
        findings
    }
}

#[test]
fn what_grew_is_found_and_what_shrank_is_not() {
    let baselines = Baselines { file: "none", what: "numbers", of: None, slack: (0.05, 1.0) };
    let text = "# numbers\nof here\na 100\nb 100\n";
    assert!(baselines.findings(text, &[("a", 104.0), ("b", 50.0)]).is_empty());
    assert_eq!(baselines.findings(text, &[("a", 106.0), ("b", 100.0)]).len(), 1);
    assert_eq!(baselines.findings(text, &[("a", 100.0), ("c", 100.0)]).len(), 2);
    assert_eq!(baselines.findings("a 0\n", &[("a", 1.0)]).len(), 0);
    assert_eq!(baselines.findings("a 0\n", &[("a", 2.0)]).len(), 1);
}
