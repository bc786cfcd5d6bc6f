//! A worker: one thread, its rooms, and the mail from other threads.

mod alarms;
pub(crate) mod opening;
pub(crate) mod set_back;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use party_core::address::RoomAddress;
use party_core::ids::{CommitSeq, Timestamp};
use party_core::message::CloseFrame;
use party_core::profile::Profile;
use party_core::room::{Moment, Phase};
use tokio::sync::mpsc;

use crate::carrying::carry;
use crate::chance::Chance;
use crate::clock::Ticks;
use crate::committer::{CommitPause, CommitReply, CommitRequest};
use crate::ending::LOOK_MS;
use crate::node::Node;
use crate::panics::caught_in;
use crate::pressure::waiting::Queue;
use crate::progress::Progress;
use crate::registry::{Registry, RoomEntry};
use crate::signal::Signal;
use crate::tallies::Tallies;
use crate::timers::{RoomNumber, Timers};
use crate::worker::alarms::ALARM_PUT_OFF_MS;
use crate::working;

/// The number of a worker in its node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct WorkerIndex(pub(crate) usize);

/// Something that is to be done on a worker.
pub(crate) type Errand = Box<dyn FnOnce(&Rc<Worker>) + Send>;

/// Mail from another thread.
pub(crate) enum ToWorker {
    /// Commits have been written, or have failed.
    Committed(Vec<CommitReply>),
    /// Something to do here.
    Run(Errand),
    /// No more mail is read: the thread ends, whatever still runs on it.
    Stop,
}

thread_local! {
    static CURRENT: RefCell<Option<Rc<Worker>>> = const { RefCell::new(None) };
}

pub(crate) struct Worker {
    node: Node,
    index: WorkerIndex,
    rooms: Registry,
    timers: Timers,
    /// Alarms of rooms that are not awake.
    alarms: RefCell<BTreeSet<(Timestamp, Arc<RoomAddress>)>>,
    chance: RefCell<Chance>,
    next_room: Cell<u64>,
    /// What the clock said when it was last asked.
    last_now: Cell<Timestamp>,
    commits: mpsc::UnboundedSender<Vec<CommitRequest>>,
    /// Commits that this round of tasks has taken, and the sign that there are some.
    taken: RefCell<Vec<CommitRequest>>,
    has_taken: Signal,
    ending: Cell<bool>,
    /// Rooms that have an instance, or are about to.
    pub(crate) awake: RefCell<BTreeMap<RoomNumber, Rc<RoomEntry>>>,
    /// How much memory the room had that got a place last, in bytes.
    pub(crate) last_new_bytes: Cell<u64>,
    /// How many more rooms may come before the next are put to sleep for them.
    pub(crate) relieved: Cell<usize>,
    /// Set whenever a room ends.
    room_ended: Signal,
    /// Rooms that wait for a place.
    queue: Queue,
    tallies: Tallies,
    /// Rooms that are being brought here, and cannot be opened before they are.
    arriving: RefCell<BTreeSet<RoomAddress>>,
    progress: Progress,
    pause: CommitPause,
}

impl Worker {
    pub(crate) fn new(
        node: Node,
        index: WorkerIndex,
        chance: Chance,
        commits: mpsc::UnboundedSender<Vec<CommitRequest>>,
        pause: CommitPause,
    ) -> Rc<Worker> {
        let progress = Progress::new(node.clock().ticks(), node.store().written());
        Rc::new(Worker {
            node,
            index,
            rooms: Registry::default(),
            timers: Timers::default(),
            alarms: RefCell::default(),
            chance: RefCell::new(chance),
            next_room: Cell::new(1),
            last_now: Cell::new(Timestamp(0)),
            commits,
            taken: RefCell::default(),
            has_taken: Signal::default(),
            ending: Cell::new(false),
            awake: RefCell::default(),
            last_new_bytes: Cell::new(0),
            relieved: Cell::new(0),
            room_ended: Signal::default(),
            queue: Queue::default(),
            tallies: Tallies::default(),
            arriving: RefCell::default(),
            progress,
            pause,
        })
    }

    /// The worker of this thread.
    pub(crate) fn current() -> Option<Rc<Worker>> {
        CURRENT.with(|current| current.borrow().clone())
    }

    pub(crate) fn make_current(self: &Rc<Worker>) {
        CURRENT.with(|current| *current.borrow_mut() = Some(Rc::clone(self)));
    }

    pub(crate) fn forget_current() {
        CURRENT.with(|current| *current.borrow_mut() = None);
    }

    pub(crate) fn node(&self) -> &Node {
        &self.node
    }

    pub(crate) fn index(&self) -> WorkerIndex {
        self.index
    }

    /// Whether it takes no new rooms.
    pub(crate) fn is_ending(&self) -> bool {
        self.ending.get()
    }

    /// The number of the room that is opened next.
    pub(crate) fn next_room_number(&self) -> RoomNumber {
        RoomNumber(self.next_room.get())
    }

    pub(crate) fn rooms(&self) -> &Registry {
        &self.rooms
    }

    pub(crate) fn queue(&self) -> &Queue {
        &self.queue
    }

    pub(crate) fn tallies(&self) -> &Tallies {
        &self.tallies
    }

    /// Keeps a room from being opened until it has been brought here. Whether it was neither awake nor being brought.
    pub(crate) fn reserve(&self, address: &RoomAddress) -> bool {
        self.rooms.by_address(address).is_none() && self.arriving.borrow_mut().insert(address.clone())
    }

    /// Keeps the room of this address from being opened.
    pub(crate) fn hold_back(&self, address: &RoomAddress) {
        self.arriving.borrow_mut().insert(address.clone());
    }

    /// Lets a room be opened again.
    pub(crate) fn release(&self, address: &RoomAddress) {
        self.arriving.borrow_mut().remove(address);
    }

    pub(crate) fn now(&self) -> Timestamp {
        let now = self.node.clock().now();
        let before = self.last_now.replace(now);
        if now < before {
            self.mind_clock(before, now);
        }
        now
    }

    /// How much time has passed, whatever the clock says.
    pub(crate) fn ticks(&self) -> Ticks {
        self.node.clock().ticks()
    }

    /// Whether something is written, as far as that was looked at.
    pub(crate) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// What lets large checkpoints wait, in tests.
    pub(crate) fn pause(&self) -> &CommitPause {
        &self.pause
    }

    pub(crate) fn moment(&self, now: Timestamp) -> Moment {
        let mut chance = self.chance.borrow_mut();
        Moment { now, seed: chance.seed(), incarnation: chance.incarnation() }
    }

    pub(crate) fn client_id(&self, profile: Profile) -> String {
        self.chance.borrow_mut().client_id(profile)
    }

    /// Reads mail until it is told to stop.
    pub(crate) async fn run(self: Rc<Worker>, mut mail: mpsc::UnboundedReceiver<ToWorker>) {
        let own = |name, task| tokio::task::spawn_local(Rc::clone(&self).carry_all_rooms(name, task));
        own("keeping time", Box::pin(Rc::clone(&self).keep_time()) as Pin<Box<dyn Future<Output = ()>>>);
        own("sending commits", Box::pin(Rc::clone(&self).send_commits()));
        own("keeping places", Box::pin(Rc::clone(&self).keep_places()));
        while let Some(message) = mail.recv().await {
            match message {
                ToWorker::Committed(replies) => self.committed(replies),
                ToWorker::Run(run) => {
                    if let Err(words) = caught_in(|| run(&self)) {
                        tracing::error!("an error of the host in an errand: {words}");
                    }
                }
                ToWorker::Stop => return,
            }
        }
    }

    fn committed(&self, replies: Vec<CommitReply>) {
        for CommitReply { room, seq, written } in replies {
            // A room that was made anew after a failure has a new number.
            let Some(entry) = self.rooms.by_number(room) else { continue };
            entry.commits_open.set(entry.commits_open.get() - 1);
            if entry.broken.borrow().is_some() {
                entry.wake.set();
                continue;
            }
            if let Err(words) = caught_in(|| self.answered(&entry, seq, &written)) {
                entry.broken.replace(Some(words.into()));
                entry.wake.set();
            }
        }
    }

    fn answered(&self, entry: &RoomEntry, seq: CommitSeq, written: &Result<(), Option<Arc<str>>>) {
        if written.is_ok() {
            self.tallies.commit();
            if let Some(new) = entry.new.take() {
                new.stays();
            }
            entry.save_again_at.set(None);
            entry.put_in(|core| core.committed(seq));
            carry(self, entry);
        } else {
            if let Err(Some(why)) = written {
                entry.core.borrow_mut().fails_because(why);
            }
            entry.commit_failed.set(true);
            entry.wake.set();
        }
    }

    /// Wakes rooms whose deadline has come.
    async fn keep_time(self: Rc<Worker>) {
        loop {
            let alarm = self.alarms.borrow().first().map(|(at, _)| *at);
            let next = self.timers.next().into_iter().chain(alarm).min().unwrap_or(Timestamp::NEVER);
            tokio::select! {
                () = self.node.clock().sleep_until(next) => {}
                () = self.timers.earlier.wait() => continue,
            }
            let now = self.now();
            while let Some(room) = self.timers.take_due(now) {
                if let Some(entry) = self.rooms.by_number(room) {
                    entry.deadline.set(None);
                    entry.wake.set();
                }
            }
            self.wake_for_alarms(now);
        }
    }

    pub(crate) fn commit(&self, entry: &RoomEntry, commit: party_core::commit::RoomCommit) {
        let (room, attempt) = (entry.number, entry.attempt.get());
        entry.commits_open.set(entry.commits_open.get() + 1);
        self.taken.borrow_mut().push(CommitRequest { worker: self.index, room, attempt, commit });
        self.has_taken.set();
    }

    /// Sends commits to the committer, those of one round of tasks at once: one message, one wake of the other
    /// thread, one group. A round lasts microseconds; without it the first commit of a round would be written
    /// alone, and all others would wait for a second sync.
    async fn send_commits(self: Rc<Worker>) {
        loop {
            self.has_taken.wait().await;
            tokio::task::yield_now().await;
            let taken = self.taken.take();
            if !taken.is_empty() && self.commits.send(taken).is_err() {
                tracing::error!("the committer has ended; commits are lost with their outputs");
            }
        }
    }

    /// Has the room woken at a time, or before: an earlier deadline stays, because waking once for nothing costs less than
    /// moving it with every turn.
    pub(crate) fn set_deadline(&self, entry: &RoomEntry, deadline: Option<Timestamp>) {
        let before = entry.deadline.get();
        let stays = before.is_some_and(|before| deadline.is_some_and(|deadline| before <= deadline));
        if !stays && before != deadline {
            entry.deadline.set(deadline);
            self.timers.change(entry.number, before, deadline);
        }
    }

    /// Takes a room out; its task ends by itself. Its alarm wakes it again.
    pub(crate) fn end_room(&self, entry: &RoomEntry) {
        let alarm = entry.core.borrow().alarm();
        self.take_out(entry, alarm);
    }

    /// Takes a room out that is wholly in the store. Whatever it waits for wakes it again.
    pub(crate) fn forget_room(&self, entry: &RoomEntry) {
        let (is_suspended, due) = {
            let core = entry.core.borrow();
            (matches!(core.phase(), Phase::Suspended { .. }), core.next_deadline())
        };
        // The state of a durable room that was suspended is in the store, and there only.
        if is_suspended { self.end_failed_room(entry, true) } else { self.take_out(entry, due) }
    }

    /// Takes a room out whose commit has failed, or which could not be read: what is durable holds, its alarm too. What it did
    /// then it would do again; so it is not woken at once, unless it may be (`at_once`).
    pub(crate) fn end_failed_room(&self, entry: &RoomEntry, at_once: bool) {
        let alarm = match self.node.store().record(entry.address()) {
            Ok(record) => record.and_then(|record| record.wakes_at()).map(|at| match at_once {
                true => at,
                false => at.max(self.now().after_ms(ALARM_PUT_OFF_MS)),
            }),
            Err(error) => {
                tracing::error!(room = %entry.address(), "{error}");
                Some(self.now().after_ms(ALARM_PUT_OFF_MS))
            }
        };
        self.take_out(entry, alarm);
    }

    fn take_out(&self, entry: &RoomEntry, alarm: Option<Timestamp>) {
        entry.ended.set(true);
        entry.outside.take();
        working::forget_all(entry);
        self.leave_line(entry);
        self.count_awake(entry, None);
        self.rooms.remove(entry);
        self.set_deadline(entry, None);
        entry.wake.set();
        if let Some(at) = alarm {
            self.remember_alarm(at, Arc::clone(entry.address()));
        }
        self.room_ended.set();
    }

    /// Tells every room's clients goodbye and ends it.
    fn dismiss(&self, frame: &CloseFrame) {
        for entry in self.rooms.all() {
            *entry.farewell.borrow_mut() = Some(frame.clone());
            entry.leaving.tell(self.ticks());
            entry.wake.set();
        }
    }

    /// Ends all rooms and takes no new ones. Done when the last commit has been answered.
    pub(crate) async fn end(self: Rc<Worker>, frame: CloseFrame) {
        self.ending.set(true);
        self.progress.look(self.ticks(), self.node.store().written());
        self.dismiss(&frame);
        let mut look_at = self.ticks();
        while self.rooms.len() > 0 {
            tokio::select! {
                biased;
                () = self.room_ended.wait() => {}
                () = self.node.clock().sleep_until_ticks(look_at) => {
                    self.look_at_the_end();
                    look_at = self.ticks().after_ms(LOOK_MS);
                }
            }
        }
        self.look_at_the_end();
    }
}
