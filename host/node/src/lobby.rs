//! Lobby events: each with an instance of its own, on the thread of whoever asks.
//!
//! What a lobby event is and means is decided by [`Lobby`]; here it is carried: its instance is made and run, what it begins
//! is done, time passes. There is no room, no mailbox and no commit, and when the event has ended nothing of it is left.

use std::collections::BTreeMap;
use std::future::pending;
use std::rc::Rc;
use std::sync::Arc;

use party_core::address::RoomAddress;
use party_core::event::{Outcome, TurnEnd};
use party_core::ids::OperationId;
use party_core::lobby::{LOBBY_ROOM, Lobby, LobbyAction, LobbyEvent, NoStorage, Verdict};
use party_core::room::RoomConfig;
use party_core::turn::Turn;
use party_runtime::instance::Instance;
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::AbortHandle;

use crate::awake_instance::dispose;
use crate::node::Node;
use crate::party::Party;
use crate::room_log::{log_lines, log_lobby_report};
use crate::worker::Worker;
use crate::working::carry_out;

/// Lobby events of one host that are under way at once. Each has an instance, beside those of the rooms that are awake.
pub const LOBBY_EVENTS_MAX: usize = 128;

/// Why a lobby event is not taken. Over HTTP: 503.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum LobbyRefusal {
    /// As many are under way as may be.
    #[error("{LOBBY_EVENTS_MAX} lobby events are under way, which is the limit; try again")]
    TooMany,
    /// The thread that was to carry it has ended.
    #[error("the host is shutting down")]
    Ending,
}

/// The places of lobby events.
pub(crate) fn places() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(LOBBY_EVENTS_MAX))
}

impl Node {
    /// Asks the lobby of a party, which has the handler, and waits for what becomes of the client. Whoever drops the future has
    /// gone: then the event is over, unless it has decided.
    ///
    /// # Panics
    ///
    /// Elsewhere than on a worker's thread.
    pub async fn ask_lobby(&self, party: &Arc<Party>, event: LobbyEvent) -> Result<Verdict, LobbyRefusal> {
        let worker = Worker::current().expect("the edge runs on workers");
        let place = Arc::clone(self.lobby_places()).try_acquire_owned();
        let place = place.map_err(|_| LobbyRefusal::TooMany)?;
        let (sender, verdict) = oneshot::channel();
        let running = Running::new(worker, party, event, sender, place);
        tokio::task::spawn_local(running.run());
        verdict.await.map_err(|_| LobbyRefusal::Ending)
    }
}

/// A lobby event under way.
struct Running {
    worker: Rc<Worker>,
    party: Arc<Party>,
    address: Arc<RoomAddress>,
    lobby: Lobby,
    event: &'static str,
    instance: Option<Instance>,
    /// What its instance counts for in the memory of the host.
    memory_bytes: u64,
    /// Until it has been told.
    waiting: Option<oneshot::Sender<Verdict>>,
    works: BTreeMap<OperationId, AbortHandle>,
    /// What these have come to. At most as many as operations may be open.
    done: mpsc::UnboundedSender<(OperationId, Outcome)>,
    outcomes: mpsc::UnboundedReceiver<(OperationId, Outcome)>,
    _place: OwnedSemaphorePermit,
}

impl Running {
    fn new(
        worker: Rc<Worker>,
        party: &Arc<Party>,
        event: LobbyEvent,
        waiting: oneshot::Sender<Verdict>,
        place: OwnedSemaphorePermit,
    ) -> Running {
        let room = match &event {
            LobbyEvent::BeforeConnect(room, _) | LobbyEvent::BeforeRequest(room, _) => room.as_str(),
            LobbyEvent::Fetch(_) | LobbyEvent::Cron(_) => LOBBY_ROOM,
        };
        let address = RoomAddress::new(&party.project.name, &party.name, room);
        let address = Arc::new(address.expect("the edge has made one of them, and the other is one"));
        let config = RoomConfig {
            address: Arc::clone(&address),
            limits: Arc::clone(&party.limits),
            handlers: party.handlers,
            vars: Arc::clone(&party.vars),
            storage: Arc::new(NoStorage),
            duplicate_keys: Default::default(),
            profile: party.profile,
            durable: None,
        };
        let name = event.kind().name();
        let lobby = Lobby::new(Arc::new(config), event, worker.now());
        let (done, outcomes) = mpsc::unbounded_channel();
        Running {
            worker,
            party: Arc::clone(party),
            address,
            lobby,
            event: name,
            instance: None,
            memory_bytes: 0,
            waiting: Some(waiting),
            works: BTreeMap::new(),
            done,
            outcomes,
            _place: place,
        }
    }

    async fn run(mut self) {
        loop {
            let now = self.worker.now();
            self.lobby.on_time(now);
            let moment = self.worker.moment(now);
            let turn = self.lobby.begin_turn(moment);
            let rests = turn.is_none();
            if let Some(turn) = turn {
                let (mut turn, end) = self.run_guest(turn).await;
                log_lines(&self.address, &mut turn).await;
                self.lobby.end_turn(turn, end);
            }
            self.carry();
            if self.lobby.has_ended() || (rests && !self.wait().await) {
                break;
            }
        }
        let instance = self.instance.take();
        dispose(instance).await;
    }

    async fn run_guest(&mut self, turn: Box<Turn>) -> (Box<Turn>, TurnEnd) {
        if self.instance.is_none() {
            match self.party.component.instantiate().await {
                Ok(instance) => self.instance = Some(instance),
                Err(cause) => return (turn, TurnEnd::Dropped(cause)),
            }
        }
        let instance = self.instance.as_mut().expect("made above if there was none");
        let ran = instance.run_in_the_lobby(turn).await;
        let memory_bytes = instance.memory_bytes();
        self.worker.node().places().change(self.memory_bytes, memory_bytes);
        self.memory_bytes = memory_bytes;
        ran
    }

    fn carry(&mut self) {
        for action in self.lobby.take_actions() {
            match action {
                LobbyAction::Begin(id, work) => {
                    let (node, project) = (self.worker.node().clone(), Arc::clone(&self.party.project));
                    let done = self.done.clone();
                    let body_bytes_max = u64::from(self.party.limits.response_body_bytes_max);
                    let task = tokio::task::spawn_local(async move {
                        let outcome = carry_out(&node, &project, &work, body_bytes_max).await;
                        // The event may have ended meanwhile.
                        let _ = done.send((id, outcome));
                    });
                    self.works.insert(id, task.abort_handle());
                }
                LobbyAction::Forget(id) => {
                    if let Some(work) = self.works.remove(&id) {
                        work.abort();
                    }
                }
                LobbyAction::Report(report) => {
                    log_lobby_report(&self.worker, &self.address, self.event, report)
                }
            }
        }
        if let Some(verdict) = self.lobby.take_verdict()
            && let Some(waiting) = self.waiting.take()
        {
            // Whoever waited may have gone in this moment.
            let _ = waiting.send(verdict);
        }
    }

    /// Waits until something may have come for it. Whether it goes on: whoever waits for it may have gone.
    async fn wait(&mut self) -> bool {
        let Running { worker, lobby, waiting, works, outcomes, .. } = self;
        let gone = async {
            match waiting {
                Some(waiting) => waiting.closed().await,
                None => pending().await,
            }
        };
        let due = worker.node().clock().sleep_until(lobby.next_deadline());
        tokio::select! {
            biased;
            Some((id, outcome)) = outcomes.recv() => {
                works.remove(&id);
                lobby.answered(id, outcome);
                true
            }
            () = due => true,
            () = gone => false,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.works.values().for_each(AbortHandle::abort);
        self.worker.node().places().change(self.memory_bytes, 0);
        self.worker.call_next();
    }
}
