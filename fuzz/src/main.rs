//! Long runs of the explorer: `annals-fuzz --states N --seconds N --seed S --steps N
//! --threads N`, or one program again with `--program 'S R K' [--plant Bug]`.

use std::process::ExitCode;
use std::time::Duration;

use annals_fuzz::bugs::{CAN_PLANT, bug_named, catch};
use annals_fuzz::explore::{Plan, explore, try_program};
use annals_fuzz::program::Program;
use annals_fuzz::sweeps::{self, Sweep};

const USAGE: &str = "annals-fuzz [--states N] [--seconds N] [--seed S] [--steps N] [--threads N]
            [--plant BUG] [--program 'S X B R N Z Q L M (each also with w or b behind it)
                        I J Y V C A O K T P<seed> D<call>.<seed>']
            [--faults all | --faults CALLS.N.ERROR.PARTIAL.once|good.mapped|pread]
            [--beside all | --beside LOOK.CALLS.N.ERROR.PARTIAL.once|good.mapped|pread]
            [--damage all | --damage KIND | --damage LOG.KIND.NUMBER] [--catch-all]";

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

fn main() -> ExitCode {
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
