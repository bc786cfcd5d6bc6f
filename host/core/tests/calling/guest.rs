//! The two guests. The caller calls with a token of its own each time it is asked to, and keeps what came of it; the callee
//! keeps which tokens it has heard and answers with them, at once or later. Both are the same code: what is in memory depends
//! on nothing but what they were told.

use std::collections::BTreeMap;

use bytes::Bytes;
use party_core::event::{DropCause, Event, Outcome, TurnEnd};
use party_core::http::{Request, Response};
use party_core::ids::{EventId, OperationId, RequestId};
use party_core::turn::Turn;

use crate::random::Random;

/// What a guest remembers.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Memory {
    /// The tokens of the calls that it has made, by operation; until the outcome.
    pub(crate) waits: BTreeMap<u64, u64>,
    /// What came of each, in order.
    pub(crate) outcomes: Vec<(u64, Came)>,
    /// The tokens that it has heard.
    pub(crate) heard: Vec<u64>,
    /// Requests that it answers when a sleep is over: the sleep, the request, the event and the token.
    later: BTreeMap<u64, (u64, u64, u64)>,
}

/// What came of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Came {
    /// A status, and the token of the answer.
    Answer(u16, u64),
    Interrupted,
    Timeout,
    Dropped,
}

impl Memory {
    pub(crate) fn image(&self) -> Bytes {
        let mut words = vec![self.waits.len() as u64];
        words.extend(self.waits.iter().flat_map(|(id, token)| [*id, *token]));
        words.push(self.outcomes.len() as u64);
        words.extend(self.outcomes.iter().flat_map(|(token, came)| {
            let (kind, status, of) = match came {
                Came::Answer(status, of) => (0, u64::from(*status), *of),
                Came::Interrupted => (1, 0, 0),
                Came::Timeout => (2, 0, 0),
                Came::Dropped => (3, 0, 0),
            };
            [*token, kind, status, of]
        }));
        words.push(self.heard.len() as u64);
        words.extend(&self.heard);
        words.push(self.later.len() as u64);
        words.extend(self.later.iter().flat_map(|(sleep, (a, b, c))| [*sleep, *a, *b, *c]));
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    pub(crate) fn of_image(image: &[u8]) -> Memory {
        let mut words = image.chunks(8).map(|word| u64::from_le_bytes(word.try_into().expect("eight bytes")));
        let mut next = || words.next().expect("an image is whole");
        let mut memory = Memory::default();
        for _ in 0..next() {
            memory.waits.insert(next(), next());
        }
        for _ in 0..next() {
            let (token, kind, status, of) = (next(), next(), next(), next());
            let came = match kind {
                0 => Came::Answer(status as u16, of),
                1 => Came::Interrupted,
                2 => Came::Timeout,
                _ => Came::Dropped,
            };
            memory.outcomes.push((token, came));
        }
        for _ in 0..next() {
            memory.heard.push(next());
        }
        for _ in 0..next() {
            memory.later.insert(next(), (next(), next(), next()));
        }
        memory
    }
}

/// Takes a turn. Afterwards `memory` is as the guest leaves it, whether it returns or traps.
pub(crate) fn run(memory: &mut Memory, turn: &mut Turn) -> TurnEnd {
    let mut chance = Random::new(u64::from_le_bytes(turn.seed().0[..8].try_into().expect("eight bytes")));
    let (mut end, mut may_trap) = (TurnEnd::Done, true);
    match turn.take_event() {
        Event::Request(id, request) => {
            let token = token_of(&request.body);
            if request.method == "CALL" {
                call(memory, turn, token);
                turn.respond(id, text(200, token)).expect("it waits");
            } else {
                end = hear(memory, turn, &mut chance, id, token);
            }
        }
        Event::Completed(OperationId(id), outcome) => {
            if let Some((request, event, token)) = memory.later.remove(&id) {
                // It may have been overdue.
                let _ = turn.respond(RequestId(request), text(200, token));
                let _ = turn.settle(EventId(event), Ok(()));
            } else if let Some(token) = memory.waits.remove(&id) {
                let came = match outcome {
                    Outcome::Response(answer) => Came::Answer(answer.status, token_of(&answer.body)),
                    Outcome::Interrupted => Came::Interrupted,
                    Outcome::Dropped => Came::Dropped,
                    Outcome::Failed(_) => Came::Timeout,
                    Outcome::Slept
                    | Outcome::Rooms(_)
                    | Outcome::Asset(_)
                    | Outcome::Streamed(_)
                    | Outcome::Connected => {
                        panic!("a call ends otherwise: {outcome:?}")
                    }
                };
                memory.outcomes.push((token, came));
                // There is nobody left to tell, if this turn is dropped too.
                may_trap = came != Came::Dropped;
            }
        }
        Event::Start(_) | Event::Resume(_) | Event::ResponseClosed(_) => {}
        event => panic!("nobody sends {}", event.name()),
    }
    if may_trap && chance.percent(6) { TurnEnd::Dropped(DropCause::Trap("by chance".into())) } else { end }
}

fn call(memory: &mut Memory, turn: &mut Turn, token: u64) {
    let body = Bytes::copy_from_slice(&token.to_le_bytes());
    let request =
        Request { method: "HEAR".into(), uri: String::new(), headers: Vec::new(), body, body_waits: false };
    if let Ok(OperationId(id)) = turn.call("party".into(), "callee".into(), request) {
        memory.waits.insert(id, token);
    }
}

/// Keeps the token in memory, and how often it was heard in storage.
fn hear(memory: &mut Memory, turn: &mut Turn, chance: &mut Random, id: RequestId, token: u64) -> TurnEnd {
    memory.heard.push(token);
    let key = Bytes::copy_from_slice(&token.to_be_bytes());
    let before = turn.get(&key).expect("the disk can be read").map_or(0, |count| count[0]);
    turn.put(key, Bytes::copy_from_slice(&[before + 1])).expect("there is room");
    match chance.below(10) {
        0..5 => {
            turn.respond(id, text(200, token)).expect("it waits");
            TurnEnd::Done
        }
        5 => TurnEnd::Pending,
        _ => {
            let ms = [0, 10, 1_000, 40_000][chance.below(4) as usize];
            let Ok(OperationId(sleep)) = turn.sleep(ms) else { return TurnEnd::Done };
            memory.later.insert(sleep, (id.0, turn.event_id().0, token));
            TurnEnd::Pending
        }
    }
}

fn text(status: u16, token: u64) -> Response {
    Response { status, headers: Vec::new(), body: Bytes::copy_from_slice(&token.to_le_bytes()) }
}

/// The token of a body; 0 of one that the host has written.
pub(crate) fn token_of(body: &[u8]) -> u64 {
    body.try_into().map_or(0, u64::from_le_bytes)
}
