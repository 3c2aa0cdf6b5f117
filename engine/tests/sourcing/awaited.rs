//! Commands whose decision is awaited.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use annals::io::sim::{CallKind, SimStorage};
use annals::sourcing::{AsyncHandler, AsyncRepository, Context, Repository};
use annals::{Background, Log, Options};
use pollster::block_on;

use super::account::{Account, AccountEvent, Failure, TooLittle, log, pay_in};

/// Pays out what somebody else says, who takes a while.
struct Fees {
    cents: u64,
    asked: AtomicU64,
    /// Done while the question is out, so many times.
    meanwhile: (u64, Box<dyn Fn() + Send + Sync>),
}

impl Fees {
    fn of(cents: u64) -> Self {
        Self { cents, asked: AtomicU64::new(0), meanwhile: (0, Box::new(|| {})) }
    }

    async fn ask(&self) -> u64 {
        let mut asked = false;
        std::future::poll_fn(|context| {
            if std::mem::replace(&mut asked, true) {
                return std::task::Poll::Ready(());
            }
            context.waker().wake_by_ref();
            std::task::Poll::Pending
        })
        .await;
        if self.asked.fetch_add(1, Ordering::Relaxed) < self.meanwhile.0 {
            (self.meanwhile.1)();
        }
        self.cents
    }
}

struct PayFee;

impl AsyncHandler<Account> for Fees {
    type Command = PayFee;

    async fn handle(&self, state: &Account, _: &PayFee) -> Result<Vec<AccountEvent>, TooLittle> {
        let cents = self.ask().await;
        if cents > state.cents {
            return Err(TooLittle { cents: state.cents });
        }
        Ok(vec![AccountEvent::PaidOut { cents }])
    }
}

fn with(log: &Arc<Log>, fees: Fees) -> AsyncRepository<Account, Fees> {
    AsyncRepository::new(Repository::new(log.clone()), fees)
}

fn sendable<F: Future + Send>(future: F) -> F {
    future
}

#[test]
fn a_decision_that_is_awaited_commits_as_one_that_is_not() {
    let log = log();
    let accounts = with(&log, Fees::of(30));
    let missing = block_on(sendable(accounts.update(1, PayFee)));
    assert!(matches!(missing, Err(Failure::NotFound { stream }) if stream == "account-1"));
    let refused = block_on(sendable(accounts.save(1, PayFee)));
    assert!(matches!(refused, Err(Failure::Rejected(TooLittle { cents: 0 }))));
    assert_eq!(log.head(), 0);
    pay_in(&log, "account-1", 100, None);
    let exists = block_on(accounts.save(1, PayFee));
    assert!(matches!(exists, Err(Failure::Exists { version: 1, .. })));
    for (version, left) in [(2, 70), (3, 40)] {
        let paid = block_on(sendable(accounts.execute(1, PayFee))).unwrap();
        assert_eq!((paid.version, paid.position, paid.state.cents), (version, version, left));
    }
    assert_eq!(accounts.repository().find(1).unwrap().unwrap().state.cents, 40);
}

#[test]
fn who_was_overtaken_while_it_awaited_decides_again_on_the_newer_state() {
    for (times, attempts) in [(1, 16), (15, 16), (16, 16), (1, 1)] {
        let log = log();
        pay_in(&log, "account-1", 10, None);
        let other = Arc::clone(&log);
        let meanwhile = Box::new(move || pay_in(&other, "account-1", 7, None));
        let fees = Fees { meanwhile: (times, meanwhile), ..Fees::of(17) };
        let all = Repository::<Account>::new(log.clone()).attempts(attempts);
        let accounts = AsyncRepository::new(all, fees);
        // What it has at first is too little: on that state the fee would be refused.
        pay_in(&log, "account-1", 7, None);
        let outcome = block_on(accounts.update(1, PayFee));
        if times < u64::from(attempts) {
            let paid = outcome.unwrap();
            assert_eq!(paid.state.cents, times * 7);
            assert_eq!(paid.version, times + 3);
        } else {
            assert!(matches!(outcome, Err(Failure::Conflict { attempts: a, .. }) if a == attempts));
            assert_eq!(log.version("account-1").unwrap(), times + 2);
        }
    }
}

#[test]
fn a_known_key_gives_the_first_outcome_and_nobody_is_asked() {
    let log = log();
    pay_in(&log, "account-1", 100, None);
    let handler = Fees::of(30);
    let all = Repository::<Account>::new(log.clone()).with(Context::new().once("message-1"));
    let accounts = AsyncRepository::new(all, handler);
    let first = block_on(accounts.update(1, PayFee)).unwrap();
    pay_in(&log, "account-1", 100, None);
    let again = block_on(accounts.update(1, PayFee)).unwrap();
    assert_eq!((again.state.cents, again.version), (first.state.cents, first.version));
    assert_eq!(log.version("account-1").unwrap(), 3);
    // The key is taken while somebody is asked: still the first outcome, and one payment.
    let other = Arc::clone(&log);
    let meanwhile = Box::new(move || pay_in(&other, "account-1", 1, Some("message-2")));
    let all = Repository::<Account>::new(log.clone()).with(Context::new().once("message-2"));
    let accounts = AsyncRepository::new(all, Fees { meanwhile: (1, meanwhile), ..Fees::of(30) });
    let first = block_on(accounts.update(1, PayFee)).unwrap();
    assert_eq!((first.version, first.state.cents), (4, 171));
    assert_eq!(log.version("account-1").unwrap(), 4);
}

/// If the append blocked its thread, each command would have a sync of its own.
#[test]
fn commands_of_one_thread_share_their_syncs() {
    const COMMANDS: u64 = 64;
    let disk = SimStorage::new();
    let options = Options::new().background(Background::Thread);
    let log = Arc::new(options.open_on(Arc::new(disk.clone())).unwrap());
    for id in 0..COMMANDS {
        pay_in(&log, &format!("account-{id}"), 100, None);
    }
    disk.on_call(|call, _| {
        if call.kind == CallKind::SyncData {
            std::thread::sleep(Duration::from_millis(2));
        }
    });
    disk.reset_counts();
    let accounts = with(&log, Fees::of(30));
    let executor = async_executor::LocalExecutor::new();
    let tasks: Vec<_> =
        (0..COMMANDS).map(|id| executor.spawn(accounts.update(id, PayFee))).collect();
    block_on(executor.run(async {
        for task in tasks {
            assert_eq!(task.await.unwrap().state.cents, 70);
        }
    }));
    disk.clear_hook();
    let syncs = disk.counts().sync_data;
    assert!((1..=COMMANDS / 4).contains(&syncs), "{COMMANDS} commands took {syncs} syncs");
}
