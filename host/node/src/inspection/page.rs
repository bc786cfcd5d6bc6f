//! Pages of rooms: what runs and what is kept, in one order.
//!
//! Both are asked for the first rooms after the last page; together they hold the first of all, whatever is in one and
//! not in the other. A page looks at so many rooms and no more: where few of them are wanted it has few, and says where
//! to go on.

use std::collections::BTreeMap;

use party_core::address::RoomAddress;
use party_core::storage::StorageReadError;
use party_store::kept::RoomSummary;
use party_store::store::{ROOMS_PAGE_MAX, RoomsQuery, RoomsScope, Store};

use crate::inspection::{InspectError, LiveRoom, RoomState, RoomView, live, state_of};
use crate::node::Node;
use crate::worker::{Worker, WorkerIndex};

/// The most rooms that one page looks at.
pub const PAGE_ROOMS_MAX: usize = ROOMS_PAGE_MAX;

/// Which rooms are wanted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RoomsQuestion {
    /// Of this project.
    pub project: String,
    /// Of this party, or of all.
    pub party: Option<String>,
    /// Whose ids begin so; empty for all.
    pub prefix: String,
    /// That are doing this, or anything.
    pub state: Option<RoomState>,
    /// That come after this one.
    pub after: Option<RoomAddress>,
    /// How many to look at, 1 to [`PAGE_ROOMS_MAX`].
    pub limit: usize,
}

/// A page of rooms.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RoomsPage {
    /// In order of their addresses.
    pub rooms: Vec<RoomView>,
    /// What to ask for as `after` to go on; none at the end.
    pub next: Option<RoomAddress>,
}

impl RoomsQuestion {
    fn limit(&self) -> usize {
        self.limit.clamp(1, PAGE_ROOMS_MAX)
    }

    /// Whether a room is to be looked at, whatever it is doing.
    fn holds(&self, address: &RoomAddress) -> bool {
        address.project() == self.project
            && self.party.as_ref().is_none_or(|party| address.party() == party)
            && address.room().starts_with(&self.prefix)
            && self.after.as_ref().is_none_or(|after| address > after)
    }

    fn wants(&self, state: RoomState) -> bool {
        self.state.is_none_or(|wanted| wanted == state)
    }

    /// The first rooms that the store keeps, and where to go on.
    fn kept(&self, store: &dyn Store) -> Result<Kept, StorageReadError> {
        let scope = match &self.party {
            Some(party) => RoomsScope::Party { project: &self.project, party, prefix: &self.prefix },
            None => RoomsScope::Project(&self.project),
        };
        let query = RoomsQuery { scope, after: self.after.as_ref(), limit: self.limit() };
        let mut rooms = store.rooms(&query)?;
        let last = (rooms.len() >= self.limit()).then(|| rooms.last().map(|(address, _)| address.clone()));
        // Over all parties the store knows no beginning of ids.
        rooms.retain(|(address, _)| self.holds(address));
        Ok((rooms, last.flatten()))
    }
}

type Kept = (Vec<(RoomAddress, RoomSummary)>, Option<RoomAddress>);
type Live = BTreeMap<RoomAddress, (RoomState, LiveRoom)>;

/// A page of what a store keeps, when no host runs.
pub fn kept_page(store: &dyn Store, question: &RoomsQuestion) -> Result<RoomsPage, StorageReadError> {
    Ok(merge(question, question.kept(store)?, Live::new()))
}

impl Node {
    /// A page of rooms, those that only the store knows among them.
    pub async fn rooms(&self, question: &RoomsQuestion) -> Result<RoomsPage, InspectError> {
        let mut running = Live::new();
        for index in 0..self.workers() {
            let asked = question.clone();
            running.extend(self.look_on(WorkerIndex(index), move |worker| first_live(worker, &asked)).await?);
        }
        while running.len() > question.limit() {
            running.pop_last();
        }
        let only_runs = |state| {
            matches!(
                state,
                RoomState::Awake | RoomState::Starting | RoomState::Suspended | RoomState::Damaged
            )
        };
        if !question.state.is_some_and(only_runs) {
            let kept = question.kept(self.store().as_ref())?;
            return Ok(merge(question, kept, running));
        }
        // Nothing that is only kept does that.
        let mut kept = Vec::new();
        for address in running.keys() {
            kept.extend(self.store().summary(address)?.map(|summary| (address.clone(), summary)));
        }
        Ok(merge(question, (kept, None), running))
    }
}

/// The first rooms of a worker.
fn first_live(worker: &Worker, question: &RoomsQuestion) -> Live {
    let mut first = Live::new();
    worker.rooms().each(|entry| {
        let address = entry.address();
        let is_first = first.len() < question.limit()
            || first.last_key_value().is_some_and(|(last, _)| address.as_ref() < last);
        if is_first && question.holds(address) {
            first.insert(RoomAddress::clone(address), (state_of(entry, worker.now()), live(entry)));
            if first.len() > question.limit() {
                first.pop_last();
            }
        }
    });
    first
}

/// The first rooms of both. A list that is as long as its limit may go on behind its end, so nothing behind that is told.
fn merge(question: &RoomsQuestion, (kept, kept_end): Kept, running: Live) -> RoomsPage {
    let is_full = running.len() >= question.limit();
    let live_end = running.last_key_value().filter(|_| is_full).map(|(address, _)| address.clone());
    let end = kept_end.into_iter().chain(live_end).min();
    let mut rooms: BTreeMap<RoomAddress, RoomView> = BTreeMap::new();
    for (address, summary) in kept {
        let state = RoomState::kept(&summary);
        let view = RoomView { address: address.clone(), state, live: None, kept: Some(summary) };
        rooms.insert(address, view);
    }
    for (address, (state, live)) in running {
        let view =
            rooms.entry(address.clone()).or_insert(RoomView { address, state, live: None, kept: None });
        (view.state, view.live) = (state, Some(live));
    }
    let within = |address: &RoomAddress| end.as_ref().is_none_or(|end| address <= end);
    let rooms = rooms.into_values().filter(|view| within(&view.address) && question.wants(view.state));
    RoomsPage { rooms: rooms.collect(), next: end }
}

#[cfg(test)]
mod tests;
