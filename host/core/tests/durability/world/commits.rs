//! The store's side: what the room has decided is carried out, commits are written, reported, lost. Whatever leaves the room
//! must belong to a turn that is durable.

use std::collections::VecDeque;

use bytes::Bytes;
use party_core::commit::RoomCommit;
use party_core::event::Output;
use party_core::ids::CommitSeq;
use party_core::room::{Action, Report};

use crate::guest::tag_of;
use crate::world::World;

/// Commits between the room and its knowledge of their end.
#[derive(Default)]
pub(crate) struct Flight {
    /// On their way to the disk.
    pub(crate) asked: VecDeque<RoomCommit>,
    /// On the disk; the room has not been told.
    pub(crate) written: VecDeque<CommitSeq>,
    /// One has failed: none is written any more, and the room is told when it is home.
    pub(crate) has_failed: bool,
}

impl Flight {
    pub(crate) fn is_empty(&self) -> bool {
        self.asked.is_empty() && self.written.is_empty()
    }
}

impl World {
    /// Carries out what the room has decided, in order.
    pub(crate) fn carry_out(&mut self) {
        self.collect();
        while let Some(action) = self.undone.pop_front() {
            match action {
                Action::Commit(commit) if !self.flight.has_failed => self.flight.asked.push_back(commit),
                Action::Commit(_) | Action::DropInstance => {}
                Action::Output(output) => self.see(&output),
                Action::Report(Report::Suspended { .. }) => self.tally.meet("suspended", "room"),
                Action::Report(_) => {}
            }
        }
    }

    /// Something leaves the room.
    fn see(&mut self, output: &Output) {
        let said: &Bytes = match output {
            Output::Open(..)
            | Output::ReadBody(..)
            | Output::Write(..)
            | Output::Finish(_)
            | Output::BreakOff(_)
            | Output::SendOn(..)
            | Output::CloseOn(..) => panic!("the room has no streams: {output:?}"),
            Output::Interrupted(id) => panic!("nobody has called, and request {id} is answered so"),
            Output::Accept(id) => {
                if let Some(client) = self.client(*id) {
                    assert!(!client.is_answered, "the handshake of {id} is answered twice");
                    client.is_answered = true;
                }
                return;
            }
            Output::Read(id) => {
                if let Some(client) = self.client(*id) {
                    client.is_read = true;
                }
                return;
            }
            Output::Reject(id, response) => {
                if let Some(client) = self.client(*id) {
                    assert!(!client.is_answered, "the handshake of {id} is answered twice");
                    client.is_answered = true;
                }
                &response.body
            }
            Output::Close(_, frame) => {
                &frame.as_ref().map(|frame| Bytes::from(frame.reason.clone())).unwrap_or_default()
            }
            Output::Send(_, message) | Output::Broadcast(_, message) => message.payload(),
            Output::Begin(..) | Output::Forget(_) => return self.see_work(output),
            Output::Respond(id, response) => {
                if self.owed_500.remove(id) {
                    assert_eq!(response.status, 500, "the answer to {id}, whose turn was dropped");
                }
                self.requests.insert(*id, true);
                assert!(self.answered.insert(*id), "request {id} is answered twice");
                &response.body
            }
            Output::AutoResponse(pair) => {
                &pair.as_ref().map(|pair| pair.response.as_bytes().clone()).unwrap_or_default()
            }
        };
        let Some(tag) = tag_of(said) else { return };
        let seq = *self.tags.get(&tag).unwrap_or_else(|| panic!("{output:?} is of a turn that was dropped"));
        let durable = self.disk.durable().seq();
        assert!(seq <= durable, "{output:?} leaves at {durable}, before its turn's commit {seq}");
        self.tally.meet("gate", "an answer has left");
    }

    /// The oldest commit reaches the disk.
    pub(crate) fn write(&mut self) {
        let Some(commit) = self.flight.asked.pop_front() else { return };
        self.log.say(|| format!("commit {} is durable", commit.record.seq));
        self.disk.write(&commit).expect("commits come in order");
        self.flight.written.push_back(commit.record.seq);
    }

    /// The room hears of the oldest commit that has reached the disk.
    pub(crate) fn report(&mut self) {
        let Some(seq) = self.flight.written.pop_front() else { return };
        self.log.say(|| format!("committed {seq}"));
        self.room.committed(seq);
        self.collect();
    }

    pub(crate) fn write_or_report(&mut self) {
        if !self.flight.written.is_empty() && self.random.percent(70) {
            return self.report();
        }
        self.write();
        if self.random.percent(60) {
            self.report();
        }
    }

    /// Every commit becomes durable and the room hears of it.
    pub(crate) fn write_and_report_all(&mut self) {
        self.carry_out();
        while !self.flight.is_empty() {
            self.write();
            self.report();
            self.carry_out();
        }
    }

    /// The oldest commit fails. Whether it is on the disk all the same is anybody's guess; later ones are not.
    pub(crate) fn fail_commit(&mut self) {
        if self.flight.asked.is_empty() {
            return;
        }
        self.log.say(|| "a commit fails".into());
        self.tally.meet("failed", "a commit");
        if self.random.percent(30) {
            self.write();
            self.flight.written.pop_back();
        }
        self.flight.asked.clear();
        self.flight.has_failed = true;
        self.end_turn();
        while !self.flight.written.is_empty() {
            self.report();
        }
        // Answers that were held back are replaced by the failure's.
        self.owed_500.clear();
        self.room.commit_failed();
        self.carry_out();
        self.begin_again();
    }

    /// The process ends. Some of what was on its way may have reached the disk.
    pub(crate) fn crash(&mut self) {
        let asked = self.flight.asked.len() as u64;
        let reached = self.random.below(asked + 1);
        self.tally.meet(
            "crash",
            match (reached, asked - reached) {
                (0, _) => "before any commit",
                (_, 0) => "after all commits",
                (_, _) => "between two commits",
            },
        );
        self.log.say(|| format!("crash; {reached} commits reach the disk"));
        for _ in 0..reached {
            self.write();
        }
        self.begin_again();
    }
}
