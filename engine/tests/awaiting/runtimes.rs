//! Runtimes that are handed tasks and run them to their ends.

use std::future::Future;
use std::pin::Pin;
use std::sync::mpsc;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use async_executor::Executor;

pub(crate) type Task = Pin<Box<dyn Future<Output = ()> + Send>>;
pub(crate) type Runtime = fn(Vec<Task>);

pub(crate) const RUNTIMES: [(&str, Runtime); 3] = [
    ("tokio with one thread", tokio_alone),
    ("tokio with threads", tokio_threads),
    ("async-executor", executor),
];

/// Runs it, and fails if it takes so long that it must hang.
pub(crate) fn in_time(work: impl FnOnce() + Send + 'static) {
    let (done, told) = mpsc::channel();
    let worker = thread::spawn(move || {
        work();
        done.send(()).unwrap();
    });
    match told.recv_timeout(Duration::from_secs(60)) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("it hangs"),
        _ => worker.join().unwrap(),
    }
}

fn tokio_alone(tasks: Vec<Task>) {
    tokio(tokio::runtime::Builder::new_current_thread(), tasks);
}

fn tokio_threads(tasks: Vec<Task>) {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(4);
    tokio(builder, tasks);
}

fn tokio(mut builder: tokio::runtime::Builder, tasks: Vec<Task>) {
    let runtime = builder.enable_time().build().unwrap();
    runtime.block_on(async {
        let tasks: Vec<_> = tasks.into_iter().map(tokio::spawn).collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

/// Two threads run the tasks, each with pollster's `block_on`.
fn executor(tasks: Vec<Task>) {
    let executor = Executor::new();
    let finished = Finished::default();
    let tasks: Vec<_> = tasks.into_iter().map(|task| executor.spawn(task)).collect();
    thread::scope(|scope| {
        scope.spawn(|| pollster::block_on(executor.run(&finished)));
        // Told also if one of the tasks panics.
        let _told = Tell(&finished);
        pollster::block_on(executor.run(async {
            for task in tasks {
                task.await;
            }
        }));
    });
}

/// A future that is ready when it was told.
#[derive(Default)]
struct Finished(Mutex<(bool, Option<Waker>)>);

struct Tell<'a>(&'a Finished);

impl Future for &Finished {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.1 = Some(context.waker().clone());
        if state.0 { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for Tell<'_> {
    fn drop(&mut self) {
        let mut state = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.0 = true;
        let waker = state.1.take();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }
}
