//! What a room knows of the calls of others, event by event.

use super::{Asked, Attempt, Call, CallId, Calls, Once};
use crate::http::Response;
use crate::ids::{Incarnation, OperationId, RequestId, Timestamp};
use crate::limits::{CALLS_KNOWN_BYTES_MAX, CALLS_KNOWN_MAX};

const FIRST: RequestId = RequestId(1);

fn call(operation: u64, attempt: Attempt) -> Call {
    let (incarnation, operation) = (Incarnation(1), OperationId(operation));
    let id = CallId { party: "main".into(), room: "caller".into(), incarnation, operation };
    Call { id, once: Once { incarnation, begun: Timestamp(10), until: Timestamp(100) }, attempt }
}

fn first() -> Call {
    call(1, Attempt::First)
}

fn again() -> Call {
    call(1, Attempt::Again)
}

fn answer() -> Response {
    Response::text(200, "done")
}

/// A room that has heard a call, as request 1.
fn heard() -> Calls {
    let mut calls = Calls::of_a_new_room();
    assert_eq!(calls.ask(&first(), FIRST, Timestamp(20)), Asked::New);
    calls
}

/// One that has answered it.
fn answered() -> Calls {
    let mut calls = heard();
    assert_eq!(calls.answered(FIRST, &answer()), Some(vec![]));
    calls
}

#[test]
fn it_is_heard_once() {
    let mut calls = heard();
    assert!(calls.is_open(FIRST));
    assert_eq!(calls.ask(&again(), RequestId(2), Timestamp(30)), Asked::Waits);
    assert_eq!(calls.ask(&again(), RequestId(3), Timestamp(30)), Asked::Waits);
    assert_eq!(
        calls.answered(FIRST, &answer()),
        Some(vec![RequestId(2), RequestId(3)]),
        "who has asked once more"
    );
    assert!(calls.none_open());
    assert_eq!(calls.ask(&again(), RequestId(4), Timestamp(99)), Asked::Answered(answer()));
    assert_eq!(calls.answered(FIRST, &answer()), None, "it was");
    assert_eq!(calls.ask(&call(2, Attempt::First), RequestId(5), Timestamp(99)), Asked::New, "another one");
}

#[test]
fn its_time_ends_what_is_known_of_it_and_whether_it_is_heard() {
    let mut calls = answered();
    assert_eq!(calls.ask(&again(), RequestId(2), Timestamp(100)), Asked::TooLate);
    assert!(calls.all().is_empty());
    assert_eq!(Calls::of_a_new_room().ask(&first(), FIRST, Timestamp(100)), Asked::TooLate);
    let mut calls = heard();
    assert_eq!(calls.ask(&again(), RequestId(2), Timestamp(100)), Asked::Waits, "it is still to be answered");
    assert_eq!(calls.answered(FIRST, &answer()), Some(vec![RequestId(2)]));
    assert!(calls.kept(Timestamp(101)).all().is_empty(), "and then goes");
}

#[test]
fn of_what_it_may_have_heard_and_not_written_down_it_says_so() {
    for since in [None, Some(11)] {
        let mut calls = Calls::of(since.map(Timestamp), Vec::new()).unwrap();
        calls.tell_time(Timestamp(20));
        assert_eq!(calls.ask(&again(), FIRST, Timestamp(20)), Asked::Unknown, "{since:?}");
        assert_eq!(calls.ask(&first(), FIRST, Timestamp(20)), Asked::New, "nobody has asked before");
    }
    let mut calls = Calls::of(Some(Timestamp(10)), Vec::new()).unwrap();
    assert_eq!(calls.ask(&again(), FIRST, Timestamp(20)), Asked::New, "it would know");
}

#[test]
fn a_caller_that_has_its_answer_for_good_is_forgotten() {
    let mut calls = answered();
    assert_eq!(calls.gone(&first().id), None);
    assert_eq!(calls, Calls::of_a_new_room());
    let mut calls = heard();
    assert_eq!(calls.gone(&first().id), Some(FIRST), "who is told when it comes to its turn");
    assert_eq!(calls.ask(&again(), RequestId(2), Timestamp(30)), Asked::Waits);
    assert_eq!(calls.closed(FIRST), [RequestId(2)]);
    assert_eq!(calls, Calls::of_a_new_room());
    assert_eq!((calls.gone(&first().id), calls.closed(FIRST)), (None, vec![]));
}

#[test]
fn there_is_a_bound_on_how_many_are_known_and_on_their_answers() {
    let mut calls = Calls::of_a_new_room();
    for operation in 0..CALLS_KNOWN_MAX as u64 {
        assert!(!calls.is_full());
        calls.take_in(&call(operation, Attempt::First), RequestId(operation));
    }
    assert!(calls.is_full());
    let mut calls = heard();
    let large = Response { body: vec![0; CALLS_KNOWN_BYTES_MAX as usize].into(), ..answer() };
    calls.answered(FIRST, &large);
    assert!(calls.is_full());
    calls.gone(&first().id);
    assert!(!calls.is_full());
}

#[test]
fn whoever_asked_once_more_is_not_kept() {
    let mut calls = heard();
    let before = calls.clone();
    assert_eq!(calls.ask(&again(), RequestId(2), Timestamp(30)), Asked::Waits);
    assert_eq!(calls.kept(Timestamp(30)), before);
    let all: Vec<_> = calls.all().iter().map(|(id, known)| (id.clone(), known.clone())).collect();
    assert_eq!(Calls::of(calls.since(), all.clone()), Some(before));
    assert_eq!(Calls::of(None, [all.clone(), all].concat()), None, "twice the same");
}
