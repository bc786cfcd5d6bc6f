//! From a record to bytes.

use bytes::Bytes;

use super::{FORMAT, Record, RecordedTurn, Settings, Step, Taken};
use crate::checkpoint::encode::encode_life;
use crate::codec::http::{headers, request};
use crate::codec::{Writer, calls, http, operations};
use crate::commit::KvChanges;
use crate::event::{Event, NewConnection, Outcome, ResumeReason, StartReason};
use crate::message::{CloseFrame, Message};
use crate::profile::Profile;
use crate::stream::StreamEvent;

pub(super) fn encode(record: &Record) -> Bytes {
    let mut writer = Writer::default();
    writer.byte(FORMAT);
    writer.number(record.steps.len() as u64);
    for one in &record.steps {
        step(&mut writer, one);
    }
    writer.finish()
}

fn step(writer: &mut Writer, step: &Step) {
    match step {
        Step::Life(checkpoint) => {
            writer.byte(0);
            writer.bytes(&encode_life(checkpoint));
        }
        Step::Settings(settings) => {
            writer.byte(1);
            self::settings(writer, settings);
        }
        Step::Resumed => writer.byte(2),
        Step::Time(now) => {
            writer.byte(3);
            writer.number(now.0);
        }
        Step::Unheard(taken) => {
            writer.byte(4);
            self::taken(writer, taken);
        }
        Step::Dropped(taken, is_tried_again) => {
            writer.byte(5);
            self::taken(writer, taken);
            writer.byte((*is_tried_again).into());
        }
        Step::Turn(turn) => {
            writer.byte(6);
            self::turn(writer, turn);
        }
    }
}

fn settings(writer: &mut Writer, settings: &Settings) {
    writer.number(settings.vars.len() as u64);
    for (name, value) in &settings.vars {
        writer.bytes(name.as_bytes());
        writer.bytes(value.as_bytes());
    }
    let words = settings.limits.words();
    writer.number(words.len() as u64);
    words.iter().for_each(|word| writer.number(*word));
    writer.byte(match settings.profile {
        Profile::PartyKit => 0,
        Profile::PartyServer => 1,
    });
}

fn turn(writer: &mut Writer, turn: &RecordedTurn) {
    taken(writer, &turn.taken);
    writer.number(turn.event_id.0);
    writer.number(turn.next_operation);
    writer.number(turn.storage_bytes);
    writer.raw(&turn.seed.0);
    writes(writer, &turn.writes);
    writer.raw(&turn.trace);
}

pub(super) fn writes(writer: &mut Writer, writes: &KvChanges) {
    writer.byte(writes.cleared.into());
    writer.number(writes.entries.len() as u64);
    for (key, value) in &writes.entries {
        writer.bytes(key);
        writer.option(value.as_ref(), |writer, value| writer.bytes(value));
    }
}

fn taken(writer: &mut Writer, taken: &Taken) {
    writer.number(taken.now.0);
    event(writer, &taken.event, taken.call.is_some());
    if let Some((new, upgraded)) = taken.arriving.as_deref() {
        arriving(writer, new, *upgraded);
    }
    if let Some(one) = taken.call.as_deref() {
        calls::call(writer, one);
    }
}

fn event(writer: &mut Writer, event: &Event, is_call: bool) {
    match event {
        Event::Start(reason) => {
            writer.byte(0);
            writer.byte(match reason {
                StartReason::New => 0,
                StartReason::Lost => 1,
                StartReason::FailedBefore => 2,
            });
        }
        Event::Connect(connection) => {
            writer.byte(1);
            writer.number(connection.0);
        }
        Event::Message(connection, message) => {
            writer.byte(2);
            writer.number(connection.0);
            writer.byte(matches!(message, Message::Binary(_)).into());
            writer.bytes(message.payload());
        }
        Event::Close(connection, frame, was_clean) => {
            writer.byte(3);
            writer.number(connection.0);
            close_frame(writer, frame);
            writer.byte((*was_clean).into());
        }
        Event::Error(connection, error) => {
            writer.byte(4);
            writer.number(connection.0);
            writer.bytes(error.as_bytes());
        }
        Event::Request(id, request) => {
            writer.byte(match (is_call, request.body_waits) {
                (true, _) => 10,
                (false, false) => 5,
                (false, true) => 13,
            });
            writer.number(id.0);
            self::request(writer, request);
        }
        Event::ResponseClosed(request) => {
            writer.byte(6);
            writer.number(request.0);
        }
        Event::Resume(reason) => {
            writer.byte(9);
            writer.byte(match reason {
                ResumeReason::Forked => 0,
                ResumeReason::Imported => 1,
            });
        }
        Event::Alarm => writer.byte(7),
        Event::Completed(operation, outcome) => {
            writer.byte(8);
            writer.number(operation.0);
            self::outcome(writer, outcome);
        }
        Event::Stream(stream, what) => {
            writer.byte(11);
            writer.number(stream.0);
            stream_event(writer, what);
        }
        Event::Drain(stream, bytes) => {
            writer.byte(12);
            writer.number(stream.0);
            writer.number(*bytes);
        }
    }
}

fn stream_event(writer: &mut Writer, what: &StreamEvent) {
    match what {
        StreamEvent::Chunk(bytes) => {
            writer.byte(0);
            writer.bytes(bytes);
        }
        StreamEvent::Message(message) => {
            writer.byte(if matches!(message, Message::Binary(_)) { 2 } else { 1 });
            writer.bytes(message.payload());
        }
        StreamEvent::End => writer.byte(3),
        StreamEvent::Closed(frame) => {
            writer.byte(4);
            close_frame(writer, frame);
        }
        StreamEvent::Error(text) => {
            writer.byte(5);
            writer.bytes(text.as_bytes());
        }
    }
}

fn close_frame(writer: &mut Writer, frame: &CloseFrame) {
    writer.number(frame.code.into());
    writer.bytes(frame.reason.as_bytes());
}

fn outcome(writer: &mut Writer, outcome: &Outcome) {
    match outcome {
        Outcome::Slept => writer.byte(0),
        Outcome::Interrupted => writer.byte(1),
        Outcome::Dropped => writer.byte(2),
        Outcome::Rooms(page) => {
            writer.byte(3);
            writer.number(page.rooms.len() as u64);
            page.rooms.iter().for_each(|id| writer.bytes(id.as_bytes()));
            writer.option(page.next.as_ref(), |writer, next| writer.bytes(next.as_bytes()));
        }
        Outcome::Response(response) => {
            writer.byte(5);
            http::response(writer, response);
        }
        Outcome::Streamed(head) => {
            writer.byte(8);
            http::response(writer, head);
        }
        Outcome::Connected => writer.byte(9),
        Outcome::Asset(asset) => {
            writer.byte(6);
            writer.option(asset.as_ref(), |writer, asset| http::response(writer, asset));
        }
        Outcome::Failed(error) => {
            writer.byte(4);
            operations::error(writer, error);
        }
    }
}

fn arriving(writer: &mut Writer, new: &NewConnection, upgraded: bool) {
    writer.bytes(new.key.as_bytes());
    writer.bytes(new.uri.as_bytes());
    headers(writer, &new.headers);
    writer.number(new.opened_at.0);
    writer.byte(upgraded.into());
}
