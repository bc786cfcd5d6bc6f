//! Starting and forgetting operations.

use std::sync::Arc;

use thiserror::Error;

use crate::address::{ROOM_BYTES_MAX, RoomAddress, check_name};
use crate::call::{Attempt, Once};
use crate::event::Output;
use crate::fetch::{self, FetchOptions};
use crate::http::Request;
use crate::ids::OperationId;
use crate::limits::{
    ASSET_PATH_BYTES_MAX, CALL_GRACE_MS, FETCH_MS_MAX, REQUEST_HEAD_BYTES_MAX, ROOMS_PAGE_MAX,
    WORK_DEADLINE_MS,
};
use crate::operation::{ConnectTarget, Operation, Work};
use crate::planted::{self, PlantedBug};
use crate::turn::{HoldsChange, Turn};

/// The host in the URL of a request that comes from a room: ICANN keeps `.internal` for
/// private use (2024), so no client comes with it.
pub const CALLED_HOST: &str = "rooms.internal";

/// Why an operation was not started.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum StartError {
    /// Too many are open.
    #[error("the limit for open operations is {0}")]
    Overloaded(u32),
    /// Too many streams are open, and it would open one more.
    #[error("the limit for open streams is {0}")]
    TooManyStreams(u32),
    /// Larger than so many bytes.
    #[error("the limit is {0} bytes")]
    TooLarge(u64),
    /// What was asked for makes no sense.
    #[error("{0}")]
    Invalid(String),
}

impl Turn {
    /// Open operations, with this turn's changes.
    pub fn open_operations(&self) -> u32 {
        (self.state.operations.len() + self.changes.started.len() - self.changes.cancelled.len()) as u32
    }

    /// Starts a sleep of so many milliseconds.
    pub fn sleep(&mut self, ms: u64) -> Result<OperationId, StartError> {
        let open_max = self.config.limits.operations_open_max;
        if self.open_operations() >= open_max {
            return Err(StartError::Overloaded(open_max));
        }
        let id = self.next_operation();
        self.changes.started_ids += 1;
        self.changes.started.insert(id, Operation::Sleep { due: self.now.after_ms(ms) });
        Ok(id)
    }

    /// Asks for a page of the rooms of a party: those whose ids begin with `prefix` and come after `after`.
    pub fn rooms(
        &mut self,
        party: String,
        prefix: String,
        after: Option<String>,
        limit: u32,
    ) -> Result<OperationId, StartError> {
        if !(1..=ROOMS_PAGE_MAX).contains(&limit) {
            return Err(StartError::Invalid(format!(
                "the limit is {limit}; it may be 1 to {ROOMS_PAGE_MAX}"
            )));
        }
        let ids = [Some(&prefix), after.as_ref()];
        if let Some(long) = ids.into_iter().flatten().find(|id| id.len() > ROOM_BYTES_MAX) {
            let bytes = long.len();
            return Err(StartError::Invalid(format!(
                "an id has at most {ROOM_BYTES_MAX} bytes, not {bytes}"
            )));
        }
        check_name("party", &party).map_err(|error| StartError::Invalid(error.to_string()))?;
        self.begin(Work::Rooms { party, prefix, after, limit }, WORK_DEADLINE_MS)
    }

    /// Asks for a static asset of the project, by its path in a URL.
    pub fn asset(&mut self, path: String) -> Result<OperationId, StartError> {
        let invalid = |text: String| Err(StartError::Invalid(text));
        if path.len() > ASSET_PATH_BYTES_MAX {
            let bytes = path.len();
            return invalid(format!(
                "the path of an asset has at most {ASSET_PATH_BYTES_MAX} bytes, not {bytes}"
            ));
        }
        if !path.starts_with('/') || path.contains(['?', '#']) {
            return invalid(format!("{path:?} is no path of an asset: it begins with / and has no query"));
        }
        self.begin(Work::Asset { path }, WORK_DEADLINE_MS)
    }

    /// Sends a request to another room. Its `uri` is what follows that room's own URL: nothing, a path or a query.
    pub fn call(
        &mut self,
        party: String,
        room: String,
        mut request: Request,
    ) -> Result<OperationId, StartError> {
        self.direct(&party, &room, &mut request)?;
        // The other room's own answer that it took too long still arrives.
        let deadline_ms = self.config.limits.request_deadline_ms.saturating_add(CALL_GRACE_MS);
        let until = self.now.after_ms(deadline_ms);
        let (incarnation, begun) = (self.state.incarnation, self.now);
        let once = self.config.durable.map(|_| Once { incarnation, begun, until });
        self.begin(Work::Call { party, room, request: Box::new(request), once }, deadline_ms)
    }

    /// Sends a request to a public address.
    pub fn fetch(&mut self, mut request: Request, options: FetchOptions) -> Result<OperationId, StartError> {
        let FetchOptions { timeout_ms, redirects_max, resend, streams } = options;
        self.check_request(&request)?;
        if streams {
            self.check_streams()?;
        }
        if let Some(fault) = options.fault().or_else(|| fetch::fault(&request)) {
            return Err(StartError::Invalid(fault));
        }
        if resend {
            let address = &self.config.address;
            let key = || fetch::idempotency_key(address, self.next_operation(), self.seed);
            fetch::give_key(&mut request, key);
        }
        self.spend_output(0, request.bytes()).map_err(StartError::TooLarge)?;
        let deadline_ms = if timeout_ms == 0 { FETCH_MS_MAX } else { timeout_ms };
        self.begin(Work::Fetch { request: Box::new(request), redirects_max, resend, streams }, deadline_ms)
    }

    /// Opens a WebSocket as a client. The `uri` of the request to a room is what follows that room's own URL.
    pub fn connect(&mut self, mut target: ConnectTarget) -> Result<OperationId, StartError> {
        self.check_streams()?;
        match &mut target {
            ConnectTarget::Url(url) => match fetch::socket_fault(url) {
                Some(fault) => return Err(StartError::Invalid(fault)),
                None => {}
            },
            ConnectTarget::Room { party, room, request } => self.direct(party, room, request)?,
        }
        self.begin(Work::Connect { target }, WORK_DEADLINE_MS)
    }

    /// Gives a request to another room its full URL, and spends what it takes of the turn's output.
    fn direct(&mut self, party: &str, room: &str, request: &mut Request) -> Result<(), StartError> {
        if let Err(error) = RoomAddress::new(self.config.address.project(), party, room) {
            return Err(StartError::Invalid(error.to_string()));
        }
        if !(request.uri.is_empty() || request.uri.starts_with(['/', '?'])) {
            let uri = &request.uri;
            return Err(StartError::Invalid(format!(
                "{uri:?} follows the URL of a room: it begins with / or ?, or is empty"
            )));
        }
        self.check_request(request)?;
        request.uri = format!("http://{CALLED_HOST}/parties/{party}/{room}{}", request.uri);
        self.spend_output(0, request.bytes()).map_err(StartError::TooLarge)
    }

    /// Whether another stream can be opened.
    fn check_streams(&self) -> Result<(), StartError> {
        if self.lobby.is_some() {
            return Err(StartError::Invalid("a lobby event has no streams".into()));
        }
        let open_max = self.config.limits.streams_open_max;
        match self.streams_to_be() < open_max as usize {
            true => Ok(()),
            false => Err(StartError::TooManyStreams(open_max)),
        }
    }

    /// Whether a room may send this request, wherever it goes.
    fn check_request(&self, request: &Request) -> Result<(), StartError> {
        if let Some(fault) = request.fault() {
            return Err(StartError::Invalid(fault));
        }
        let head_bytes = request.bytes() as usize - request.body.len();
        if head_bytes > REQUEST_HEAD_BYTES_MAX {
            let max = REQUEST_HEAD_BYTES_MAX;
            let fault = format!("the URL and the headers have {head_bytes} bytes; the limit is {max}");
            return Err(StartError::Invalid(fault));
        }
        let body_max = self.config.limits.request_body_bytes_max;
        if request.body.len() as u64 > u64::from(body_max) {
            return Err(StartError::TooLarge(body_max.into()));
        }
        Ok(())
    }

    pub(crate) fn next_operation(&self) -> OperationId {
        OperationId(self.state.next_operation + self.changes.started_ids)
    }

    /// Has something done outside of the room.
    fn begin(&mut self, work: Work, deadline_ms: u64) -> Result<OperationId, StartError> {
        let open_max = self.config.limits.operations_open_max;
        if self.open_operations() >= open_max {
            return Err(StartError::Overloaded(open_max));
        }
        let id = self.next_operation();
        self.changes.started_ids += 1;
        let work = Arc::new(work);
        let until = self.now.after_ms(deadline_ms);
        self.changes.started.insert(id, Operation::Work { work: Arc::clone(&work), until });
        self.changes.outputs.push(Output::Begin(id, work, Attempt::First));
        Ok(id)
    }

    /// The old version has had its part of an upgrade's turn, and the new one has its part now: what the old one has begun
    /// ends with it, also what it has begun in this turn, and nothing of it counts against the new one's bounds.
    pub fn hand_over(&mut self) {
        if planted::is(PlantedBug::OldSleepsGoOn) {
            return;
        }
        self.changes.started.clear();
        self.changes.outputs.retain(|output| !matches!(output, Output::Begin(..)));
        self.changes.withdrawn = 0;
        self.changes.cancelled = self.state.operations.all().map(|(id, _)| id).collect();
        self.hand_streams_over();
        self.changes.holds = Some(HoldsChange { count: 0, begins: false });
    }

    /// Forgets an operation: it will not complete. Whether it was open.
    pub fn cancel(&mut self, id: OperationId) -> bool {
        if let Some(started) = self.changes.started.remove(&id) {
            if let Operation::Work { .. } = started {
                self.changes.withdraw();
            }
            return true;
        }
        self.state.operations.contains(id) && self.changes.cancelled.insert(id)
    }
}
