//! Projects: parties that see each other, and nothing of other projects on the same host.
//!
//! What a room can reach besides clients is of its project: other rooms by their party's name, static assets, the network as
//! the project's policy has it. A room knows its project by its party ([`Party::project`](crate::party::Party::project)), so
//! nothing has to be looked up for that, and there is no name by which it could ask for another's. Threads, places, memory
//! and every bound of the host are shared by all.

use std::sync::Arc;

use party_core::address::{NAME_BYTES_MAX, ROOM_BYTES_MAX, RoomAddress};
use party_core::storage::StorageReadError;
use party_store::store::{RoomsQuery, RoomsScope, Store};

use crate::assets::AssetSource;
use crate::cron::Schedule;
use crate::node::Node;
use crate::outbound::Outbound;

/// One project, without its parties.
pub struct Project {
    /// Its name, as in the address of its rooms.
    pub name: String,
    /// Who carries what its rooms fetch.
    pub outbound: Arc<dyn Outbound>,
    /// Who reads the static assets that its rooms ask for.
    pub assets: Arc<dyn AssetSource>,
    /// What the lobby of its party `main` is to run, and when.
    pub crons: Vec<Schedule>,
}

impl Node {
    /// A room as people name it on this host: `PARTY/ROOM`, and with its project before that where there are several.
    pub fn named(&self, address: &RoomAddress) -> String {
        match self.projects() {
            [only] if only.name == address.project() => format!("{}/{}", address.party(), address.room()),
            _ => address.to_string(),
        }
    }

    /// A party as people name it on this host: with its project before it where there are several.
    pub(crate) fn named_party(&self, project: &str, party: &str) -> String {
        match self.projects() {
            [only] if only.name == project => party.to_owned(),
            _ => format!("{project}/{party}"),
        }
    }
}

/// The projects of which rooms are kept in a store, in order of their names, and at most so many.
pub fn kept_projects(store: &dyn Store, max: usize) -> Result<Vec<String>, StorageReadError> {
    let (mut projects, mut last): (Vec<String>, Option<RoomAddress>) = (Vec::new(), None);
    while projects.len() < max {
        let Some(room) = next(store, RoomsScope::Everything, last.as_ref())? else { break };
        last = Some(last_room(room.project(), &"z".repeat(NAME_BYTES_MAX)));
        projects.push(room.project().to_owned());
    }
    Ok(projects)
}

/// The parties of a project of which rooms are kept, in order of their names, and at most so many.
pub fn kept_parties(store: &dyn Store, project: &str, max: usize) -> Result<Vec<String>, StorageReadError> {
    let (mut parties, mut last): (Vec<String>, Option<RoomAddress>) = (Vec::new(), None);
    while parties.len() < max {
        let Some(room) = next(store, RoomsScope::Project(project), last.as_ref())? else { break };
        last = Some(last_room(project, room.party()));
        parties.push(room.party().to_owned());
    }
    Ok(parties)
}

/// Whether a store keeps a room of this party.
pub(crate) fn has_rooms(store: &dyn Store, project: &str, party: &str) -> Result<bool, StorageReadError> {
    Ok(next(store, RoomsScope::Party { project, party, prefix: "" }, None)?.is_some())
}

fn next(
    store: &dyn Store,
    scope: RoomsScope<'_>,
    after: Option<&RoomAddress>,
) -> Result<Option<RoomAddress>, StorageReadError> {
    Ok(store.rooms(&RoomsQuery { scope, after, limit: 1 })?.into_iter().next().map(|(room, _)| room))
}

/// No room of a party comes after this one; of the last party that a project can have, none of the project.
fn last_room(project: &str, party: &str) -> RoomAddress {
    let room = char::MAX.to_string().repeat(ROOM_BYTES_MAX / char::MAX.len_utf8());
    RoomAddress::new(project, party, &room).expect("the names are of an address, and the id is the longest")
}
