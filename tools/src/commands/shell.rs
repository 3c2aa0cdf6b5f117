//! `annals completions` and `annals man`: made from the definitions of the command line,
//! whenever they are asked for, so that they never say anything else.

use std::fs;
use std::io;
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use serde::Serialize;

use crate::cli::Cli;
use crate::error::{Answer, Failure};
use crate::output::Output;

/// The program's name, as it is called.
const PROGRAM: &str = "annals";

/// A page that was written, for `--json`.
#[derive(Serialize)]
struct Page<'a> {
    page: &'a str,
}

/// Prints what a shell has to be told.
pub(crate) fn completions(shell: Shell, output: &mut Output) -> Result<Answer, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut definitions(), PROGRAM, &mut script);
    output.bytes(&script)?;
    Ok(Answer::Yes)
}

/// Writes a page for the program and one for each command; on standard output, one
/// after the other, if no directory is named.
pub(crate) fn man(directory: Option<&Path>, output: &mut Output) -> Result<Answer, Failure> {
    let mut program = definitions().disable_help_subcommand(true);
    program.build();
    for command in [&program].into_iter().chain(program.get_subcommands()) {
        let mut text = Vec::new();
        let page = Man::new(command.clone());
        let name = page.get_filename();
        page.render(&mut text).map_err(Failure::Stdout)?;
        let Some(directory) = directory else {
            output.bytes(&text)?;
            continue;
        };
        write(directory, &name, &text)?;
        if output.is_json() {
            output.object(&Page { page: &name })?;
        } else {
            output.line(format_args!("{}", directory.join(&name).display()))?;
        }
    }
    Ok(Answer::Yes)
}

fn write(directory: &Path, name: &str, text: &[u8]) -> Result<(), Failure> {
    let failed = |path: &Path, source: io::Error| Failure::Written {
        name: path.display().to_string(),
        source,
    };
    fs::create_dir_all(directory).map_err(|error| failed(directory, error))?;
    let path = directory.join(name);
    fs::write(&path, text).map_err(|error| failed(&path, error))
}

/// The command line without what is hidden: that is the program's own business, and
/// shells would offer it.
fn definitions() -> Command {
    let all = Cli::command();
    let shown = all.get_subcommands().filter(|command| !command.is_hide_set()).cloned();
    let mut program = Command::new(PROGRAM)
        .version(env!("CARGO_PKG_VERSION"))
        .args(all.get_arguments().cloned())
        .subcommands(shown);
    if let Some(about) = all.get_about() {
        program = program.about(about.clone());
    }
    if let Some(after_help) = all.get_after_help() {
        program = program.after_help(after_help.clone());
    }
    program
}
