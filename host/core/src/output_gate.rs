//! The output gate: nothing is seen outside before what it depends on is durable.
//!
//! Turns that must persist something take the next commit number. The outputs of every turn wait behind the last
//! number that was taken before them or by them: they leave when that commit is durable, in the order of turns.
//! With nothing pending they leave at once. A failed commit drops everything that waits, because all of it was
//! decided on a state that is not to be.

use std::collections::VecDeque;

use crate::event::Output;
use crate::ids::CommitSeq;

/// Outputs that wait for commits.
#[derive(Clone, Debug, Default)]
pub struct OutputGate {
    /// The last commit number that was taken.
    issued: CommitSeq,
    /// The last commit that is durable.
    durable: CommitSeq,
    held: VecDeque<(CommitSeq, Vec<Output>)>,
}

impl OutputGate {
    /// A gate for a room whose last commit is `durable`.
    pub fn new(durable: CommitSeq) -> OutputGate {
        OutputGate { issued: durable, durable, held: VecDeque::new() }
    }

    /// The last commit number that was taken.
    pub fn issued(&self) -> CommitSeq {
        self.issued
    }

    /// The last commit that is durable.
    pub fn durable(&self) -> CommitSeq {
        self.durable
    }

    /// How many commits are under way.
    pub fn uncommitted(&self) -> u64 {
        self.issued.0 - self.durable.0
    }

    /// Takes the next commit number.
    pub fn issue(&mut self) -> CommitSeq {
        self.issued = self.issued.next();
        self.issued
    }

    /// Lets outputs through that depend on every commit issued so far, or keeps them.
    pub fn pass(&mut self, outputs: Vec<Output>) -> Vec<Output> {
        if outputs.is_empty() || self.issued == self.durable {
            return outputs;
        }
        self.held.push_back((self.issued, outputs));
        Vec::new()
    }

    /// Opens for everything that waited for commits up to `seq`.
    pub fn committed(&mut self, seq: CommitSeq) -> Vec<Output> {
        assert!(seq > self.durable && seq <= self.issued, "commits become durable in order, once");
        self.durable = seq;
        let mut released = Vec::new();
        while self.held.front().is_some_and(|(waits_for, _)| *waits_for <= seq) {
            let (_, outputs) = self.held.pop_front().expect("the front was seen");
            released.extend(outputs);
        }
        released
    }

    /// A commit failed: what waits is dropped, and nothing waits for commits that will not be.
    pub fn fail(&mut self) {
        self.held.clear();
        self.issued = self.durable;
    }

    /// Outputs that wait.
    pub fn held(&self) -> usize {
        self.held.iter().map(|(_, outputs)| outputs.len()).sum()
    }
}
