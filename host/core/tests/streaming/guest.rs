//! The guest: what it does follows from its memory and the turn's seed. It asserts what must hold of all that it is told.

use bytes::Bytes;
use party_core::event::{DropCause, Event, Outcome, TurnEnd};
use party_core::fetch::FetchOptions;
use party_core::http::{Request, Response};
use party_core::ids::{OperationId, RequestId, StreamId};
use party_core::message::{CloseFrame, Message};
use party_core::operation::ConnectTarget;
use party_core::stream::StreamEvent;
use party_core::turn::Turn;
use party_core::turn::streams::StreamError;

use crate::memory::Memory;
use crate::random::Random;

/// What the last byte of a seed asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Mood {
    /// A few things at random.
    Busy = 0,
    /// The same, and then it traps.
    Traps = 1,
    /// The same, and then it gives its life up.
    Aborts = 2,
    /// It ends what it has begun, and begins nothing.
    WindsUp = 3,
    /// It does a few things, and destroys its room.
    Destroys = 4,
}

/// What it has done to a stream, as far as the host has not refused it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Did {
    Open(RequestId),
    Read(RequestId),
    Write(Bytes),
    Finish,
    BreakOff,
    Send(Bytes),
    Close,
    /// The host does not know the stream any more, and the guest has not heard of its end.
    Missed,
}

/// The guest, in one turn.
pub(crate) struct Guest<'a> {
    pub(crate) memory: &'a mut Memory,
    pub(crate) turn: &'a mut Turn,
    pub(crate) did: Vec<(StreamId, Did)>,
    chance: Random,
}

/// Calls the guest with an event. Afterwards `memory` is as it leaves it, whether it returns or traps.
pub(crate) fn call(memory: &mut Memory, turn: &mut Turn, event: Event) -> (TurnEnd, Vec<(StreamId, Did)>) {
    let mood = turn.seed().0[31];
    let mut guest = Guest::new(memory, turn);
    guest.hear(event, mood == Mood::WindsUp as u8);
    if mood == Mood::WindsUp as u8 {
        guest.wind_up();
    } else {
        guest.act();
    }
    if mood == Mood::Destroys as u8 {
        guest.turn.destroy();
    }
    let end = match mood {
        mood if mood == Mood::Traps as u8 => TurnEnd::Dropped(DropCause::Trap("unreachable".into())),
        mood if mood == Mood::Aborts as u8 => TurnEnd::Dropped(DropCause::Aborted("it is enough".into())),
        _ => TurnEnd::Done,
    };
    (end, guest.did)
}

impl Guest<'_> {
    pub(crate) fn new<'a>(memory: &'a mut Memory, turn: &'a mut Turn) -> Guest<'a> {
        let tag = u64::from_le_bytes(turn.seed().0[..8].try_into().expect("8 bytes"));
        Guest { memory, turn, did: Vec::new(), chance: Random::new(tag) }
    }

    fn hear(&mut self, event: Event, is_last: bool) {
        match event {
            Event::Request(id, request) => {
                if request.body_waits && !is_last && self.chance.percent(70) {
                    self.read(id);
                }
                let opens = !is_last && self.chance.percent(60) && self.open(id);
                if !opens {
                    let answered = self.turn.respond(id, Response::text(200, ""));
                    assert!(answered.is_ok(), "{id} waits: {answered:?}");
                }
            }
            Event::ResponseClosed(id) => {
                let known = self.memory.answers.iter().find(|(_, request)| **request == id.0);
                if let Some(stream) = known.map(|(stream, _)| *stream) {
                    self.memory.answers.remove(&stream);
                }
            }
            Event::Completed(OperationId(id), outcome) => {
                let kind = self.memory.operations.remove(&id);
                let kind = kind.unwrap_or_else(|| panic!("{id} was not begun, or ends twice: {outcome:?}"));
                match outcome {
                    Outcome::Streamed(head) => {
                        assert_eq!((kind, head.status), (0, 200), "{id} was no fetch");
                        self.memory.bodies.insert(id, 0);
                    }
                    Outcome::Connected => {
                        assert_eq!(kind, 1, "{id} was no socket");
                        self.memory.sockets.insert(id, 0);
                    }
                    Outcome::Failed(_) | Outcome::Interrupted | Outcome::Dropped => {}
                    Outcome::Slept | Outcome::Rooms(_) | Outcome::Asset(_) | Outcome::Response(_) => {
                        panic!("{id} ends as {outcome:?}")
                    }
                }
            }
            Event::Stream(id, what) => self.hear_stream(id, what),
            Event::Drain(id, bytes) => {
                let is_written = self.memory.answers.contains_key(&id.0);
                assert!(is_written || self.memory.sockets.contains_key(&id.0), "{id} drains and is over");
                assert!(bytes > 0, "{id} drains by nothing");
                let credit = self.turn.stream_credit(id).expect("it is open");
                assert!(credit <= u64::from(self.turn.limits().stream_credit_bytes), "{id} has {credit}");
            }
            event => panic!("nobody sends {}", event.name()),
        }
    }

    /// What a stream brings names it and says which of its pieces it is.
    fn hear_stream(&mut self, id: StreamId, what: StreamEvent) {
        let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
        let (streams, brought) = match &what {
            StreamEvent::Chunk(bytes) => (&mut self.memory.bodies, Some(text(bytes))),
            StreamEvent::Message(message) => (&mut self.memory.sockets, Some(text(message.payload()))),
            StreamEvent::End => (&mut self.memory.bodies, None),
            StreamEvent::Closed(_) => (&mut self.memory.sockets, None),
            StreamEvent::Error(_) if self.memory.bodies.contains_key(&id.0) => {
                (&mut self.memory.bodies, None)
            }
            StreamEvent::Error(_) => (&mut self.memory.sockets, None),
        };
        let next = streams.get_mut(&id.0).unwrap_or_else(|| panic!("{id} is over, and brings {what:?}"));
        match brought {
            Some(brought) => {
                assert_eq!(brought, format!("{id}.{next}"), "the next piece of {id}");
                *next += 1;
            }
            None => {
                streams.remove(&id.0);
                self.memory.closing.remove(&id.0);
            }
        }
    }

    fn pick(&mut self, from: fn(&Memory) -> Vec<u64>) -> Option<StreamId> {
        let ids = from(self.memory);
        self.chance.pick(ids).map(StreamId)
    }

    pub(crate) fn act(&mut self) {
        for _ in 0..self.chance.below(5) {
            match self.chance.below(12) {
                0..4 => {
                    if let Some(id) = self.pick(|memory| memory.answers.keys().copied().collect()) {
                        self.write(id);
                    }
                }
                4 => {
                    if let Some(id) = self.pick(|memory| memory.answers.keys().copied().collect()) {
                        self.finish(id);
                    }
                }
                5 | 6 => {
                    if let Some(id) = self.pick(|memory| memory.sockets.keys().copied().collect()) {
                        self.send(id);
                    }
                }
                7 if self.chance.percent(40) => {
                    if let Some(id) = self.pick(|memory| memory.sockets.keys().copied().collect()) {
                        self.close(id);
                    }
                }
                8 if self.chance.percent(30) => {
                    if let Some(id) = self.pick(|memory| memory.bodies.keys().copied().collect()) {
                        self.finish_body(id);
                    }
                }
                9 => {
                    let value = Bytes::copy_from_slice(&self.chance.next().to_le_bytes());
                    self.turn.put("key".into(), value).expect("it fits");
                }
                10 => self.begin(),
                _ => {
                    if let Some(id) = self.pick(|memory| memory.operations.keys().copied().collect())
                        && self.chance.percent(20)
                    {
                        // It may have ended in turns that were dropped.
                        self.turn.cancel(id.operation());
                        self.memory.operations.remove(&id.0);
                    }
                }
            }
        }
    }

    fn wind_up(&mut self) {
        for id in self.memory.answers.clone().into_keys() {
            self.finish(StreamId(id));
        }
        for id in self.memory.bodies.clone().into_keys() {
            self.finish_body(StreamId(id));
        }
        for id in self.memory.sockets.clone().into_keys() {
            self.close(StreamId(id));
        }
    }

    pub(crate) fn open(&mut self, request: RequestId) -> bool {
        let Ok(id) = self.turn.open_response(request, 200, Vec::new()) else { return false };
        self.did.push((id, Did::Open(request)));
        self.memory.answers.insert(id.0, request.0);
        true
    }

    fn read(&mut self, request: RequestId) {
        let Ok(id) = self.turn.read_body(request) else { return };
        let again = self.turn.read_body(request);
        assert!(
            matches!(again, Err(StreamError::Invalid(_))),
            "the body of {request} is read twice: {again:?}"
        );
        self.did.push((id, Did::Read(request)));
        self.memory.bodies.insert(id.0, 0);
    }

    fn bytes(&mut self) -> Bytes {
        let max = u64::from(self.turn.limits().stream_credit_bytes);
        let bytes = 1 + self.chance.below(max);
        (0..bytes).map(|_| b'a' + self.chance.below(26) as u8).collect()
    }

    /// What the host has answered to a command about a stream that the guest takes for open.
    fn done(&mut self, id: StreamId, result: Result<(), StreamError>, did: Did) -> bool {
        match result {
            Ok(()) => {
                self.did.push((id, did));
                true
            }
            Err(StreamError::Unknown) => {
                self.did.push((id, Did::Missed));
                for streams in [&mut self.memory.answers, &mut self.memory.bodies, &mut self.memory.sockets] {
                    streams.remove(&id.0);
                }
                false
            }
            Err(StreamError::NoCredit) => {
                let is_written = matches!(did, Did::Write(_) | Did::Send(_));
                assert!(is_written && self.turn.stream_credit(id) == Ok(0), "{id} has no credit");
                false
            }
            Err(error) => panic!("{id}: {error}"),
        }
    }

    fn write(&mut self, id: StreamId) {
        let bytes = self.bytes();
        let result = self.turn.write(id, bytes.clone());
        self.done(id, result, Did::Write(bytes));
    }

    pub(crate) fn write_to_all(&mut self) {
        for id in self.memory.answers.clone().into_keys() {
            self.write(StreamId(id));
            if self.memory.answers.contains_key(&id) && self.chance.percent(40) {
                self.finish(StreamId(id));
            }
        }
        for id in self.memory.sockets.clone().into_keys() {
            self.send(StreamId(id));
        }
    }

    fn finish(&mut self, id: StreamId) {
        let (result, did) = match self.chance.percent(85) {
            true => (self.turn.finish(id), Did::Finish),
            false => (self.turn.break_off(id), Did::BreakOff),
        };
        if self.done(id, result, did) {
            self.memory.answers.remove(&id.0);
        }
    }

    fn finish_body(&mut self, id: StreamId) {
        match self.turn.finish(id) {
            Ok(()) => _ = self.memory.bodies.remove(&id.0),
            error => _ = self.done(id, error, Did::Missed),
        }
    }

    fn send(&mut self, id: StreamId) {
        if self.memory.closing.contains_key(&id.0) {
            assert_eq!(self.turn.send_on(id, Message::text("late")), Err(StreamError::Unknown));
            return;
        }
        let bytes = self.bytes();
        let result = self.turn.send_on(id, Message::Binary(bytes.clone()));
        self.done(id, result, Did::Send(bytes));
    }

    fn close(&mut self, id: StreamId) {
        if self.memory.closing.contains_key(&id.0) {
            return;
        }
        let result = self.turn.close_on(id, Some(CloseFrame::new(1_000, "bye")));
        if self.done(id, result, Did::Close) {
            self.memory.closing.insert(id.0, 0);
        }
    }

    fn begin(&mut self) {
        let is_socket = self.chance.percent(50);
        let begun = if is_socket {
            self.turn.connect(ConnectTarget::Url("wss://a.test/".into()))
        } else {
            let (method, uri) = ("GET".into(), "https://a.test/".into());
            let request = Request { method, uri, headers: Vec::new(), body: Bytes::new(), body_waits: false };
            let resend = self.chance.percent(50);
            let options = FetchOptions { timeout_ms: 5_000, redirects_max: 0, resend, streams: true };
            self.turn.fetch(request, options)
        };
        if let Ok(OperationId(id)) = begun {
            self.memory.operations.insert(id, is_socket.into());
        }
    }
}
