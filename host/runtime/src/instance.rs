//! An instance: one room's life, from its start to its last turn.
//!
//! The turn is moved into the store for the time of the call and comes back in every case. Each turn has its own
//! fuel and its own CPU time. An instance whose guest did not return is dead: its memory may be half changed.

use party_core::event::{DropCause, Event, Handlers, Outcome, ResumeReason, StartReason, TurnEnd};
use party_core::http::Response;
use party_core::ids::EventId;
use party_core::message::Message;
use party_core::stream::StreamEvent;
use party_core::turn::Turn;
use wasmtime::{Result, Store, UpdateDeadline};

use crate::access::{Access, Accessors};
use crate::aside::step_aside;
use crate::bindings::RoomOnly;
use crate::bindings::exports::party::server::guest::{
    Outcome as GuestOutcome, ResumeReason as GuestResumeReason, RoomsPage, StartReason as GuestReason,
    StreamEvent as GuestStreamEvent,
};
use crate::bindings::party::server::types::{
    BodyParam, CloseFrameParam, Failure, HeaderParam, MessageParam, OperationErrorParam, Progress,
    ResponseParam,
};
use crate::capture::NotCapturable;
use crate::component::Component;
use crate::imports::{failure, headers, lent_request, operation_error};
use crate::state::InstanceState;
use crate::ticker::TICK_MS;
use crate::traps::{drop_cause, start_cause};

/// Milliseconds of epoch after which a guest is asked to yield.
const TICKS_BEFORE_YIELD: u64 = 1;

/// A room that is awake.
pub struct Instance {
    store: Store<InstanceState>,
    guest: RoomOnly,
    opened: wasmtime::component::Instance,
    handlers: Handlers,
    fuel_used: u64,
    /// False from the beginning of a turn to its orderly end.
    callable: bool,
    component: Component,
}

/// How an export has returned.
type Called = std::result::Result<Progress, party_core::event::Failure>;

/// An instance as a call needs it.
pub(crate) struct Opened<'a> {
    guest: &'a RoomOnly,
    pub(crate) instance: wasmtime::component::Instance,
    pub(crate) store: &'a mut Store<InstanceState>,
}

impl Instance {
    /// Makes an instance and runs its prologue: outside of any room, the same for every instance.
    pub(crate) async fn start(component: &Component) -> std::result::Result<Instance, DropCause> {
        Instance::make(component).await.map_err(|error| start_cause(&error, component.limits()))
    }

    /// As [`Instance::start`], with the engine's own words if there is none.
    pub(crate) async fn make(component: &Component) -> Result<Instance> {
        let limits = component.limits();
        let mut store = Store::new(component.engine().wasm(), InstanceState::new(limits));
        store.limiter(|state| &mut state.limiter);
        let yields = component.engine().guests_yield();
        store.epoch_deadline_callback(move |mut context| {
            context.data_mut().spend_tick()?;
            Ok(match yields {
                true => UpdateDeadline::YieldCustom(TICKS_BEFORE_YIELD, Box::pin(step_aside())),
                false => UpdateDeadline::Continue(TICKS_BEFORE_YIELD),
            })
        });
        store.set_epoch_deadline(TICKS_BEFORE_YIELD);
        store.set_fuel(limits.turn_fuel_max).expect("the engine counts fuel");
        let ticking = component.engine().ticker().ticking();
        let started = async {
            let opened = component.linked().instance.instantiate_async(&mut store).await?;
            let guest = component.linked().indices.load(&mut store, &opened)?;
            let handlers = guest.party_server_guest().call_capabilities(&mut store).await?;
            Ok((opened, guest, handlers))
        };
        let started: Result<_> = started.await;
        drop(ticking);
        let (opened, guest, handlers) = started?;
        store.data_mut().end_start();
        let handlers = Handlers(handlers.as_array()[0]);
        let component = component.clone();
        Ok(Instance { store, guest, opened, handlers, fuel_used: 0, callable: true, component })
    }

    /// Runs one turn: calls the export that takes its event.
    ///
    /// The guest yields every millisecond, so that others on this thread go on. If it does not return, the end is
    /// `Dropped`, and the instance must be thrown away. It must be, too, when the future is dropped before it is
    /// ready.
    ///
    /// # Panics
    ///
    /// If the instance's last turn was dropped or given up: that is a bug of the caller.
    pub async fn run(&mut self, turn: Box<Turn>) -> (Box<Turn>, TurnEnd) {
        let fuel_max = turn.limits().turn_fuel_max;
        let ticks_max = turn.limits().turn_deadline_ms / TICK_MS;
        self.run_within(turn, fuel_max, ticks_max).await
    }

    /// Runs a turn again that was kept once, as [`Instance::run`] does, but without bounds on fuel and time: it kept to
    /// them then, and how they are counted is no part of what a guest can learn.
    pub async fn run_again(&mut self, turn: Box<Turn>) -> (Box<Turn>, TurnEnd) {
        self.run_within(turn, u64::MAX, u64::MAX).await
    }

    async fn run_within(
        &mut self,
        mut turn: Box<Turn>,
        fuel_max: u64,
        ticks_max: u64,
    ) -> (Box<Turn>, TurnEnd) {
        if let Some(socket) = turn.take_socket() {
            return self.run_on_socket(turn, fuel_max, ticks_max, socket).await;
        }
        let event = turn.take_event();
        let event_id = turn.event_id();
        let (turn, called) = self
            .in_turn(turn, fuel_max, ticks_max, async |opened| {
                call(opened.guest, opened.store, event_id, event).await
            })
            .await;
        (turn, turn_end(called.map(|called| called.map_err(failure))))
    }

    /// Calls an export with a turn in its hands, within these bounds. If it does not return, the instance is dead.
    pub(crate) async fn in_turn<T>(
        &mut self,
        turn: Box<Turn>,
        fuel_max: u64,
        ticks_max: u64,
        call: impl AsyncFnOnce(Opened<'_>) -> Result<T>,
    ) -> (Box<Turn>, std::result::Result<T, DropCause>) {
        assert!(self.callable, "an instance whose last turn did not end in order is never called again");
        self.callable = false;
        self.store.set_fuel(fuel_max).expect("the engine counts fuel");
        self.store.set_epoch_deadline(TICKS_BEFORE_YIELD);
        self.store.data_mut().begin(turn, ticks_max);
        let ticking = self.component.engine().ticker().ticking();
        let called = call(Opened { guest: &self.guest, instance: self.opened, store: &mut self.store }).await;
        drop(ticking);
        self.fuel_used = fuel_max - self.store.get_fuel().expect("the engine counts fuel");
        let turn = self.store.data_mut().end();
        self.callable = called.is_ok();
        (turn, called.map_err(|error| drop_cause(&error, self.component.limits())))
    }

    /// Which handlers the prologue said are real.
    pub fn handlers(&self) -> Handlers {
        self.handlers
    }

    pub(crate) fn component(&self) -> &Component {
        &self.component
    }

    /// Whether the last turn ended in order.
    pub(crate) fn is_callable(&self) -> bool {
        self.callable
    }

    /// The instance as the engine has it. Not in a turn.
    pub(crate) fn opened(&mut self) -> Opened<'_> {
        Opened { guest: &self.guest, instance: self.opened, store: &mut self.store }
    }

    /// Opens its memories and globals. Not in a turn.
    pub(crate) fn open<'a>(&'a mut self, accessors: &'a Accessors) -> Access<'a> {
        Access::open(accessors, &mut self.store, self.opened)
    }

    /// Whether the guest holds the WASI handles that its prologue opened, and no others.
    pub(crate) fn check_handles(&mut self) -> std::result::Result<(), NotCapturable> {
        self.store.data_mut().wasi.check_handles().map_err(|handles| NotCapturable::Handles { handles })
    }

    /// Bounds its linear memory until its next turn, which has a bound of its own.
    pub(crate) fn may_have(&mut self, memory_bytes_max: u64) {
        self.store.data_mut().limiter.set_memory_bytes_max(memory_bytes_max);
    }

    /// Linear memory in use, in bytes.
    pub fn memory_bytes(&self) -> u64 {
        self.store.data().limiter.memory_bytes()
    }

    /// Fuel that the last turn used: about one unit per instruction.
    pub fn fuel_used(&self) -> u64 {
        self.fuel_used
    }
}

/// What the return of an export means for its turn.
pub(crate) fn turn_end(called: std::result::Result<Called, DropCause>) -> TurnEnd {
    match called {
        Ok(Ok(Progress::Done)) => TurnEnd::Done,
        Ok(Ok(Progress::Pending)) => TurnEnd::Pending,
        Ok(Err(caught)) => TurnEnd::Failed(caught),
        Err(cause) => TurnEnd::Dropped(cause),
    }
}

async fn call(
    guest: &RoomOnly,
    mut store: &mut Store<InstanceState>,
    EventId(id): EventId,
    event: Event,
) -> Result<std::result::Result<Progress, Failure>> {
    let guest = guest.party_server_guest();
    match event {
        Event::Start(reason) => guest.call_on_start(&mut store, id, start_reason(reason)).await,
        Event::Resume(reason) => guest.call_on_resume(&mut store, id, resume_reason(reason)).await,
        Event::Connect(connection) => guest.call_on_connect(&mut store, id, connection.0).await,
        Event::Message(connection, message) => {
            let message = match &message {
                Message::Text(text) => MessageParam::Text(text.as_str()),
                Message::Binary(bytes) => MessageParam::Binary(bytes),
            };
            guest.call_on_message(&mut store, id, connection.0, message).await
        }
        Event::Close(connection, frame, was_clean) => {
            let frame = CloseFrameParam { code: frame.code, reason: &frame.reason };
            guest.call_on_close(&mut store, id, connection.0, frame, was_clean).await
        }
        Event::Error(connection, error) => guest.call_on_error(&mut store, id, connection.0, &error).await,
        Event::Request(request_id, request) => {
            let headers = headers(&request.headers);
            guest.call_on_request(&mut store, id, request_id.0, lent_request(&request, &headers)).await
        }
        Event::ResponseClosed(request) => guest.call_on_response_closed(&mut store, id, request.0).await,
        Event::Alarm => guest.call_on_alarm(&mut store, id).await,
        Event::Stream(stream, what) => {
            let what = match &what {
                StreamEvent::Chunk(bytes) => GuestStreamEvent::Chunk(bytes),
                StreamEvent::Message(Message::Text(text)) => {
                    GuestStreamEvent::Message(MessageParam::Text(text.as_str()))
                }
                StreamEvent::Message(Message::Binary(bytes)) => {
                    GuestStreamEvent::Message(MessageParam::Binary(bytes))
                }
                StreamEvent::End => GuestStreamEvent::End,
                StreamEvent::Closed(frame) => {
                    GuestStreamEvent::Closed(CloseFrameParam { code: frame.code, reason: &frame.reason })
                }
                StreamEvent::Error(why) => GuestStreamEvent::Error(why),
            };
            guest.call_on_stream(&mut store, id, stream.0, what).await
        }
        Event::Drain(stream, _) => {
            let credit = store.data().stream_credit(stream);
            guest.call_on_drain(&mut store, id, stream.0, credit).await
        }
        Event::Completed(operation, outcome) => {
            let rooms: Vec<&str> = match &outcome {
                Outcome::Rooms(page) => page.rooms.iter().map(String::as_str).collect(),
                Outcome::Slept
                | Outcome::Interrupted
                | Outcome::Dropped
                | Outcome::Asset(_)
                | Outcome::Response(_)
                | Outcome::Streamed(_)
                | Outcome::Connected
                | Outcome::Failed(_) => Vec::new(),
            };
            let response = match &outcome {
                Outcome::Response(response)
                | Outcome::Streamed(response)
                | Outcome::Asset(Some(response)) => Some(response),
                Outcome::Slept
                | Outcome::Interrupted
                | Outcome::Dropped
                | Outcome::Rooms(_)
                | Outcome::Asset(None)
                | Outcome::Connected
                | Outcome::Failed(_) => None,
            };
            let of_response = response.map_or_else(Vec::new, |response| headers(&response.headers));
            let outcome = match &outcome {
                Outcome::Slept => GuestOutcome::Slept,
                Outcome::Interrupted => GuestOutcome::Failed(OperationErrorParam::Interrupted),
                Outcome::Dropped => GuestOutcome::Failed(OperationErrorParam::Dropped),
                Outcome::Rooms(page) => {
                    GuestOutcome::Rooms(RoomsPage { rooms: &rooms, next: page.next.as_deref() })
                }
                Outcome::Asset(asset) => {
                    GuestOutcome::Asset(asset.as_deref().map(|asset| lent(asset, &of_response)))
                }
                Outcome::Response(response) => GuestOutcome::Response(lent(response, &of_response)),
                Outcome::Streamed(head) => GuestOutcome::Response(ResponseParam {
                    body: BodyParam::Streamed(operation.stream().0),
                    ..lent(head, &of_response)
                }),
                Outcome::Connected => GuestOutcome::Connected(operation.stream().0),
                Outcome::Failed(error) => GuestOutcome::Failed(operation_error(error)),
            };
            guest.call_on_completed(&mut store, id, operation.0, outcome).await
        }
    }
}

fn lent<'a>(response: &'a Response, headers: &'a [HeaderParam<'a>]) -> ResponseParam<'a> {
    ResponseParam { status: response.status, headers, body: BodyParam::Bytes(&response.body) }
}

fn start_reason(reason: StartReason) -> GuestReason {
    match reason {
        StartReason::New => GuestReason::New,
        StartReason::Lost => GuestReason::Lost,
        StartReason::FailedBefore => GuestReason::FailedBefore,
    }
}

fn resume_reason(reason: ResumeReason) -> GuestResumeReason {
    match reason {
        ResumeReason::Forked => GuestResumeReason::Forked,
        ResumeReason::Imported => GuestResumeReason::Imported,
    }
}
