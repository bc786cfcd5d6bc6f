//! `connections`: the room's WebSockets.

use party_core::auto_response::AutoResponse;
use party_core::ids::ConnectionId;
use party_core::session::ReadyState as CoreReadyState;
use party_core::turn::connections::ConnectionError as CoreError;
use wasmtime::Result;

use crate::bindings::party::server::connections::{ConnectionError, ConnectionInfo, Host, ReadyState};
use crate::bindings::party::server::types::{CloseFrameResult, MessageResult, ResponseResult};
use crate::imports::values::{close_frame, message, owned_headers, response};
use crate::state::InstanceState;

type Answer<T> = Result<Result<T, ConnectionError>>;

impl Host for InstanceState {
    fn accept(&mut self, connection: u64, tags: Vec<String>) -> Answer<()> {
        let Some(turn) = self.room("connections.accept")? else {
            return Ok(Err(ConnectionError::NotInARoom));
        };
        Ok(turn.accept(ConnectionId(connection), tags).map_err(connection_error))
    }

    fn reject(&mut self, connection: u64, answer: ResponseResult) -> Answer<()> {
        let Some(turn) = self.room("connections.reject")? else {
            return Ok(Err(ConnectionError::NotInARoom));
        };
        Ok(match response(answer) {
            Ok(response) => turn.reject(ConnectionId(connection), response).map_err(connection_error),
            Err(fault) => Err(ConnectionError::BadResponse(fault)),
        })
    }

    fn send(&mut self, connection: u64, frame: MessageResult) -> Answer<()> {
        let Some(turn) = self.room("connections.send")? else { return Ok(Err(ConnectionError::NotInARoom)) };
        Ok(turn.send(ConnectionId(connection), message(frame)).map_err(connection_error))
    }

    fn broadcast(&mut self, frame: MessageResult, except: Vec<u64>, tag: Option<String>) -> Answer<u32> {
        let Some(turn) = self.room("connections.broadcast")? else {
            return Ok(Err(ConnectionError::NotInARoom));
        };
        let except: Vec<ConnectionId> = except.into_iter().map(ConnectionId).collect();
        Ok(turn.broadcast(message(frame), &except, tag.as_deref()).map_err(connection_error))
    }

    fn close(&mut self, connection: u64, frame: Option<CloseFrameResult>) -> Answer<()> {
        let Some(turn) = self.room("connections.close")? else { return Ok(Err(ConnectionError::NotInARoom)) };
        Ok(turn.close(ConnectionId(connection), frame.map(close_frame)).map_err(connection_error))
    }

    fn list(&mut self, tag: Option<String>) -> Result<Vec<u64>> {
        let turn = self.turn("connections.list")?;
        Ok(turn.connections(tag.as_deref()).into_iter().map(|id| id.0).collect())
    }

    fn info(&mut self, connection: u64) -> Result<Option<ConnectionInfo>> {
        let turn = self.turn("connections.info")?;
        Ok(turn.connection(ConnectionId(connection)).map(|view| ConnectionInfo {
            id: connection,
            key: view.session.key.clone(),
            uri: view.session.uri.clone(),
            headers: owned_headers(&view.session.headers),
            tags: view.tags.to_vec(),
            opened_at: view.session.opened_at.0,
            ready_state: ready_state(view.ready_state),
        }))
    }

    fn attachment(&mut self, connection: u64) -> Answer<Vec<u8>> {
        let Some(turn) = self.room("connections.attachment")? else {
            return Ok(Err(ConnectionError::NotInARoom));
        };
        Ok(turn.attachment(ConnectionId(connection)).map(Vec::from).map_err(connection_error))
    }

    fn set_attachment(&mut self, connection: u64, bytes: Vec<u8>) -> Answer<()> {
        let Some(turn) = self.room("connections.set-attachment")? else {
            return Ok(Err(ConnectionError::NotInARoom));
        };
        Ok(turn.set_attachment(ConnectionId(connection), bytes.into()).map_err(connection_error))
    }

    fn set_auto_response(&mut self, pair: Option<(String, String)>) -> Answer<()> {
        let Some(turn) = self.room("connections.set-auto-response")? else {
            return Ok(Err(ConnectionError::NotInARoom));
        };
        let pair = pair
            .map(|(request, response)| AutoResponse { request: request.into(), response: response.into() });
        Ok(turn.set_auto_response(pair).map_err(connection_error))
    }
}

fn ready_state(state: CoreReadyState) -> ReadyState {
    match state {
        CoreReadyState::Connecting => ReadyState::Connecting,
        CoreReadyState::Open => ReadyState::Open,
        CoreReadyState::Closing => ReadyState::Closing,
        CoreReadyState::Closed => ReadyState::Closed,
    }
}

fn connection_error(error: CoreError) -> ConnectionError {
    match error {
        CoreError::Unknown => ConnectionError::Unknown,
        CoreError::NotConnecting => ConnectionError::NotConnecting,
        CoreError::Closed => ConnectionError::Closed,
        CoreError::TooManyTags(tags_max) => ConnectionError::TooManyTags(tags_max),
        CoreError::BadTag(chars_max) => ConnectionError::BadTag(chars_max),
        CoreError::TooLarge(bytes_max) => ConnectionError::TooLarge(bytes_max),
        CoreError::TooLong(chars_max) => ConnectionError::TooLarge(chars_max),
        CoreError::TurnFull(bound) => ConnectionError::TurnFull(bound),
        CoreError::BadCloseCode(code) => ConnectionError::BadCloseCode(code),
        CoreError::BadResponse(fault) => ConnectionError::BadResponse(fault),
    }
}
