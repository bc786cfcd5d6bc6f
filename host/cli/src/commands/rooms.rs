//! `party-host rooms`: what rooms there are and what each is doing, page by page.

use std::io::{self, BufWriter, Write};

use anyhow::Result;
use party_core::address::{RoomAddress, check_name};
use party_node::clock::{Clock, SystemClock};
use party_node::inspection::{PAGE_ROOMS_MAX, RoomState, RoomsQuestion, kept_page};
use party_node::project::kept_parties;
use party_server::admin::question::{encode, parse_room};
use party_server::admin::shapes::{Room, Rooms as Page, Served};
use party_store::store::Store;

use crate::args::admin::Rooms;
use crate::asking::{Asked, Knows, PARTIES_SHOWN, Projects, who_knows};
use crate::problem::usage;
use crate::telling::{bytes, line, since};

pub(crate) fn run(rooms: &Rooms) -> Result<()> {
    if let Some(party) = &rooms.party {
        check_name("party", party).map_err(|error| usage(error.to_string(), "name a party of the host"))?;
    }
    if let Some(project) = &rooms.project {
        check_name("project", project)
            .map_err(|error| usage(error.to_string(), "name a project of the host"))?;
    }
    let knows = who_knows(&rooms.at.data)?;
    let projects = knows.projects()?;
    let wanted = match &rooms.project {
        Some(project) => std::slice::from_ref(project),
        None => projects.names(),
    };
    let out = BufWriter::new(io::stdout().lock());
    let mut printer = Printer { out, json: rooms.json, printed: 0, projects: &projects };
    let printed = match &knows {
        Knows::Host(asked) => {
            eprintln!("a host runs (process {}): this is what it says", asked.itself.process);
            wanted.iter().try_for_each(|project| from_host(rooms, project, asked, &mut printer))
        }
        Knows::Store(store) => {
            eprintln!("no host runs: this is what the store keeps");
            eprintln!("whether rooms are damaged is not looked at; `party-host inspect` looks at one");
            wanted.iter().try_for_each(|project| from_store(rooms, project, store.as_ref(), &mut printer))
        }
    };
    let known = || match (&rooms.project, &rooms.party) {
        _ if printer.printed > 0 => Ok(()),
        (Some(project), _) if !projects.names().contains(project) => Err(usage(
            format!("there are no rooms of a project {project}; there are {}", projects.names().join(", ")),
            "name one of those",
        )),
        (_, Some(party)) => known(&knows, &projects, wanted, party),
        (_, None) => Ok(()),
    };
    match printed.and_then(|()| known()).and_then(|()| printer.finish()) {
        // Whoever reads has seen enough: `| head`.
        Err(error) if is_broken_pipe(&error) => Ok(()),
        result => result,
    }
}

/// Nothing was found of this party: is there one of this name?
fn known(knows: &Knows, projects: &Projects, wanted: &[String], party: &str) -> Result<()> {
    let mut parties: Vec<(&str, String)> = Vec::new();
    let whose = match knows {
        Knows::Host(asked) => {
            for Served { name, parties: its } in &asked.itself.projects {
                parties.extend(its.iter().map(|party| (name.as_str(), party.clone())));
            }
            "the host serves"
        }
        Knows::Store(store) => {
            for project in projects.names() {
                let its = kept_parties(store.as_ref(), project, PARTIES_SHOWN)?;
                parties.extend(its.into_iter().map(|party| (project.as_str(), party)));
            }
            "rooms are kept of"
        }
    };
    parties.retain(|(project, _)| wanted.iter().any(|wanted| wanted == project));
    if parties.is_empty() || parties.iter().any(|(_, known)| known == party) {
        return Ok(());
    }
    let shown: Vec<String> =
        parties.iter().take(PARTIES_SHOWN).map(|(project, party)| projects.party(project, party)).collect();
    let parties = shown.join(", ");
    Err(usage(format!("there are no rooms of a party {party}; {whose} {parties}"), "name one of those"))
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let found = error.downcast_ref::<io::Error>();
    found.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn from_host(rooms: &Rooms, project: &str, asked: &Asked, printer: &mut Printer<'_>) -> Result<()> {
    let mut target =
        format!("/rooms?limit={PAGE_ROOMS_MAX}&project={}&prefix={}", encode(project), encode(&rooms.prefix));
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

fn from_store(rooms: &Rooms, project: &str, store: &dyn Store, printer: &mut Printer<'_>) -> Result<()> {
    let mut after: Option<RoomAddress> = None;
    loop {
        let question = RoomsQuestion {
            project: project.to_owned(),
            party: rooms.party.clone(),
            prefix: rooms.prefix.clone(),
            state: rooms.state.map(RoomState::from),
            after: after.take(),
            limit: PAGE_ROOMS_MAX,
        };
        let page = Page::of(kept_page(store, &question)?);
        page.rooms.iter().try_for_each(|room| printer.room(room))?;
        match page.next {
            Some(next) => after = Some(parse_room(&next, &[project.to_owned()])?),
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
    projects: &'a Projects,
}

const HEAD: [&str; 7] = ["ROOM", "STATE", "MEMORY", "SOCKETS", "STORAGE", "CHECKPOINT", "LAST EVENT"];

impl Printer<'_> {
    fn room(&mut self, room: &Room) -> Result<()> {
        self.printed += 1;
        if self.json {
            serde_json::to_writer(&mut self.out, room)?;
            return Ok(self.out.write_all(b"\n")?);
        }
        if self.printed == 1 {
            writeln!(self.out, "{}", line(&HEAD))?;
        }
        let now = SystemClock.now();
        let optional = |value: Option<u64>| value.map_or_else(|| "-".into(), bytes);
        let named = self.projects.named(&room.project, &room.party, &room.room);
        let cells = [
            named.clone(),
            room.state.clone(),
            optional(room.memory_bytes),
            room.sockets.to_string(),
            bytes(room.storage_bytes),
            optional(room.checkpoint_bytes),
            room.last_event_ms.map_or_else(|| "-".into(), |at| since(at, now)),
        ];
        writeln!(self.out, "{}", line(&cells))?;
        if let Some(damage) = &room.damage {
            writeln!(self.out, "  damaged: {damage}\n  next: {}", recover(&named))?;
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
