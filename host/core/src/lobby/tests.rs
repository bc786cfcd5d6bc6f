//! What becomes of lobby events, turn by turn.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::{CronRun, Decision, Lobby, LobbyAction, LobbyEvent, LobbyKind, NoStorage, Verdict, with_headers};
use crate::address::RoomAddress;
use crate::event::{DropCause, Event, Failure, Handlers, Outcome, TurnEnd};
use crate::http::{Header, Request, Response};
use crate::ids::{EventId, Incarnation, Seed, Timestamp};
use crate::limits::{Limits, REQUEST_HEAD_BYTES_MAX};
use crate::profile::Profile;
use crate::room::{Moment, Report, RoomConfig};
use crate::turn::Turn;
use crate::turn::lobby::DecideError;

/// The event's id as its first turn has it.
const EVENT: EventId = EventId(1);

fn request() -> Box<Request> {
    Box::new(Request {
        method: "GET".into(),
        uri: "http://h/".into(),
        headers: vec![],
        body: Bytes::new(),
        body_waits: false,
    })
}

fn before_request() -> LobbyEvent {
    LobbyEvent::BeforeRequest("room".into(), request())
}

fn cron() -> LobbyEvent {
    let (name, expression) = ("hourly".into(), "0 * * * *".into());
    LobbyEvent::Cron(CronRun { name, expression, scheduled_at: Timestamp(0) })
}

fn lobby_of(event: LobbyEvent) -> Lobby {
    let config = RoomConfig {
        address: Arc::new(RoomAddress::new("p", "main", "room").unwrap()),
        limits: Arc::new(Limits { request_deadline_ms: 100, ..Limits::default() }),
        handlers: Handlers::ON_COMPLETED,
        vars: Arc::new(BTreeMap::new()),
        storage: Arc::new(NoStorage),
        duplicate_keys: Default::default(),
        profile: Default::default(),
        durable: None,
    };
    Lobby::new(Arc::new(config), event, Timestamp(1_000))
}

fn begin(lobby: &mut Lobby, now: u64) -> Option<Box<Turn>> {
    let (now, seed, incarnation) = (Timestamp(now), Seed([0; 32]), Incarnation(0));
    lobby.begin_turn(Moment { now, seed, incarnation })
}

/// Takes the first turn of an event, in which the guest does this.
#[track_caller]
fn first(event: LobbyEvent, does: impl FnOnce(&mut Turn) -> TurnEnd) -> Lobby {
    let mut lobby = lobby_of(event.clone());
    let mut turn = begin(&mut lobby, 1_000).expect("it has an event");
    assert_eq!((turn.take_lobby_event(), turn.event_id()), (Some(event), EVENT));
    let end = does(&mut turn);
    lobby.end_turn(turn, end);
    lobby
}

/// What becomes of a request if the guest does this in one turn, which is all that comes of it.
#[track_caller]
fn verdict(event: LobbyEvent, does: impl FnOnce(&mut Turn) -> TurnEnd) -> Verdict {
    let mut lobby = first(event, does);
    assert!(lobby.has_ended() && begin(&mut lobby, 1_000).is_none());
    lobby.take_verdict().expect("it has ended")
}

fn failure(message: &str, status: Option<u16>) -> TurnEnd {
    TurnEnd::Failed(Failure { message: message.into(), stack: None, status })
}

fn respond(turn: &mut Turn, text: &str) -> Result<(), DecideError> {
    turn.decide(EVENT, Decision::Respond(Response::text(403, text)))
}

fn header(name: &str, value: &str) -> Header {
    Header { name: name.into(), value: Bytes::copy_from_slice(value.as_bytes()) }
}

fn says(verdict: Verdict) -> (u16, String) {
    let Verdict::Respond(response) = verdict else { panic!("{verdict:?}") };
    (response.status, String::from_utf8(response.body.to_vec()).unwrap())
}

#[test]
fn what_is_decided_becomes_of_whoever_waits() {
    let proceeds = |turn: &mut Turn| {
        turn.decide(EVENT, Decision::Proceed(vec![header("X-User", "ada")])).unwrap();
        TurnEnd::Done
    };
    assert_eq!(verdict(before_request(), proceeds), Verdict::Proceed(vec![header("x-user", "ada")]));
    assert_eq!(verdict(LobbyEvent::Fetch(request()), proceeds), Verdict::Pass, "there is nothing behind it");
    let responds = |turn: &mut Turn| {
        respond(turn, "not you").unwrap();
        TurnEnd::Done
    };
    assert_eq!(says(verdict(before_request(), responds)), (403, "not you".into()));
}

#[test]
fn what_is_not_decided_is_as_on_partykit() {
    let connect = LobbyEvent::BeforeConnect("room".into(), request());
    assert_eq!(verdict(connect, |_| TurnEnd::Done), Verdict::Proceed(vec![]));
    assert_eq!(says(verdict(before_request(), |_| TurnEnd::Done)), (500, "Invalid URL: undefined".into()));
    assert_eq!(verdict(LobbyEvent::Fetch(request()), |_| TurnEnd::Done), Verdict::Pass);
    assert_eq!(verdict(cron(), |_| TurnEnd::Done), Verdict::Pass);
}

#[test]
fn who_fails_or_does_not_return_lets_nobody_in() {
    assert_eq!(says(verdict(before_request(), |_| failure("words", None))), (401, "words".into()));
    assert_eq!(says(verdict(before_request(), |_| failure("", None))), (401, String::new()));
    assert_eq!(says(verdict(before_request(), |_| failure("no", Some(403)))), (403, "no".into()));
    assert_eq!(
        says(verdict(LobbyEvent::Fetch(request()), |_| failure("words", None))),
        (500, "words".into())
    );
    let trap = || TurnEnd::Dropped(DropCause::Trap("secret".into()));
    assert_eq!(says(verdict(before_request(), |_| trap())), (401, "Unauthorised".into()));
    assert_eq!(says(verdict(LobbyEvent::Fetch(request()), |_| trap())).0, 500);
    let full = || TurnEnd::Dropped(DropCause::Instantiation("all places are taken".into()));
    assert_eq!(says(verdict(before_request(), |_| full())).0, 503, "nobody was refused");
}

#[test]
fn who_does_not_return_is_told_of_in_the_words_of_the_profile() {
    let trap = DropCause::Trap("secret".into());
    for kind in [LobbyKind::BeforeConnect, LobbyKind::BeforeRequest, LobbyKind::Fetch] {
        let told = says(kind.dropped(Profile::PartyServer, &trap));
        assert_eq!(told, (500, "Internal Server Error".into()), "{}", kind.name());
    }
}

#[test]
fn a_turn_that_is_dropped_has_decided_nothing() {
    let trapped = verdict(before_request(), |turn| {
        turn.decide(EVENT, Decision::Proceed(vec![])).unwrap();
        TurnEnd::Dropped(DropCause::Trap("later".into()))
    });
    assert_eq!(says(trapped).0, 401);
}

#[test]
fn an_event_is_decided_once_and_with_what_can_be_sent() {
    first(before_request(), |turn| {
        assert_eq!(turn.decide(EventId(2), Decision::Proceed(vec![])), Err(DecideError::NotPending));
        let bad = Decision::Proceed(vec![header("x", "a\r\nb")]);
        assert!(matches!(turn.decide(EVENT, bad), Err(DecideError::BadDecision(_))));
        let long = Decision::Proceed(vec![header("x", &"a".repeat(REQUEST_HEAD_BYTES_MAX))]);
        assert_eq!(turn.decide(EVENT, long), Err(DecideError::TooLarge(REQUEST_HEAD_BYTES_MAX as u64)));
        let switch = Decision::Respond(Response::text(101, ""));
        assert!(matches!(turn.decide(EVENT, switch), Err(DecideError::BadDecision(_))));
        respond(turn, "first").unwrap();
        assert_eq!(respond(turn, "second"), Err(DecideError::NotPending));
        TurnEnd::Done
    });
    first(before_request(), |turn| {
        turn.settle(EVENT, Ok(())).unwrap();
        assert_eq!(respond(turn, "too late"), Err(DecideError::NotPending));
        TurnEnd::Pending
    });
    first(cron(), |turn| {
        assert_eq!(respond(turn, "to nobody"), Err(DecideError::NotPending));
        TurnEnd::Done
    });
}

/// A request that another stands in for.
fn other(method: &str, uri: &str) -> Request {
    let (method, uri) = (method.into(), uri.into());
    Request { method, uri, headers: vec![], body: Bytes::new(), body_waits: false }
}

fn as_this(request: Request) -> Decision {
    Decision::ProceedAs(Box::new(request))
}

#[test]
fn another_request_goes_on_with_what_it_says_and_the_length_of_its_body() {
    let verdict = verdict(before_request(), |turn| {
        let headers =
            vec![header("X-A", "1"), header("Content-Length", "7"), header("transfer-encoding", "chunked")];
        let words =
            Request { headers, body: Bytes::from_static(b"words"), ..other("PUT", "https://h:1/else?where") };
        turn.decide(EVENT, as_this(words)).unwrap();
        TurnEnd::Done
    });
    let headers = vec![header("x-a", "1"), header("content-length", "5")];
    let words =
        Request { headers, body: Bytes::from_static(b"words"), ..other("PUT", "https://h:1/else?where") };
    assert_eq!(verdict, Verdict::ProceedAs(Box::new(words)));
}

#[test]
fn a_body_that_waits_goes_on_only_in_the_place_of_one_that_does() {
    let waiting = |length: &str| {
        let headers = vec![header("x-a", "1"), header("content-length", length)];
        Request { body_waits: true, headers, ..other("PUT", "http://h/") }
    };
    let uploading = LobbyEvent::BeforeRequest("room".into(), Box::new(waiting("17")));
    let told = verdict(uploading, |turn| {
        turn.decide(EVENT, as_this(waiting("5"))).unwrap();
        TurnEnd::Done
    });
    assert_eq!(told, Verdict::ProceedAs(Box::new(waiting("17"))), "its client knows how long it is");
    first(before_request(), |turn| {
        let none = "no body waits with the client: say the body that has come along";
        let decided = turn.decide(EVENT, as_this(waiting("5")));
        assert_eq!(decided, Err(DecideError::BadDecision(none.into())));
        TurnEnd::Done
    });
}

/// Why another request may not go on in the place of one, if so.
fn refused(event: LobbyEvent, request: Request) -> Option<DecideError> {
    let mut why = None;
    first(event, |turn| {
        why = turn.decide(EVENT, as_this(request)).err();
        TurnEnd::Done
    });
    why
}

#[test]
fn what_has_come_can_go_on_as_it_is_whatever_it_is() {
    let odd = other("M-SEARCH", "http://h~:99999/a");
    let event = LobbyEvent::BeforeRequest("room".into(), Box::new(odd.clone()));
    assert_eq!(refused(event.clone(), odd.clone()), None);
    assert!(refused(event.clone(), Request { method: "SEARCH-M".into(), ..odd.clone() }).is_some());
    assert!(refused(event, Request { uri: "http://h~:99999/b".into(), ..odd }).is_some());
}

#[test]
fn what_is_changed_of_a_request_is_what_can_be_sent() {
    let bad = |event: LobbyEvent, request: Request| match refused(event, request) {
        Some(DecideError::BadDecision(why)) => why,
        other => panic!("{other:?}"),
    };
    let connect = || LobbyEvent::BeforeConnect("room".into(), request());
    assert_eq!(refused(connect(), other("GET", "http://h/else?_pk=me")), None);
    assert_eq!(bad(connect(), other("POST", "http://h/")), "a client connects with a GET without a body");
    let words = Request { body: Bytes::from_static(b"words"), ..other("GET", "http://h/") };
    assert_eq!(bad(connect(), words), "a client connects with a GET without a body");
    let nowhere = bad(LobbyEvent::Fetch(request()), other("GET", "http://h/"));
    assert_eq!(nowhere, "there is no room that it could go on to");
    assert_eq!(
        bad(before_request(), other("get", "http://h/")),
        "method \"get\" is not of upper-case letters"
    );
    assert!(bad(before_request(), other("GET", "/party/room")).contains("is no full URL"));
    assert!(bad(before_request(), other("GET", "http://me@h/")).contains("user name"));
    assert!(bad(before_request(), other("GET", "http://h/a b")).contains("percent-encoded"));
    let split = Request { headers: vec![header("x", "a\r\nb")], ..other("GET", "http://h/") };
    assert!(bad(before_request(), split).contains("control character"));
    let many = Request { headers: vec![header("x", ""); 201], ..other("GET", "http://h/") };
    assert_eq!(bad(before_request(), many), "there are 201 headers; the limit is 200");
    let head_max = Some(DecideError::TooLarge(REQUEST_HEAD_BYTES_MAX as u64));
    let long = other("GET", &format!("http://h/{}", "\n".repeat(REQUEST_HEAD_BYTES_MAX)));
    assert_eq!(refused(before_request(), long), head_max);
    // What says how long the body is counts, too.
    let fills = |more: usize| {
        let value = "a".repeat(REQUEST_HEAD_BYTES_MAX - "PUThttp://h/xcontent-length1".len() + more);
        let headers = vec![header("x", &value)];
        Request { headers, body: Bytes::from_static(b"w"), ..other("PUT", "http://h/") }
    };
    assert_eq!(refused(before_request(), fills(0)), None);
    assert_eq!(refused(before_request(), fills(1)), head_max);
    let bytes_max = Limits::default().request_body_bytes_max;
    let large = Request { body: vec![0; bytes_max as usize + 1].into(), ..other("PUT", "http://h/") };
    assert_eq!(refused(before_request(), large), Some(DecideError::TooLarge(bytes_max.into())));
}

#[test]
fn an_event_goes_on_while_a_sleep_is_open() {
    let mut lobby = first(before_request(), |turn| {
        turn.sleep(50).unwrap();
        TurnEnd::Pending
    });
    assert_eq!((lobby.take_verdict(), lobby.has_ended()), (None, false));
    assert_eq!(lobby.next_deadline(), Timestamp(1_050));
    lobby.on_time(Timestamp(1_049));
    assert!(begin(&mut lobby, 1_049).is_none());
    lobby.on_time(Timestamp(1_050));
    let mut turn = begin(&mut lobby, 1_050).expect("the sleep is over");
    assert!(matches!(turn.take_event(), Event::Completed(_, Outcome::Slept)));
    assert_eq!((turn.now(), turn.event_name()), (Timestamp(1_050), "on-completed"));
    respond(&mut turn, "slept").unwrap();
    turn.sleep(10).unwrap();
    lobby.end_turn(turn, TurnEnd::Done);
    assert_eq!(
        says(lobby.take_verdict().unwrap()),
        (403, "slept".into()),
        "it is told before the event has ended"
    );
    assert!(!lobby.has_ended());
    lobby.on_time(Timestamp(1_060));
    let mut turn = begin(&mut lobby, 1_060).expect("so is the other");
    assert_eq!(respond(&mut turn, "again"), Err(DecideError::NotPending));
    turn.settle(EVENT, Ok(())).unwrap();
    lobby.end_turn(turn, TurnEnd::Done);
    assert!(lobby.has_ended());
}

#[test]
fn an_event_that_waits_for_nothing_is_over_at_once() {
    let mut lobby = first(before_request(), |_| TurnEnd::Pending);
    assert!(lobby.has_ended());
    assert_eq!(says(lobby.take_verdict().unwrap()).0, 401);
    let mut lobby = first(before_request(), |turn| {
        let sleep = turn.sleep(50).unwrap();
        assert!(turn.cancel(sleep));
        respond(turn, "done").unwrap();
        TurnEnd::Pending
    });
    assert!(lobby.has_ended());
    assert_eq!(says(lobby.take_verdict().unwrap()).1, "done");
}

#[test]
fn a_deadline_ends_an_event_and_what_it_waits_for() {
    let mut lobby = first(before_request(), |turn| {
        turn.rooms("main".into(), String::new(), None, 1).unwrap();
        TurnEnd::Pending
    });
    let [LobbyAction::Begin(id, _)] = lobby.take_actions()[..] else { panic!("work begins") };
    assert_eq!(lobby.next_deadline(), Timestamp(1_100));
    lobby.on_time(Timestamp(1_100));
    assert!(lobby.has_ended());
    assert_eq!(says(lobby.take_verdict().unwrap()).0, 504);
    let overdue = LobbyAction::Report(Report::Overdue { event: "before-request", deadline_ms: 100 });
    assert_eq!(lobby.take_actions(), [overdue, LobbyAction::Forget(id)]);
    lobby.answered(id, Outcome::Slept);
    assert!(begin(&mut lobby, 1_100).is_none());
}

#[test]
fn headers_are_added_or_stand_for_those_of_the_same_name() {
    let headers = vec![header("a", "1"), header("b", "2"), header("a", "3")];
    let changes = vec![header("a", "x"), header("c", "y"), header("c", "z")];
    let changed = [header("b", "2"), header("a", "x"), header("c", "y"), header("c", "z")];
    assert_eq!(with_headers(headers.clone(), changes), changed);
    assert_eq!(with_headers(headers.clone(), vec![]), headers);
}
