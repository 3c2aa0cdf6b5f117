//! Long runs of the explorer: `annals-fuzz --states N --seconds N --seed S --steps N
//! --threads N`, or one program again with `--program 'S R K' [--plant Bug]`.
//!
//! `annals-fuzz kill` kills children, which are this program as well: `annals-fuzz child`.

use std::ops::ControlFlow;
use std::process::ExitCode;
use std::time::Duration;

use annals_fuzz::bugs::{CAN_PLANT, bug_named, catch};
use annals_fuzz::explore::{Plan, explore, try_program};
use annals_fuzz::program::Program;
use annals_fuzz::real::child::{self, ChildPlan};
use annals_fuzz::real::kill::{self, KillPlan, Killed};
use annals_fuzz::sweeps::{self, Sweep};

const USAGE: &str = "annals-fuzz [--states N] [--seconds N] [--seed S] [--steps N] [--threads N]
            [--plant BUG] [--program 'S X B R N Z Q L M (each also with w or b behind it)
                        I J Y V C A O K T P<seed> D<call>.<seed>']
            [--faults all | --faults CALLS.N.ERROR.PARTIAL.once|good.mapped|pread]
            [--beside all | --beside LOOK.CALLS.N.ERROR.PARTIAL.once|good.mapped|pread]
            [--damage all | --damage KIND | --damage LOG.KIND.NUMBER] [--catch-all]
annals-fuzz kill [--kills N] [--seconds N] [--seed S] [--parallel N] [--plant BUG]";

struct Arguments {
    plan: Plan,
    program: Option<Program>,
    catch_all: bool,
    /// A sweep, and which one of its runs, or all.
    sweep: Option<(Sweep, String)>,
}

fn arguments() -> Result<Arguments, String> {
    let mut plan = Plan::default();
    let (mut program, mut catch_all, mut sweep) = (None, false, None);
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
            "--threads" => plan.threads = usize::try_from(number()?).map_err(|e| e.to_string())?,
            "--plant" => {
                let unknown = || format!("no bug is called {value}");
                if !CAN_PLANT {
                    return Err("no bug can be planted in a release build".to_owned());
                }
                plan.bug = Some(bug_named(&value).ok_or_else(unknown)?);
            }
            "--program" => program = Some(value.parse()?),
            "--faults" => sweep = Some((Sweep::Faults, value)),
            "--beside" => sweep = Some((Sweep::Beside, value)),
            "--damage" => sweep = Some((Sweep::Damage, value)),
            _ => return Err(format!("{word} is not known")),
        }
    }
    Ok(Arguments { plan, program, catch_all, sweep })
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

/// `annals-fuzz kill [--kills N] [--seed S] [--plant BUG]`: see `real::kill`.
fn kill() -> Result<Killed, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut plan = KillPlan::new(vec![program.into(), "child".into()], 1);
    let mut words = std::env::args().skip(2);
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
        let number = || value.parse::<u64>().map_err(|_| format!("{word} {value}: no number"));
        match &*word {
            "--kills" => plan.kills = number()?,
            "--seconds" => {
                plan.time = Duration::from_secs(number()?);
                plan.kills = u64::MAX;
            }
            "--seed" => plan.seed = number()?,
            "--parallel" => plan.parallel = number()?,
            "--plant" => plan.bug = Some(bug_named(&value).ok_or("no such bug")?),
            _ => return Err(format!("{word} is not known")),
        }
    }
    Ok(kill::run(&plan, |_| ControlFlow::Continue(())))
}

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("child") => return child(),
        Some("kill") => {
            let killed = kill();
            return match &killed {
                Ok(Killed { failure: None, .. }) => {
                    killed.into_iter().for_each(|killed| println!("{killed}"));
                    ExitCode::SUCCESS
                }
                Ok(Killed { failure: Some(failure), .. }) => {
                    println!("{failure}");
                    ExitCode::FAILURE
                }
                Err(error) => {
                    eprintln!("{error}");
                    ExitCode::from(2)
                }
            };
        }
        _ => {}
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
    let Arguments { plan, program, sweep, .. } = arguments;
    if let Some((sweep, which)) = sweep {
        return match sweeps::run(sweep, &which, program, plan.bug) {
            Ok(told) => {
                println!("{told}");
                ExitCode::SUCCESS
            }
            Err(told) => {
                println!("{told}");
                ExitCode::FAILURE
            }
        };
    }
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
