//! Several workers on one thread, for tests: the tasks of each run in a set of their own, and find their worker as on a thread
//! of its own.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::sync::mpsc;
use tokio::task::LocalSet;

use crate::worker::{ToWorker, Worker};

/// A worker with all its tasks.
pub(crate) struct Together {
    worker: Rc<Worker>,
    /// There until it is dropped.
    tasks: Option<Pin<Box<dyn Future<Output = ()>>>>,
}

impl Together {
    pub(crate) fn new(worker: Rc<Worker>, mail: mpsc::UnboundedReceiver<ToWorker>) -> Together {
        let running = Rc::clone(&worker);
        let tasks = async move {
            let set = LocalSet::new();
            set.run_until(running.run(mail)).await;
        };
        Together { worker, tasks: Some(Box::pin(tasks)) }
    }

    fn as_current<T>(&mut self, run: impl FnOnce(&mut Together) -> T) -> T {
        let before = Worker::current();
        self.worker.make_current();
        let result = run(self);
        match before {
            Some(before) => before.make_current(),
            None => Worker::forget_current(),
        }
        result
    }
}

impl Future for Together {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.as_current(|it| match &mut it.tasks {
            Some(tasks) => tasks.as_mut().poll(cx),
            None => Poll::Ready(()),
        })
    }
}

impl Drop for Together {
    fn drop(&mut self) {
        // Tasks are dropped while their worker is still there to be told.
        self.as_current(|it| drop(it.tasks.take()));
    }
}
