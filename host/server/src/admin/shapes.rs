//! The shapes of what the admin socket answers, as JSON. `docs/admin.md` tells them to people.
//!
//! Times are milliseconds since 1970, sizes bytes. A field that does not apply is not there.

use party_node::inspection::{LiveRoom, RoomDetails, RoomView, RoomsPage};
use party_node::transfer::Brought;
use serde::{Deserialize, Serialize};

/// Who answers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Host {
    /// The version of `party-host`.
    pub version: String,
    /// Its process.
    pub process: u32,
    /// The first project that it serves.
    pub project: String,
    /// The parties of that.
    pub parties: Vec<String>,
    /// All projects that it serves, the first among them.
    pub projects: Vec<Served>,
}

/// A project that is served.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Served {
    /// Its name.
    pub name: String,
    /// Its parties.
    pub parties: Vec<String>,
}

/// A page of rooms.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Rooms {
    /// In order of project, party and id.
    pub rooms: Vec<Room>,
    /// What to send as `after` to go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A room as a list shows it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Room {
    /// Its project.
    pub project: String,
    /// Its party.
    pub party: String,
    /// Its id.
    pub room: String,
    /// `awake`, `starting`, `asleep`, `suspended`, `stored`, `damaged` or `waiting`.
    pub state: String,
    /// Linear memory of its instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Clients that are connected or about to be.
    pub sockets: u64,
    /// Requests without an answer.
    pub requests: u64,
    /// Open operations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operations: Option<u64>,
    /// When its last turn began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_event_ms: Option<u64>,
    /// Its keys and values.
    pub storage_bytes: u64,
    /// Its last commit; 0 if it has none.
    pub commit: u64,
    /// When it wakes by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wakes_at_ms: Option<u64>,
    /// Its checkpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint_bytes: Option<u64>,
    /// When this host made that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint_at_ms: Option<u64>,
    /// Why it never sleeps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stays_awake: Option<String>,
    /// Why it refuses everyone, as the host found that has it in its memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damage: Option<String>,
    /// Since when it waits for a place to run in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_since_ms: Option<u64>,
}

/// A room in full.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Details {
    /// What a list shows of it.
    #[serde(flatten)]
    pub room: Room,
    /// Why it is awake, or takes nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why_awake: Option<String>,
    /// Commits under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uncommitted: Option<u64>,
    /// When its alarm rings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alarm_ms: Option<u64>,
    /// How often that has failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alarm_attempts: Option<u32>,
    /// Ids below this bound may have been given out.
    pub ids_reserved: u64,
    /// The last commit that changed keys, values or the alarm.
    pub storage_moved_at_commit: u64,
    /// Turns that were recorded since its checkpoint.
    pub journal_records: u64,
    /// Bytes of those.
    pub journal_bytes: u64,
    /// The component that this host serves its party with, by its SHA-256.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub served_component: Option<String>,
    /// Its checkpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<Checkpoint>,
    /// Why that is of no use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint_problem: Option<String>,
    /// What is found to be wrong with what is kept of its memory.
    pub damages: Vec<String>,
    /// How closely that was looked at: `nothing` (none is kept), `read` or `woken`.
    pub looked_at: String,
}

/// What a checkpoint holds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The commit that carries it.
    pub commit: u64,
    /// The component that it is of, by its SHA-256.
    pub component: String,
    /// The life that goes on with it.
    pub incarnation: String,
    /// The room's own time.
    pub at_ms: u64,
    /// Clients that the room knows.
    pub sessions: u64,
    /// Requests without an answer.
    pub requests: u64,
    /// Open operations.
    pub operations: u64,
    /// Events that have not settled.
    pub pending_events: u64,
    /// The guest's memory, packed.
    pub image_bytes: u64,
}

/// A room that has come in.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Arrived {
    /// Its project.
    pub project: String,
    /// Its party.
    pub party: String,
    /// Its id.
    pub room: String,
    /// Its keys.
    pub keys: u64,
    /// Its keys and values.
    pub storage_bytes: u64,
    /// The component that its memory is of, if it came with one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// What will stand in its way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What has come of a deployment.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Deployed {
    /// Of which project.
    pub project: String,
    /// Which party.
    pub party: String,
    /// The component that was served, by its digest.
    pub before: String,
    /// The component that is served: the same if it was served already.
    pub served: String,
}

/// How far the rooms of a party that are in the host's memory have come with the version that is served.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Standing {
    /// Of which project.
    pub project: String,
    /// Which party.
    pub party: String,
    /// The component that is served, by its digest.
    pub served: String,
    /// They have it.
    pub switched: u64,
    /// They go on with the version that they have until they are quiet.
    pub waiting: u64,
    /// They are asleep with sockets, and go on with it when they wake.
    pub asleep: u64,
    /// It could not take them over; they stay with the version that they have.
    pub stayed: u64,
}

/// Why there is no answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Refusal {
    /// What is wrong.
    pub error: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Rooms {
    /// A page as it is answered.
    pub fn of(page: RoomsPage) -> Rooms {
        Rooms {
            next: page.next.map(|address| address.to_string()),
            rooms: page.rooms.iter().map(Room::of).collect(),
        }
    }
}

impl Room {
    /// A room as it is answered.
    pub fn of(view: &RoomView) -> Room {
        let record = view.kept.map(|kept| kept.record).unwrap_or_default();
        let live = |read: fn(&LiveRoom) -> Option<u64>| view.live.as_ref().and_then(read);
        Room {
            project: view.address.project().into(),
            party: view.address.party().into(),
            room: view.address.room().into(),
            state: view.state.name().into(),
            memory_bytes: live(|live| (live.memory_bytes > 0).then_some(live.memory_bytes)),
            sockets: live(|live| Some(live.sockets as u64)).unwrap_or_default(),
            requests: live(|live| Some(live.requests as u64)).unwrap_or_default(),
            operations: live(|live| live.operations.map(|count| count as u64)),
            last_event_ms: live(|live| Some(live.last_event.0)),
            storage_bytes: record.storage_bytes,
            commit: record.seq.0,
            wakes_at_ms: record.wakes_at().map(|at| at.0),
            checkpoint_bytes: view.kept.and_then(|kept| kept.checkpoint).map(|checkpoint| checkpoint.bytes),
            checkpoint_at_ms: live(|live| live.checkpoint_at.map(|at| at.0)),
            stays_awake: view.live.as_ref().and_then(|live| live.stays_awake.clone()),
            damage: view.live.as_ref().and_then(|live| live.damage.clone()),
            waits_since_ms: live(|live| live.waits_since.map(|at| at.0)),
        }
    }
}

impl Details {
    /// A room as it is answered.
    pub fn of(details: &RoomDetails) -> Details {
        let kept = details.view.kept.unwrap_or_default();
        let mut room = Room::of(&details.view);
        if let Some(checkpoint) = &details.checkpoint {
            // Of a room that is only in the store, its checkpoint knows.
            room.last_event_ms = room.last_event_ms.or(Some(checkpoint.at.0));
            room.operations = room.operations.or(Some(checkpoint.operations as u64));
        }
        Details {
            room,
            why_awake: details.why_awake.clone(),
            uncommitted: details.uncommitted,
            alarm_ms: kept.record.alarm.map(|alarm| alarm.at.0),
            alarm_attempts: kept.record.alarm.map(|alarm| alarm.attempts),
            ids_reserved: kept.record.ids_reserved,
            storage_moved_at_commit: kept.record.moved_at.0,
            journal_records: kept.journal.records,
            journal_bytes: kept.journal.bytes,
            served_component: details.served.map(|digest| digest.to_string()),
            checkpoint: details.checkpoint.as_ref().map(|checkpoint| Checkpoint {
                commit: checkpoint.seq.0,
                component: checkpoint.component.to_string(),
                incarnation: checkpoint.incarnation.to_string(),
                at_ms: checkpoint.at.0,
                sessions: checkpoint.sessions as u64,
                requests: checkpoint.requests as u64,
                operations: checkpoint.operations as u64,
                pending_events: checkpoint.pending_events as u64,
                image_bytes: checkpoint.image_bytes,
            }),
            checkpoint_problem: details.checkpoint_problem.clone(),
            damages: details.damage.clone(),
            looked_at: details.looked_at.name().into(),
        }
    }
}

impl Arrived {
    /// A room that has come in, as it is answered.
    pub fn of(
        address: &party_core::address::RoomAddress,
        brought: &Brought,
        note: Option<String>,
    ) -> Arrived {
        Arrived {
            project: address.project().into(),
            party: address.party().into(),
            room: address.room().into(),
            keys: brought.keys,
            storage_bytes: brought.storage_bytes,
            component: brought.component.map(|digest| digest.to_string()),
            note,
        }
    }
}

impl Refusal {
    /// An error as it is answered: what stands behind `hint: ` is what to do.
    pub fn of(error: &str) -> Refusal {
        match error.split_once("\nhint: ") {
            Some((error, hint)) => Refusal { error: error.into(), hint: Some(hint.into()) },
            None => Refusal { error: error.into(), hint: None },
        }
    }
}
