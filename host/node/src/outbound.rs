//! Who carries fetches out of the host. The node knows no network: whoever starts it gives it one.

use std::future::Future;
use std::pin::Pin;

use party_core::http::{Request, Response};
use party_core::operation::OperationError;

/// A request of a room to the world outside, as it is to be carried out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fetch {
    /// With its full URL, `https://` or `http://`.
    pub request: Request,
    /// How many redirects to follow; the one after them is the answer.
    pub redirects_max: u32,
    /// The largest body of an answer, in bytes; one that is larger is [`OperationError::TooLarge`].
    pub body_bytes_max: u64,
}

/// A fetch under way. To drop it is to give it up: nothing of it may go on.
pub type UnderWay = Pin<Box<dyn Future<Output = Result<Response, OperationError>>>>;

/// Sends requests to where they are addressed, or says why not. It alone judges whether they may go there. It is asked on the
/// worker of the room, by a task that ends at the operation's deadline.
pub trait Outbound: Send + Sync {
    /// Sends a request once, and reads what is answered.
    fn fetch(&self, fetch: Fetch) -> UnderWay;
}

/// A host without a network: whatever is fetched cannot be.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoNetwork;

impl Outbound for NoNetwork {
    fn fetch(&self, _fetch: Fetch) -> UnderWay {
        Box::pin(async { Err(OperationError::Connect("this host has no network".into())) })
    }
}
