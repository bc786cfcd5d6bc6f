//! `party-host inspect`: one room in full.

use anyhow::Result;
use party_core::ids::Timestamp;
use party_node::clock::{Clock, SystemClock};
use party_node::inspection::{RoomState, kept_details};
use party_server::admin::question::encode;
use party_server::admin::shapes::{Details, Room};

use crate::args::admin::Inspect;
use crate::asking::{Knows, no_such_room, who_knows};
use crate::commands::rooms::recover;
use crate::telling::{bytes, since};

pub(crate) fn run(inspect: &Inspect) -> Result<()> {
    let knows = who_knows(&inspect.at.data)?;
    let projects = knows.projects()?;
    let address = projects.room(&inspect.room)?;
    let (details, source) = match knows {
        Knows::Host(asked) => {
            let target = format!("/room?room={}", encode(&address.to_string()));
            let details: Details = asked.wait(asked.host.json("GET", &target))?;
            (details, format!("a host runs (process {}): this is what it says", asked.itself.process))
        }
        Knows::Store(store) => {
            let details = kept_details(store.as_ref(), &address)?
                .ok_or_else(|| no_such_room(store.as_ref(), &address))?;
            (Details::of(&details), "no host runs: this is what the store keeps".to_owned())
        }
    };
    if inspect.json {
        println!("{}", serde_json::to_string_pretty(&details)?);
        return Ok(());
    }
    eprintln!("{source}");
    let Room { project, party, room, .. } = &details.room;
    let named = projects.named(project, party, room);
    for (name, value) in lines(&details, &named, SystemClock.now()) {
        println!("{name:<14} {value}");
    }
    Ok(())
}

fn lines(details: &Details, named: &str, now: Timestamp) -> Vec<(&'static str, String)> {
    let room = &details.room;
    let mut lines = vec![("room", named.to_owned()), ("project", room.project.clone())];
    lines.push(("state", room.state.clone()));
    lines.extend(details.why_awake.clone().map(|why| ("because", why)));
    lines.extend(room.waits_since_ms.map(|at| ("waits since", since(at, now))));
    lines.extend(room.memory_bytes.map(|size| ("memory", bytes(size))));
    lines.push(("sockets", room.sockets.to_string()));
    lines.push(("requests", room.requests.to_string()));
    lines.extend(room.operations.map(|count| ("operations", count.to_string())));
    lines.extend(room.last_event_ms.map(|at| ("last event", since(at, now))));
    lines.extend(room.wakes_at_ms.map(|at| ("wakes", since(at, now))));
    lines.extend(details.alarm_ms.map(|at| {
        let failed = details.alarm_attempts.filter(|attempts| *attempts > 0);
        (
            "alarm",
            since(at, now) + &failed.map(|times| format!(", has failed {times} times")).unwrap_or_default(),
        )
    }));
    lines.push((
        "storage",
        format!("{}, changed by commit {}", bytes(room.storage_bytes), details.storage_moved_at_commit),
    ));
    let under_way = details.uncommitted.filter(|count| *count > 0);
    let under_way = under_way.map(|count| format!(", {count} more under way")).unwrap_or_default();
    lines.push(("last commit", format!("{}{under_way}", room.commit)));
    if details.journal_records > 0 {
        lines.push((
            "journal",
            format!("{} turns, {}", details.journal_records, bytes(details.journal_bytes)),
        ));
    }
    if let Some(checkpoint) = &details.checkpoint {
        let made = room.checkpoint_at_ms.map(|at| format!(", made {}", since(at, now))).unwrap_or_default();
        let size = bytes(room.checkpoint_bytes.unwrap_or_default());
        lines.push(("checkpoint", format!("{size}, of commit {}{made}", checkpoint.commit)));
        let kept = format!(
            "{} of memory, {} clients, {} requests, {} operations, {} events that have not settled",
            bytes(checkpoint.image_bytes),
            checkpoint.sessions,
            checkpoint.requests,
            checkpoint.operations,
            checkpoint.pending_events
        );
        lines.push(("  holds", kept));
        lines.push(("  component", checkpoint.component.clone()));
        lines.push(("  incarnation", checkpoint.incarnation.clone()));
        if details.served_component.as_ref().is_some_and(|served| *served != checkpoint.component) {
            lines.push(("  but", "this host serves the party with another component".into()));
        }
    }
    lines.extend(details.checkpoint_problem.clone().map(|problem| ("  of no use", problem)));
    lines.extend(damage(details, named));
    lines
}

/// What is wrong with what is kept of the memory, what comes of that, and what to do next.
fn damage(details: &Details, named: &str) -> Vec<(&'static str, String)> {
    let room = &details.room;
    if details.damages.is_empty() {
        return match details.looked_at.as_str() {
            "read" => vec![(
                "damage",
                "none in what can be read; whether it can be woken with that is not looked at".into(),
            )],
            _ => Vec::new(),
        };
    }
    let mut lines: Vec<_> = details.damages.iter().map(|damage| ("damaged", damage.clone())).collect();
    let (meaning, next) = match room.state == RoomState::Damaged.name() {
        true => ("it refuses everyone (room-damaged), and nothing of it is deleted", recover(named)),
        false => (
            "it starts afresh from its storage, or refuses everyone if its party says memory = \"durable\"",
            format!("nothing; or, if it refuses everyone, {}", recover(named)),
        ),
    };
    lines.extend([("  so", meaning.to_owned()), ("  next", next)]);
    lines
}
