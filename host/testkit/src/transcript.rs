//! Transcripts: tests of a party as text, played in a [`World`](crate::world::World). docs/transcripts.md tells the grammar.

mod parse;
pub(crate) mod payload;
mod play;
pub mod recorded;
mod run;
mod step;
mod template;
mod update;

pub use parse::{LINE_BYTES_MAX, LINES_MAX, ParseError, TRANSCRIPT_BYTES_MAX};
pub use play::Failure;
pub use run::{Note, Outcome, Stage, run};
pub use step::{Settings, Transcript};
