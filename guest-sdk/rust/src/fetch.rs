//! Requests to the world outside of the host.

use std::borrow::Cow;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;

use crate::bindings::exports::party::server::guest::Outcome;
use crate::bindings::party::server::operations as host;
use crate::http::{Header, Request, Response};
use crate::operation::millis;
use crate::stream::Streamed;
use crate::work::{OperationError, Work, unexpected};

/// Redirects that are followed unless told otherwise.
const REDIRECTS: u32 = 10;

/// A request to a public address; made by [`Room::fetch`](crate::Room::fetch).
#[derive(Debug, Clone)]
#[must_use = "nothing is sent until it is awaited"]
pub struct Fetch {
    request: Request,
    timeout: Option<Duration>,
    redirects: u32,
    resend: bool,
}

impl Fetch {
    pub(crate) fn to(url: &str) -> Self {
        let request = Request::new("GET", url, "");
        Self { request, timeout: None, redirects: REDIRECTS, resend: false }
    }

    /// Another method than `GET`, in upper case.
    pub fn method(mut self, method: &str) -> Self {
        self.request.method = method.to_owned();
        self
    }

    /// One more header, its name in lower case. `host`, `content-length` and what else is about the connection are the host's.
    pub fn header(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Vec<u8>>) -> Self {
        self.request.headers.push(Header { name: name.into(), value: value.into() });
        self
    }

    /// The body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.request.body = body.into();
        self
    }

    /// The body, as `value` in JSON. Fails if `value` has no JSON form (a map whose keys are no text).
    #[cfg(feature = "json")]
    pub fn json<T: serde::Serialize + ?Sized>(self, value: &T) -> Result<Self, crate::JsonError> {
        Ok(self.header("content-type", "application/json").body(crate::json::to_text(value)?))
    }

    /// Wait so long for the whole answer, redirects among it, then end with [`OperationError::Timeout`]; 5 minutes at most, and if
    /// nothing is said.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Follow so many redirects, 0 to 20; 10 if nothing is said. The one after them is the answer.
    pub fn redirects(mut self, redirects: u32) -> Self {
        self.redirects = redirects;
        self
    }

    /// Send the request again if the host is restarted before the answer has come, instead of ending with
    /// [`OperationError::Interrupted`]. It has the same `idempotency-key` each time, by which a server knows that it is the same:
    /// the host makes one, unless there is a header of this name.
    pub fn resend(mut self) -> Self {
        self.resend = true;
        self
    }

    /// Send it, and have the head of the answer as soon as it is there; the body is read in pieces. The timeout is for the head.
    ///
    /// ```no_run
    /// # async fn example(room: &party::Room) -> party::Result<()> {
    /// let mut answer = room.fetch("https://model.example/words").method("POST").body("why?").streamed().await?;
    /// while let Some(piece) = answer.body.next().await {
    ///     room.broadcast(String::from_utf8_lossy(&piece?).into_owned())?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn streamed(self) -> Result<Streamed, OperationError> {
        let begin = move || self.request.lend(|request| host::fetch(request, self.options(true)));
        match Work::of(begin).await? {
            Outcome::Response(head) => Streamed::try_from(head),
            other => Err(unexpected(&other)),
        }
    }

    fn options(&self, stream_response: bool) -> host::FetchOptions {
        host::FetchOptions {
            // Nothing stands for the host's own bound: a wait of no time is the shortest that there is.
            timeout_ms: self.timeout.map_or(0, |timeout| millis(timeout).max(1)),
            redirects_max: self.redirects,
            stream_response,
            resend: self.resend,
        }
    }
}

impl IntoFuture for Fetch {
    type Output = Result<Response, OperationError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output>>>;

    fn into_future(self) -> Self::IntoFuture {
        let begin = move || self.request.lend(|request| host::fetch(request, self.options(false)));
        Box::pin(async move {
            match Work::of(begin).await? {
                Outcome::Response(response) => Response::try_from(response),
                other => Err(unexpected(&other)),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Fetch;

    #[test]
    fn what_is_not_said_is_the_hosts() {
        let options = Fetch::to("https://example.com/").options(false);
        assert_eq!((options.timeout_ms, options.redirects_max, options.resend), (0, 10, false));
        let said = Fetch::to("https://example.com/").timeout(Duration::from_micros(1)).redirects(0).resend();
        let options = said.options(true);
        assert_eq!((options.timeout_ms, options.redirects_max, options.resend), (1, 0, true));
    }
}
