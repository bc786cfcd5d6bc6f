//! `party-host check`: reads all that is kept, while no host runs, and says what is damaged. It changes nothing.

use std::path::Path;

use anyhow::Result;
use party_store::redb_store::OpenError;
use party_store::redb_store::check::{CheckReport, NAMED_ROOMS_MAX};

use crate::args::admin::Check;
use crate::asking::{Knows, Projects, who_knows};
use crate::problem::{failure, usage};
use crate::telling::bytes;

pub(crate) fn run(check: &Check) -> Result<()> {
    let data = &check.at.data;
    let store = match who_knows(data).map_err(|error| not_opened(data, error))? {
        Knows::Store(store) => store,
        Knows::Host(asked) => {
            let process = asked.itself.process;
            return Err(usage(
                format!("a host runs on {} (process {process})", data.display()),
                "stop it first, or check a copy; `party-host rooms --state damaged` says what the host itself has met",
            ));
        }
    };
    eprintln!("checking {} in {}", bytes(store.file_bytes()), data.display());
    let report = store.check()?;
    tell(&report, &Projects::of_store(store.as_ref()).unwrap_or_default());
    if report.is_sound() {
        return Ok(());
    }
    Err(failure(
        format!("{} is damaged", data.display()),
        "rooms that are not named are sound; a durable room that is refused goes on with `party-host room recover \
         PARTY/ROOM`, without its variables; the rest only with a copy of the data directory that is sound",
    ))
}

/// What is said of a store that cannot even be opened: all that this command could find out.
fn not_opened(data: &Path, error: anyhow::Error) -> anyhow::Error {
    let is_damage = |error: &OpenError| matches!(error, OpenError::Damaged { .. } | OpenError::Behind { .. });
    match error.downcast_ref::<OpenError>() {
        Some(OpenError::Behind { batch, acknowledged }) => failure(
            format!(
                "{} is damaged, or an old copy: it ends at batch {batch}, and batch {acknowledged} was acknowledged",
                data.display()
            ),
            "bring back the copy that it was; if it is a backup that you mean to use, remove the file rooms.batch",
        ),
        Some(damage) if is_damage(damage) => failure(
            format!("{} is damaged where all rooms share it: {}", data.display(), first_line(damage)),
            "bring back a sound copy of the data directory; nothing of this one was changed or thrown away",
        ),
        _ => error,
    }
}

fn first_line(error: &OpenError) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

fn tell(report: &CheckReport, projects: &Projects) {
    for (room, problem) in &report.damaged_rooms {
        println!("damaged: {}: {problem}", projects.name_of(room));
    }
    let named = report.damaged_rooms.len() as u64;
    if report.damaged > named {
        let more = report.damaged - named;
        println!(
            "damaged: {more} more, whose names cannot be read or that come after the first {NAMED_ROOMS_MAX}"
        );
    }
    if let Some(problem) = &report.rooms_problem {
        println!("damaged: the list of rooms: {problem}");
    }
    for problem in &report.components_problems {
        println!("damaged: {problem}");
    }
    if report.alarms_damaged {
        println!("damaged: the table of alarms; it is made again of the rooms at every start");
    }
    if report.stray_chunks > 0 {
        println!(
            "{} pieces of checkpoints that nothing leads to: they take space and do no harm",
            report.stray_chunks
        );
    }
    match report.damaged {
        0 if report.is_sound() => println!("sound: {} rooms, and all that is kept of them", report.rooms),
        damaged => println!("{damaged} of {} rooms are damaged", report.rooms),
    }
}
