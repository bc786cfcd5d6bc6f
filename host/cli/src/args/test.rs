//! What can be said about tests.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

pub(crate) const AFTER_TEST: &str = "\
A transcript is a file NAME.party that says, line by line, what clients do and what they must receive (docs/transcripts.md
tells all of it). It is played on the real host with the project's components; only time, network and disk are replaced:
  > alice connect lobby            a client comes
  > alice send hello               and says something
  < alice \"1: hello\"               it must receive this next
  advance 30s                      time passes at once
  crash                            the host dies as by kill -9, and starts again
  < alice lost
  GET /count -> 200 \"1\"            a request to the room, and its answer

  party-host test                  all transcripts of the project here
  party-host test tests/chat.party
  party-host test --update         write what was received where something else was expected
  party-host test --watch          build and play again at every change

Exit codes: 0 all passed, 1 one failed, 2 one cannot be understood, or there is none.";

/// Play transcripts: tests of a party, as text.
#[derive(Debug, Args)]
pub(crate) struct Test {
    /// Transcripts, or directories to look for them in
    #[arg(default_value = ".")]
    pub(crate) paths: Vec<PathBuf>,
    /// Write what was received where something else was expected
    #[arg(long)]
    pub(crate) update: bool,
    /// Go on: build and play again at every change
    #[arg(long, conflicts_with = "update")]
    pub(crate) watch: bool,
    /// How results are printed
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: Format,
    /// Write results into this file too, as JUnit XML
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
}

/// How results are printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// Test Anything Protocol, version 14
    Tap,
}
