//! Calling the lobby of a party: a fresh instance, outside any room, with a turn in its hands that knows no room.
//!
//! The interface is no part of the world that every component must export, so it is looked up by name. A component that
//! announces a handler of it (`guest.capabilities`) and does not export it, or with another type, is refused when it is loaded.

use party_core::event::{DropCause, Failure, Handlers, TurnEnd};
use party_core::http::Request;
use party_core::ids::ConnectionId;
use party_core::lobby::{CronRun, LobbyEvent, LobbyKind};
use party_core::turn::Turn;
use thiserror::Error;
use wasmtime::component::{Component, ComponentExportIndex, TypedFunc};

use crate::bindings::party::server::types::{Failure as GuestFailure, Progress, RequestParam};
use crate::imports::{failure, headers, lent_request};
use crate::instance::{Instance, Opened, turn_end};
use crate::ticker::TICK_MS;

/// The interface, as components export it.
const INTERFACE: &str = "party:server/lobby@0.1.0";
/// The handler of it that takes a socket, which has a room of its own then and is no lobby event as the others are.
const ON_SOCKET: &str = "on-socket";
/// Every other handler of it.
const KINDS: [LobbyKind; 4] =
    [LobbyKind::BeforeConnect, LobbyKind::BeforeRequest, LobbyKind::Fetch, LobbyKind::Cron];

/// What an export gives back.
type Given = (Result<Progress, GuestFailure>,);
/// `before-connect` and `before-request`.
type Before<'a> = TypedFunc<(u64, &'a str, RequestParam<'a>), Given>;
/// `on-fetch`
type OnFetch<'a> = TypedFunc<(u64, RequestParam<'a>), Given>;
/// `on-socket`
type OnSocket<'a> = TypedFunc<(u64, u64, RequestParam<'a>), Given>;
/// `on-cron`
type OnCron<'a> = TypedFunc<(u64, &'a str, &'a str, u64), Given>;

/// Why a component is refused that announces a handler of the lobby.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum LobbyMisfit {
    /// The interface, or the function, is not exported.
    #[error("the component says that it has `{function}`, and does not export it in {INTERFACE}")]
    Missing {
        /// Which function.
        function: &'static str,
    },
    /// It has another type.
    #[error("the component exports `{function}` of {INTERFACE} with another type: {reason}")]
    Mistyped {
        /// Which function.
        function: &'static str,
        /// The engine's words.
        reason: String,
    },
}

/// Where a component has its lobby.
#[derive(Clone, Copy)]
pub(crate) struct LobbyIndices {
    kinds: [Option<ComponentExportIndex>; KINDS.len()],
    on_socket: Option<ComponentExportIndex>,
}

impl LobbyIndices {
    /// Finds it by name. `None`: the interface is not exported.
    pub(crate) fn find(component: &Component) -> Option<LobbyIndices> {
        let instance = component.get_export_index(None, INTERFACE)?;
        let find = |name| component.get_export_index(Some(&instance), name);
        Some(LobbyIndices { kinds: KINDS.map(|kind| find(kind.name())), on_socket: find(ON_SOCKET) })
    }

    fn of(self, kind: LobbyKind) -> Option<ComponentExportIndex> {
        KINDS.iter().position(|one| *one == kind).and_then(|place| self.kinds[place])
    }
}

impl Instance {
    /// Whether what was announced is there.
    pub(crate) fn check_lobby(&mut self) -> Result<(), LobbyMisfit> {
        let handlers = self.handlers();
        for kind in KINDS.into_iter().filter(|kind| handlers.has(kind.handler())) {
            let function = kind.name();
            let index = self.lobby_index(kind).ok_or(LobbyMisfit::Missing { function })?;
            let opened = self.opened();
            let checked = match kind {
                LobbyKind::BeforeConnect | LobbyKind::BeforeRequest => before(opened, index).map(drop),
                LobbyKind::Fetch => on_fetch(opened, index).map(drop),
                LobbyKind::Cron => on_cron(opened, index).map(drop),
            };
            let mistyped = |error| LobbyMisfit::Mistyped { function, reason: format!("{error:#}") };
            checked.map_err(mistyped)?;
        }
        if handlers.has(Handlers::ON_SOCKET) {
            let function = ON_SOCKET;
            let index = self.on_socket_index().ok_or(LobbyMisfit::Missing { function })?;
            on_socket(self.opened(), index)
                .map_err(|error| LobbyMisfit::Mistyped { function, reason: format!("{error:#}") })?;
        }
        Ok(())
    }

    fn on_socket_index(&self) -> Option<ComponentExportIndex> {
        self.component().linked().lobby.and_then(|found| found.on_socket)
    }

    fn lobby_index(&self, kind: LobbyKind) -> Option<ComponentExportIndex> {
        self.component().linked().lobby.and_then(|found| found.of(kind))
    }

    /// Runs a turn of a lobby event, as [`Instance::run`] does one of a room: calls the export that takes the event, or
    /// `guest.on-completed`.
    ///
    /// # Panics
    ///
    /// If the component does not announce the handler, or the instance is dead.
    pub async fn run_in_the_lobby(&mut self, mut turn: Box<Turn>) -> (Box<Turn>, TurnEnd) {
        let Some(event) = turn.take_lobby_event() else { return self.run(turn).await };
        let index = self.lobby_index(event.kind());
        let index = index.expect("what is announced was found when the component was loaded");
        let (fuel_max, ticks_max) = (turn.limits().turn_fuel_max, turn.limits().turn_deadline_ms / TICK_MS);
        let id = turn.event_id().0;
        let called =
            self.in_turn(turn, fuel_max, ticks_max, async |opened| call(opened, index, id, &event).await);
        let (turn, called): (_, Result<Result<Progress, Failure>, DropCause>) = called.await;
        (turn, turn_end(called))
    }
}

impl Instance {
    /// Runs the turn in which the guest hears of a socket outside of rooms: calls `lobby.on-socket`.
    pub(crate) async fn run_on_socket(
        &mut self,
        turn: Box<Turn>,
        fuel_max: u64,
        ticks_max: u64,
        (connection, request): (ConnectionId, Request),
    ) -> (Box<Turn>, TurnEnd) {
        let index = self.on_socket_index();
        let index = index.expect("what is announced was found when the component was loaded");
        let id = turn.event_id().0;
        let (turn, called) = self
            .in_turn(turn, fuel_max, ticks_max, async |opened| {
                let Opened { instance, store, .. } = opened;
                let headers = headers(&request.headers);
                let on_socket: OnSocket<'_> = instance.get_typed_func(&mut *store, index)?;
                let (given,) =
                    on_socket.call_async(store, (id, connection.0, lent_request(&request, &headers))).await?;
                Ok(given.map_err(failure))
            })
            .await;
        (turn, turn_end(called))
    }
}

async fn call(
    opened: Opened<'_>,
    index: ComponentExportIndex,
    id: u64,
    event: &LobbyEvent,
) -> wasmtime::Result<Result<Progress, Failure>> {
    let Opened { instance, store, .. } = opened;
    let (given,) = match event {
        LobbyEvent::BeforeConnect(room, request) | LobbyEvent::BeforeRequest(room, request) => {
            let headers = headers(&request.headers);
            let before: Before<'_> = instance.get_typed_func(&mut *store, index)?;
            before.call_async(store, (id, room.as_str(), lent_request(request, &headers))).await?
        }
        LobbyEvent::Fetch(request) => {
            let headers = headers(&request.headers);
            let on_fetch: OnFetch<'_> = instance.get_typed_func(&mut *store, index)?;
            on_fetch.call_async(store, (id, lent_request(request, &headers))).await?
        }
        LobbyEvent::Cron(CronRun { name, expression, scheduled_at }) => {
            let on_cron: OnCron<'_> = instance.get_typed_func(&mut *store, index)?;
            on_cron.call_async(store, (id, name.as_str(), expression.as_str(), scheduled_at.0)).await?
        }
    };
    Ok(given.map_err(failure))
}

fn before<'a>(opened: Opened<'_>, index: ComponentExportIndex) -> wasmtime::Result<Before<'a>> {
    opened.instance.get_typed_func(opened.store, index)
}

fn on_fetch<'a>(opened: Opened<'_>, index: ComponentExportIndex) -> wasmtime::Result<OnFetch<'a>> {
    opened.instance.get_typed_func(opened.store, index)
}

fn on_socket<'a>(opened: Opened<'_>, index: ComponentExportIndex) -> wasmtime::Result<OnSocket<'a>> {
    opened.instance.get_typed_func(opened.store, index)
}

fn on_cron<'a>(opened: Opened<'_>, index: ComponentExportIndex) -> wasmtime::Result<OnCron<'a>> {
    opened.instance.get_typed_func(opened.store, index)
}
