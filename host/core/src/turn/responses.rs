//! Answering requests.

use thiserror::Error;

use crate::event::Output;
use crate::http::Response;
use crate::ids::RequestId;
use crate::turn::Turn;

/// Why a response was refused.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum RespondError {
    /// No such request waits.
    #[error("no such request waits for an answer")]
    Unknown,
    /// The body is too large.
    #[error("the limit for a response is {0} bytes")]
    TooLarge(u64),
    /// It cannot be sent.
    #[error("the response cannot be sent: {0}")]
    BadResponse(String),
    /// The turn has sent too much.
    #[error("a turn can send {0} bytes")]
    TurnFull(u64),
}

impl Turn {
    /// Answers a request.
    pub fn respond(&mut self, request: RequestId, response: Response) -> Result<(), RespondError> {
        if !self.state.requests.contains(&request) || self.changes.answered.contains(&request) {
            return Err(RespondError::Unknown);
        }
        let bytes_max = self.config.limits.response_body_bytes_max;
        if response.body.len() > bytes_max as usize {
            return Err(RespondError::TooLarge(u64::from(bytes_max)));
        }
        if let Some(fault) = response.fault(200) {
            return Err(RespondError::BadResponse(fault));
        }
        self.spend_output(1, response.body.len() as u64).map_err(RespondError::TurnFull)?;
        self.changes.answered.insert(request);
        self.changes.outputs.push(Output::Respond(request, response));
        Ok(())
    }
}
