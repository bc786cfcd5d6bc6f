//! The turn's view of the room's connections, and commands to them.

use bytes::Bytes;
use thiserror::Error;

use crate::auto_response::AutoResponse;
use crate::event::Output;
use crate::http::Response;
use crate::ids::ConnectionId;
use crate::message::{CloseFrame, Message};
use crate::profile;
use crate::session::{ReadyState, Session};
use crate::turn::{SessionChange, Turn};

/// Why a command about a connection was refused.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum ConnectionError {
    /// There is no such connection.
    #[error("there is no such connection")]
    Unknown,
    /// It was accepted or rejected before.
    #[error("the connection is not connecting")]
    NotConnecting,
    /// It is closing or closed.
    #[error("the connection is closed")]
    Closed,
    /// Too many tags.
    #[error("a connection can have {0} tags")]
    TooManyTags(u32),
    /// A tag is empty or too long.
    #[error("a tag has 1 to {0} characters")]
    BadTag(u32),
    /// Too many bytes.
    #[error("the limit is {0} bytes")]
    TooLarge(u32),
    /// Too many characters.
    #[error("the limit is {0} characters")]
    TooLong(u32),
    /// The turn has sent too much.
    #[error("a turn can send {0}")]
    TurnFull(u64),
    /// The code may not be sent.
    #[error("close code {0} may not be sent")]
    BadCloseCode(u16),
    /// The response cannot be sent.
    #[error("the response cannot be sent: {0}")]
    BadResponse(String),
}

impl Turn {
    fn change(&mut self, connection: ConnectionId) -> &mut SessionChange {
        self.changes.sessions.entry(connection).or_default()
    }

    fn changed(&self, connection: ConnectionId) -> Option<&SessionChange> {
        self.changes.sessions.get(&connection)
    }

    fn session(&self, connection: ConnectionId) -> Result<&Session, ConnectionError> {
        self.state.sessions.get(&connection).map(AsRef::as_ref).ok_or(ConnectionError::Unknown)
    }

    /// What the host keeps of a connection, with this turn's tags and state.
    pub fn connection(&self, id: ConnectionId) -> Option<ConnectionView<'_>> {
        let session = self.state.sessions.get(&id)?;
        let change = self.changed(id);
        let tags = change.and_then(|change| change.accepted_with.as_ref()).unwrap_or(&session.tags);
        Some(ConnectionView { session, tags, ready_state: self.ready_state(id, session) })
    }

    fn ready_state(&self, id: ConnectionId, session: &Session) -> ReadyState {
        let leaves = self.changed(id).is_some_and(|change| change.closed || change.rejected);
        match session.ready_state {
            ReadyState::Connecting | ReadyState::Open if leaves => ReadyState::Closing,
            state => state,
        }
    }

    fn is_listed(&self, id: ConnectionId, session: &Session) -> bool {
        match self.changed(id) {
            None => session.is_listed(),
            Some(change) => {
                let accepted = session.accepted || change.accepted_with.is_some();
                accepted
                    && !change.closed
                    && !change.rejected
                    && matches!(session.ready_state, ReadyState::Connecting | ReadyState::Open)
            }
        }
    }

    fn has_tag(&self, id: ConnectionId, session: &Session, tag: &str) -> bool {
        let tags = self.changed(id).and_then(|change| change.accepted_with.as_ref()).unwrap_or(&session.tags);
        tags.iter().any(|one| one == tag)
    }

    /// The accepted connections that are not closing, in the order in which they were opened.
    pub fn connections(&self, tag: Option<&str>) -> Vec<ConnectionId> {
        let all_as_stored = self.changes.sessions.is_empty();
        let mut listed = Vec::with_capacity(self.state.sessions.len());
        for (id, session) in &self.state.sessions {
            let is_listed = if all_as_stored { session.is_listed() } else { self.is_listed(*id, session) };
            if is_listed && tag.is_none_or(|tag| self.has_tag(*id, session, tag)) {
                listed.push(*id);
            }
        }
        listed
    }

    /// Takes a connecting client into the room.
    pub fn accept(&mut self, id: ConnectionId, tags: Vec<String>) -> Result<(), ConnectionError> {
        self.still_connecting(id)?;
        let limits = &self.config.limits;
        if tags.len() > limits.tags_max as usize {
            return Err(ConnectionError::TooManyTags(limits.tags_max));
        }
        let chars_max = limits.tag_chars_max as usize;
        if tags.iter().any(|tag| tag.is_empty() || tag.chars().count() > chars_max) {
            return Err(ConnectionError::BadTag(limits.tag_chars_max));
        }
        self.change(id).accepted_with = Some(tags);
        Ok(())
    }

    /// Answers a connecting client with a response instead of a socket. One that got its 101 at the deadline
    /// cannot have a response any more: it is closed.
    pub fn reject(&mut self, id: ConnectionId, response: Response) -> Result<(), ConnectionError> {
        self.still_connecting(id)?;
        if let Some(fault) = response.fault(300) {
            return Err(ConnectionError::BadResponse(fault));
        }
        self.spend_output(1, response.body.len() as u64).map_err(ConnectionError::TurnFull)?;
        let output = match self.session(id)?.upgraded {
            true => Output::Close(id, Some(profile::refused_late())),
            false => Output::Reject(id, response),
        };
        self.change(id).rejected = true;
        self.changes.outputs.push(output);
        Ok(())
    }

    fn still_connecting(&self, id: ConnectionId) -> Result<(), ConnectionError> {
        let session = self.session(id)?;
        let decided = self
            .changed(id)
            .is_some_and(|change| change.accepted_with.is_some() || change.rejected || change.closed);
        if session.ready_state != ReadyState::Connecting || session.accepted || decided {
            return Err(ConnectionError::NotConnecting);
        }
        Ok(())
    }

    fn still_open(&self, id: ConnectionId) -> Result<(), ConnectionError> {
        let session = self.session(id)?;
        match self.ready_state(id, session) {
            ReadyState::Connecting | ReadyState::Open => Ok(()),
            ReadyState::Closing | ReadyState::Closed => Err(ConnectionError::Closed),
        }
    }

    fn check_message(&self, message: &Message) -> Result<(), ConnectionError> {
        let bytes_max = self.config.limits.message_out_bytes_max;
        if message.len() > bytes_max as usize {
            return Err(ConnectionError::TooLarge(bytes_max));
        }
        Ok(())
    }

    /// Sends one frame to one connection.
    pub fn send(&mut self, id: ConnectionId, message: Message) -> Result<(), ConnectionError> {
        self.still_open(id)?;
        self.check_message(&message)?;
        self.spend_output(1, message.len() as u64).map_err(ConnectionError::TurnFull)?;
        self.changes.outputs.push(Output::Send(id, message));
        Ok(())
    }

    /// Sends one frame to all listed connections, or those with a tag, except some. To how many.
    pub fn broadcast(
        &mut self,
        message: Message,
        except: &[ConnectionId],
        tag: Option<&str>,
    ) -> Result<u32, ConnectionError> {
        self.check_message(&message)?;
        let mut to = self.connections(tag);
        if !except.is_empty() {
            let mut except = except.to_vec();
            except.sort_unstable();
            to.retain(|id| except.binary_search(id).is_err());
        }
        let count = to.len() as u32;
        self.spend_output(u64::from(count), message.len() as u64).map_err(ConnectionError::TurnFull)?;
        if count > 0 {
            self.changes.outputs.push(Output::Broadcast(to, message));
        }
        Ok(count)
    }

    /// Closes a connection.
    pub fn close(&mut self, id: ConnectionId, frame: Option<CloseFrame>) -> Result<(), ConnectionError> {
        self.still_open(id)?;
        if let Some(frame) = &frame
            && !CloseFrame::may_be_given(frame.code)
        {
            return Err(ConnectionError::BadCloseCode(frame.code));
        }
        self.change(id).closed = true;
        self.changes.outputs.push(Output::Close(id, frame));
        Ok(())
    }

    /// The bytes kept with a connection.
    pub fn attachment(&self, id: ConnectionId) -> Result<Bytes, ConnectionError> {
        let session = self.session(id)?;
        let changed = self.changed(id).and_then(|change| change.attachment.clone());
        Ok(changed.unwrap_or_else(|| session.attachment.clone()))
    }

    /// Keeps bytes with a connection.
    pub fn set_attachment(&mut self, id: ConnectionId, bytes: Bytes) -> Result<(), ConnectionError> {
        self.session(id)?;
        let bytes_max = self.config.limits.attachment_bytes_max;
        if bytes.len() > bytes_max as usize {
            return Err(ConnectionError::TooLarge(bytes_max));
        }
        self.change(id).attachment = Some(bytes);
        Ok(())
    }

    /// Lets the host answer a text of any client without the guest, instead of an earlier one; or no more.
    pub fn set_auto_response(&mut self, pair: Option<AutoResponse>) -> Result<(), ConnectionError> {
        let chars_max = self.config.limits.auto_response_chars_max;
        if let Some(AutoResponse { request, response }) = &pair
            && [request, response].iter().any(|text| text.as_str().chars().count() > chars_max as usize)
        {
            return Err(ConnectionError::TooLong(chars_max));
        }
        self.changes.auto_response = Some(pair);
        Ok(())
    }
}

/// A connection as the turn sees it.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionView<'a> {
    /// What is kept of it.
    pub session: &'a Session,
    /// Its tags, this turn's if it set them.
    pub tags: &'a [String],
    /// Where it is in its life.
    pub ready_state: ReadyState,
}
