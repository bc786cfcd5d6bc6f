//! The rooms that are awake on a worker, and the passages between each and the world.

mod leaving;
mod seats;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use party_core::address::RoomAddress;
use party_core::commit::StagedCheckpoint;
use party_core::ids::{ConnectionId, OperationId, RequestId, StreamId, Timestamp};
use party_core::limits::Limits;
use party_core::message::CloseFrame;
use party_core::room::{Action, Room};
use party_runtime::capture::NotCapturable;
use tokio::sync::{Notify, OwnedSemaphorePermit, oneshot};

use crate::answer_body::BodyWriter;
use crate::connection::Link;
use crate::farewell::Leaving;
use crate::party::Party;
use crate::pressure::giving_way::GivesWay;
use crate::pressure::waiting::Waits;
use crate::registry::leaving::AutoAnswer;
pub(crate) use crate::registry::seats::Seat;
use crate::registry::seats::Seats;
use crate::request_body::{Upload, WaitingBody};
use crate::rooms_count::NewRoom;
use crate::signal::Signal;
use crate::timers::RoomNumber;
use crate::transfer::standstill::Standstill;
use crate::upgrade::Upgrade;
use crate::visits::Answer;
use crate::working::Doing;

/// One room that is awake.
pub(crate) struct RoomEntry {
    pub(crate) number: RoomNumber,
    pub(crate) core: RefCell<Room>,
    party: RefCell<Arc<Party>>,
    limits: Arc<Limits>,
    address: Arc<RoomAddress>,
    requests: RefCell<HashMap<RequestId, oneshot::Sender<Answer>>>,
    /// The bodies of answers that are being written.
    bodies: RefCell<HashMap<StreamId, (RequestId, BodyWriter)>>,
    /// The bodies of requests that wait with their clients; none: it is read already, or was.
    uploads: RefCell<HashMap<RequestId, Option<WaitingBody>>>,
    /// Those who wait for the room to take more of what its streams bring.
    streams_starved: Notify,
    /// Somebody does. Looked at with every turn, so that it costs no lock.
    has_starved_streams: Cell<bool>,
    links: RefCell<Vec<Rc<Link>>>,
    starved: RefCell<Vec<Rc<Link>>>,
    /// Those who are to come back to where they were, in a room that goes on as it was.
    seats: RefCell<Option<Box<Seats>>>,
    /// What the host answers by itself, while that is in force.
    auto_answer: RefCell<Option<AutoAnswer>>,
    /// How it stands to the version of its party that is served.
    pub(crate) upgrade: Upgrade,
    /// What the room has decided and nobody has carried out yet.
    undone: RefCell<VecDeque<Action>>,
    /// Wakes the room's task.
    pub(crate) wake: Signal,
    /// The deadline that the worker's timers hold for it.
    pub(crate) deadline: Cell<Option<Timestamp>>,
    /// What is done for it outside.
    pub(crate) works: RefCell<BTreeMap<OperationId, Doing>>,
    /// What carries it has panicked, with these words: nothing of it is used any more but what counts its commits.
    pub(crate) broken: RefCell<Option<Box<str>>>,
    /// Its place among the rooms that exist, as long as nothing of it is in the store, and that is bounded.
    pub(crate) new: RefCell<Option<NewRoom>>,
    /// If it is of a socket outside of rooms: its place among those.
    pub(crate) outside: RefCell<Option<OwnedSemaphorePermit>>,
    /// Commits that have been asked for and not answered.
    pub(crate) commits_open: Cell<u32>,
    /// It has been taken out of the registry; its task is to end.
    pub(crate) ended: Cell<bool>,
    /// The instance is to be thrown away before the next turn.
    pub(crate) drop_instance: Cell<bool>,
    /// A commit has failed: the room is to be made anew.
    pub(crate) commit_failed: Cell<bool>,
    /// Fuel that its turns have used.
    pub(crate) fuel_used: Cell<u64>,
    /// How often it has gone on after a commit that failed, because that was only to save it.
    pub(crate) attempt: Cell<u32>,
    /// Such a commit may be in the store all the same: that is found out before the next. When that was last tried.
    pub(crate) unsure: Cell<Option<Timestamp>>,
    /// Its memory could not be written: when that is tried again by itself.
    pub(crate) save_again_at: Cell<Option<Timestamp>>,
    /// The system had no memory for that: until then it is not asked again, whoever wants the room saved.
    pub(crate) refused_until: Cell<Option<Timestamp>>,
    /// Every client is to be told this, and the room is to end.
    pub(crate) farewell: RefCell<Option<CloseFrame>>,
    /// When something last happened.
    pub(crate) active_at: Cell<Timestamp>,
    /// There is an instance, or a place for the one that is about to be made.
    pub(crate) is_awake: Cell<bool>,
    /// Its linear memory after its last turn, in bytes; before the first, what is expected.
    pub(crate) memory_bytes: Cell<u64>,
    /// Its memory cannot be captured, and that was said.
    pub(crate) stays_awake: Cell<bool>,
    /// How it waits for a place, if it has none.
    pub(crate) waits: Waits,
    /// It is to sleep as soon as it can, because somebody has said so.
    pub(crate) sleep_soon: Cell<bool>,
    /// So it is, or to end if its memory is never kept or cannot be, and nobody and nothing needs it: others need its place.
    pub(crate) gives_way: GivesWay,
    /// Its memory is to be saved as soon as that can be, because it would be long to make again,
    /// or somebody wants a copy.
    pub(crate) save_soon: Cell<bool>,
    /// How it stands still for its copy.
    pub(crate) standstill: Standstill,
    /// When that was last tried, if it has not come off.
    pub(crate) save_tried_at: Cell<Timestamp>,
    /// A turn has run since its memory was last saved, or was to be.
    pub(crate) has_changed: Cell<bool>,
    /// Its memory was saved so that it goes on, and it is to sleep all the same when nothing comes.
    pub(crate) was_kept: Cell<bool>,
    /// When its memory was last saved, or was to be.
    pub(crate) saved_at: Cell<Timestamp>,
    /// Large checkpoints whose commits may not have been answered: if one fails, they are given up.
    pub(crate) staged: RefCell<Vec<StagedCheckpoint>>,
    /// How large its last checkpoint is.
    pub(crate) kept_bytes: Cell<u64>,
    /// How it takes leave, if it is to end with its host.
    pub(crate) leaving: Leaving,
    /// When its last checkpoint was made, if this host has made it.
    pub(crate) checkpoint_at: Cell<Option<Timestamp>>,
    /// Why its memory could not be captured when that was last tried.
    pub(crate) not_captured: RefCell<Option<NotCapturable>>,
    /// Why it refuses everyone, if it is damaged.
    pub(crate) damage: RefCell<Option<Box<str>>>,
}

impl RoomEntry {
    pub(crate) fn new(number: RoomNumber, party: Arc<Party>, core: Room, now: Timestamp) -> RoomEntry {
        RoomEntry {
            number,
            address: Arc::clone(core.address()),
            auto_answer: RefCell::new(core.auto_response().cloned().map(AutoAnswer::new)),
            limits: Arc::clone(core.limits()),
            core: RefCell::new(core),
            party: RefCell::new(party),
            upgrade: Upgrade::default(),
            requests: RefCell::default(),
            bodies: RefCell::default(),
            uploads: RefCell::default(),
            streams_starved: Notify::new(),
            has_starved_streams: Cell::new(false),
            links: RefCell::default(),
            starved: RefCell::default(),
            seats: RefCell::default(),
            undone: RefCell::default(),
            wake: Signal::default(),
            deadline: Cell::new(None),
            works: RefCell::default(),
            broken: RefCell::new(None),
            new: RefCell::new(None),
            outside: RefCell::new(None),
            commits_open: Cell::new(0),
            ended: Cell::new(false),
            drop_instance: Cell::new(false),
            commit_failed: Cell::new(false),
            fuel_used: Cell::new(0),
            attempt: Cell::new(0),
            unsure: Cell::new(None),
            save_again_at: Cell::new(None),
            refused_until: Cell::new(None),
            farewell: RefCell::new(None),
            active_at: Cell::new(now),
            is_awake: Cell::new(false),
            memory_bytes: Cell::new(0),
            stays_awake: Cell::new(false),
            waits: Waits::default(),
            sleep_soon: Cell::new(false),
            gives_way: GivesWay::default(),
            save_soon: Cell::new(false),
            standstill: Standstill::default(),
            save_tried_at: Cell::new(Timestamp(0)),
            has_changed: Cell::new(false),
            was_kept: Cell::new(false),
            saved_at: Cell::new(now),
            staged: RefCell::default(),
            kept_bytes: Cell::new(0),
            leaving: Leaving::default(),
            checkpoint_at: Cell::new(None),
            not_captured: RefCell::new(None),
            damage: RefCell::new(None),
        }
    }

    /// The version of its party that it has.
    pub(crate) fn party(&self) -> Arc<Party> {
        Arc::clone(&self.party.borrow())
    }

    pub(crate) fn set_party(&self, party: &Arc<Party>) {
        *self.party.borrow_mut() = Arc::clone(party);
    }

    /// Its bounds, which are the same in all versions of its party.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn address(&self) -> &Arc<RoomAddress> {
        &self.address
    }

    /// Puts something into the room, and wakes it.
    pub(crate) fn put_in<T>(&self, put: impl FnOnce(&mut Room) -> T) -> T {
        let result = put(&mut self.core.borrow_mut());
        self.wake.set();
        result
    }

    pub(crate) fn has_credit(&self, connection: ConnectionId) -> bool {
        self.core.borrow().has_credit(connection)
    }

    pub(crate) fn wait_for_credit(&self, link: &Rc<Link>) {
        self.starved.borrow_mut().push(Rc::clone(link));
    }

    /// When the room may have taken something of what its streams have brought.
    pub(crate) fn streams_fed(self: &Rc<Self>) -> impl Future<Output = ()> + use<> {
        let entry = Rc::downgrade(self);
        async move {
            if let Some(entry) = entry.upgrade() {
                entry.has_starved_streams.set(true);
                entry.streams_starved.notified().await;
            }
        }
    }

    /// Lets sockets, and what reads streams, look again whether they may read.
    pub(crate) fn feed(&self) {
        if self.has_starved_streams.replace(false) {
            self.streams_starved.notify_waiters();
        }
        if self.starved.borrow().is_empty() {
            return;
        }
        self.starved.borrow_mut().retain(|link| {
            let fed = self.has_credit(link.id);
            if fed {
                link.has_credit_again();
            }
            !fed
        });
    }

    /// Whether something is still to be carried out.
    pub(crate) fn has_undone(&self) -> bool {
        !self.undone.borrow().is_empty()
    }

    /// What is to be carried out next.
    pub(crate) fn next_undone(&self) -> Option<Action> {
        self.undone.borrow_mut().pop_front()
    }

    /// Keeps what the room has decided, behind what was put off before.
    pub(crate) fn put_off(&self, actions: Vec<Action>) {
        let mut undone = self.undone.borrow_mut();
        match undone.is_empty() {
            // Taken over as it is: there may be a million.
            true => *undone = actions.into(),
            false => undone.extend(actions),
        }
    }

    /// Links stand in order of id, because ids only grow.
    pub(crate) fn add_link(&self, link: Rc<Link>) {
        self.links.borrow_mut().push(link);
    }

    pub(crate) fn link(&self, id: ConnectionId) -> Option<Rc<Link>> {
        let links = self.links.borrow();
        let index = links.binary_search_by_key(&id, |link| link.id).ok()?;
        Some(Rc::clone(&links[index]))
    }

    fn remove_link(&self, id: ConnectionId) -> Option<Rc<Link>> {
        let mut links = self.links.borrow_mut();
        let index = links.binary_search_by_key(&id, |link| link.id).ok()?;
        Some(links.remove(index))
    }

    /// A socket has gone, or never came.
    pub(crate) fn connection_closed(&self, id: ConnectionId, frame: CloseFrame, was_clean: bool) {
        if self.remove_link(id).is_some() {
            self.starved.borrow_mut().retain(|link| link.id != id);
            self.put_in(|core| core.closed(id, frame, was_clean));
        }
    }

    pub(crate) fn add_request(
        &self,
        id: RequestId,
        body: Option<WaitingBody>,
        reply: oneshot::Sender<Answer>,
    ) {
        self.requests.borrow_mut().insert(id, reply);
        if let Some(body) = body {
            self.uploads.borrow_mut().insert(id, Some(body));
        }
    }

    /// The body of a request, to read it.
    pub(crate) fn begin_upload(&self, id: RequestId) -> Upload {
        if let Some(waiting) = self.uploads.borrow_mut().get_mut(&id) {
            return waiting.take().map_or(Upload::Read, Upload::Waiting);
        }
        let is_waited_for = self.requests.borrow().contains_key(&id)
            || self.bodies.borrow().values().any(|(request, _)| *request == id);
        if is_waited_for { Upload::CameAlong } else { Upload::Gone }
    }

    /// Nobody waits for the answer to a request any more.
    fn forget_upload(&self, id: RequestId) {
        self.uploads.borrow_mut().remove(&id);
    }

    /// The client of an answer that is being written has gone.
    pub(crate) fn answer_gone(&self, stream: StreamId, request: RequestId) {
        self.forget_upload(request);
        if self.bodies.borrow_mut().remove(&stream).is_some() {
            self.put_in(|core| core.request_gone(request));
        }
    }

    /// The client of a request has gone.
    pub(crate) fn request_gone(&self, id: RequestId) {
        self.forget_upload(id);
        if self.requests.borrow_mut().remove(&id).is_some() {
            self.put_in(|core| core.request_gone(id));
        }
    }
}

/// The rooms of a worker, by address and by number.
#[derive(Default)]
pub(crate) struct Registry {
    by_address: RefCell<HashMap<Arc<RoomAddress>, Rc<RoomEntry>>>,
    by_number: RefCell<HashMap<RoomNumber, Rc<RoomEntry>>>,
}

impl Registry {
    pub(crate) fn len(&self) -> usize {
        self.by_number.borrow().len()
    }

    pub(crate) fn by_address(&self, address: &RoomAddress) -> Option<Rc<RoomEntry>> {
        self.by_address.borrow().get(address).cloned()
    }

    pub(crate) fn by_number(&self, number: RoomNumber) -> Option<Rc<RoomEntry>> {
        self.by_number.borrow().get(&number).cloned()
    }

    pub(crate) fn insert(&self, entry: &Rc<RoomEntry>) {
        if !entry.address().is_unnamed() {
            self.by_address.borrow_mut().insert(Arc::clone(entry.address()), Rc::clone(entry));
        }
        self.by_number.borrow_mut().insert(entry.number, Rc::clone(entry));
    }

    pub(crate) fn remove(&self, entry: &RoomEntry) {
        self.by_number.borrow_mut().remove(&entry.number);
        self.unname(entry);
    }

    /// Lets a room be found by its number only.
    pub(crate) fn unname(&self, entry: &RoomEntry) {
        let mut by_address = self.by_address.borrow_mut();
        if by_address.get(entry.address()).is_some_and(|current| current.number == entry.number) {
            by_address.remove(entry.address());
        }
    }

    /// Looks at every room that has a name, in no order.
    pub(crate) fn each(&self, look: impl FnMut(&RoomEntry)) {
        let rooms = self.by_number.borrow();
        rooms.values().map(Rc::as_ref).filter(|entry| !entry.address().is_unnamed()).for_each(look);
    }

    /// Those, and the unnamed ones of sockets outside of rooms.
    pub(crate) fn all(&self) -> Vec<Rc<RoomEntry>> {
        self.by_number.borrow().values().cloned().collect()
    }
}
