//! Transcripts that are not of a project: of the parties with planted bugs, and of the facts of the contract.

mod coverage;
mod facts;
mod planted;
mod simple;
