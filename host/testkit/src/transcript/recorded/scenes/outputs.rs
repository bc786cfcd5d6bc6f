//! What went out: each output is expected after the step that it belongs to.

use party_core::event::Output;
use party_core::http::Response;
use party_core::ids::{ConnectionId, RequestId};
use party_core::message::Message;

use crate::transcript::recorded::lines;
use crate::transcript::recorded::scenes::scene::Place;
use crate::transcript::recorded::scenes::{Asked, Client, Scenes, State};
use crate::transcript::template::is_name;

/// What clients call themselves is their name in the transcript if it is not longer than this.
const NAME_CHARS_MAX: usize = 16;

impl Scenes {
    pub(super) fn here(&self) -> Place {
        self.scenes.len().checked_sub(1).map_or(Place::Before, Place::Scene)
    }

    pub(super) fn outputs(&mut self, outputs: Vec<Output>, place: Place) {
        for output in outputs {
            match output {
                Output::Accept(id) => self.let_in(id),
                Output::Reject(id, response) => {
                    if let Some(client) = self.clients.get_mut(&id) {
                        client.state = State::Gone;
                        let line = format!("< {} refused {}", client.name, lines::response(&response, true));
                        self.expect(place, line);
                    }
                }
                Output::Send(id, message) => self.sent(place, id, &lines::message(&message)),
                Output::Broadcast(ids, message) => self.sent_to_all(place, &ids, &message),
                Output::Close(id, frame) => {
                    self.sent(place, id, &lines::close(frame.as_ref()));
                    let scene = self.scenes.len().saturating_sub(1);
                    let client = self.clients.get_mut(&id);
                    match client.map(|client| &mut client.state) {
                        Some(State::Connecting(_, is_closed)) => *is_closed = true,
                        Some(open @ State::Open) => *open = State::Closed(scene),
                        Some(State::Closed(_) | State::Gone) | None => {}
                    }
                }
                Output::Open(id, stream, head) => _ = self.answers.insert(stream, (id, head, Vec::new())),
                Output::Write(stream, bytes) => {
                    if let Some((_, _, body)) = self.answers.get_mut(&stream) {
                        body.extend_from_slice(&bytes);
                    }
                }
                Output::Finish(stream) => {
                    let Some((id, head, body)) = self.answers.remove(&stream) else { continue };
                    self.answered(id, &Response { body: body.into(), ..head }, place);
                }
                Output::BreakOff(stream) => {
                    if self.answers.remove(&stream).is_some() {
                        self.comment("not repeated: an answer that breaks off here");
                    }
                }
                Output::Respond(id, response) => self.answered(id, &response, place),
                Output::ReadBody(..) => {
                    self.comment("not repeated: the body of a request that arrives in pieces")
                }
                Output::Begin(id, work, _) => self.begins(id, &work, place),
                // What else is done for the room is done again, and what came of it is noted when it comes.
                Output::Read(_)
                | Output::AutoResponse(_)
                | Output::SendOn(..)
                | Output::CloseOn(..)
                | Output::Forget(_)
                | Output::Interrupted(_) => {}
            }
        }
    }

    fn answered(&mut self, id: RequestId, response: &Response, place: Place) {
        let Some(Asked { name, scene, is_of_scene }) = self.requests.remove(&id) else { return };
        let is_head = self.scenes[scene].lines.first().is_some_and(|line| line.starts_with("HEAD "));
        let written = lines::response(response, !is_head);
        if is_of_scene && scene + 1 == self.scenes.len() {
            self.count(&written);
            self.scenes[scene].answer = Some(written);
        } else {
            self.expect(place, format!("< {name} {written}"));
        }
    }

    /// A client is let in: what it was sent before reaches it now.
    pub(super) fn let_in(&mut self, id: ConnectionId) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let State::Connecting(held, is_closed) = &mut client.state else { return };
        let (held, is_closed) = (std::mem::take(held), *is_closed);
        let scene = self.scenes.len().saturating_sub(1);
        client.state = if is_closed { State::Closed(scene) } else { State::Open };
        let place = self.here();
        held.into_iter().for_each(|line| self.expect(place, line));
    }

    fn sent_to_all(&mut self, place: Place, ids: &[ConnectionId], message: &Message) {
        let written = lines::message(message);
        ids.iter().for_each(|id| self.sent(place, *id, &written));
    }

    fn sent(&mut self, place: Place, id: ConnectionId, written: &str) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let line = format!("< {} {written}", client.name);
        match &mut client.state {
            State::Connecting(held, is_closed) if !*is_closed => held.push(line),
            State::Open => self.expect(place, line),
            State::Connecting(..) | State::Closed(_) | State::Gone => {}
        }
    }

    /// A name for a client that has not been let in yet: what it calls itself, unless somebody has that name who is still
    /// there.
    pub(super) fn name(&mut self, id: ConnectionId, key: &str) -> String {
        let is_gone = |client: &Client| matches!(client.state, State::Gone | State::Closed(_));
        let is_free = match self.names.get(key) {
            None => true,
            Some(None) => false,
            Some(Some(other)) => self.clients.get(other).is_none_or(is_gone),
        };
        if is_name(key) && key.len() <= NAME_CHARS_MAX && is_free {
            self.names.insert(key.to_owned(), Some(id));
            return key.to_owned();
        }
        loop {
            let name = format!("c{}", self.next_client);
            self.next_client += 1;
            if !self.names.contains_key(&name) {
                self.names.insert(name.clone(), Some(id));
                return name;
            }
        }
    }

    /// A name for a request.
    pub(super) fn name_request(&mut self) -> String {
        loop {
            let name = format!("r{}", self.next_request);
            self.next_request += 1;
            if !self.names.contains_key(&name) {
                self.names.insert(name.clone(), None);
                return name;
            }
        }
    }

    pub(super) fn open(&self, id: ConnectionId) -> Option<&str> {
        let client = self.clients.get(&id)?;
        matches!(client.state, State::Open).then_some(client.name.as_str())
    }
}
