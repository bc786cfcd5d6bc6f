//! What may wait, in which order, and who spends credit for it.

use super::{Lane, Mailbox, is_from_client};
use crate::event::{Event, Outcome};
use crate::http::Request;
use crate::ids::{ConnectionId, OperationId, RequestId, StreamId};
use crate::limits::Limits;
use crate::message::{CloseFrame, Message};
use crate::stream::StreamEvent;

const ANN: ConnectionId = ConnectionId(1);
const BEN: ConnectionId = ConnectionId(2);

fn message(connection: ConnectionId, bytes: usize) -> Event {
    Event::Message(connection, Message::Binary(vec![0; bytes].into()))
}

fn completed(operation: u64) -> Event {
    Event::Completed(OperationId(operation), Outcome::Slept)
}

#[test]
fn credit_is_spent_by_waiting_events_and_repaid_by_delivery() {
    let limits = Limits { credit_events: 2, credit_bytes: 100, ..Limits::default() };
    let mut mailbox = Mailbox::default();
    mailbox.push(message(ANN, 1));
    assert!(mailbox.has_credit(ANN, &limits));
    mailbox.push(message(ANN, 1));
    assert!(!mailbox.has_credit(ANN, &limits), "two events of two");
    assert!(mailbox.has_credit(BEN, &limits), "each connection has its own");
    mailbox.pop(Lane::All);
    assert!(mailbox.has_credit(ANN, &limits));
}

#[test]
fn one_message_of_any_size_fits() {
    let limits = Limits { credit_events: 16, credit_bytes: 100, ..Limits::default() };
    let mut mailbox = Mailbox::default();
    mailbox.push(message(ANN, 99));
    assert!(mailbox.has_credit(ANN, &limits), "below the bound");
    mailbox.push(message(ANN, 1_000));
    assert!(!mailbox.has_credit(ANN, &limits));
    mailbox.pop(Lane::All);
    assert!(!mailbox.has_credit(ANN, &limits), "1,000 bytes of 100 still wait");
    mailbox.pop(Lane::All);
    assert!(mailbox.has_credit(ANN, &limits));
}

#[test]
fn only_messages_spend_credit_and_only_requests_are_counted() {
    let limits = Limits { credit_events: 1, ..Limits::default() };
    let mut mailbox = Mailbox::default();
    mailbox.push(Event::Connect(ANN));
    mailbox.push(Event::Error(ANN, "too large".into()));
    mailbox.push(Event::Close(ANN, CloseFrame::lost(), false));
    assert!(mailbox.has_credit(ANN, &limits));
    let (method, uri) = ("GET".into(), "http://host/".into());
    let request = Request { method, uri, headers: Vec::new(), body: Default::default(), body_waits: false };
    mailbox.push(Event::Request(RequestId(1), Box::new(request)));
    assert_eq!((mailbox.requests(), mailbox.len()), (1, 4));
    while mailbox.pop(Lane::All).is_some() {}
    assert_eq!(mailbox.requests(), 0);
}

#[test]
fn completions_pass_the_others_only_in_their_own_lane() {
    let mut mailbox = Mailbox::default();
    mailbox.push(Event::Alarm);
    mailbox.push(completed(1));
    mailbox.push(Event::Connect(ANN));
    mailbox.push(completed(2));
    assert_eq!(mailbox.peek(Lane::All), Some(&Event::Alarm));
    assert_eq!(mailbox.pop(Lane::Completions), Some(completed(1)));
    let rest: Vec<_> = std::iter::from_fn(|| mailbox.pop(Lane::All)).collect();
    assert_eq!(rest, [Event::Alarm, Event::Connect(ANN), completed(2)], "by arrival");
    assert!(!mailbox.has(Lane::All));
}

#[test]
fn forgotten_completions_leave_the_others() {
    let mut mailbox = Mailbox::default();
    mailbox.push(completed(1));
    mailbox.push(Event::Alarm);
    assert_eq!(mailbox.take_completions(), [completed(1)]);
    assert!(!mailbox.has(Lane::Completions));
    assert_eq!(mailbox.pop(Lane::All), Some(Event::Alarm));
    assert_eq!(mailbox.pop(Lane::All), None);
}

#[test]
fn only_the_last_outcome_of_an_operation_is_taken_back() {
    let mut mailbox = Mailbox::default();
    let dropped = Event::Completed(OperationId(1), Outcome::Dropped);
    for event in [completed(1), Event::Alarm, dropped, completed(2)] {
        mailbox.push(event);
    }
    assert_eq!(mailbox.take_completion_back(OperationId(3)), None);
    assert_eq!(mailbox.len(), 4, "nothing has come of it");
    assert_eq!(mailbox.take_completion_back(OperationId(1)), Some(Outcome::Dropped));
    let rest: Vec<_> = std::iter::from_fn(|| mailbox.pop(Lane::All)).collect();
    assert_eq!(rest, [completed(1), Event::Alarm, completed(2)]);
}

#[test]
fn what_clients_wait_for_is_taken_out_and_their_credit_given_back() {
    let limits = Limits { credit_events: 1, ..Limits::default() };
    let mut mailbox = Mailbox::default();
    for event in [Event::Alarm, message(ANN, 3), completed(1), Event::Connect(BEN)] {
        mailbox.push(event);
    }
    assert!(mailbox.any(Lane::All, is_from_client) && !mailbox.has_credit(ANN, &limits));
    assert_eq!(mailbox.take_from_clients(), [message(ANN, 3), Event::Connect(BEN)]);
    assert!(!mailbox.any(Lane::All, is_from_client) && mailbox.has_credit(ANN, &limits));
    let rest: Vec<_> = std::iter::from_fn(|| mailbox.pop(Lane::All)).collect();
    assert_eq!(rest, [Event::Alarm, completed(1)]);
}

fn chunk(stream: StreamId, bytes: usize) -> Event {
    Event::Stream(stream, StreamEvent::Chunk(vec![7; bytes].into()))
}

#[test]
fn each_stream_has_credit_of_its_own_and_no_connection_of_its_number_spends_it() {
    let limits = Limits { credit_events: 2, credit_bytes: 100, ..Limits::default() };
    let (one, other) = (StreamId(ANN.0), StreamId(BEN.0));
    let mut mailbox = Mailbox::default();
    mailbox.push(chunk(one, 100));
    assert!(!mailbox.has_credit(one, &limits), "100 bytes of 100");
    assert!(mailbox.has_credit(other, &limits) && mailbox.has_credit(ANN, &limits));
    mailbox.push(Event::Drain(other, 1_000));
    mailbox.push(Event::Completed(other.operation(), Outcome::Connected));
    assert!(mailbox.has_credit(other, &limits), "neither is read from anybody");
    mailbox.push(Event::Stream(other, StreamEvent::Message(Message::text("a"))));
    mailbox.push(Event::Stream(other, StreamEvent::End));
    assert!(!mailbox.has_credit(other, &limits), "two events of two");
    assert_eq!(mailbox.pop(Lane::Completions), Some(chunk(one, 100)));
    assert!(mailbox.has_credit(one, &limits));
    while mailbox.pop(Lane::Completions).is_some() {}
    assert!(mailbox.has_credit(other, &limits) && mailbox.is_empty());
}

#[test]
fn what_is_put_back_comes_before_everything_and_spends_credit_again() {
    let limits = Limits { credit_events: 1, ..Limits::default() };
    let one = StreamId(7);
    let mut mailbox = Mailbox::default();
    mailbox.push(Event::Alarm);
    for bytes in [1, 2] {
        mailbox.push(chunk(one, bytes));
    }
    let completed = Event::Completed(one.operation(), Outcome::Connected);
    mailbox.put_back(completed.clone());
    assert_eq!(mailbox.pop(Lane::All), Some(completed));
    assert_eq!(mailbox.pop(Lane::Completions), Some(chunk(one, 1)));
    mailbox.put_back(chunk(one, 1));
    assert_eq!(mailbox.peek(Lane::All), Some(&chunk(one, 1)), "before what came first");
    let rest: Vec<_> = std::iter::from_fn(|| mailbox.pop(Lane::All)).collect();
    assert_eq!(rest, [chunk(one, 1), Event::Alarm, chunk(one, 2)]);
    assert!(mailbox.has_credit(one, &limits));
}

#[test]
fn what_streams_have_brought_is_taken_out_and_its_credit_given_back() {
    let limits = Limits { credit_events: 1, ..Limits::default() };
    let one = StreamId(7);
    let mut mailbox = Mailbox::default();
    for event in [chunk(one, 3), Event::Alarm, Event::Drain(one, 9)] {
        mailbox.push(event);
    }
    assert!(!mailbox.has_credit(one, &limits));
    assert_eq!(mailbox.take_completions(), [chunk(one, 3), Event::Drain(one, 9)]);
    assert!(mailbox.has_credit(one, &limits) && mailbox.has(Lane::All) && !mailbox.has(Lane::Completions));
}
