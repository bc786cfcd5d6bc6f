//! Streams between two turns: what they bring, what is taken of what was written, and their end.

use crate::event::{Event, Outcome, Output};
use crate::ids::{OperationId, StreamId, Timestamp};
use crate::planted::{self, PlantedBug};
use crate::room::{Here, Room, RoomState, Service};
use crate::stream::{Stream, StreamEvent};
use crate::turn::{Changes, Subject};

/// What a room is told of a stream that has not survived its host.
const INTERRUPTED: &str = "interrupted: the host was restarted";

impl Room {
    /// Whether more may be read of a stream: not while as much waits for its turn as may, nor while the guest is still busy with what
    /// it brought before, which it says by leaving that event pending.
    pub fn stream_has_credit(&self, id: StreamId) -> bool {
        let is_busy = |state: &RoomState| state.pending.is_about(Subject::Stream(id));
        let is_busy = self.state.as_deref().is_some_and(is_busy);
        self.mailbox.has_credit(id, &self.config.limits) && !is_busy
    }

    /// A stream brings something, within its credit. Nothing if the room does not know it any more. Also while a turn is out.
    pub fn stream_event(&mut self, id: StreamId, what: StreamEvent) {
        let is_known = self.state.as_ref().is_none_or(|state| {
            // Its operation is open until the turn that hears of its beginning.
            state.streams.get(id).is_some() || state.operations.contains(id.operation())
        });
        if self.service == Service::Open && is_known {
            self.mailbox.push(Event::Stream(id, what));
        }
    }

    /// The other side of a stream has taken so many bytes of what was written. The guest hears of it when that makes half of
    /// what it may write at a time. Also while a turn is out.
    pub fn stream_taken(&mut self, id: StreamId, bytes: u64) {
        let is_known = self.state.as_ref().is_none_or(|state| state.streams.get(id).is_some());
        if self.service != Service::Open || !is_known {
            return;
        }
        let taken = self.stream_bytes_taken.entry(id).or_default();
        *taken += bytes;
        if *taken >= u64::from(self.config.limits.stream_credit_bytes) / 2 {
            let taken = std::mem::take(taken);
            self.stream_bytes_taken.remove(&id);
            self.mailbox.push(Event::Drain(id, taken));
        }
    }

    /// There are no such operations and streams any more as those that the mailbox tells of. Whoever has just opened one for
    /// the room is told so.
    pub(super) fn forget_completions(&mut self) {
        for event in self.mailbox.take_completions() {
            if let Event::Completed(id, outcome) = event
                && outcome.begins_a_stream()
                && !planted::is(PlantedBug::NewStreamOutlivesItsLife)
            {
                self.output(Output::Forget(id));
            }
        }
    }

    /// An operation has ended as a stream, which the room takes in or will not hear of.
    pub(super) fn admit_stream(&mut self, id: OperationId, outcome: &Outcome, was_open: bool) {
        let credit = i64::from(self.config.limits.stream_credit_bytes);
        let stream = match outcome {
            Outcome::Streamed(_) => Stream::Body,
            Outcome::Connected => Stream::Socket { credit, is_closing: false },
            Outcome::Slept
            | Outcome::Interrupted
            | Outcome::Dropped
            | Outcome::Rooms(_)
            | Outcome::Asset(_)
            | Outcome::Response(_)
            | Outcome::Failed(_) => return,
        };
        match was_open {
            true => self.home().streams.insert(id.stream(), stream),
            false => self.output(Output::Forget(id)),
        }
    }

    /// A stream brings something to its turn. Whether it is one that the room still knows.
    pub(super) fn admit_stream_event(&mut self, id: StreamId, what: &StreamEvent, now: Timestamp) -> bool {
        self.give_upload_time(id, now);
        let streams = &mut self.home().streams;
        let is_known = match streams.get(id) {
            Some(Stream::Body | Stream::Upload { .. } | Stream::Socket { .. }) => true,
            Some(Stream::Answer { .. }) | None => false,
        };
        if is_known && what.is_last() {
            streams.remove(id);
            self.stream_bytes_taken.remove(&id);
        }
        is_known
    }

    /// A request whose body comes on has not been waiting for its answer since it came.
    fn give_upload_time(&mut self, id: StreamId, now: Timestamp) {
        let state = self.home();
        if let Some(Stream::Upload { request }) = state.streams.get(id).copied() {
            state.pending.begin_again(Subject::Request(request), now);
        }
    }

    /// More may be written.
    pub(super) fn admit_drain(&mut self, id: StreamId, bytes: u64) -> bool {
        let Some(credit) = self.home().streams.get_mut(id).and_then(Stream::credit_mut) else { return false };
        *credit = credit.saturating_add_unsigned(bytes);
        true
    }

    /// What a turn has done to streams.
    pub(super) fn apply_streams(&mut self, changes: &Changes) {
        let streams = &mut self.home().streams;
        for (id, change) in &changes.streams {
            if let Some(opened) = change.opened {
                streams.insert(*id, opened);
            }
            if change.ended {
                streams.remove(*id);
                continue;
            }
            let Some(stream) = streams.get_mut(*id) else { continue };
            if let Some(credit) = stream.credit_mut().filter(|_| !planted::is(PlantedBug::CreditNotSpent)) {
                *credit -= change.spent;
            }
            if let Stream::Socket { is_closing, .. } = stream {
                *is_closing |= change.closed;
            }
        }
        if self.stream_bytes_taken.len() > self.home().streams.len() {
            let state = self.state.as_ref().expect("the state is home between turns");
            self.stream_bytes_taken.retain(|id, _| state.streams.get(*id).is_some());
        }
    }

    /// What two versions of the guest have ended together is over, before the rest breaks off.
    pub(super) fn end_streams(&mut self, changes: &Changes) {
        let streams = &mut self.home().streams;
        for (id, _) in changes.streams.iter().filter(|(_, change)| change.ended) {
            streams.remove(*id);
        }
    }

    /// Whoever knew of the streams is gone: they break off.
    pub(super) fn break_streams_off(&mut self) {
        self.stream_bytes_taken.clear();
        for (id, stream) in self.home().streams.take_all() {
            if planted::is(PlantedBug::StreamOutlivesItsLife) || planted::is(PlantedBug::LifeForgetsNothing) {
                continue;
            }
            self.output(match stream {
                Stream::Answer { .. } => Output::BreakOff(id),
                Stream::Body | Stream::Upload { .. } | Stream::Socket { .. } => {
                    Output::Forget(id.operation())
                }
            });
        }
    }

    /// The room's time to wait for what comes is over: what still arrives breaks off, and the guest hears so.
    pub(super) fn interrupt_streams(&mut self) {
        let arriving = |(id, stream): (StreamId, &Stream)| match stream {
            Stream::Body | Stream::Upload { .. } | Stream::Socket { .. } => Some(id),
            Stream::Answer { .. } => None,
        };
        let ids: Vec<StreamId> = self.home().streams.all().filter_map(arriving).collect();
        for id in ids {
            self.output(Output::Forget(id.operation()));
            let why = StreamEvent::Error("interrupted: another version of the party takes over".into());
            self.mailbox.push(Event::Stream(id, why));
        }
    }

    /// The room goes on in another process: first of all it hears which of its streams are gone. Those are all.
    pub(super) fn say_which_streams_are_gone(&mut self, here: Option<&Here>) {
        if planted::is(PlantedBug::StreamsOutliveTheirHost) {
            return;
        }
        let streams: Vec<(StreamId, Stream)> =
            self.home().streams.all().map(|(id, stream)| (id, *stream)).collect();
        for (id, stream) in streams {
            match stream {
                Stream::Answer { request, .. } => {
                    if here.is_none_or(|here| !here.requests.contains(&request)) {
                        self.request_gone(request);
                    }
                }
                Stream::Body | Stream::Upload { .. } | Stream::Socket { .. } => {
                    self.mailbox.push(Event::Stream(id, StreamEvent::Error(INTERRUPTED.into())));
                }
            }
        }
    }
}
