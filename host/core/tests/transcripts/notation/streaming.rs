//! What the other side of a stream does, as a transcript says it. A stream has the name that the guest has opened it by:
//!
//! ```text
//! answer o streams 200       the head of what o has fetched has come    answer o connected    the socket o is open
//! stream o chunk ab          stream o message hi      stream o end      stream o closed 1000 bye    stream o error why
//! stream w taken 5           so many bytes of what was written to w have been taken
//! going on r                 the room goes on in another host in which request r still waits
//! ```

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use party_core::checkpoint::Checkpoint;
use party_core::ids::NextIds;
use party_core::message::Message;
use party_core::room::{Here, Room};
use party_core::stream::StreamEvent;

use super::{Stage, close_frame};

impl Stage {
    /// `o chunk ab`
    pub(super) fn stream(&mut self, step: &str) {
        let (name, deed) = step.split_once(' ').expect("a stream and what it brings");
        let (verb, rest) = deed.split_once(' ').unwrap_or((deed, ""));
        let id = self.names.stream(name);
        let what = match verb {
            "chunk" => StreamEvent::Chunk(Bytes::copy_from_slice(rest.as_bytes())),
            "message" => StreamEvent::Message(Message::text(rest)),
            "end" => StreamEvent::End,
            "closed" => StreamEvent::Closed(close_frame(rest).expect("a code")),
            "error" => StreamEvent::Error(rest.into()),
            "taken" => return self.room().stream_taken(id, rest.parse().expect("bytes")),
            _ => panic!("unknown step: stream {step}"),
        };
        self.room().stream_event(id, what);
    }

    /// `on r`
    pub(super) fn going_on(&mut self, step: &str) {
        let requests = step.split_whitespace().skip(1).map(|name| self.names.requests[name]);
        let requests: BTreeSet<_> = requests.collect();
        self.commits.clear();
        let (record, checkpoint) = {
            let durable = self.disk.durable();
            (durable.record, durable.checkpoint.clone())
        };
        let checkpoint = Checkpoint::decode(&checkpoint.expect("it was saved")).expect("it was encoded");
        let NextIds { connection, request, operation, event } = checkpoint.next_ids_min();
        let here = Here {
            clients: BTreeSet::new(),
            requests,
            next: NextIds { connection, request, operation, event },
        };
        if let Err(error) = here.check(&checkpoint) {
            return self.show(format!("error: {error}"));
        }
        let config = Arc::clone(self.room().config());
        let record = record.expect("it has one");
        self.room = Some(Room::going_on(config, record, checkpoint, &here));
    }
}
