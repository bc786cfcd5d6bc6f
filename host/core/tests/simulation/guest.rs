//! The simulated guest: a random little program that does everything twice, to the real turn and to the model's
//! draft, and compares what it is told.

mod fetching;

use bytes::Bytes;
use party_core::auto_response::AutoResponse;
use party_core::event::{DropCause, Event, Failure, TurnEnd};
use party_core::http::{Request, Response};
use party_core::ids::{ConnectionId, EventId, OperationId, RequestId};
use party_core::message::{CloseFrame, Message};
use party_core::operation::Work;
use party_core::turn::Turn;
use party_core::turn::operations::StartError;
use party_core::turn::storage::ListOptions;

use crate::habits::Habits;
use crate::log::Log;
use crate::model::Draft;
use crate::random::Random;

/// The guest, in one turn.
pub(crate) struct Guest<'a> {
    pub(crate) turn: &'a mut Turn,
    pub(crate) draft: &'a mut Draft,
    pub(crate) chance: &'a mut Random,
    pub(crate) log: &'a Log,
    /// Which turn of the simulation this is: what it sends can be told from what other turns send.
    pub(crate) number: u64,
}

const TAGS: [&str; 3] = ["red", "blue", "green"];

impl Guest<'_> {
    /// Does a few things.
    pub(crate) fn act(&mut self) {
        self.look();
        match self.draft.event {
            Event::Connect(id) => self.decide(id),
            Event::Request(id, _) => {
                if self.chance.percent(60) {
                    self.respond(id);
                }
            }
            Event::Completed(..) => self.go_on(),
            Event::Start(_)
            | Event::Resume(_)
            | Event::Message(..)
            | Event::Close(..)
            | Event::Error(..)
            | Event::ResponseClosed(_)
            | Event::Stream(..)
            | Event::Drain(..)
            | Event::Alarm => {}
        }
        for _ in 0..self.chance.below(5) {
            match self.chance.below(6) {
                0 | 1 => self.use_storage(),
                2 => self.read_storage(),
                3 | 4 => self.use_connections(),
                _ => self.use_time(),
            }
        }
    }

    /// Ends all that is open, and begins nothing.
    pub(crate) fn wind_up(&mut self) -> TurnEnd {
        self.look();
        while let Some(id) = self.draft.state.requests.first().copied() {
            self.respond(id);
        }
        while let Some(id) = self.draft.state.pending.keys().next().copied() {
            self.settle(id, Ok(()));
        }
        while self.draft.state.holds > 0 {
            assert_eq!(self.turn.release(), self.draft.release());
        }
        TurnEnd::Done
    }

    /// How the turn ends.
    pub(crate) fn end(&mut self, habits: &Habits) -> TurnEnd {
        if self.chance.below(1_000) < habits.destroy {
            self.turn.destroy();
            self.draft.destroys = true;
        }
        if self.chance.percent(habits.trap) {
            return TurnEnd::Dropped(match self.chance.percent(20) {
                true => DropCause::Aborted("enough".into()),
                false => DropCause::Trap("unreachable".into()),
            });
        }
        let is_alarm = matches!(self.draft.event, Event::Alarm);
        if self.chance.percent(habits.fail) || is_alarm && self.chance.percent(habits.fail_alarm) {
            return TurnEnd::Failed(self.failure());
        }
        if self.chance.percent(habits.pending) {
            match self.chance.below(10) {
                0..5 => self.sleep(),
                5..7 => self.ask(),
                7 => self.call(),
                8 => self.fetch(),
                _ => {}
            }
            return TurnEnd::Pending;
        }
        TurnEnd::Done
    }

    /// What can be read without changing anything agrees.
    fn look(&mut self) {
        let Guest { turn, draft, .. } = self;
        assert_eq!(turn.alarm(), draft.state.alarm.map(|alarm| alarm.at), "the alarm");
        assert_eq!(turn.open_operations() as usize, draft.state.operations.len(), "open operations");
        assert_eq!(turn.storage_bytes(), draft.storage_bytes(), "bytes in storage");
        assert_eq!(turn.connections(None), draft.connections(None), "listed connections");
        for (id, session) in &draft.state.sessions {
            let view = turn.connection(*id).expect("the model knows it");
            assert_eq!(view.ready_state, session.state, "the state of connection {id}");
            assert_eq!(view.tags, session.tags, "the tags of connection {id}");
        }
    }

    fn text(&mut self) -> String {
        format!("t{}.{}", self.number, self.draft.outputs.len())
    }

    fn failure(&mut self) -> Failure {
        let status = self.chance.percent(20).then_some(418);
        Failure { message: ["", "oops"][self.chance.below(2) as usize].into(), stack: None, status }
    }

    fn decide(&mut self, id: ConnectionId) {
        match self.chance.below(10) {
            0..4 => self.accept(id),
            4 => self.reject(id),
            5 => self.close(id),
            _ => {}
        }
    }

    /// A completion: something that waited for it goes on.
    fn go_on(&mut self) {
        if self.draft.state.holds > 0 && self.chance.percent(60) {
            assert_eq!(self.turn.release(), self.draft.release());
        }
        if self.chance.percent(70)
            && let Some(id) = self.pick_pending()
        {
            let outcome = if self.chance.percent(80) { Ok(()) } else { Err(self.failure()) };
            self.settle(id, outcome);
        }
    }

    fn pick_connection(&mut self) -> ConnectionId {
        let known: Vec<ConnectionId> = self.draft.state.sessions.keys().copied().collect();
        let unknown = ConnectionId(u64::MAX);
        if self.chance.percent(3) { unknown } else { self.chance.pick(known).unwrap_or(unknown) }
    }

    fn pick_pending(&mut self) -> Option<EventId> {
        self.chance.pick(self.draft.state.pending.keys().copied().collect::<Vec<_>>())
    }

    fn use_connections(&mut self) {
        let id = self.pick_connection();
        match self.chance.below(10) {
            0..3 => {
                let message = Message::text(self.text());
                self.log.say(|| format!("    send {id} {}", self.draft.outputs.len()));
                let expected = self.draft.send(id, message.clone());
                assert_eq!(self.turn.send(id, message), expected, "send to {id}");
            }
            3 | 4 => self.broadcast(),
            5 => self.close(id),
            6 => {
                let bytes = Bytes::from(self.text());
                self.log.say(|| format!("    attach {id} {bytes:?}"));
                let expected = self.draft.attach(id, bytes.clone());
                assert_eq!(self.turn.set_attachment(id, bytes), expected, "attach to {id}");
            }
            7 => {
                let expected = self.draft.attachment(id);
                assert_eq!(self.turn.attachment(id), expected, "the attachment of {id}");
            }
            8 => {
                let request = self.chance.pick(self.draft.state.requests.iter().copied().collect::<Vec<_>>());
                self.respond(request.unwrap_or(RequestId(u64::MAX)));
            }
            9 => self.set_auto_response(),
            _ => self.decide(id),
        }
    }

    fn set_auto_response(&mut self) {
        const TEXTS: [&str; 4] = ["", "ping", "pöng", "too long"];
        let pair = self.chance.percent(75).then(|| AutoResponse {
            request: TEXTS[self.chance.below(4) as usize].into(),
            response: TEXTS[self.chance.below(4) as usize].into(),
        });
        self.log.say(|| format!("    auto-response {pair:?}"));
        let expected = self.draft.set_auto_response(pair.clone());
        assert_eq!(self.turn.set_auto_response(pair), expected, "auto-response");
    }

    fn broadcast(&mut self) {
        let message = Message::text(self.text());
        let tag = self.chance.percent(40).then(|| TAGS[self.chance.below(3) as usize]);
        let except = if self.chance.percent(30) { vec![self.pick_connection()] } else { Vec::new() };
        self.log.say(|| format!("    broadcast {tag:?} except {except:?}"));
        let expected = self.draft.broadcast(message.clone(), &except, tag);
        assert_eq!(self.turn.broadcast(message, &except, tag), Ok(expected), "broadcast");
    }

    fn accept(&mut self, id: ConnectionId) {
        let count = self.chance.below(3) as usize;
        let tags: Vec<String> = TAGS[..count].iter().map(|tag| (*tag).to_owned()).collect();
        self.log.say(|| format!("    accept {id} {tags:?}"));
        let expected = self.draft.accept(id, tags.clone());
        assert_eq!(self.turn.accept(id, tags), expected, "accept {id}");
    }

    fn reject(&mut self, id: ConnectionId) {
        let response = Response::text(403, self.text());
        self.log.say(|| format!("    reject {id}"));
        let expected = self.draft.reject(id, response.clone());
        assert_eq!(self.turn.reject(id, response), expected, "reject {id}");
    }

    fn close(&mut self, id: ConnectionId) {
        let frame = self.chance.percent(70).then(|| CloseFrame::new(4000, self.text()));
        self.log.say(|| format!("    close {id}"));
        let expected = self.draft.close(id, frame.clone());
        assert_eq!(self.turn.close(id, frame), expected, "close {id}");
    }

    fn respond(&mut self, id: RequestId) {
        let response = Response::text(200, self.text());
        self.log.say(|| format!("    respond {id}"));
        let expected = self.draft.respond(id, response.clone());
        assert_eq!(self.turn.respond(id, response), expected, "respond to {id}");
    }

    fn use_time(&mut self) {
        match self.chance.below(10) {
            0 | 1 => self.sleep(),
            8 => self.ask(),
            9 => self.fetch(),
            2 => {
                let open: Vec<OperationId> = self.draft.state.operations.keys().copied().collect();
                let id = self.chance.pick(open).unwrap_or(OperationId(u64::MAX));
                self.log.say(|| format!("    cancel {id}"));
                let expected = self.draft.cancel(id);
                assert_eq!(self.turn.cancel(id), expected, "cancel {id}");
            }
            3 => {
                let id = self.pick_pending().unwrap_or(EventId(u64::MAX));
                self.settle(id, Ok(()));
            }
            4 => {
                let own = self.draft.event_id;
                let outcome = if self.chance.percent(80) { Ok(()) } else { Err(self.failure()) };
                self.settle(own, outcome);
            }
            5 => {
                self.log.say(|| "    hold".into());
                let expected = self.draft.hold();
                assert_eq!(self.turn.hold(), expected, "hold");
                self.sleep();
            }
            6 => {
                self.log.say(|| "    release".into());
                let expected = self.draft.release();
                assert_eq!(self.turn.release(), expected, "release");
            }
            _ => {
                let after_ms = self.chance.below(5_000);
                let at = self.chance.percent(80).then(|| self.draft.now.after_ms(after_ms));
                self.log.say(|| format!("    alarm {at:?}"));
                self.turn.set_alarm(at);
                self.draft.set_alarm(at);
            }
        }
    }

    fn sleep(&mut self) {
        let ms = [0, 1, 50, 4_000, 70_000][self.chance.below(5) as usize];
        match self.turn.sleep(ms) {
            Ok(id) => {
                self.log.say(|| format!("    sleep {id} {ms}"));
                assert_eq!(self.draft.may_begin(), Ok(()), "sleep");
                self.draft.sleep(id, ms);
            }
            Err(error) => assert_eq!(self.draft.may_begin(), Err(error), "sleep"),
        }
    }

    /// Calls another room.
    fn call(&mut self) {
        let room = if self.chance.percent(95) { "other" } else { "no/room" };
        let (method, body) = ("PUT".to_owned(), Bytes::copy_from_slice(self.text().as_bytes()));
        let request = Request { method, uri: "/path".into(), headers: Vec::new(), body, body_waits: false };
        match self.turn.call("party".into(), room.into(), request.clone()) {
            Ok(id) => {
                self.log.say(|| format!("    call {id}"));
                assert_eq!((self.draft.may_begin(), room), (Ok(()), "other"), "call another room");
                let uri = "http://rooms.internal/parties/party/other/path".into();
                let request = Box::new(Request { uri, ..request });
                let (party, room) = ("party".into(), room.into());
                self.draft.ask(id, Work::Call { party, room, request, once: None });
            }
            Err(StartError::Invalid(why)) => assert_eq!(room, "no/room", "{why}"),
            Err(error) => assert_eq!(self.draft.may_begin(), Err(error), "call another room"),
        }
    }

    /// Asks for an asset, now and then for what can be none.
    fn ask_for_an_asset(&mut self) {
        let paths =
            ["/".into(), format!("/{}.txt", self.number), "/".repeat(4_096), "/".repeat(4_097), "a".into()];
        let path: &String = &paths[self.chance.below(5) as usize];
        let makes_sense = path.starts_with('/') && path.len() <= 4_096;
        match self.turn.asset(path.clone()) {
            Ok(id) => {
                self.log.say(|| format!("    ask {id} for the asset {path}"));
                assert_eq!((self.draft.may_begin(), makes_sense), (Ok(()), true), "ask for an asset");
                self.draft.ask(id, Work::Asset { path: path.clone() });
            }
            Err(StartError::Invalid(why)) => assert!(!makes_sense, "{why}"),
            Err(error) => assert_eq!(self.draft.may_begin(), Err(error), "ask for an asset"),
        }
    }

    /// Asks for rooms, now and then for what makes no sense.
    fn ask(&mut self) {
        if self.chance.percent(30) {
            return self.ask_for_an_asset();
        }
        const LIMITS: [u32; 6] = [1, 2, 10, 1_000, 0, 1_001];
        let limits = if self.chance.percent(90) { 4 } else { 6 };
        let limit = LIMITS[self.chance.below(limits) as usize];
        let party = if self.chance.percent(95) { "party" } else { "no party" };
        let prefix = if self.chance.percent(95) { format!("{}-", self.number) } else { "x".repeat(1_025) };
        let after = self.chance.percent(30).then(|| prefix.clone());
        let makes_sense = (1..=1_000).contains(&limit) && party == "party" && prefix.len() <= 1_024;
        match self.turn.rooms(party.into(), prefix.clone(), after.clone(), limit) {
            Ok(id) => {
                self.log.say(|| format!("    ask {id} for {limit} rooms {prefix}"));
                assert!(makes_sense, "{limit} rooms of {party:?}, {} bytes", prefix.len());
                assert_eq!(self.draft.may_begin(), Ok(()), "ask for rooms");
                self.draft.ask(id, Work::Rooms { party: party.into(), prefix, after, limit });
            }
            Err(StartError::Invalid(why)) => assert!(!makes_sense, "{why}"),
            Err(error) => assert_eq!(self.draft.may_begin(), Err(error), "ask for rooms"),
        }
    }

    fn settle(&mut self, id: EventId, outcome: Result<(), Failure>) {
        self.log.say(|| format!("    settle {id} {outcome:?}"));
        let expected = self.draft.settle(id, outcome.clone());
        assert_eq!(self.turn.settle(id, outcome), expected, "settle {id}");
    }

    fn key(&mut self) -> Bytes {
        const KEYS: [&[u8]; 6] = [b"a", b"ab", b"b", b"ba", b"c", b"\xff"];
        Bytes::from_static(KEYS[self.chance.below(6) as usize])
    }

    fn value(&mut self) -> Bytes {
        let text = format!("{}-{}", self.number, self.chance.below(1_000));
        Bytes::from(text.into_bytes().split_off(self.chance.below(4) as usize))
    }

    fn use_storage(&mut self) {
        match self.chance.below(10) {
            0..5 => {
                let (key, value) = (self.key(), self.value());
                self.log.say(|| format!("    put {key:?} {value:?}"));
                let expected = self.draft.put(key.clone(), value.clone());
                assert_eq!(self.turn.put(key, value), expected, "put");
            }
            5 | 6 => {
                let entries: Vec<_> = (0..self.chance.below(4)).map(|_| (self.key(), self.value())).collect();
                self.log.say(|| format!("    put-many {entries:?}"));
                let expected = self.draft.put_many(entries.clone());
                assert_eq!(self.turn.put_many(entries), expected, "put-many");
            }
            7 | 8 => {
                let key = self.key();
                self.log.say(|| format!("    delete {key:?}"));
                let expected = self.draft.delete(&key);
                assert_eq!(self.turn.delete(key), Ok(expected), "delete");
            }
            _ => {
                self.log.say(|| "    delete-all".into());
                self.draft.delete_all();
                self.turn.delete_all();
            }
        }
        assert_eq!(self.turn.storage_bytes(), self.draft.storage_bytes(), "bytes in storage");
    }

    fn read_storage(&mut self) {
        if self.chance.percent(40) {
            let key = self.key();
            let expected = self.draft.get(&key);
            assert_eq!(self.turn.get(&key), Ok(expected), "get {key:?}");
            return;
        }
        let maybe = |guest: &mut Self| guest.chance.percent(25).then(|| guest.key());
        let (prefix, start, end) = (maybe(self), maybe(self), maybe(self));
        let start_after = if start.is_none() { maybe(self) } else { None };
        let options = ListOptions {
            prefix: prefix.unwrap_or_default(),
            start,
            start_after,
            end,
            reverse: self.chance.percent(50),
            limit: self.chance.below(4) as u32,
            bytes_max: if self.chance.percent(20) { self.chance.below(12) as u32 } else { 0 },
        };
        let expected = self.draft.list(&options);
        assert_eq!(self.turn.list(&options), Ok(expected), "list {options:?}");
    }
}
