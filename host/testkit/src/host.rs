//! The host in a test: its tasks, which run only while the test waits for something, and its time.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use tokio::task::{JoinHandle, LocalSet};

use crate::story::Story;

/// The tasks of the host. Replaced by a crash: what the old ones held is gone.
#[derive(Default)]
pub(crate) struct Host {
    tasks: RefCell<Rc<LocalSet>>,
    /// What has happened so far.
    pub(crate) story: Story,
}

impl Host {
    fn tasks(&self) -> Rc<LocalSet> {
        Rc::clone(&self.tasks.borrow())
    }

    /// Lets the host run until something is ready.
    pub(crate) async fn during<T>(&self, what: impl Future<Output = T>) -> T {
        self.tasks().run_until(what).await
    }

    /// Starts a task beside the host's.
    pub(crate) fn spawn<T: 'static>(&self, task: impl Future<Output = T> + 'static) -> JoinHandle<T> {
        self.tasks().spawn_local(task)
    }

    /// Lets the host run until it has nothing to do but to wait for its clock or its clients.
    ///
    /// The test's runtime has its own, paused, time, which moves only when every task waits: so a sleep on it ends
    /// when everything is quiet. Nothing of the host uses that time.
    pub(crate) async fn settle(&self) {
        self.during(tokio::time::sleep(Duration::from_millis(1))).await;
    }

    /// Drops every task as it is.
    pub(crate) fn crash(&self) {
        *self.tasks.borrow_mut() = Rc::new(LocalSet::new());
    }
}
