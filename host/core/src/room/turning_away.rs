//! Turning away who waits: the room finds no place to run in, and whoever wants something of it is told so instead of
//! waiting for ever.
//!
//! Only what has had no turn is touched. So nothing of the room changes: it sleeps on as its checkpoint says, or has not
//! begun. What nobody is waiting to be told of (closes, completions, the alarm) stays for the day when there is a place.

use std::collections::BTreeSet;

use crate::event::{Event, Output};
use crate::http::Response;
use crate::mailbox::{Lane, is_from_client};
use crate::message::CloseFrame;
use crate::profile::CLOSE_TRY_LATER;
use crate::room::Room;

impl Room {
    /// Whether a client waits for the room: a request, a client that wants to connect, a message.
    pub fn has_clients_waiting(&self) -> bool {
        !self.arriving.is_empty()
            || self.mailbox.any(Lane::All, |event| is_from_client(event) && !self.is_call(event))
    }

    /// Whether it is a call of a durable room, which has its own deadline.
    fn is_call(&self, event: &Event) -> bool {
        matches!(event, Event::Request(request, _) if self.calling.contains_key(request))
    }

    /// Answers every request that waits for its turn with 503, turns every client away that waits to connect (503, or 1013
    /// if it has its 101 already), and closes every connection whose messages wait with 1013: what they have sent is not
    /// heard. How many were told. Also while the room sleeps.
    pub fn turn_waiting_away(&mut self, reason: &str) -> usize {
        let frame = CloseFrame::new(CLOSE_TRY_LATER, reason.lines().next().unwrap_or_default());
        let (mut outputs, mut senders) = (Vec::new(), BTreeSet::new());
        for event in self.mailbox.take_from_clients() {
            match event {
                // It may have been heard before, so no answer of the host's must be the last word. It has a deadline.
                _ if self.is_call(&event) => self.mailbox.push(event),
                Event::Request(request, _) => {
                    outputs.push(Output::Respond(request, Response::text(503, reason.to_owned())));
                }
                Event::Connect(connection) => {
                    let Some(arriving) = self.arriving.remove(&connection) else { continue };
                    self.drop_accept_deadline(arriving.connection.opened_at, connection);
                    outputs.push(match arriving.upgraded {
                        true => Output::Close(connection, Some(frame.clone())),
                        false => Output::Reject(connection, Response::text(503, reason.to_owned())),
                    });
                }
                Event::Message(connection, _) => {
                    senders.insert(connection);
                }
                Event::Start(_)
                | Event::Resume(_)
                | Event::Close(..)
                | Event::Error(..)
                | Event::ResponseClosed(_)
                | Event::Alarm
                | Event::Stream(..)
                | Event::Drain(..)
                | Event::Completed(..) => {}
            }
        }
        outputs.extend(senders.into_iter().map(|sender| Output::Close(sender, Some(frame.clone()))));
        let told = outputs.len();
        outputs.into_iter().for_each(|output| self.output(output));
        told
    }
}
