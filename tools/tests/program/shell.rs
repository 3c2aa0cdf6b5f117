//! Completions and manual pages: everything that the help names is in them.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};

use crate::support::{Room, annals, annals_fed};

const SHELLS: [&str; 5] = ["bash", "zsh", "fish", "elvish", "powershell"];

/// The commands, as the help lists them.
fn commands() -> Vec<String> {
    let help = annals(["--help"]).fine().stdout;
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = listed.map_while(|line| line.strip_prefix("  "));
    let names = names.filter(|line| !line.starts_with(' '));
    let names = names.map(|line| line.split(' ').next().unwrap().to_owned());
    let names: Vec<_> = names.filter(|name| name != "help").collect();
    assert!(names.len() >= 10 && names.contains(&"import".to_owned()), "{names:?}");
    names
}

/// The long flags of a command, as its help names them.
fn flags(command: &str) -> BTreeSet<String> {
    let help = annals([command, "--help"]).fine().stdout;
    let starts = help.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
    let flags = starts.filter_map(|line| {
        let at = line.find("--")?;
        let name = line[at + 2..].split(|c: char| !c.is_alphanumeric() && c != '-').next()?;
        Some(name.to_owned())
    });
    let flags: BTreeSet<_> = flags.collect();
    assert!(flags.contains("json") && flags.contains("help"), "{command}: {flags:?}");
    flags
}

#[test]
fn every_command_and_flag_can_be_completed() {
    for shell in SHELLS {
        let script = annals(["completions", shell]).fine().stdout;
        for command in commands() {
            assert!(script.contains(&command), "{shell}: {command}");
            for flag in flags(&command) {
                // fish has flags without their dashes.
                let named =
                    if shell == "fish" { format!("-l {flag}") } else { format!("--{flag}") };
                assert!(script.contains(&named), "{shell}: {command} {named}");
            }
        }
        assert!(!script.contains("demo-writer"), "{shell}: what is hidden is not offered");
    }
}

#[test]
fn there_is_a_page_for_the_program_and_each_command_with_every_flag() {
    let room = Room::new();
    let directory = room.path("pages").join("man1");
    let written = annals(["man", directory.to_str().unwrap()]).fine().stdout;
    let printed = annals(["man"]).fine().stdout;
    let program = fs::read_to_string(directory.join("annals.1")).unwrap();
    let mut names = BTreeSet::from(["annals.1".to_owned()]);
    for command in commands() {
        let name = format!("annals-{command}.1");
        let page = fs::read_to_string(directory.join(&name)).unwrap();
        for flag in flags(&command) {
            let named = format!("\\-\\-{}", flag.replace('-', "\\-"));
            assert!(page.contains(&named), "{name}: {flag}");
        }
        assert!(program.contains(&format!("annals\\-{}(1)", command.replace('-', "\\-"))));
        assert!(printed.contains(&page) && written.contains(&name), "{name}");
        names.insert(name);
    }
    assert!(program.contains("Exit codes"), "{program}");
    let found = fs::read_dir(&directory).unwrap();
    let found = found.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(found.collect::<BTreeSet<_>>(), names, "no page of what is hidden");
}

#[test]
fn a_directory_that_cannot_be_written_is_named() {
    let room = Room::new();
    let file = room.write("file", "");
    annals(["man", &format!("{file}/pages")]).ends_with(3).says(&[&file, "what to do"]);
}

#[test]
fn bash_takes_its_script_and_completes_with_it() {
    if Command::new("bash").arg("--version").stdout(Stdio::null()).status().is_err() {
        eprintln!("SKIPPED: there is no bash");
        return;
    }
    let room = Room::new();
    let script = annals(["completions", "bash"]).fine().stdout;
    let file = room.write("annals.bash", script);
    let ask = "source \"$1\"; COMP_WORDS=(annals ver); COMP_CWORD=1; _annals annals ver annals; \
               echo \"${COMPREPLY[*]}\"";
    let ran = Command::new("bash").args(["-c", ask, "bash", &file]).output().unwrap();
    let told = String::from_utf8(ran.stdout).unwrap();
    assert_eq!(told.trim(), "verify", "{}", String::from_utf8_lossy(&ran.stderr));
    // The program itself needs nothing from standard input for this.
    annals_fed(["completions", "zsh"], b"").fine();
}
