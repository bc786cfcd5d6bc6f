//! `party-host test`: plays transcripts. What they mean is told in docs/transcripts.md, and done in `party-testkit`.

mod find;
mod play;
mod tell;
mod watch;

use anyhow::Result;

use crate::args::test::Test;
use crate::commands::test::find::{Found, find};
use crate::commands::test::play::{Played, Verdict};
use crate::problem::{TestsFailed, usage};
use crate::signals::Signals;

pub(crate) fn run(test: &Test) -> Result<()> {
    if test.watch {
        return watch::play_at_every_change(test);
    }
    let found = found(test)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (stages, signals) = runtime.block_on(async {
        let mut signals = Signals::listen()?;
        Ok::<_, anyhow::Error>((play::stages(&found, &mut signals).await, signals))
    })?;
    signals.end_as_by_default(runtime)?;
    let played = play::play(&found, &stages?, test.update);
    tell::all(test, &played)?;
    match played.iter().map(Played::verdict).max().unwrap_or(Verdict::Passed) {
        Verdict::Passed => Ok(()),
        Verdict::Failed => Err(TestsFailed { is_usage: false }.into()),
        Verdict::NotUnderstood => Err(TestsFailed { is_usage: true }.into()),
    }
}

/// The transcripts that are meant, at least one.
fn found(test: &Test) -> Result<Vec<Found>> {
    let found = find(&test.paths)?;
    if !found.is_empty() {
        return Ok(found);
    }
    let places: Vec<String> = test.paths.iter().map(|path| path.display().to_string()).collect();
    Err(usage(
        format!("there is no transcript in {}", places.join(", ")),
        "write one: a file NAME.party; `party-host test --help` shows what is in it",
    ))
}
