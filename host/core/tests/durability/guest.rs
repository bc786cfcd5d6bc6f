//! The guest: a deterministic little program. What it does follows from its memory, the turn's seed and what it reads;
//! what it was told and what came of its commands goes into its memory.
//!
//! There are several versions of it, which differ in that each notes its own name.
//!
//! Beside the room it is given what its storage must hold, and compares whatever it reads with that.

pub(crate) mod handing_over;

use std::collections::BTreeMap;

use bytes::Bytes;
use party_core::auto_response::AutoResponse;
use party_core::commit::ComponentDigest;
use party_core::event::{DropCause, Event, Failure, Outcome, TurnEnd};
use party_core::fetch::FetchOptions;
use party_core::http::{Request, Response};
use party_core::ids::{ConnectionId, EventId, OperationId, RequestId, Timestamp};
use party_core::limits::{CALL_GRACE_MS, FETCH_MS_MAX, WORK_DEADLINE_MS};
use party_core::message::{CloseFrame, Message};
use party_core::operation::OperationError;
use party_core::turn::Turn;
use party_core::turn::operations::StartError;
use party_core::turn::storage::ListOptions;

use crate::log::Log;
use crate::memory::{Begun, Memory};
use crate::random::Random;

/// What a room keeps.
pub(crate) type Entries = BTreeMap<Bytes, Bytes>;

/// What the last byte of a seed asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Mood {
    /// A few things at random.
    Busy = 0,
    /// The same, and then it traps.
    Traps = 1,
    /// It ends what it has begun, and begins nothing.
    WindsUp = 2,
}

/// The guest, in one turn.
pub(crate) struct Guest<'a> {
    memory: &'a mut Memory,
    turn: &'a mut Turn,
    entries: &'a mut Entries,
    chance: Random,
    tag: u64,
    sent: u64,
    version: ComponentDigest,
    log: &'a Log,
}

/// By what a thing that the guest has sent names its turn: the first number of the seed.
pub(crate) fn tag_of(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    let (tag, _) = text.strip_prefix('#')?.split_once('.')?;
    u64::from_str_radix(tag, 16).ok()
}

/// Calls the guest. Afterwards `memory` and `entries` are as it leaves them, whether it returns or traps.
pub(crate) fn call(
    memory: &mut Memory,
    turn: &mut Turn,
    event: &Event,
    entries: &mut Entries,
    version: ComponentDigest,
    log: &Log,
) -> TurnEnd {
    let seed = turn.seed().0;
    let mut guest = guest_of(memory, turn, entries, version, log);
    guest.look();
    guest.hear(event);
    match seed[31] {
        mood if mood == Mood::WindsUp as u8 => guest.wind_up(),
        mood => {
            guest.act(event);
            if mood == Mood::Traps as u8 {
                return TurnEnd::Dropped(DropCause::Trap("unreachable".into()));
            }
            guest.end(event)
        }
    }
}

fn guest_of<'a>(
    memory: &'a mut Memory,
    turn: &'a mut Turn,
    entries: &'a mut Entries,
    version: ComponentDigest,
    log: &'a Log,
) -> Guest<'a> {
    let tag = u64::from_le_bytes(turn.seed().0[..8].try_into().expect("8 bytes"));
    Guest { memory, turn, entries, chance: Random::new(tag), tag, sent: 0, version, log }
}

impl Guest<'_> {
    fn note_all(&mut self, words: &[u64]) {
        words.iter().for_each(|word| self.memory.note(*word));
    }

    /// Reads all that can be read.
    fn look(&mut self) {
        let turn = &self.turn;
        let incarnation = turn.incarnation().0;
        let alarm = turn.alarm().map_or(u64::MAX, |at| at.0);
        let limits = turn.limits();
        let words = [
            turn.now().0,
            turn.event_id().0,
            self.tag,
            u64::from(self.version.0[0]),
            incarnation as u64,
            (incarnation >> 64) as u64,
            alarm,
            u64::from(turn.open_operations()),
            turn.storage_bytes(),
            limits.accept_deadline_ms,
            limits.storage_bytes_max,
            u64::from(limits.operations_open_max),
        ];
        let bytes: usize = self.entries.iter().map(|(key, value)| key.len() + value.len()).sum();
        assert_eq!(turn.storage_bytes(), bytes as u64, "bytes in storage");
        self.memory.turns += 1;
        self.note_all(&words);
        for (name, value) in self.turn.vars() {
            self.memory.note_bytes(name.as_bytes());
            self.memory.note_bytes(value.as_bytes());
        }
        for tag in [None, Some("red")] {
            let listed = self.turn.connections(tag);
            listed.iter().for_each(|id| self.memory.note(id.0));
            self.memory.listed.extend(listed.iter().map(|id| id.0));
        }
        for id in self.memory.known.clone() {
            let Some(view) = self.turn.connection(ConnectionId(id)) else { continue };
            let words = [view.ready_state as u64, view.session.accepted.into(), view.session.opened_at.0];
            let attachment = view.session.attachment.clone();
            self.note_all(&words);
            self.memory.note_bytes(&attachment);
        }
        self.read_all();
    }

    /// The whole storage is what it must be.
    fn read_all(&mut self) {
        // If the disk fails, the turn will be dropped.
        let Ok(page) = self.turn.list(&ListOptions::default()) else { return };
        let expected: Vec<_> = self.entries.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        assert_eq!(page.entries, expected, "what is in storage");
        for (key, value) in &page.entries {
            self.memory.note_bytes(key);
            self.memory.note_bytes(value);
        }
    }

    /// Takes note of what it is called with. It hears of nothing twice.
    fn hear(&mut self, event: &Event) {
        self.memory.note_bytes(format!("{event:?}").as_bytes());
        let now = self.turn.now();
        match event {
            Event::Start(_) => assert_eq!(self.memory.turns, 1, "only a fresh instance is started"),
            Event::Connect(id) => assert!(self.memory.known.insert(id.0), "{id} connects twice"),
            Event::Close(id, ..) => {
                assert!(self.memory.closed.insert(id.0), "the close of {id} is told twice")
            }
            Event::Request(id, _) => assert!(self.memory.requests.insert(id.0), "request {id} comes twice"),
            Event::ResponseClosed(id) => {
                self.memory.requests.remove(&id.0);
                assert!(self.memory.gone.insert(id.0), "request {id} goes twice");
            }
            Event::Completed(id, outcome) => {
                let begun = self.memory.operations.remove(&id.0);
                let Begun { due, is_work, .. } =
                    begun.unwrap_or_else(|| panic!("{id} was not started, or completes twice"));
                let is_over = now >= Timestamp(due);
                let fits = match outcome {
                    Outcome::Slept => !is_work && is_over,
                    Outcome::Failed(OperationError::Timeout) => is_work && is_over,
                    Outcome::Rooms(_) | Outcome::Asset(_) | Outcome::Response(_) | Outcome::Failed(_) => {
                        is_work
                    }
                    Outcome::Streamed(_) | Outcome::Connected => false,
                    Outcome::Interrupted | Outcome::Dropped => true,
                };
                assert!(fits, "{id}, due at {due}, ends at {now}: {outcome:?}");
            }
            Event::Message(..) | Event::Error(..) | Event::Alarm | Event::Resume(_) => {}
            // tests/streaming has guests that stream.
            Event::Stream(..) | Event::Drain(..) => panic!("it has no streams: {event:?}"),
        }
    }

    fn act(&mut self, event: &Event) {
        match event {
            Event::Connect(id) if self.chance.percent(40) => self.decide(*id),
            Event::Request(id, _) if self.chance.percent(60) => self.respond(*id),
            Event::Completed(..) if self.chance.percent(60) => {
                let released = self.turn.release().is_ok();
                self.memory.note(released.into());
                self.settle_one();
            }
            Event::Start(_)
            | Event::Resume(_)
            | Event::Connect(_)
            | Event::Message(..)
            | Event::Close(..)
            | Event::Error(..)
            | Event::Request(..)
            | Event::ResponseClosed(_)
            | Event::Alarm
            | Event::Stream(..)
            | Event::Drain(..)
            | Event::Completed(..) => {}
        }
        for _ in 0..self.chance.below(5) {
            match self.chance.below(8) {
                0..3 => self.use_storage(),
                3..6 => self.use_connections(),
                _ => self.use_time(),
            }
        }
    }

    fn end(&mut self, event: &Event) -> TurnEnd {
        let is_start = matches!(event, Event::Start(_));
        if self.chance.percent(if is_start { 3 } else { 8 }) {
            return TurnEnd::Failed(self.failure());
        }
        if self.chance.percent(25) {
            match self.chance.below(20) {
                0..10 => self.sleep(),
                10..15 => self.ask(),
                15..17 => self.call(),
                17..19 => self.fetch(),
                _ => {}
            }
            let id = self.turn.event_id();
            self.memory.pending.insert(id.0);
            return TurnEnd::Pending;
        }
        TurnEnd::Done
    }

    fn wind_up(&mut self) -> TurnEnd {
        for id in std::mem::take(&mut self.memory.requests) {
            let answered = self.turn.respond(RequestId(id), Response::text(200, "")).is_ok();
            self.memory.note(answered.into());
        }
        for id in std::mem::take(&mut self.memory.pending) {
            let settled = self.turn.settle(EventId(id), Ok(())).is_ok();
            self.memory.note(settled.into());
        }
        while self.turn.release().is_ok() {}
        TurnEnd::Done
    }

    fn text(&mut self) -> String {
        self.sent += 1;
        format!("#{:x}.{}", self.tag, self.sent)
    }

    fn failure(&mut self) -> Failure {
        let status = self.chance.percent(20).then_some(418);
        Failure { message: ["", "oops"][self.chance.below(2) as usize].into(), stack: None, status }
    }

    fn decide(&mut self, id: ConnectionId) {
        let is_ok = match self.chance.below(4) {
            0 | 1 => {
                let tags = if self.chance.percent(50) { vec!["red".into()] } else { Vec::new() };
                self.turn.accept(id, tags).is_ok()
            }
            2 => {
                let response = Response::text(403, self.text());
                self.turn.reject(id, response).is_ok()
            }
            _ => {
                let frame = CloseFrame::new(4000, self.text());
                self.turn.close(id, Some(frame)).is_ok()
            }
        };
        self.memory.note(is_ok.into());
    }

    fn respond(&mut self, id: RequestId) {
        let response = Response::text(200, self.text());
        let is_ok = self.turn.respond(id, response).is_ok();
        self.memory.requests.remove(&id.0);
        self.memory.note(is_ok.into());
    }

    fn settle_one(&mut self) {
        let pending: Vec<u64> = self.memory.pending.iter().copied().collect();
        let Some(id) = self.chance.pick(pending) else { return };
        let outcome = if self.chance.percent(80) { Ok(()) } else { Err(self.failure()) };
        let is_ok = self.turn.settle(EventId(id), outcome).is_ok();
        self.memory.pending.remove(&id);
        self.memory.note(is_ok.into());
    }

    fn pick_connection(&mut self) -> ConnectionId {
        let known: Vec<u64> = self.memory.known.difference(&self.memory.closed).copied().collect();
        ConnectionId(self.chance.pick(known).unwrap_or(0))
    }

    fn use_connections(&mut self) {
        let id = self.pick_connection();
        let given = match self.chance.below(9) {
            0 | 1 => {
                let message = Message::text(self.text());
                self.turn.send(id, message).is_ok().into()
            }
            2 | 3 => {
                let message = Message::text(self.text());
                let except = if self.chance.percent(30) { vec![id] } else { Vec::new() };
                self.turn.broadcast(message, &except, None).map_or(u64::MAX, u64::from)
            }
            4 => {
                let bytes = Bytes::from(self.text());
                self.turn.set_attachment(id, bytes).is_ok().into()
            }
            5 => {
                let (request, response) = ("ping".into(), self.text().into());
                let pair = self.chance.percent(70).then_some(AutoResponse { request, response });
                self.turn.set_auto_response(pair).is_ok().into()
            }
            6 => {
                let owed: Vec<u64> = self.memory.requests.iter().copied().collect();
                let owed = self.chance.pick(owed);
                return self.respond(RequestId(owed.unwrap_or(0)));
            }
            _ => return self.decide(id),
        };
        self.memory.note(given);
    }

    fn use_storage(&mut self) {
        const KEYS: [&[u8]; 5] = [b"a", b"ab", b"b", b"c", b"\xff"];
        let key = Bytes::from_static(KEYS[self.chance.below(5) as usize]);
        let given = match self.chance.below(10) {
            0..6 => {
                let value = Bytes::from(self.text());
                let put = self.turn.put(key.clone(), value.clone()).is_ok();
                if put {
                    self.entries.insert(key, value);
                }
                put.into()
            }
            6 | 7 => {
                let Ok(deleted) = self.turn.delete(key.clone()) else { return };
                assert_eq!(deleted, self.entries.remove(&key).is_some(), "whether {key:?} was there");
                deleted.into()
            }
            8 if self.chance.percent(30) => {
                self.turn.delete_all();
                self.entries.clear();
                1
            }
            _ => {
                let Ok(value) = self.turn.get(&key) else { return };
                assert_eq!(value.as_ref(), self.entries.get(&key), "the value of {key:?}");
                return self.read_all();
            }
        };
        self.memory.note(given);
    }

    fn use_time(&mut self) {
        let given = match self.chance.below(11) {
            0 | 1 => return self.sleep(),
            8 => return self.ask(),
            9 => return self.call(),
            10.. => return self.fetch(),
            2 => {
                let open: Vec<u64> = self.memory.operations.keys().copied().collect();
                let id = self.chance.pick(open).unwrap_or(0);
                let was_open = self.turn.cancel(OperationId(id));
                self.memory.operations.remove(&id);
                was_open.into()
            }
            3 => return self.settle_one(),
            4 => {
                let held = self.turn.hold().is_ok();
                self.sleep();
                held.into()
            }
            5 => self.turn.release().is_ok().into(),
            _ => {
                let at = self.turn.now().after_ms(self.chance.below(5_000));
                self.turn.set_alarm(self.chance.percent(80).then_some(at));
                1
            }
        };
        self.memory.note(given);
    }

    fn sleep(&mut self) {
        let ms = [0, 1, 50, 4_000, 70_000][self.chance.below(5) as usize];
        let begun = Begun { due: self.turn.now().after_ms(ms).0, is_work: false, is_sent_once: false };
        let id = self.turn.sleep(ms);
        self.begin(id, begun);
    }

    /// Asks for rooms, now and then for more than it may, or for an asset.
    fn ask(&mut self) {
        let prefix = format!("{:x}.", self.tag);
        let after = self.chance.percent(30).then(|| prefix.clone());
        let limit = [1, 10, 1_000, 1_001][self.chance.below(4) as usize];
        let begun =
            Begun { due: self.turn.now().after_ms(WORK_DEADLINE_MS).0, is_work: true, is_sent_once: false };
        let id = match self.chance.percent(30) {
            true => self.turn.asset(format!("/{prefix}")),
            false => self.turn.rooms("party".into(), prefix, after, limit),
        };
        self.begin(id, begun);
    }

    /// Calls another room, or none.
    fn call(&mut self) {
        let (method, uri) = ("POST".into(), format!("/{:x}", self.tag));
        let request = Request {
            method,
            uri,
            headers: Vec::new(),
            body: Bytes::from_static(b"body"),
            body_waits: false,
        };
        let deadline_ms = self.turn.limits().request_deadline_ms + CALL_GRACE_MS;
        let begun =
            Begun { due: self.turn.now().after_ms(deadline_ms).0, is_work: true, is_sent_once: false };
        let room = if self.chance.percent(90) { "other" } else { "" };
        let id = self.turn.call("party".into(), room.into(), request);
        self.begin(id, begun);
    }

    /// Fetches something, now and then from nowhere.
    fn fetch(&mut self) {
        let host = if self.chance.percent(90) { "a.test" } else { "" };
        let (method, uri) = ("POST".into(), format!("https://{host}/{:x}", self.tag));
        let request = Request {
            method,
            uri,
            headers: Vec::new(),
            body: Bytes::from_static(b"body"),
            body_waits: false,
        };
        let timeout_ms = [0, 1, 4_000][self.chance.below(3) as usize];
        let resend = self.chance.percent(50);
        let deadline_ms = if timeout_ms == 0 { FETCH_MS_MAX } else { timeout_ms };
        let due = self.turn.now().after_ms(deadline_ms).0;
        let begun = Begun { due, is_work: true, is_sent_once: !resend };
        let id =
            self.turn.fetch(request, FetchOptions { timeout_ms, redirects_max: 0, resend, streams: false });
        self.begin(id, begun);
    }

    fn begin(&mut self, id: Result<OperationId, StartError>, begun: Begun) {
        match id {
            Ok(id) => {
                self.log.say(|| format!("    {id}: {begun:?}"));
                self.memory.operations.insert(id.0, begun);
                self.memory.note(id.0);
            }
            Err(_) => self.memory.note(u64::MAX),
        }
    }
}
