//! Long runs of the explorer: `annals-fuzz --states N --seconds N --seed S --steps N
//! --threads N`, or one program again with `--program 'S R K' [--plant Bug]`.

use std::process::ExitCode;
use std::time::Duration;

use annals_fuzz::bugs::{bug_named, catch};
use annals_fuzz::explore::{Plan, explore, try_program};
use annals_fuzz::program::Program;
use annals_fuzz::real::child::{self, ChildPlan};

const USAGE: &str = "annals-fuzz [--states N] [--seconds N] [--seed S] [--steps N] [--threads N]
            [--plant BUG] [--program 'S X B R N Z Q L M (each also with w or b behind it)
                        I J Y V C A O K T P<seed> D<call>.<seed>']
            [--catch-all]";

struct Arguments {
    plan: Plan,
    program: Option<Program>,
    catch_all: bool,
}

fn arguments() -> Result<Arguments, String> {
    let mut plan = Plan { states: 1_000_000, ..Plan::default() };
    let (mut program, mut catch_all) = (None, false);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        if word == "--catch-all" {
            catch_all = true;
            continue;
        }
        let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
        let number = || value.parse::<u64>().map_err(|_| format!("{word} {value}: no number"));
        match &*word {
            "--states" => plan.states = number()?,
            "--seconds" => {
                plan.time = Duration::from_secs(number()?);
                plan.states = u64::MAX;
            }
            "--seed" => plan.seed = number()?,
            "--steps" => plan.steps = u32::try_from(number()?).map_err(|e| e.to_string())?,
            "--threads" => plan.threads = number()?.max(1),
            "--plant" => {
                let unknown = || format!("no bug is called {value}");
                plan.bug = Some(bug_named(&value).ok_or_else(unknown)?);
            }
            "--program" => program = Some(value.parse()?),
            _ => return Err(format!("{word} is not known")),
        }
    }
    Ok(Arguments { plan, program, catch_all })
}

/// `annals-fuzz child DIRECTORY ...`: a program to be crashed, see `real::child`.
fn child() -> ExitCode {
    match ChildPlan::parse(std::env::args().skip(2)) {
        Ok(plan) => {
            child::run(&plan, &mut std::io::stdout());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn main() -> ExitCode {
    if std::env::args().nth(1).is_some_and(|word| word == "child") {
        return child();
    }
    let arguments = match arguments() {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("{error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    if arguments.catch_all {
        for caught in catch() {
            println!("{caught}");
        }
        return ExitCode::SUCCESS;
    }
    let Arguments { plan, program, .. } = arguments;
    if let Some(program) = program {
        return match try_program(&program, plan.seed, plan.bug) {
            Ok(()) => {
                println!("{program}: nothing broken");
                ExitCode::SUCCESS
            }
            Err(broken) => {
                println!("{program}: {broken}");
                ExitCode::FAILURE
            }
        };
    }
    let explored = explore(&plan);
    println!("{explored}, {} bugs", u64::from(explored.failure.is_some()));
    explored.failure.map_or(ExitCode::SUCCESS, |failure| {
        println!("{failure}");
        ExitCode::FAILURE
    })
}
