//! Clients of one name (`_pk`): whether a second one is let in beside the first, in its place, or not at all.
//!
//! It is decided when the newcomer's turn has come, because only then is it known who is there. Who is turned away has had no
//! turn: nothing of the room changes. Who has to make room hears of it, and so does the guest, before the newcomer does anything:
//! the `on-close` of the older comes first, as if it had gone by itself.

use crate::event::{Event, Output};
use crate::ids::ConnectionId;
use crate::mailbox::Lane;
use crate::profile;
use crate::room::Room;
use crate::session::ReadyState;

/// What becomes of a client that has the name of another in the same room.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum DuplicateKeys {
    /// Both are there, and both hear what is said.
    #[default]
    Both,
    /// The older one is closed.
    Replace,
    /// The newer one is turned away.
    Refuse,
}

impl Room {
    /// The event that is next, with those of one name in order.
    pub(super) fn next_event(&mut self, lane: Lane) -> Option<Event> {
        while let Some(Event::Connect(newcomer)) = self.mailbox.peek(lane) {
            let newcomer = *newcomer;
            let policy = self.config.duplicate_keys;
            let Some(older) = self.twin_of(newcomer, policy) else { break };
            match policy {
                DuplicateKeys::Both => break,
                DuplicateKeys::Replace => {
                    self.output(self.leave_taking(older));
                    return Some(Event::Close(older, profile::replaced(), true));
                }
                DuplicateKeys::Refuse => {
                    self.mailbox.pop(lane);
                    self.refuse_twin(newcomer);
                }
            }
        }
        self.mailbox.pop(lane)
    }

    /// Whether a client that wants in may make the guest hear of another one's close.
    pub(super) fn may_close_for(&self, event: &Event) -> bool {
        matches!(event, Event::Connect(_)) && self.config.duplicate_keys == DuplicateKeys::Replace
    }

    /// The oldest client of the same name that is in the room or about to be.
    fn twin_of(&self, newcomer: ConnectionId, policy: DuplicateKeys) -> Option<ConnectionId> {
        if policy == DuplicateKeys::Both {
            return None;
        }
        let key = &self.arriving.get(&newcomer)?.connection.key;
        let sessions = &self.state.as_ref().expect("the lane was open, so the state is home").sessions;
        let twin = sessions.iter().find(|(_, session)| {
            let is_here = matches!(session.ready_state, ReadyState::Connecting | ReadyState::Open);
            is_here && session.gone.is_none() && session.key == *key
        });
        twin.map(|(id, _)| *id)
    }

    /// How a client that makes room is told: by a close, or if it still waits for its 101, instead of that.
    fn leave_taking(&self, older: ConnectionId) -> Output {
        let state = self.state.as_ref().expect("the lane was open, so the state is home");
        match state.sessions.get(&older).is_some_and(|session| session.upgraded) {
            true => Output::Close(older, Some(profile::replaced())),
            false => Output::Reject(older, profile::key_taken()),
        }
    }

    fn refuse_twin(&mut self, newcomer: ConnectionId) {
        let Some(arriving) = self.arriving.remove(&newcomer) else { return };
        self.drop_accept_deadline(arriving.connection.opened_at, newcomer);
        self.output(match arriving.upgraded {
            true => Output::Close(newcomer, Some(profile::key_taken_late())),
            false => Output::Reject(newcomer, profile::key_taken()),
        });
    }
}
