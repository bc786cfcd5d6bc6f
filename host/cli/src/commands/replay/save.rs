//! `party-host replay --save`: what is recorded of a room becomes a transcript, which `party-host test` plays.
//!
//! Nothing of the room is written, and a host that runs goes on meanwhile. How a journal becomes a transcript is told in
//! `party-testkit` (`transcript/recorded.rs`).

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use party_core::ids::CommitSeq;
use party_node::transfer::{RECORDED_BYTES_MAX, Recorded, RecordedRoom};
use party_server::admin::question::encode;
use party_testkit::transcript::recorded::{SaveError, Saved, Saving, save};

use crate::args::replay::Replay;
use crate::asking::{Knows, not_exported, who_knows};
use crate::commands::checkpoint::write_new;
use crate::commands::replay::no_recorded_turns;
use crate::problem::{failure, usage};

/// What transcripts end in.
const EXTENSION: &str = "party";
/// What the file beside one ends in with which it begins.
const START_EXTENSION: &str = "room";

pub(super) fn run(replay: &Replay, file: &Path) -> Result<()> {
    let start_file = start_file(file)?;
    let start_path = file.with_file_name(&start_file);
    for path in [file, &start_path] {
        if path.exists() {
            return Err(usage(format!("{} is there already", path.display()), "choose another name"));
        }
    }
    let recorded = recorded(replay)?;
    let until = CommitSeq(replay.until.unwrap_or(u64::MAX));
    if recorded.journal.first().is_none_or(|first| first.seq > until) {
        let first = recorded.journal.first().map_or(0, |first| first.seq.0);
        let message =
            format!("there is nothing recorded up to commit {until}: the journal begins with {first}");
        return Err(usage(message, "give a later commit with --until"));
    }
    let compiled = replay.at.data.join("compiled");
    fs::create_dir_all(&compiled).with_context(|| format!("{} cannot be made", compiled.display()))?;
    let compile_cache = Some(compiled);
    let saved = save(recorded, &Saving { start_file, until, compile_cache }).map_err(not_saved)?;
    if let Some(dir) = file.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        let unwritable =
            |error| usage(format!("{} cannot be made: {error}", dir.display()), "choose another place");
        fs::create_dir_all(dir).map_err(unwritable)?;
    }
    if let Some(start) = &saved.start {
        write_new(&start_path, |to| Ok(to.write_all(start)?))?;
    }
    let written = write_new(file, |to| Ok(to.write_all(saved.text.as_bytes())?));
    if written.is_err() && saved.start.is_some() {
        // Of no use without the transcript.
        let _ = fs::remove_file(&start_path);
    }
    written?;
    tell(file, &start_path, saved)
}

/// The name of the file beside a transcript.
fn start_file(file: &Path) -> Result<String> {
    let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let is_word = !stem.is_empty() && !stem.contains(char::is_whitespace);
    if file.extension().is_none_or(|extension| extension != EXTENSION) || !is_word {
        let message = format!("{} is no name of a transcript", file.display());
        return Err(usage(message, "give a NAME.party, without spaces in NAME"));
    }
    Ok(format!("{stem}.{START_EXTENSION}"))
}

/// What is recorded of the room, of whoever knows.
fn recorded(replay: &Replay) -> Result<RecordedRoom> {
    let knows = who_knows(&replay.at.data)?;
    let address = knows.projects()?.room(&replay.room)?;
    match knows {
        Knows::Host(asked) => {
            let target = format!("/recorded?room={}", encode(&address.to_string()));
            let bytes = asked.wait(asked.host.file(&target, RECORDED_BYTES_MAX))?;
            RecordedRoom::decode(bytes).context("what the host sent is no recorded room")
        }
        Knows::Store(store) => {
            let address = Arc::new(address);
            let recorded = Recorded::read(store.as_ref(), &address)
                .and_then(|recorded| recorded.map(Recorded::into_room).transpose());
            let recorded = recorded.map_err(|error| not_exported(store.as_ref(), error))?;
            recorded.ok_or_else(|| no_recorded_turns(store.as_ref(), &address))
        }
    }
}

/// What is too long is a matter of what was asked.
fn not_saved(error: SaveError) -> anyhow::Error {
    match &error {
        SaveError::TooLong { .. } | SaveError::TooManyLines { .. } => {
            let whole = error.to_string();
            let (message, hint) = whole.split_once("\nhint: ").unwrap_or((&whole, "save fewer with --until"));
            usage(message, hint)
        }
        SaveError::TakeAgain(_) | SaveError::Engine(_) | SaveError::Start(_) | SaveError::NoTranscript(_) => {
            error.into()
        }
    }
}

fn tell(file: &Path, start_path: &Path, saved: Saved) -> Result<()> {
    let Saved { text, start, commits, differing, failure: failed } = saved;
    println!("{}: {commits} commits in {} lines", file.display(), text.lines().count());
    if start.is_some() {
        println!("{}: the room with which they begin", start_path.display());
    }
    if let Some(failed) = failed {
        let mut message = format!("played, it stops: {}:{}: {}", file.display(), failed.line, failed.what);
        for detail in failed.details {
            message += "\n  ";
            message += &detail;
        }
        return Err(failure(message, "change it by hand from that line on, or save less with --until"));
    }
    match differing {
        0 => println!("played on the component that it was recorded on, it is repeated wholly"),
        1 => println!("played, 1 line is not as it was recorded: \"recorded:\" in it finds that"),
        many => {
            println!("played, {many} lines are not as they were recorded: \"recorded:\" in it finds them")
        }
    }
    Ok(())
}
