//! The output gate: nothing is seen outside before what it depends on is durable.
//!
//! Turns that must persist something take the next commit number. The outputs of every turn wait behind the last
//! number that was taken before them or by them: they leave when that commit is durable, in the order of turns.
//! With nothing pending they leave at once. A commit that carries nothing but a checkpoint keeps none of them waiting:
//! whoever is told something meanwhile is told no more than without it. A failed commit drops everything that waits, because all of it was
//! decided on a state that is not to be.

use std::collections::VecDeque;

use crate::emptied::Emptied;
use crate::event::Output;
use crate::ids::CommitSeq;
use crate::planted::{self, PlantedBug};

#[derive(Clone, Debug)]
struct Held {
    waits_for: CommitSeq,
    bytes: u64,
    outputs: Vec<Output>,
}

/// Outputs that wait for commits.
#[derive(Clone, Debug, Default)]
pub struct OutputGate {
    /// The last commit number that was taken.
    issued: CommitSeq,
    /// The last commit that is durable.
    durable: CommitSeq,
    /// The last commit that was taken on which something depends.
    needed: CommitSeq,
    held: VecDeque<Held>,
    held_bytes: u64,
}

impl Emptied for OutputGate {
    fn give_back(&mut self) {
        self.held.give_back();
    }
}

impl OutputGate {
    /// A gate for a room whose last commit is `durable`.
    pub fn new(durable: CommitSeq) -> OutputGate {
        OutputGate { issued: durable, durable, needed: durable, held: VecDeque::new(), held_bytes: 0 }
    }

    /// The last commit that is durable.
    pub fn durable(&self) -> CommitSeq {
        self.durable
    }

    /// How many commits are under way.
    pub fn uncommitted(&self) -> u64 {
        self.issued.0 - self.durable.0
    }

    /// How many turns wait: for their own commit, or with their outputs for an earlier one.
    pub fn waiting_turns(&self) -> u64 {
        self.uncommitted().max(self.held.len() as u64)
    }

    /// Payload bytes of the outputs that wait.
    pub fn held_bytes(&self) -> u64 {
        self.held_bytes
    }

    /// How many outputs wait.
    pub fn held_outputs(&self) -> usize {
        self.held.iter().map(|held| held.outputs.len()).sum()
    }

    /// The number that the next commit will have.
    pub fn next_seq(&self) -> CommitSeq {
        self.issued.next()
    }

    /// Takes the next commit number.
    pub fn issue(&mut self) -> CommitSeq {
        self.issued = self.issued.next();
        self.needed = self.issued;
        self.issued
    }

    /// Takes the next commit number for a commit without which nothing is lost that anyone has been told of: outputs do not
    /// wait for it, but for those around it.
    pub fn issue_unneeded(&mut self) -> CommitSeq {
        self.issued = self.issued.next();
        self.issued
    }

    /// Lets outputs through that depend on every commit issued so far, or keeps them.
    pub fn pass(&mut self, outputs: Vec<Output>) -> Vec<Output> {
        if outputs.is_empty() || self.needed <= self.durable {
            return outputs;
        }
        let bytes = outputs.iter().map(Output::payload_bytes).sum();
        self.held_bytes += bytes;
        self.held.push_back(Held { waits_for: self.needed, bytes, outputs });
        Vec::new()
    }

    /// Opens for everything that waited for commits up to `seq`.
    pub fn committed(&mut self, seq: CommitSeq) -> Vec<Output> {
        assert!(seq > self.durable && seq <= self.issued, "commits become durable in order, once");
        self.durable = seq;
        let opens_for = if planted::is(PlantedBug::GateOpensEarly) { seq.next() } else { seq };
        let mut released = Vec::new();
        while self.held.front().is_some_and(|held| held.waits_for <= opens_for) {
            let held = self.held.pop_front().expect("the front was seen");
            self.held_bytes -= held.bytes;
            released.extend(held.outputs);
        }
        released
    }

    /// The only commit under way failed, and nothing depends on it: its number is free again. Gives back what waited.
    pub fn take_back(&mut self) -> Vec<Output> {
        assert!(self.uncommitted() == 1, "a later commit would follow one that is not to be");
        self.fail()
    }

    /// A commit failed: nothing waits any more for commits that will not be. Gives back what is dropped.
    pub fn fail(&mut self) -> Vec<Output> {
        (self.issued, self.needed) = (self.durable, self.durable);
        self.held_bytes = 0;
        std::mem::take(&mut self.held).into_iter().flat_map(|held| held.outputs).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::OutputGate;
    use crate::event::Output;
    use crate::ids::{CommitSeq, ConnectionId};
    use crate::message::Message;

    fn send(text: &str) -> Vec<Output> {
        vec![Output::Send(ConnectionId(1), Message::text(text))]
    }

    #[test]
    fn outputs_leave_at_once_when_nothing_is_pending() {
        let mut gate = OutputGate::new(CommitSeq(7));
        assert_eq!(gate.pass(send("a")), send("a"));
        assert_eq!((gate.held_bytes(), gate.waiting_turns()), (0, 0));
    }

    #[test]
    fn outputs_wait_for_no_commit_that_nothing_depends_on() {
        let mut gate = OutputGate::new(CommitSeq(7));
        assert_eq!(gate.issue_unneeded(), CommitSeq(8));
        assert_eq!(gate.pass(send("at once")), send("at once"));
        assert_eq!(gate.waiting_turns(), 1);
        assert_eq!(gate.issue(), CommitSeq(9));
        assert_eq!(gate.pass(send("waits")), []);
        assert_eq!(gate.issue_unneeded(), CommitSeq(10));
        assert_eq!(gate.pass(send("waits too")), []);
        assert_eq!(gate.committed(CommitSeq(8)), []);
        assert_eq!(gate.committed(CommitSeq(9)), [send("waits"), send("waits too")].concat());
        assert_eq!(gate.pass(send("at once")), send("at once"));
        assert_eq!(gate.take_back(), []);
    }

    #[test]
    fn outputs_wait_for_every_commit_before_them_and_leave_in_order() {
        let mut gate = OutputGate::new(CommitSeq(7));
        assert_eq!(gate.issue(), CommitSeq(8));
        assert_eq!(gate.pass(send("first")), []);
        assert_eq!(gate.pass(send("second")), []);
        assert_eq!(gate.issue(), CommitSeq(9));
        assert_eq!(gate.pass(send("third")), []);
        assert_eq!((gate.held_bytes(), gate.held_outputs(), gate.waiting_turns()), (16, 3, 3));
        assert_eq!(gate.committed(CommitSeq(8)), [send("first"), send("second")].concat());
        assert_eq!((gate.held_bytes(), gate.waiting_turns()), (5, 1));
        assert_eq!(gate.committed(CommitSeq(9)), send("third"));
        assert_eq!(gate.pass(send("fourth")), send("fourth"));
    }

    #[test]
    fn a_failed_commit_gives_back_what_will_never_leave() {
        let mut gate = OutputGate::new(CommitSeq(0));
        gate.issue();
        gate.pass(send("lost"));
        gate.issue();
        assert_eq!(gate.fail(), send("lost"));
        assert_eq!((gate.uncommitted(), gate.held_bytes()), (0, 0));
        assert_eq!(gate.pass(send("goodbye")), send("goodbye"));
    }

    #[test]
    #[should_panic(expected = "commits become durable in order, once")]
    fn a_commit_that_was_never_issued_cannot_be_durable() {
        OutputGate::new(CommitSeq(3)).committed(CommitSeq(4));
    }
}
