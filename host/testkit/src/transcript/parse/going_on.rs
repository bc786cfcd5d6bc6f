//! A room that goes on as the one that it was, and who is there.

use std::path::PathBuf;

use party_core::ids::{ConnectionId, EventId, ID_MAX, NextIds, OperationId, RequestId};

use crate::transcript::parse::{Named, Parser, Read, number, shown, word};
use crate::transcript::step::{Action, Continue};

/// How the lines below are written.
const FORM: &str =
    "below it stands: > CLIENT session ID, > NAME request ID, or > next CONNECTION REQUEST OPERATION EVENT";

impl Parser<'_> {
    /// `FILE [ROOM]`, and who is there below.
    pub(super) fn continues(&mut self, text: &str) -> Read<Action> {
        let (file, to) = word(text);
        if file.is_empty() {
            return Err("it is written as: continue FILE [ROOM]".into());
        }
        let mut continues = Continue {
            file: PathBuf::from(file),
            room: self.room_or_own(to)?,
            clients: Default::default(),
            requests: Default::default(),
            next: None,
        };
        for (_, line) in self.below(&['>']) {
            let (name, rest) = word(line);
            let (what, id) = word(rest);
            let is_new = match what {
                "session" => {
                    self.name(name, Named::Client)?;
                    let is_new = !continues.clients.values().any(|other| other == name);
                    is_new & continues.clients.insert(ConnectionId(read_id(id)?), name.to_owned()).is_none()
                }
                "request" => {
                    self.name(name, Named::Request)?;
                    let is_new = !continues.requests.values().any(|other| other == name);
                    is_new & continues.requests.insert(RequestId(read_id(id)?), name.to_owned()).is_none()
                }
                _ if name == "next" => continues.next.replace(next(rest)?).is_none(),
                _ => return Err(format!("{} is not known: {FORM}", shown(line))),
            };
            if !is_new {
                return Err(format!("{}: that was said before", shown(line)));
            }
        }
        if continues.next.is_none() && !(continues.clients.is_empty() && continues.requests.is_empty()) {
            return Err("whoever is there needs a line: > next CONNECTION REQUEST OPERATION EVENT".into());
        }
        Ok(Action::Continue(Box::new(continues)))
    }
}

fn next(text: &str) -> Read<NextIds> {
    let ids = text.split_whitespace().map(read_id).collect::<Read<Vec<u64>>>()?;
    let [connection, request, operation, event] = ids[..] else {
        return Err(format!("it has {} ids: {FORM}", ids.len()));
    };
    Ok(NextIds {
        connection: ConnectionId(connection),
        request: RequestId(request),
        operation: OperationId(operation),
        event: EventId(event),
    })
}

fn read_id(text: &str) -> Read<u64> {
    number(text, "an id", 1, ID_MAX - 1)
}
