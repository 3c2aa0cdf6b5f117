//! What a figure was taken on. Linux tells it in files; elsewhere less is known.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

/// One line about processor, memory, system and load.
pub fn describe() -> String {
    let mut parts = Vec::new();
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = value(&cpu, "model name").unwrap_or(std::env::consts::ARCH);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    parts.push(format!("{cores} cores of {model}"));
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = value(&memory, "MemTotal").and_then(|text| text.split(' ').next()?.parse().ok());
    if let Some(kib) = kib {
        let kib: f64 = kib;
        parts.push(format!("{:.0} GiB", kib / f64::from(1 << 20)));
    }
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    parts.push(format!("{} {}", std::env::consts::OS, release.trim()).trim().to_owned());
    parts.join(", ")
}

/// The load averages, where the system tells them: a figure taken beside other work
/// says so.
pub fn load() -> Option<String> {
    let load = fs::read_to_string("/proc/loadavg").ok()?;
    Some(load.split(' ').take(3).collect::<Vec<_>>().join(" "))
}

/// The kind of file system that a directory is on.
pub fn file_system(directory: &Path) -> Option<String> {
    let directory = directory.canonicalize().ok()?;
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let mut best: Option<(usize, &str)> = None;
    for line in mounts.lines() {
        let mut words = line.split(' ').skip(1);
        let (Some(place), Some(kind)) = (words.next(), words.next()) else { continue };
        // The innermost mount counts, and of several on one place the last one.
        if directory.starts_with(place) && best.is_none_or(|(len, _)| place.len() >= len) {
            best = Some((place.len(), kind));
        }
    }
    best.map(|(_, kind)| kind.to_owned())
}

/// Whether a sync on this kind of file system reaches no device, so that durable figures
/// mean nothing.
pub fn is_memory(file_system: &str) -> bool {
    matches!(file_system, "tmpfs" | "ramfs")
}

fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim())
    })
}

/// What figures are of, so that a table never stands without it: the command, the machine,
/// the file system, and how busy it was.
///
/// # Errors
/// Those of `out`.
pub fn preamble(out: &mut impl Write, command: &str, directory: &Path) -> io::Result<()> {
    writeln!(out, "Command: `{command}`")?;
    let file_system = file_system(directory);
    let on = file_system.as_deref().unwrap_or("unknown file system");
    writeln!(out, "Machine: {}, {on}", describe())?;
    if let Some(load) = load() {
        writeln!(out, "Load averages before the run: {load}")?;
    }
    if file_system.as_deref().is_some_and(is_memory) {
        writeln!(out, "NOT A DISK: a sync here reaches no device; durable rows mean nothing")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_by_its_whole_name() {
        let text = "model\t: 1\nmodel name\t: Some CPU\n";
        assert_eq!(value(text, "model name"), Some("Some CPU"));
        assert_eq!(value(text, "name"), None);
    }
}
