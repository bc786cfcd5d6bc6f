//! The notation of transcripts.
//!
//! What an author's transcript can say too is said here in its words (docs/transcripts.md): `>` is what a client does, `<`
//! what it is sent. The rest is about what only the room's driver sees, and marked with a star. The input is one step a line;
//! `#` begins a comment. What goes in:
//!
//! ```text
//!   memory durable             every turn is recorded
//!   limit credit_events 2      another bound than the default
//! * unnamed                    it is of a socket outside of rooms: `turn on-socket a`
//! * duplicate-key replace      the policy for clients of one name
//! * handlers start message     only these handlers are real (all are, without this line)
//!   > a connect                a client, from here on called a     * > b connect as a    its name (`_pk`) is that of a
//!   > a send hello             > a close 1000 bye      > a cut
//! * > a broken reason          it breaks the protocol
//!   GET / body -> r            a request, from here on called r      > r cut    its client goes
//!   GET / waits -> r           one whose body waits
//!   time 1500                  the clock says 1500 ms, and the room is told    * clock 1500   it is not told
//! * turn send a hi; pending e  the next turn, what the guest does in it, and how it ends (`done`, if unsaid)
//! * committed                  the oldest commit under way is durable    commits fail    it is not
//! * answer o a b               what operation o asked for: rooms a and b
//! * answer o asset 200 hello   an asset; `asset none`: there is none
//! * turn meanwhile answer o a  a turn; what is said to be meanwhile comes while it is out
//! * switch send a hi | alarm off   the room goes on with another version, after what both do in one turn
//! * interrupt                  its operations end for that
//!   crash                      another room is made from what is durable  * shut down    the room ends
//!   fork                       another room is made from what is durable, as a copy
//! * disk broken                reads fail, until `disk mended`
//!   hibernate m                the memory, here called m, is captured and saved, so that the room sleeps
//! * keep m                     it is saved, and the room goes on    rebuild    it is made again of what is recorded
//! * wake    wake failed        the memory of a room that sleeps is restored, and shown; or is lost
//!   stream o chunk ab          what the other side of a stream does: notation/streaming.rs
//! * wakes                      when the store would wake the room
//! * credit a    deadline    phase    quiet    over    open    asleep    auto-response    asks the room, and shows the answer
//! ```
//!
//! What the guest does is in `guest.rs`, how what comes out is written in `show.rs`: `turn on-message a hello` is a
//! turn, below it what its reads found and its commands were refused with, then what the room had done about it: `< a hi`.

mod asking;
mod calling;
mod streaming;
mod switching;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use party_core::address::RoomAddress;
use party_core::call::Call;
use party_core::checkpoint::Checkpoint;
use party_core::commit::{CheckpointBytes, ComponentDigest, RoomCommit};
use party_core::event::{Handlers, NewConnection, ResumeReason, TurnEnd};
use party_core::http::Request;
use party_core::ids::{
    ConnectionId, EventId, Incarnation, OperationId, RequestId, Seed, StreamId, Timestamp,
};
use party_core::limits::Limits;
use party_core::message::{CloseFrame, Message};
use party_core::profile::Profile;
use party_core::room::{Action, DuplicateKeys, Moment, Purpose, Rebuild, Replay, Room, RoomConfig};

use crate::disk::Disk;
use crate::{guest, show};

/// What a transcript calls things.
#[derive(Default)]
pub(crate) struct Names {
    pub(crate) connections: BTreeMap<String, ConnectionId>,
    pub(crate) requests: BTreeMap<String, RequestId>,
    pub(crate) operations: BTreeMap<String, OperationId>,
    pub(crate) events: BTreeMap<String, EventId>,
    pub(crate) calls: BTreeMap<String, Call>,
    /// The answers of the room's own; what operations have opened has the name of the operation.
    pub(crate) streams: BTreeMap<String, StreamId>,
}

impl Names {
    /// Names a connection. Another life may have known another by the same number.
    fn name_connection(&mut self, name: &str, id: ConnectionId) {
        self.connections.retain(|_, other| *other != id);
        self.connections.insert(name.into(), id);
    }

    /// The stream of this name.
    pub(crate) fn stream(&self, name: &str) -> StreamId {
        let opened = self.operations.get(name).map(|id| id.stream());
        self.streams.get(name).copied().or(opened).unwrap_or_else(|| panic!("no stream: {name}"))
    }

    fn name_request(&mut self, name: &str, id: RequestId) {
        self.requests.retain(|_, other| *other != id);
        self.requests.insert(name.into(), id);
    }
}

/// A room and its surroundings.
struct Stage {
    config: RoomConfig,
    disk: Disk,
    /// Made by the first step that is not about its configuration.
    room: Option<Room>,
    names: Names,
    now: Timestamp,
    commits: VecDeque<RoomCommit>,
    lives: u128,
    /// What the guest did in each turn, to do it again when that is taken again.
    scripts: BTreeMap<EventId, String>,
    shown: Vec<String>,
}

/// Runs the input and compares what comes out.
#[track_caller]
pub(crate) fn check(input: &str, expected: &str) {
    let mut stage = Stage::new();
    let steps = input.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    for step in steps.filter(|step| !step.is_empty()) {
        stage.step(step);
    }
    let indent = |line: &str| format!("        {line}");
    let expected: Vec<&str> = expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let actual: Vec<&str> = stage.shown.iter().map(|line| line.trim()).collect();
    if expected != actual {
        let first = expected.iter().zip(&actual).take_while(|(one, other)| one == other).count();
        let text: Vec<String> = stage.shown.iter().map(|line| indent(line)).collect();
        let (wanted, found) = (expected.get(first), actual.get(first));
        panic!("line {}: expected {wanted:?}, found {found:?}; all:\n{}\n", first + 1, text.join("\n"));
    }
}

impl Stage {
    fn new() -> Stage {
        let disk = Disk::default();
        let config = RoomConfig {
            address: Arc::new(RoomAddress::new("project", "party", "room").expect("it is well formed")),
            limits: Arc::new(Limits::default()),
            handlers: Handlers(u32::MAX),
            vars: Arc::default(),
            duplicate_keys: Default::default(),
            profile: Default::default(),
            durable: None,
            storage: Arc::new(disk.clone()),
        };
        Stage {
            config,
            disk,
            room: None,
            names: Names::default(),
            now: Timestamp(0),
            commits: VecDeque::new(),
            lives: 0,
            scripts: BTreeMap::new(),
            shown: Vec::new(),
        }
    }

    fn show(&mut self, line: String) {
        self.shown.push(line);
    }

    fn make_room(&self) -> Room {
        let config = RoomConfig {
            address: Arc::clone(&self.config.address),
            limits: Arc::clone(&self.config.limits),
            handlers: self.config.handlers,
            vars: Arc::clone(&self.config.vars),
            duplicate_keys: self.config.duplicate_keys,
            profile: self.config.profile,
            durable: self.config.durable,
            storage: Arc::clone(&self.config.storage),
        };
        let (config, durable) = (Arc::new(config), self.disk.durable());
        if let (Some(record), false) = (durable.record, durable.journal.is_empty()) {
            return Room::unread(config, record);
        }
        let (Some(record), Some(bytes)) = (durable.record, &durable.checkpoint) else {
            return Room::new(config, durable.record);
        };
        let checkpoint = Checkpoint::decode(bytes).expect("it was encoded");
        Room::restored(Arc::clone(&config), record, checkpoint, None)
            .unwrap_or_else(|| Room::lost(config, record))
    }

    /// What is durable becomes that of a copy.
    fn fork(&mut self) {
        let mut durable = self.disk.durable();
        let bytes = durable.checkpoint.as_ref().expect("a room that is forked has a checkpoint");
        let checkpoint = Checkpoint::decode(bytes).expect("it was encoded");
        let seq = checkpoint.seq;
        let copy = checkpoint.elsewhere(ResumeReason::Forked, Incarnation(7), seq).expect("it is fit");
        durable.checkpoint = Some(copy.encode().unwrap());
    }

    fn room(&mut self) -> &mut Room {
        if self.room.is_none() {
            self.room = Some(self.make_room());
        }
        self.room.as_mut().expect("made above")
    }

    fn step(&mut self, step: &str) {
        let (verb, rest) = step.split_once(' ').unwrap_or((step, ""));
        match verb {
            ">" => self.client(rest),
            "GET" => self.asks(rest),
            "handlers" => return self.config.handlers = handlers(rest),
            "limit" => return set_limit(Arc::make_mut(&mut self.config.limits), rest),
            "memory" if rest == "durable" => return self.config.durable = Some(ComponentDigest([1; 32])),
            "unnamed" => return self.be_unnamed(),
            "duplicate-key" => return self.config.duplicate_keys = policy(rest),
            "profile" => return self.config.profile = Profile::of_name(rest).expect("it is one"),
            "clock" => return self.now = timestamp(rest),
            "time" => {
                self.now = timestamp(rest);
                let now = self.now;
                self.room().on_time(now);
            }
            "turn" => self.turn(rest),
            "switch" => self.switch(rest),
            "interrupt" => self.room().interrupt(),
            "disk" => self.disk.durable().is_broken = rest == "broken",
            "crash" | "fork" => {
                self.commits.clear();
                if verb == "fork" {
                    self.fork();
                }
                self.room = Some(self.make_room());
            }
            "answer" => self.answer(rest),
            "called" => self.called(rest),
            "stream" => self.stream(rest),
            "going" => self.going_on(rest),
            "committed" | "commits" | "shut" => self.end_commit(step),
            "hibernate" => self.save(Purpose::Sleep, rest),
            "keep" => self.save(Purpose::Keep, rest),
            "wake" => self.wake(rest != "failed"),
            "rebuild" => self.rebuild(),
            "credit" | "deadline" | "phase" | "quiet" | "over" | "open" | "asleep" | "auto-response"
            | "wakes" => {
                self.ask(verb, rest);
            }
            _ => panic!("unknown step: {step}"),
        }
        self.carry_out();
        let deadline = self.room().next_deadline();
        if verb == "time" && deadline.is_some_and(|deadline| deadline <= self.now) {
            panic!("at {} the next deadline is {deadline:?}, which has passed", self.now);
        }
    }

    /// `a connect`, `a send hello`, `r cut`
    fn client(&mut self, step: &str) {
        let (name, deed) = step.split_once(' ').expect("a client and what it does");
        let (verb, rest) = deed.split_once(' ').unwrap_or((deed, ""));
        if verb == "connect" {
            let uri = "http://host/parties/party/room".to_owned();
            let opened_at = self.now;
            let key = rest.strip_prefix("as ").unwrap_or(name).into();
            let new = NewConnection { key, uri, headers: Vec::new(), opened_at };
            match self.room().connect(new) {
                Ok(id) => self.names.name_connection(name, id),
                Err(refusal) => self.show(format!("refused {name}: {refusal}")),
            }
            return;
        }
        if let Some(request) = self.names.requests.get(name).copied().filter(|_| verb == "cut") {
            return self.room().request_gone(request);
        }
        let id = self.names.connections[name];
        match verb {
            "send" => self.room().message(id, Message::text(rest)),
            "broken" => self.room().broken(id, rest.into()),
            "cut" => self.room().closed(id, CloseFrame::lost(), false),
            "close" => self.room().closed(id, close_frame(rest).expect("a code"), true),
            _ => panic!("unknown step: > {step}"),
        }
    }

    /// `/ body -> r`
    fn asks(&mut self, step: &str) {
        let (asked, name) = step.split_once("-> ").expect("the name of a request");
        let body = asked.strip_prefix('/').expect("a path").trim();
        let (method, uri) = ("GET".into(), "http://host/parties/party/room".into());
        let body_waits = body == "waits";
        let body = if body_waits { Bytes::new() } else { Bytes::copy_from_slice(body.as_bytes()) };
        let now = self.now;
        match self.room().request(Request { method, uri, headers: Vec::new(), body, body_waits }, now) {
            Ok(id) => self.names.name_request(name, id),
            Err(refusal) => self.show(format!("refused {name}: {refusal}")),
        }
    }

    fn turn(&mut self, script: &str) {
        self.lives += 1;
        let now = self.now;
        let moment = Moment { now, seed: Seed([7; 32]), incarnation: Incarnation(self.lives) };
        let was_wanted = self.room().wants_a_turn(now);
        let Some(mut turn) = self.room().begin_turn(moment) else {
            self.carry_out();
            assert!(!self.room().wants_a_turn(now), "a driver would ask for a turn again and again");
            self.show("no turn".into());
            return;
        };
        assert!(was_wanted, "a driver would not have asked for this turn");
        assert_eq!(turn.seed(), Seed([7; 32]), "the turn's chance is the driver's");
        self.carry_out();
        let event = turn.take_event();
        let mut header = show::event(&event, &self.names);
        if turn.is_unnamed() {
            header = header.replacen("on-connect", "on-socket", 1);
        }
        self.show(format!("turn {header}"));
        let (meanwhile, commands): (Vec<&str>, Vec<&str>) =
            script.split(';').map(str::trim).partition(|command| command.starts_with("meanwhile "));
        for event in meanwhile.iter().filter_map(|command| command.strip_prefix("meanwhile ")) {
            match event.split_once(' ') {
                Some((">", rest)) => self.client(rest),
                Some(("answer", rest)) => self.answer(rest),
                Some(("stream", rest)) => self.stream(rest),
                Some(_) | None => panic!("unknown meanwhile: {event}"),
            }
        }
        let script = commands.join(";");
        self.scripts.insert(turn.event_id(), script.clone());
        let mut found = Vec::new();
        let end: TurnEnd = guest::run(&script, &mut turn, &mut self.names, &mut found);
        self.shown.extend(found.into_iter().map(|line| format!("  {line}")));
        let (lines, left_out) = turn.take_logs();
        self.shown.extend(lines.iter().map(|line| format!("  logged {}", show::bytes(&line.text))));
        self.shown.extend((left_out > 0).then(|| format!("  left out {left_out} lines")));
        self.room().end_turn(turn, end);
    }

    fn end_commit(&mut self, step: &str) {
        match step {
            "committed" => {
                let commit = self.commits.pop_front().expect("a commit is under way");
                self.disk.write(&commit).expect("commits come in order");
                self.room().committed(commit.record.seq);
            }
            "commits fail" => {
                self.commits.clear();
                self.room().commit_failed();
            }
            "shut down" => {
                let frame = CloseFrame::new(1001, "going away");
                self.room().shut_down(&frame);
            }
            _ => panic!("unknown step: {step}"),
        }
    }

    fn save(&mut self, purpose: Purpose, memory: &str) {
        let may_save = match purpose {
            Purpose::Sleep => self.room().may_sleep(),
            Purpose::Keep => self.room().may_save(),
        };
        if !may_save {
            return self.show("not now".into());
        }
        let image = Bytes::copy_from_slice(memory.as_bytes());
        let captured = self.room().captured(ComponentDigest([1; 32]), image);
        let bytes = CheckpointBytes::Inline(captured.encode().unwrap());
        assert!(self.room().save(&captured, purpose, bytes), "nothing has happened since it was captured");
    }

    fn wake(&mut self, is_restored: bool) {
        let saved_at = self.room().asleep_since().expect("the room sleeps");
        let bytes = self.disk.durable().checkpoint.clone().expect("a room that sleeps has a checkpoint");
        let checkpoint = Checkpoint::decode(&bytes).expect("it was encoded");
        assert_eq!(checkpoint.seq, saved_at, "the checkpoint that it sleeps with");
        let now = self.now;
        if is_restored {
            self.room().woken();
            self.show(format!("woken with {}", show::bytes(&checkpoint.image)));
        } else {
            self.room().memory_lost(now);
        }
    }

    /// The room, or its instance, is made again of the checkpoint and the journal.
    fn rebuild(&mut self) {
        let what = self.room().rebuild().expect("the room is to be made again");
        let (checkpoint, journal) = {
            let durable = self.disk.durable();
            (durable.checkpoint.clone(), durable.journal.clone())
        };
        let checkpoint = checkpoint.map(|bytes| Checkpoint::decode(&bytes).expect("it was encoded"));
        if let Some(checkpoint) = &checkpoint {
            self.show(format!("made again of {}", show::bytes(&checkpoint.image)));
        }
        let config = Arc::clone(self.room().config());
        let mut past = Replay::new(config, checkpoint);
        for (seq, bytes) in journal {
            let turn = past.take(seq, &bytes).expect("it was recorded");
            let Some(mut turn) = turn else {
                self.show(format!("again {seq}"));
                continue;
            };
            let event = show::event(&turn.take_event(), &self.names);
            self.show(format!("again {seq} {event}"));
            let script = self.scripts[&turn.event_id()].clone();
            let end = guest::run(&script, &mut turn, &mut self.names, &mut Vec::new());
            past.end(turn, end).expect("it does what it did");
        }
        match what {
            Rebuild::Unread => self.room().recovered(past),
            Rebuild::Behind => self.room().went_back(),
            Rebuild::Asleep(_) => panic!("a room that sleeps is woken"),
        }
    }

    fn carry_out(&mut self) {
        for action in self.room().take_actions() {
            let line = show::action(&action, &self.names);
            self.show(line);
            match action {
                Action::Commit(commit) => self.commits.push_back(commit),
                Action::Output(_) | Action::DropInstance | Action::Report(_) => {}
            }
        }
    }
}

fn timestamp(text: &str) -> Timestamp {
    Timestamp(text.parse().expect("a time in milliseconds"))
}

/// `1000 bye`; nothing for no frame.
pub(crate) fn close_frame(text: &str) -> Option<CloseFrame> {
    let (code, reason) = text.split_once(' ').unwrap_or((text, ""));
    code.parse().ok().map(|code| CloseFrame::new(code, reason))
}

fn policy(word: &str) -> DuplicateKeys {
    match word {
        "both" => DuplicateKeys::Both,
        "replace" => DuplicateKeys::Replace,
        "refuse" => DuplicateKeys::Refuse,
        word => panic!("unknown policy: {word}"),
    }
}

fn handlers(names: &str) -> Handlers {
    names.split_whitespace().fold(Handlers::default(), |handlers, name| {
        handlers.with(match name {
            "start" => Handlers::ON_START,
            "resume" => Handlers::ON_RESUME,
            "connect" => Handlers::ON_CONNECT,
            "message" => Handlers::ON_MESSAGE,
            "close" => Handlers::ON_CLOSE,
            "error" => Handlers::ON_ERROR,
            "request" => Handlers::ON_REQUEST,
            "alarm" => Handlers::ON_ALARM,
            "completed" => Handlers::ON_COMPLETED,
            "response-closed" => Handlers::ON_RESPONSE_CLOSED,
            "stream" => Handlers::ON_STREAM,
            "drain" => Handlers::ON_DRAIN,
            _ => panic!("unknown handler: {name}"),
        })
    })
}

fn set_limit(limits: &mut Limits, text: &str) {
    let (name, value) = text.split_once(' ').expect("a name and a number");
    let value: u64 = value.parse().expect("a number");
    let small = || u32::try_from(value).expect("a small number");
    match name {
        "turn_sends_max" => limits.turn_sends_max = small(),
        "turn_output_bytes_max" => limits.turn_output_bytes_max = value,
        "message_out_bytes_max" => limits.message_out_bytes_max = small(),
        "response_body_bytes_max" => limits.response_body_bytes_max = small(),
        "key_bytes_max" => limits.key_bytes_max = small(),
        "value_bytes_max" => limits.value_bytes_max = small(),
        "storage_bytes_max" => limits.storage_bytes_max = value,
        "keys_per_call_max" => limits.keys_per_call_max = small(),
        "page_entries_max" => limits.page_entries_max = small(),
        "page_bytes_max" => limits.page_bytes_max = small(),
        "turn_write_bytes_max" => limits.turn_write_bytes_max = value,
        "auto_response_chars_max" => limits.auto_response_chars_max = small(),
        "turn_log_lines_max" => limits.turn_log_lines_max = small(),
        "turn_log_bytes_max" => limits.turn_log_bytes_max = small(),
        "connections_max" => limits.connections_max = small(),
        "attachment_bytes_max" => limits.attachment_bytes_max = small(),
        "credit_events" => limits.credit_events = small(),
        "credit_bytes" => limits.credit_bytes = small(),
        "requests_waiting_max" => limits.requests_waiting_max = small(),
        "requests_open_max" => limits.requests_open_max = small(),
        "stream_credit_bytes" => limits.stream_credit_bytes = small(),
        "streams_open_max" => limits.streams_open_max = small(),
        "operations_open_max" => limits.operations_open_max = small(),
        "holds_max" => limits.holds_max = small(),
        "events_pending_max" => limits.events_pending_max = small(),
        "uncommitted_turns_max" => limits.uncommitted_turns_max = small(),
        "uncommitted_bytes_max" => limits.uncommitted_bytes_max = value,
        "journal_records_max" => limits.journal_records_max = small(),
        "drops_per_minute_max" => limits.drops_per_minute_max = small(),
        _ => panic!("unknown limit: {name}"),
    }
}
