//! The room as its party sees it: who and when it is, and everything that it can do.
//!
//! A command takes effect when the turn commits; a read sees the turn's own commands. Nothing here waits, except
//! the futures, and those only in tasks.

use std::convert::Infallible;
use std::time::Duration;

use crate::bindings::party::server::{alarms, events, random, room as host};
use crate::connection::{self, Audience, Connection, ConnectionError};
use crate::fetch::Fetch;
use crate::message::AsFrame;
use crate::operation::Sleep;
use crate::party::Party;
use crate::runtime;
use crate::storage::Storage;
use crate::stream::{Connect, ConnectTo};
use crate::task::{self, Either, Task, TaskOutput, select};
use crate::time::Timestamp;
use crate::work::{Asset, Call, ListRooms};

/// The room that this code runs in. It holds nothing, so it can be copied into tasks.
#[derive(Debug, Clone, Copy)]
pub struct Room(());

impl Room {
    pub(crate) const fn new() -> Self {
        Self(())
    }

    /// The room's id as it stands in the URL, never percent-decoded.
    pub fn id(&self) -> String {
        host::id()
    }

    /// The party's name, as in the URL.
    pub fn party(&self) -> String {
        host::party()
    }

    /// The project that the host serves the party under.
    pub fn project(&self) -> String {
        host::project()
    }

    /// This life of the room since its last fresh start: 32 lower-case hex digits.
    pub fn incarnation(&self) -> String {
        host::incarnation()
    }

    /// The value of one of the party's vars (`[vars]` in `party.toml`).
    pub fn var(&self, name: &str) -> Option<String> {
        host::var(name)
    }

    /// All vars of the party, in order of name.
    pub fn vars(&self) -> Vec<(String, String)> {
        host::vars()
    }

    /// What the room uses of its limits, with what this turn has done so far.
    pub fn usage(&self) -> Usage {
        Usage::from(host::usage())
    }

    /// The time of this turn. It stands still inside a turn and never decreases.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(host::now())
    }

    /// So many random bytes, at most 65,536; a larger number counts as that.
    pub fn random_bytes(&self, count: u32) -> Vec<u8> {
        random::bytes(count)
    }

    /// A random number: all 64 bits are.
    pub fn random_u64(&self) -> u64 {
        let bytes = random::bytes(8);
        u64::from_le_bytes(bytes.try_into().expect("the host gives as many bytes as it is asked for"))
    }

    /// The room's key-value store.
    pub fn storage(&self) -> Storage {
        Storage::new()
    }

    /// The accepted connections that are not closing, in the order in which they came.
    pub fn connections(&self) -> Vec<Connection> {
        connection::list(None)
    }

    /// Those of the connections that have this tag.
    pub fn connections_tagged(&self, tag: &str) -> Vec<Connection> {
        connection::list(Some(tag))
    }

    /// Send one message to all connections; returns to how many.
    pub fn broadcast(&self, message: impl AsFrame) -> Result<u32, ConnectionError> {
        self.everyone().send(message)
    }

    /// All connections, to be narrowed for a broadcast: `room.everyone().except(&[*from]).send("hello")?`.
    pub fn everyone<'a>(&self) -> Audience<'a> {
        Audience::default()
    }

    /// Let the host answer this text with that one by itself, instead of an earlier pair (each at most 2,048 characters).
    ///
    /// From the end of the turn on, a client's text message that is exactly `request` is answered and reaches no handler:
    /// it neither wakes the room nor keeps it awake. That makes heartbeats free:
    ///
    /// ```no_run
    /// # fn example(room: &party::Room) -> party::Result<()> {
    /// room.set_auto_response("ping", "pong")?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// It lasts as the room's variables do: while the room sleeps, and over restarts of the host, but not beyond a fresh
    /// start. So set it in `on_start`.
    pub fn set_auto_response(&self, request: &str, response: &str) -> Result<(), ConnectionError> {
        connection::set_auto_response(Some((request, response)))
    }

    /// From the end of the turn on all text messages reach `on_message` again.
    pub fn clear_auto_response(&self) -> Result<(), ConnectionError> {
        connection::set_auto_response(None)
    }

    /// Let the alarm ring at this time, instead of any earlier arrangement. It rings at least once, never early,
    /// also after a restart. A time that has passed rings at once.
    pub fn set_alarm(&self, at: Timestamp) -> Result<(), AlarmError> {
        Ok(alarms::set(at.as_millis())?)
    }

    /// When the alarm will ring. None when it is not set, and while `on_alarm` runs.
    pub fn alarm(&self) -> Result<Option<Timestamp>, AlarmError> {
        Ok(alarms::get()?.map(Timestamp::from_millis))
    }

    /// The alarm will not ring.
    pub fn clear_alarm(&self) -> Result<(), AlarmError> {
        Ok(alarms::clear()?)
    }

    /// Start a task. It first runs when the handler has returned, still in this turn; a failure is logged.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # #[derive(Default)] struct Game { round: u32 }
    /// # impl party::Party for Game {}
    /// # fn example(room: &party::Room) {
    /// room.spawn(async |room| {
    ///     room.sleep(Duration::from_secs(10)).await;
    ///     let round = room.with(|game: &mut Game| {
    ///         game.round += 1;
    ///         game.round
    ///     });
    ///     room.broadcast(format!("round {round}"))?;
    ///     Ok(())
    /// });
    /// # }
    /// ```
    pub fn spawn<T: TaskOutput>(&self, task: impl AsyncFnOnce(Self) -> T + 'static) -> Task {
        task::spawn(task)
    }

    /// Start a task that the event in hand waits for: it ends when the task does, with its failure if it fails.
    /// So a client waits for its socket, everything waits for `on_start`, and an alarm is tried again.
    ///
    /// Panics outside of a handler: a task has no event in hand.
    pub fn settle_later<T: TaskOutput>(&self, task: impl AsyncFnOnce(Self) -> T + 'static) -> Task {
        task::hold_event(async move { task(Self::new()).await.into_result() })
    }

    /// In a task: the party's fields, for as long as `with` runs.
    ///
    /// Panics if `P` is not the party, or if it is in use: in a handler, or in a `with` inside another.
    pub fn with<P: Party, T>(&self, with: impl FnOnce(&mut P) -> T) -> T {
        runtime::with_party(with)
    }

    /// Wait for so long, never less. To drop the future is to end the wait.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        self.sleep_until(self.now() + duration)
    }

    /// Wait until this time, never less; a time that has passed is waited for until the next turn.
    pub fn sleep_until(&self, due: Timestamp) -> Sleep {
        Sleep::until(due)
    }

    /// Wait for a future, but not for longer than this: then it is dropped, and there is no output.
    pub async fn timeout<F: Future>(&self, duration: Duration, future: F) -> Option<F::Output> {
        match select(future, self.sleep(duration)).await {
            Either::First(output) => Some(output),
            Either::Second(()) => None,
        }
    }

    /// Ask another room of this project, which hears it as a request; or this one itself. If that room is lost before it
    /// answers, or this host is restarted meanwhile, nobody knows whether it was heard:
    /// [`OperationError::Interrupted`](crate::OperationError::Interrupted).
    ///
    /// ```no_run
    /// # async fn example(room: &party::Room) -> party::Result<()> {
    /// let scores = room.call("scores", "all").method("POST").path("/add").body("alice 3").await?;
    /// room.broadcast(scores.body_text()?)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn call(&self, party: &str, room: &str) -> Call {
        Call::to(party, room)
    }

    /// Ask a server outside of this host: a public address, or one that whoever runs the host has allowed. The answer is the
    /// outcome, whatever its status. It is waited for while the room sleeps; if the host is restarted meanwhile, nobody knows
    /// whether the request was heard: [`OperationError::Interrupted`](crate::OperationError::Interrupted), unless it is to be
    /// [sent again](Fetch::resend).
    ///
    /// ```no_run
    /// # async fn example(room: &party::Room) -> party::Result<()> {
    /// let payment = room.fetch("https://pay.example/charges").method("POST").body("amount=12").resend().await?;
    /// room.broadcast(payment.body_text()?)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn fetch(&self, url: &str) -> Fetch {
        Fetch::to(url)
    }

    /// Open a WebSocket as a client: `wss://` or `ws://`, to the addresses that [`fetch`](Self::fetch) may ask. It stays open while the
    /// room sleeps; what comes wakes it. It does not outlive the host's process: then it is [lost](crate::Closed::Lost).
    ///
    /// ```no_run
    /// # async fn example(room: &party::Room) -> party::Result<()> {
    /// let mut prices = room.connect("wss://prices.example/live").await?;
    /// prices.send("subscribe").await?;
    /// while let Ok(price) = prices.next().await {
    ///     room.broadcast(price)?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn connect(&self, url: &str) -> Connect {
        Connect::to(url)
    }

    /// Open a WebSocket to another room of this project, which sees a client; with a path, a query and headers, if told.
    pub fn connect_to(&self, party: &str, room: &str) -> ConnectTo {
        ConnectTo::of(party, room)
    }

    /// List the rooms of a party of this project, this one among them if it is of that party: those that have stored
    /// something or are in the host's memory.
    ///
    /// ```no_run
    /// # async fn example(room: &party::Room) -> party::Result<()> {
    /// let page = room.rooms("chat").prefix("team-").limit(20).await?;
    /// room.broadcast(page.rooms.join(", "))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn rooms(&self, party: &str) -> ListRooms {
        ListRooms::of(party)
    }

    /// Read a static asset of the project, as a client gets it at this path (`/board.json`): with its headers, `content-type`
    /// among them; `None` if there is no such file. The path is encoded as in a URL.
    ///
    /// ```no_run
    /// # async fn example(room: &party::Room) -> party::Result<()> {
    /// let Some(words) = room.asset("/words.txt").await? else { return Ok(()) };
    /// room.broadcast(words.body_text()?.lines().next().unwrap_or_default())?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn asset(&self, path: &str) -> Asset {
        Asset::at(path)
    }

    /// From now on let nothing but the ends of sleeps and other operations reach the room, until the hold is
    /// dropped. Held for longer than 30 s, the room starts afresh.
    pub fn hold(&self) -> Result<Hold, HoldError> {
        match events::hold() {
            Ok(()) => Ok(Hold(())),
            Err(events::EventError::TooDeep(limit)) => Err(HoldError::TooDeep(limit)),
            Err(events::EventError::NotInARoom) => Err(HoldError::NotInARoom),
            Err(error @ (events::EventError::NotPending | events::EventError::NotHeld)) => {
                unreachable!("a hold is not refused with {error:?}")
            }
        }
    }

    /// Drop this turn and start the room afresh, from its storage and with a new instance; what waits for this event is
    /// answered with `reason`. Nothing that stands behind it runs, unless it is refused.
    pub fn abort(&self, reason: &str) -> Result<Infallible, RoomError> {
        match host::abort(reason) {
            Ok(()) => unreachable!("the host ends the turn here"),
            Err(error) => Err(error.into()),
        }
    }

    /// End the room with this turn: if the turn is kept, storage, alarm, memory and whatever is open go with it. What the
    /// turn says still leaves; then clients are closed with 1001, and who waits is answered with 503. The next event
    /// begins a new room.
    pub fn destroy(&self) -> Result<(), RoomError> {
        Ok(host::destroy()?)
    }
}

/// Keeps events back until it is dropped. Made by [`Room::hold`].
#[derive(Debug)]
#[must_use = "a hold that is dropped at once holds nothing back"]
pub struct Hold(());

impl Drop for Hold {
    fn drop(&mut self) {
        let released = events::release();
        debug_assert!(released.is_ok(), "every hold is released once");
    }
}

/// What a room uses of its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of linear memory in use.
    pub memory_bytes: u64,
    /// The bound on it.
    pub memory_bytes_max: u64,
    /// Bytes of keys and values in storage.
    pub storage_bytes: u64,
    /// The bound on it.
    pub storage_bytes_max: u64,
    /// Open connections.
    pub connections: u32,
    /// Open operations.
    pub operations: u32,
}

impl From<host::RoomUsage> for Usage {
    fn from(usage: host::RoomUsage) -> Self {
        Self {
            memory_bytes: usage.memory_bytes,
            memory_bytes_max: usage.memory_bytes_max,
            storage_bytes: usage.storage_bytes,
            storage_bytes_max: usage.storage_bytes_max,
            connections: usage.connections,
            operations: usage.operations,
        }
    }
}

/// Why an alarm call was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AlarmError {
    /// The time is 0.
    #[error("an alarm cannot be set to the time 0")]
    BadTime,
    /// There is no alarm outside a room.
    #[error("not in a room")]
    NotInARoom,
}

impl From<alarms::AlarmError> for AlarmError {
    fn from(error: alarms::AlarmError) -> Self {
        match error {
            alarms::AlarmError::BadTime => Self::BadTime,
            alarms::AlarmError::NotInARoom => Self::NotInARoom,
        }
    }
}

/// Why events could not be held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HoldError {
    /// Holds are nested deeper than this bound.
    #[error("too many holds inside each other; the limit is {0}")]
    TooDeep(u32),
    /// There is nothing to hold back outside a room.
    #[error("not in a room")]
    NotInARoom,
}

/// Why a command about the room was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RoomError {
    /// There is no room here.
    #[error("not in a room")]
    NotInARoom,
}

impl From<host::RoomError> for RoomError {
    fn from(error: host::RoomError) -> Self {
        match error {
            host::RoomError::NotInARoom => Self::NotInARoom,
        }
    }
}
