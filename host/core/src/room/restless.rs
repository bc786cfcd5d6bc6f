//! Why a room cannot be saved and sleep now: one list of reasons, for the driver's decision and for the people who ask.

use thiserror::Error;

use crate::ids::Timestamp;
use crate::room::{Phase, Room, Service};

/// What keeps a room from being saved, and so from sleeping.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Restless {
    /// A turn is out.
    #[error("a turn is under way")]
    InATurn,
    /// It has no memory yet: its first event has not started it, or it lost its memory since.
    #[error("it has not started")]
    NotStarted,
    /// It was suspended.
    #[error("it is suspended until {until} for its dropped turns")]
    Suspended {
        /// Until then.
        until: Timestamp,
    },
    /// It takes nothing more: it was shut down, or a commit failed.
    #[error("it is ending")]
    Ending,
    /// Its memory is in the store already.
    #[error("it is asleep")]
    Asleep,
    /// Something waits for its turn.
    #[error("events wait for their turn")]
    EventsWait,
    /// A turn's outputs wait for a commit.
    #[error("the outputs of a turn wait for their commit")]
    OutputsWait,
    /// A turn was dropped within the last minute, which is remembered only while the room is awake. Nothing else is in the
    /// way: this comes last.
    #[error("a turn was dropped within the last minute")]
    DroppedLately,
}

impl Room {
    /// The first reason why the room cannot be saved and sleep now; `None` if it can: it has started, no event waits, no
    /// turn is out, nothing waits for a commit, and no turn was dropped lately. Sockets, open requests, operations and
    /// pending events are no reason. Whether a durable room can be saved without sleeping, [`Room::may_save`] says.
    pub fn restless(&self) -> Option<Restless> {
        let checks = [
            (self.state.is_none(), Restless::InATurn),
            (self.service != Service::Open, Restless::Ending),
            (self.is_asleep(), Restless::Asleep),
            (!self.mailbox.is_empty() || !self.arriving.is_empty(), Restless::EventsWait),
            (self.gate.waiting_turns() > 0, Restless::OutputsWait),
            (!self.drops.is_empty(), Restless::DroppedLately),
        ];
        let phase = match self.phase {
            Phase::Starting | Phase::Running => None,
            Phase::Fresh(_) => Some(Restless::NotStarted),
            Phase::Suspended { until } => Some(Restless::Suspended { until }),
        };
        phase.or_else(|| checks.into_iter().find(|(holds, _)| *holds).map(|(_, reason)| reason))
    }
}
