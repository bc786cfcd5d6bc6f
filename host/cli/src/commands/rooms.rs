//! `party-host rooms`: what rooms there are and what each is doing, page by page.

use std::io::{self, BufWriter, Write};

use anyhow::Result;
use party_core::address::{RoomAddress, check_name};
use party_node::clock::{Clock, SystemClock};
use party_node::inspection::{PAGE_ROOMS_MAX, RoomState, RoomsQuestion, kept_page};
use party_server::admin::question::{encode, parse_room};
use party_server::admin::shapes::{Room, Rooms as Page};
use party_store::store::Store;

use crate::args::admin::Rooms;
use crate::asking::{Asked, Knows, parties, project, who_knows};
use crate::problem::usage;
use crate::telling::{bytes, line, since};

pub(crate) fn run(rooms: &Rooms) -> Result<()> {
    if let Some(party) = &rooms.party {
        check_name("party", party).map_err(|error| usage(error.to_string(), "name a party of the host"))?;
    }
    let knows = who_knows(&rooms.at.data)?;
    let mut printer = Printer { out: BufWriter::new(io::stdout().lock()), json: rooms.json, printed: 0 };
    let printed = match &knows {
        Knows::Host(asked) => {
            eprintln!("a host runs (process {}): this is what it says", asked.itself.process);
            from_host(rooms, asked, &mut printer)
        }
        Knows::Store(store) => {
            eprintln!("no host runs: this is what the store keeps");
            eprintln!("whether rooms are damaged is not looked at; `party-host inspect` looks at one");
            from_store(rooms, store.as_ref(), &mut printer)
        }
    };
    let known = || match &rooms.party {
        Some(party) if printer.printed == 0 => known(&knows, party),
        Some(_) | None => Ok(()),
    };
    match printed.and_then(|()| known()).and_then(|()| printer.finish()) {
        // Whoever reads has seen enough: `| head`.
        Err(error) if is_broken_pipe(&error) => Ok(()),
        result => result,
    }
}

/// Nothing was found of this party: is there one of this name?
fn known(knows: &Knows, party: &str) -> Result<()> {
    let (parties, whose) = match knows {
        Knows::Host(asked) => (asked.itself.parties.clone(), "the host serves"),
        Knows::Store(store) => {
            let Some(project) = project(store.as_ref())? else { return Ok(()) };
            (parties(store.as_ref(), &project)?, "rooms are kept of")
        }
    };
    if parties.iter().any(|known| known == party) {
        return Ok(());
    }
    let parties = parties.join(", ");
    Err(usage(format!("there are no rooms of a party {party}; {whose} {parties}"), "name one of those"))
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let found = error.downcast_ref::<io::Error>();
    found.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn from_host(rooms: &Rooms, asked: &Asked, printer: &mut Printer<'_>) -> Result<()> {
    let mut target = format!("/rooms?limit={PAGE_ROOMS_MAX}&prefix={}", encode(&rooms.prefix));
    if let Some(party) = &rooms.party {
        target += &format!("&party={}", encode(party));
    }
    if let Some(state) = rooms.state {
        target += &format!("&state={}", RoomState::from(state).name());
    }
    let mut next: Option<String> = None;
    loop {
        let after = next.as_deref().map(|next| format!("&after={}", encode(next))).unwrap_or_default();
        let page: Page = asked.wait(asked.host.json("GET", &format!("{target}{after}")))?;
        page.rooms.iter().try_for_each(|room| printer.room(room))?;
        match page.next {
            Some(further) if Some(&further) != next.as_ref() => next = Some(further),
            Some(_) | None => return Ok(()),
        }
    }
}

fn from_store(rooms: &Rooms, store: &dyn Store, printer: &mut Printer<'_>) -> Result<()> {
    let Some(project) = project(store)? else { return Ok(()) };
    let mut after: Option<RoomAddress> = None;
    loop {
        let question = RoomsQuestion {
            project: project.clone(),
            party: rooms.party.clone(),
            prefix: rooms.prefix.clone(),
            state: rooms.state.map(RoomState::from),
            after: after.take(),
            limit: PAGE_ROOMS_MAX,
        };
        let page = Page::of(kept_page(store, &question)?);
        page.rooms.iter().try_for_each(|room| printer.room(room))?;
        match page.next {
            Some(next) => after = Some(parse_room(&next, &project)?),
            None => return Ok(()),
        }
    }
}

/// What to do about a room that is damaged.
pub(crate) fn recover(room: &str) -> String {
    format!("stop the host and run `party-host room recover {room} --dry-run`")
}

/// Prints rooms as they come.
struct Printer<'a> {
    out: BufWriter<io::StdoutLock<'a>>,
    json: bool,
    printed: u64,
}

const HEAD: [&str; 7] = ["ROOM", "STATE", "MEMORY", "SOCKETS", "STORAGE", "CHECKPOINT", "LAST EVENT"];

impl Printer<'_> {
    fn room(&mut self, room: &Room) -> Result<()> {
        if self.json {
            serde_json::to_writer(&mut self.out, room)?;
            return Ok(self.out.write_all(b"\n")?);
        }
        if self.printed == 0 {
            writeln!(self.out, "{}", line(&HEAD))?;
        }
        self.printed += 1;
        let now = SystemClock.now();
        let optional = |value: Option<u64>| value.map_or_else(|| "-".into(), bytes);
        let cells = [
            room.name(),
            room.state.clone(),
            optional(room.memory_bytes),
            room.sockets.to_string(),
            bytes(room.storage_bytes),
            optional(room.checkpoint_bytes),
            room.last_event_ms.map_or_else(|| "-".into(), |at| since(at, now)),
        ];
        writeln!(self.out, "{}", line(&cells))?;
        if let Some(damage) = &room.damage {
            writeln!(self.out, "  damaged: {damage}\n  next: {}", recover(&room.name()))?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        self.out.flush()?;
        if !self.json {
            eprintln!("{} room{}", self.printed, if self.printed == 1 { "" } else { "s" });
        }
        Ok(())
    }
}
