//! Rooms as data: what a room does with an event, decided without I/O, without a clock and without chance.
//!
//! A [`room::Room`] is a state machine. Events go in; it hands out one turn at a time; the finished turn comes
//! back with what the guest did; actions come out: commits to write, outputs to perform. Everything that could
//! differ from run to run (time, seeds, incarnations) is an argument, so a room's life can be written down as a
//! transcript and run again: `tests/transcripts` does so for every rule, and `tests/simulation` lives thousands of
//! random lives beside a plain model of these rules.

pub mod address;
pub mod alarm;
pub mod auto_response;
pub mod call;
pub mod checkpoint;
pub mod codec;
pub mod commit;
mod emptied;
pub mod event;
pub mod fetch;
pub mod http;
pub mod ids;
pub mod journal;
pub mod large;
pub mod limits;
pub mod lobby;
pub mod mailbox;
pub mod message;
pub mod operation;
pub mod outbound_policy;
pub mod output_gate;
pub mod planted;
pub mod profile;
pub mod query;
pub mod room;
pub mod session;
pub mod storage;
pub mod stream;
pub mod turn;
