//! A single-threaded executor in linear memory: the tasks of a room.
//!
//! The host calls the room with one event after another; between two of them every task stands still at an
//! `await`, as plain data. An event wakes tasks, and before its turn ends all that are awake are run, in the
//! order in which they woke. What must hold: the order depends on nothing but the order of wakes and spawns; a
//! task is polled at most once per wake; no borrow of this structure is held while a task is polled or dropped,
//! so that tasks may spawn, wake and cancel each other and themselves.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// A future that borrows nothing.
pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T>>>;

/// A task's number, never used twice in an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TaskId(u64);

/// The tasks of a room.
pub(crate) struct Executor {
    tasks: RefCell<BTreeMap<TaskId, Slot>>,
    next: Cell<u64>,
    awake: Arc<Awake>,
}

struct Slot {
    /// None while it is being polled.
    future: Option<BoxFuture<()>>,
    waker: Arc<TaskWaker>,
}

/// The tasks to poll, in the order in which they woke.
#[derive(Default)]
struct Awake {
    queue: Mutex<VecDeque<TaskId>>,
}

impl Awake {
    fn push(&self, task: TaskId) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).push_back(task);
    }

    fn pop(&self) -> Option<TaskId> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

struct TaskWaker {
    task: TaskId,
    /// Whether the task stands in the queue.
    queued: AtomicBool,
    awake: Arc<Awake>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            self.awake.push(self.task);
        }
    }
}

impl Executor {
    pub(crate) fn new() -> Self {
        Self { tasks: RefCell::default(), next: Cell::new(0), awake: Arc::default() }
    }

    /// Takes a task in; it is polled for the first time by `run`.
    pub(crate) fn spawn(&self, future: BoxFuture<()>) -> TaskId {
        let task = TaskId(self.next.replace(self.next.get() + 1));
        let waker =
            Arc::new(TaskWaker { task, queued: AtomicBool::new(true), awake: Arc::clone(&self.awake) });
        self.tasks.borrow_mut().insert(task, Slot { future: Some(future), waker });
        self.awake.push(task);
        task
    }

    /// Polls what is awake, and what that wakes, until all tasks wait or have ended.
    pub(crate) fn run(&self) {
        while let Some(task) = self.awake.pop() {
            self.poll(task);
        }
    }

    /// Drops a task where it stands. One that cancels itself ends at its next `await`. Whether it was there.
    pub(crate) fn cancel(&self, task: TaskId) -> bool {
        let slot = self.tasks.borrow_mut().remove(&task);
        slot.is_some()
    }

    /// Drops every task where it stands, the oldest first.
    pub(crate) fn cancel_all(&self) {
        let tasks = self.tasks.take();
        drop(tasks);
    }

    /// Whether the task has neither ended nor been cancelled.
    pub(crate) fn holds(&self, task: TaskId) -> bool {
        self.tasks.borrow().contains_key(&task)
    }

    fn poll(&self, task: TaskId) {
        let Some((mut future, waker)) = self.take(task) else { return };
        waker.queued.store(false, Ordering::Release);
        match future.as_mut().poll(&mut Context::from_waker(&Waker::from(waker))) {
            Poll::Ready(()) => {
                self.cancel(task);
            }
            Poll::Pending => self.put_back(task, future),
        }
    }

    fn take(&self, task: TaskId) -> Option<(BoxFuture<()>, Arc<TaskWaker>)> {
        let mut tasks = self.tasks.borrow_mut();
        let slot = tasks.get_mut(&task)?;
        slot.future.take().map(|future| (future, Arc::clone(&slot.waker)))
    }

    /// A task that was cancelled while it was polled has no slot any more: it is dropped here, with no borrow held.
    fn put_back(&self, task: TaskId, future: BoxFuture<()>) {
        let mut tasks = self.tasks.borrow_mut();
        let cancelled = match tasks.get_mut(&task) {
            Some(slot) => slot.future.replace(future),
            None => Some(future),
        };
        drop(tasks);
        drop(cancelled);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::future::poll_fn;
    use std::rc::Rc;
    use std::task::{Poll, Waker};

    use super::{Executor, TaskId};

    /// A gate that tasks wait at.
    #[derive(Clone, Default)]
    struct Gate(Rc<(Cell<bool>, RefCell<Vec<Waker>>)>);

    impl Gate {
        fn open(&self) {
            self.0.0.set(true);
            self.0.1.take().into_iter().for_each(Waker::wake);
        }

        async fn pass(&self) {
            poll_fn(|context| {
                if self.0.0.get() {
                    return Poll::Ready(());
                }
                self.0.1.borrow_mut().push(context.waker().clone());
                Poll::Pending
            })
            .await;
        }
    }

    type Log = Rc<RefCell<Vec<&'static str>>>;

    fn spawn_passing(executor: &Executor, gate: &Gate, log: &Log, name: &'static str) -> TaskId {
        let (gate, log) = (gate.clone(), Rc::clone(log));
        executor.spawn(Box::pin(async move {
            gate.pass().await;
            log.borrow_mut().push(name);
        }))
    }

    #[test]
    fn tasks_run_in_the_order_in_which_they_woke() {
        let (executor, log) = (Executor::new(), Log::default());
        let (first, second) = (Gate::default(), Gate::default());
        spawn_passing(&executor, &second, &log, "a");
        spawn_passing(&executor, &first, &log, "b");
        spawn_passing(&executor, &second, &log, "c");
        executor.run();
        assert!(log.borrow().is_empty());
        first.open();
        second.open();
        executor.run();
        assert_eq!(*log.borrow(), ["b", "a", "c"]);
    }

    #[test]
    fn a_task_is_polled_once_however_often_it_was_woken() {
        let (executor, polls) = (Executor::new(), Rc::new(Cell::new(0)));
        let waker: Rc<RefCell<Option<Waker>>> = Rc::default();
        let (counted, kept) = (Rc::clone(&polls), Rc::clone(&waker));
        executor.spawn(Box::pin(poll_fn(move |context| {
            counted.set(counted.get() + 1);
            *kept.borrow_mut() = Some(context.waker().clone());
            Poll::Pending
        })));
        executor.run();
        let waker = waker.take().expect("the task was polled");
        waker.wake_by_ref();
        waker.wake_by_ref();
        executor.run();
        assert_eq!(polls.get(), 2);
    }

    #[test]
    fn a_cancelled_task_is_dropped_at_once_and_never_polled() {
        let (executor, log, gate) = (Executor::new(), Log::default(), Gate::default());
        let held = Rc::new(());
        let inside = Rc::clone(&held);
        let passing = gate.clone();
        let task = executor.spawn(Box::pin(async move {
            passing.pass().await;
            drop(inside);
        }));
        spawn_passing(&executor, &gate, &log, "other");
        executor.run();
        gate.open();
        assert!(executor.cancel(task));
        assert_eq!(Rc::strong_count(&held), 1, "the task let go of what it held");
        assert!(!executor.cancel(task) && !executor.holds(task));
        executor.run();
        assert_eq!(*log.borrow(), ["other"]);
    }

    #[test]
    fn a_task_may_spawn_and_cancel_even_itself() {
        let (executor, log) = (Rc::new(Executor::new()), Log::default());
        let own: Rc<Cell<Option<TaskId>>> = Rc::default();
        let task = executor.spawn(Box::pin({
            let (executor, log, own) = (Rc::clone(&executor), Rc::clone(&log), Rc::clone(&own));
            async move {
                spawn_passing(&executor, &Gate::default(), &log, "never");
                let open = Gate::default();
                open.open();
                spawn_passing(&executor, &open, &log, "spawned");
                executor.cancel(own.get().expect("it was set before the task ran"));
                log.borrow_mut().push("cancelled");
                Gate::default().pass().await;
                log.borrow_mut().push("not reached");
            }
        }));
        own.set(Some(task));
        executor.run();
        assert_eq!(*log.borrow(), ["cancelled", "spawned"]);
        assert!(!executor.holds(task));
        executor.cancel_all();
        assert!(executor.tasks.borrow().is_empty());
    }
}
