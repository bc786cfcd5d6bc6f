//! Records come back as they were written, and nothing else comes back as one.

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::{
    FORMAT, FORMAT_WITHOUT_PROFILE, FORMAT_WITHOUT_WORK, Fate, Happening, Record, RecordError, RecordedTurn,
    STEPS_MAX, Settings, Step, TRACE_BYTES, Taken, trace,
};
use crate::address::RoomAddress;
use crate::call::{Attempt, Call, CallId, Once};
use crate::codec::{Malformed, Writer};
use crate::commit::{ComponentDigest, KvChanges};
use crate::event::{
    Event, Handlers, NewConnection, Outcome, Output, ResumeReason, RoomsPage, StartReason, TurnEnd,
};
use crate::http::{Header, Request, Response};
use crate::ids::{
    ConnectionId, EventId, ID_MAX, Incarnation, OperationId, RequestId, Seed, StreamId, Timestamp,
};
use crate::limits::Limits;
use crate::message::{CloseFrame, Message};
use crate::operation::{Operation, OperationError};
use crate::profile::Profile;
use crate::room::{Room, RoomConfig};
use crate::storage::{KeyRange, RoomStorage, StorageReadError, Visit};
use crate::stream::StreamEvent;
use crate::turn::Changes;
use random::Random;

mod profiles;
#[path = "../../tests/shared/random.rs"]
mod random;
mod streams;

/// The bound on what decoding may hold, for each byte that it is given: a step of one byte is the worst.
const MEMORY_PER_BYTE_MAX: usize = 1_000;

struct Nothing;

impl RoomStorage for Nothing {
    fn get(&self, _: &[u8]) -> Result<Option<Bytes>, StorageReadError> {
        Ok(None)
    }

    fn scan(
        &self,
        _: &KeyRange,
        _: bool,
        _: &mut dyn FnMut(&[u8], &[u8]) -> Visit,
    ) -> Result<(), StorageReadError> {
        Ok(())
    }
}

/// Of a durable room.
fn config() -> RoomConfig {
    RoomConfig {
        address: RoomAddress::new("project", "party", "room").unwrap().into(),
        limits: Default::default(),
        handlers: Handlers::default(),
        vars: Default::default(),
        storage: std::sync::Arc::new(Nothing),
        duplicate_keys: Default::default(),
        profile: Default::default(),
        durable: Some(ComponentDigest([4; 32])),
    }
}

/// The room with which a life begins.
fn life() -> Step {
    Step::Life(Box::new(Room::new(config().into(), None).as_checkpoint(Bytes::new())))
}

fn settings() -> Step {
    let vars = [("a".into(), "1".into()), ("b".into(), String::new()), ("ß".into(), "2".into())].into();
    let limits = Limits { holds_max: 3, ..Limits::default() };
    Step::Settings(Box::new(Settings { vars, limits, profile: Profile::PartyServer }))
}

fn headers() -> Vec<Header> {
    vec![Header { name: "x-name".into(), value: Bytes::from_static(b"\xff value") }]
}

/// One of every event, with the ends of what they hold.
fn events() -> Vec<Event> {
    let (last, connection) = (ID_MAX - 1, ConnectionId(300));
    let request = Request {
        method: "POST".into(),
        uri: "http://host/parties/main/room?a=b".into(),
        headers: headers(),
        body: Bytes::from_static(b"\x00body"),
        body_waits: false,
    };
    let head = Response { status: 599, headers: headers(), body: Bytes::from_static(b"\xff body") };
    let stream = StreamId(last);
    let page =
        RoomsPage { rooms: vec!["a".into(), String::new(), "großes ß".into()], next: Some("b".into()) };
    vec![
        Event::Start(StartReason::New),
        Event::Start(StartReason::Lost),
        Event::Start(StartReason::FailedBefore),
        Event::Resume(ResumeReason::Forked),
        Event::Resume(ResumeReason::Imported),
        Event::Connect(ConnectionId(last)),
        Event::Message(connection, Message::text("großes ß")),
        Event::Message(connection, Message::Binary(Bytes::from_static(b"\xff\x00"))),
        Event::Close(connection, CloseFrame::new(4_001, "x".repeat(200)), true),
        Event::Close(connection, CloseFrame::lost(), false),
        Event::Error(connection, "too large".into()),
        Event::Request(RequestId(last), Box::new(request)),
        Event::ResponseClosed(RequestId(0)),
        Event::Alarm,
        Event::Completed(OperationId(last), Outcome::Slept),
        Event::Completed(OperationId(7), Outcome::Interrupted),
        Event::Completed(OperationId(8), Outcome::Dropped),
        Event::Completed(OperationId(9), Outcome::Rooms(RoomsPage::default())),
        Event::Completed(OperationId(10), Outcome::Rooms(page)),
        Event::Completed(OperationId(14), Outcome::Asset(None)),
        Event::Completed(OperationId(15), Outcome::Asset(Some(Box::new(Response::text(200, "großes ß"))))),
        Event::Completed(OperationId(11), Outcome::Failed(OperationError::Timeout)),
        Event::Completed(OperationId(12), Outcome::Failed(OperationError::NoSuchParty("main".into()))),
        Event::Completed(OperationId(13), Outcome::Failed(OperationError::Connect("großes ß".into()))),
        Event::Completed(OperationId(14), Outcome::Response(Box::new(head.clone()))),
        Event::Completed(
            OperationId(15),
            Outcome::Streamed(Box::new(Response { body: Bytes::new(), ..head })),
        ),
        Event::Completed(OperationId(16), Outcome::Connected),
        Event::Stream(stream, StreamEvent::Chunk(Bytes::from_static(b"\x00chunk"))),
        Event::Stream(StreamId(0), StreamEvent::Chunk(Bytes::new())),
        Event::Stream(stream, StreamEvent::Message(Message::text("großes ß"))),
        Event::Stream(stream, StreamEvent::Message(Message::Binary(Bytes::from_static(b"\xff\x00")))),
        Event::Stream(stream, StreamEvent::End),
        Event::Stream(stream, StreamEvent::Closed(CloseFrame::new(4_001, "x".repeat(200)))),
        Event::Stream(stream, StreamEvent::Error("großes ß".into())),
        Event::Drain(stream, u64::MAX),
        Event::Drain(stream, 0),
    ]
}

fn taken(event: Event) -> Taken {
    let arriving = matches!(event, Event::Connect(_)).then(|| {
        let (key, uri) = ("key".into(), "http://host/parties/main/room".into());
        Box::new((NewConnection { key, uri, headers: headers(), opened_at: Timestamp(9) }, true))
    });
    Taken { event, arriving, call: None, now: Timestamp(1_700_000_000_000) }
}

fn turn(event: Event) -> Step {
    let entries = [("a".into(), Some("1".into())), ("b".into(), None), ("c".into(), Some(Bytes::new()))];
    Step::Turn(Box::new(RecordedTurn {
        taken: taken(event),
        event_id: EventId(ID_MAX - 1),
        next_operation: 5,
        storage_bytes: 1 << 30,
        seed: Seed([9; 32]),
        writes: KvChanges { cleared: true, entries: entries.into() },
        trace: [8; TRACE_BYTES],
    }))
}

/// One of every step.
fn steps() -> Vec<Step> {
    let mut steps = vec![life(), settings(), Step::Resumed, Step::Time(Timestamp::NEVER)];
    for event in events() {
        steps.push(Step::Unheard(taken(event.clone())));
        steps.push(Step::Dropped(taken(event.clone()), matches!(event, Event::Close(..))));
        steps.push(turn(event));
    }
    for attempt in [Attempt::First, Attempt::Again] {
        let (incarnation, operation) = (Incarnation(u128::MAX - 1), OperationId(ID_MAX - 1));
        let id = CallId { party: "main".into(), room: "ß".into(), incarnation, operation };
        let once = Once { incarnation, begun: Timestamp(1), until: Timestamp::NEVER };
        let call = Some(Box::new(Call { id, once, attempt }));
        let request = events().into_iter().find(|event| matches!(event, Event::Request(..)));
        let taken = Taken { call, ..taken(request.unwrap()) };
        steps.push(Step::Dropped(taken, false));
    }
    steps
}

fn full() -> Record {
    let mut steps = steps();
    steps.retain(|step| !matches!(step, Step::Turn(_)));
    steps.push(turn(Event::Alarm));
    Record { steps }
}

/// Whether it is of an older format, or the room in it is.
fn is_of_before(bytes: &[u8]) -> bool {
    bytes[0] < FORMAT
        || [b"PHCP\x02\x00", b"PHCP\x03\x00"].iter().any(|old| bytes.windows(6).any(|six| six == *old))
}

/// Whatever can be read is what would be written, so it is a record. (Limits of older hosts are written as today; no damage
/// here makes such of these.)
fn check_bytes(bytes: Vec<u8>, what: impl FnOnce() -> String) {
    let bytes = Bytes::from(bytes);
    if let Ok(record) = Record::decode(&bytes) {
        let again = record.encode();
        assert_eq!(again == bytes, !is_of_before(&bytes), "one record has one form: {}", what());
        assert_eq!(Record::decode(&again).as_ref(), Ok(&record), "{}", what());
        let held = record.steps.capacity() * size_of::<Step>();
        assert!(held <= bytes.len() * MEMORY_PER_BYTE_MAX, "{held} bytes are held: {}", what());
    }
}

#[test]
fn what_was_written_is_read() {
    for step in steps() {
        let record = Record { steps: vec![step] };
        assert_eq!(Record::decode(&record.encode()).as_ref(), Ok(&record));
    }
    assert_eq!(Record::decode(&full().encode()), Ok(full()));
    assert_eq!(Record::decode(&Record::default().encode()), Ok(Record::default()));
}

#[test]
fn a_turn_that_stores_nothing_takes_few_bytes_beside_its_message() {
    let Step::Turn(mut turn) = turn(Event::Message(ConnectionId(1 << 40), Message::text(""))) else {
        unreachable!()
    };
    turn.writes = KvChanges::default();
    let bytes = Record { steps: vec![Step::Turn(turn)] }.encode().len();
    assert!(bytes < 100, "{bytes}");
}

#[test]
fn a_turn_ends_its_record() {
    let record = Record { steps: vec![turn(Event::Alarm), Step::Resumed] };
    assert_eq!(Record::decode(&record.encode()), Err(Malformed::Field { field: "steps" }.into()));
}

#[test]
fn every_cut_is_noticed() {
    let whole = full().encode();
    for end in 0..whole.len() {
        assert!(Record::decode(&whole.slice(..end)).is_err(), "{end}");
    }
    let longer = Bytes::from([&whole[..], b"x"].concat());
    assert_eq!(Record::decode(&longer), Err(Malformed::Length.into()));
}

#[test]
fn no_flipped_bit_makes_it_panic_and_what_is_read_can_be_written() {
    for record in steps().into_iter().map(|step| Record { steps: vec![step] }).chain([full()]) {
        let whole = record.encode();
        for bit in 0..whole.len() * 8 {
            let mut damaged = whole.to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            check_bytes(damaged, || format!("bit {bit} of {record:?}"));
        }
    }
}

#[test]
fn random_bytes_are_refused_or_are_a_record() {
    let whole = full().encode();
    for seed in 0..20_000 {
        let mut random = Random::new(seed);
        let mut bytes = vec![if random.percent(80) {
            FORMAT
        } else {
            random.pick([FORMAT_WITHOUT_WORK, 2, FORMAT_WITHOUT_PROFILE]).unwrap()
        }];
        if random.percent(50) {
            // Pieces of a record, put together at random.
            for _ in 0..random.below(6) {
                let start = random.below(whole.len() as u64) as usize;
                let end = start + random.below(80) as usize;
                bytes.extend(&whole[start..end.min(whole.len())]);
            }
        } else {
            let length = random.below(64);
            bytes.extend(
                (0..length).map(|_| random.pick([0, 1, 2, 3, 4, 5, 6, 11, 12, 0x7f, 0x80, 0xff]).unwrap()),
            );
        }
        check_bytes(bytes, || format!("seed {seed}"));
    }
}

#[test]
fn other_versions_are_refused_by_name() {
    for found in [0, FORMAT + 1, u8::MAX] {
        let mut other = full().encode().to_vec();
        other[0] = found;
        let error = Record::decode(&other.into()).unwrap_err();
        let text = format!("the journal's record has format {found}; this host reads formats 1 to 4");
        assert_eq!((&error, error.to_string()), (&RecordError::Format { found }, text));
    }
}

/// A record with nothing but settings: no vars, these numbers as limits, and what is written of the profile.
fn record_of_settings(format: u8, words: &[u64], profile: Option<u8>) -> Bytes {
    let mut writer = Writer::default();
    [format, 1, 1, 0].into_iter().for_each(|byte| writer.byte(byte));
    writer.number(words.len() as u64);
    words.iter().for_each(|word| writer.number(*word));
    profile.into_iter().for_each(|byte| writer.byte(byte));
    writer.finish()
}

fn record_of_limits(words: &[u64]) -> Bytes {
    record_of_settings(FORMAT, words, Some(0))
}

#[test]
fn a_record_of_a_host_that_had_fewer_limits_is_read_as_it_was_meant() {
    // As the first host that kept a journal wrote it, with 44 limits: neither `auto_response_chars_max`, which has come in
    // behind the 20th, nor `upgrade_wait_ms` behind the 42nd of these.
    let words: Vec<u64> = (1..=44).collect();
    let Ok(Record { steps }) = Record::decode(&record_of_limits(&words)) else { panic!("it is read") };
    let [Step::Settings(settings)] = &steps[..] else { panic!("{steps:?}") };
    let found = &settings.limits;
    assert_eq!((found.memory_bytes_max, found.attachment_bytes_max, found.credit_events), (1, 20, 21));
    assert_eq!((found.alarm_deadline_ms, found.drops_per_minute_max, found.suspended_ms), (42, 43, 44));
    let as_before = Limits::default();
    assert_eq!(found.auto_response_chars_max, as_before.auto_response_chars_max);
    assert_eq!(found.upgrade_wait_ms, as_before.upgrade_wait_ms);
    // What is read is written as this host writes it.
    let again = Record { steps }.encode();
    assert!(Record::decode(&again).is_ok_and(|record| record.encode() == again));
}

#[test]
fn a_record_of_a_host_that_has_more_limits_is_refused_as_newer() {
    let known = Limits::WORDS;
    let newer = |found: usize| RecordError::NewerLimits { found, known };
    assert!(Record::decode(&record_of_limits(&vec![1; known])).is_ok());
    for found in [known + 1, 10_000] {
        assert_eq!(Record::decode(&record_of_limits(&vec![1; found])), Err(newer(found)));
    }
    let told = newer(known + 1).to_string();
    assert!(told.contains("a newer version of this host") && told.contains(&known.to_string()), "{told}");
    // A number that its bytes do not bear out is only wrong, and so are fewer limits than there ever were.
    let mut cut = record_of_limits(&vec![1; known]).to_vec();
    cut[4] = u8::MAX >> 1;
    assert_eq!(Record::decode(&cut.into()), Err(Malformed::Length.into()));
    for few in [0, 1, 43] {
        let refused = Err(Malformed::Field { field: "limits" }.into());
        assert_eq!(Record::decode(&record_of_limits(&vec![1; few])), refused);
    }
}

#[test]
fn a_count_is_not_believed_before_its_bytes_are_seen() {
    // A billion steps.
    let bytes = Bytes::from_static(&[FORMAT, 0x80, 0x94, 0xeb, 0xdc, 0x03, 2, 2]);
    assert_eq!(Record::decode(&bytes), Err(Malformed::Length.into()));
}

#[test]
fn more_steps_than_a_room_records_at_once_are_refused() {
    let most = Record { steps: vec![Step::Resumed; STEPS_MAX] };
    assert_eq!(Record::decode(&most.encode()).as_ref(), Ok(&most));
    let more = Record { steps: vec![Step::Resumed; STEPS_MAX + 1] };
    assert_eq!(Record::decode(&more.encode()), Err(Malformed::Field { field: "steps" }.into()));
}

#[test]
fn a_life_does_not_begin_with_a_memory() {
    let Step::Life(mut checkpoint) = life() else { unreachable!() };
    checkpoint.image = Bytes::from_static(b"x");
    let record = Record { steps: vec![Step::Life(checkpoint)] };
    assert_eq!(Record::decode(&record.encode()), Err(Malformed::Field { field: "memory" }.into()));
}

#[test]
fn ids_and_sizes_beyond_what_a_guest_can_count_are_refused() {
    let change = |change: fn(&mut RecordedTurn)| {
        let Step::Turn(mut turn) = turn(Event::Alarm) else { unreachable!() };
        change(&mut turn);
        Record::decode(&Record { steps: vec![Step::Turn(turn)] }.encode())
    };
    assert!(change(|_| {}).is_ok());
    assert!(change(|turn| turn.event_id = EventId(ID_MAX)).is_err());
    assert!(change(|turn| turn.next_operation = ID_MAX).is_err());
    assert!(change(|turn| turn.storage_bytes = u64::MAX).is_err());
    assert!(change(|turn| turn.taken.event = Event::ResponseClosed(RequestId(ID_MAX))).is_err());
    assert!(change(|turn| turn.taken.event = Event::Drain(StreamId(ID_MAX), 1)).is_err());
    assert!(change(|turn| turn.taken.event = Event::Stream(StreamId(ID_MAX), StreamEvent::End)).is_err());
}

#[test]
fn the_writes_of_a_record_are_those_of_its_turn() {
    assert_eq!(Record { steps: vec![Step::Resumed] }.writes(), None);
    let record = full();
    let writes = record.writes().expect("it ends with a turn");
    assert_eq!((writes.cleared, writes.entries.len()), (true, 3));
}

/// What a host wrote whose rooms could only sleep, byte by byte: a life with a sleep, an end of another that nobody heard,
/// one that was dropped, and the turn of a third.
fn of_format_1() -> Vec<u8> {
    let mut life = b"PHCP\x02\x00".to_vec();
    life.extend([4; 32]);
    life.extend([9; 16]);
    // Commit 1, nothing to be said, time 100, no hold, no alarm; operation 5 ends at 44; and nothing else.
    life.extend([1, 0, 100, 0, 0, 0, 0, 1, 5, 44, 0, 0, 0, 0, 0]);
    let mut bytes = vec![1, 4, 0, life.len() as u8];
    bytes.extend(life);
    bytes.extend([4, 101, 8, 6, 0]);
    bytes.extend([5, 102, 8, 7, 1, 1]);
    bytes.extend([6, 103, 8, 8, 2, 20, 9, 30]);
    bytes.extend([7; 32]);
    bytes.extend([0, 1, 1, b'k', 1, 1, b'v']);
    bytes.extend([8; 16]);
    bytes
}

#[test]
fn what_a_host_before_wrote_is_read_and_written_as_today() {
    let bytes = Bytes::from(of_format_1());
    let record = Record::decode(&bytes).unwrap();
    let [Step::Life(life), Step::Unheard(unheard), Step::Dropped(dropped, true), Step::Turn(turn)] =
        &record.steps[..]
    else {
        panic!("{record:?}")
    };
    let taken = |id, outcome, now| Taken {
        event: Event::Completed(OperationId(id), outcome),
        arriving: None,
        call: None,
        now: Timestamp(now),
    };
    assert_eq!((life.component, life.operations()), (ComponentDigest([4; 32]), 1));
    assert_eq!(life.next_due(), Some(Timestamp(44)), "it is a sleep");
    assert_eq!(*unheard, taken(6, Outcome::Slept, 101));
    assert_eq!(*dropped, taken(7, Outcome::Interrupted, 102));
    let writes = KvChanges { cleared: false, entries: [("k".into(), Some("v".into()))].into() };
    let expected = RecordedTurn {
        taken: taken(8, Outcome::Dropped, 103),
        event_id: EventId(20),
        next_operation: 9,
        storage_bytes: 30,
        seed: Seed([7; 32]),
        writes,
        trace: [8; TRACE_BYTES],
    };
    assert_eq!(**turn, expected);
    let today = record.encode();
    assert_eq!(today[0], FORMAT);
    assert_eq!(Record::decode(&today), Ok(record));
    for end in 0..bytes.len() {
        assert!(Record::decode(&bytes.slice(..end)).is_err(), "{end}");
    }
    for (at, byte) in (1..bytes.len()).flat_map(|at| (0..=u8::MAX).map(move |byte| (at, byte))) {
        let mut damaged = bytes.to_vec();
        damaged[at] = byte;
        check_bytes(damaged, || format!("byte {at} is {byte}"));
    }
}

/// A journal of a host before must lead to the same traces, or its rooms would be called damaged.
#[test]
fn the_trace_of_a_turn_that_asks_for_nothing_is_what_it_was() {
    let changes = Changes {
        started: [(OperationId(9), Operation::Sleep { due: Timestamp(300) })].into(),
        started_ids: 2,
        cancelled: [OperationId(5)].into(),
        outputs: vec![Output::Send(ConnectionId(4), Message::text("hi"))],
        ..Changes::default()
    };
    // Done; one output: text "hi" to 4; no session, no alarm; two ids, of which 9 sleeps until 300; 5 is cancelled; nothing
    // is settled, held or answered by itself.
    let before = [0, 1, 3, 4, 0, 2, b'h', b'i', 0, 0, 2, 1, 9, 0xac, 0x02, 1, 5, 0, 0, 0];
    assert_eq!(trace(&changes, &TurnEnd::Done)[..], Sha256::digest(before)[..TRACE_BYTES]);
}

#[test]
fn what_happened_is_told_without_what_only_the_room_needs() {
    let record = full();
    let told: Vec<Happening<'_>> = record.happenings().collect();
    assert_eq!(told.len(), record.steps.len());
    let is_turn =
        |happening: &Happening<'_>| matches!(happening, Happening::Event { fate: Fate::Turn(_), .. });
    assert_eq!(told.iter().filter(|happening| is_turn(happening)).count(), 1);
    assert!(told.last().is_some_and(is_turn), "a turn ends its record");
    assert_eq!(record.life().is_some(), told.iter().any(|told| matches!(told, Happening::Life(_))));
    let resumed = Record { steps: vec![Step::Resumed, Step::Time(Timestamp(7))] };
    assert_eq!(resumed.happenings().collect::<Vec<_>>(), [Happening::Resumed, Happening::Time(Timestamp(7))]);
}
