//! What a transcript asks of the room and its disk: `credit a`, `deadline`, `phase`, `quiet`, `over`, `open`, `asleep`, `auto-response`,
//! `wakes`.

use std::sync::Arc;

use party_core::address::RoomAddress;

use super::Stage;
use crate::show;

impl Stage {
    /// The room is of a socket outside of rooms.
    pub(super) fn be_unnamed(&mut self) {
        let address = RoomAddress::unnamed("project", "party", 1).expect("it is well formed");
        self.config.address = Arc::new(address);
        self.config.handlers = self.config.handlers.of_a_socket();
    }

    pub(super) fn ask(&mut self, verb: &str, rest: &str) {
        let answer = match verb {
            "asleep" => match (self.room().is_asleep(), self.room().may_be_forgotten()) {
                (false, _) => "awake".into(),
                (true, false) => "asleep".into(),
                (true, true) => "asleep, may be forgotten".into(),
            },
            "auto-response" => {
                format!("auto-response: {}", show::auto_response(self.room().auto_response()))
            }
            "credit" => {
                let has = match self.names.connections.get(rest).copied() {
                    Some(id) => self.room().has_credit(id),
                    None => {
                        let id = self.names.stream(rest);
                        self.room().stream_has_credit(id)
                    }
                };
                format!("credit {rest}: {}", if has { "yes" } else { "no" })
            }
            "deadline" => match self.room().next_deadline() {
                Some(at) => format!("deadline: {at}"),
                None => "deadline: none".into(),
            },
            "wakes" => match self.disk.durable().record.and_then(|record| record.wakes_at()) {
                Some(at) => format!("wakes: {at}"),
                None => "wakes: never".into(),
            },
            "phase" => format!("phase: {:?}", self.room().phase()),
            "over" => format!("over: {}", if self.room().is_over() { "yes" } else { "no" }),
            "quiet" => format!("quiet: {}", if self.room().is_quiet() { "yes" } else { "no" }),
            "open" => {
                let (connections, requests) = (self.room().connections(), self.room().requests());
                format!("open: {connections} connections, {requests} requests")
            }
            _ => panic!("unknown question: {verb}"),
        };
        self.show(answer);
    }
}
