//! What a store holds beside the guest: the turn that runs, what it has left of its bounds, and WASI's tables.
//!
//! Outside of a turn (while an instance starts and says what it can do) there is no room, no time and no chance:
//! a few reads answer neutrally, so that language runtimes can start, and everything else traps.

use std::collections::BTreeMap;

use party_core::event::LogLevel;
use party_core::ids::{StreamId, Timestamp};
use party_core::limits::Limits;
use party_core::turn::Turn;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use wasmtime::{Error, Result};

use crate::limiter::Limiter;
use crate::ticker::TICK_MS;
use crate::traps::GuestFault;
use crate::wasi::WasiState;

/// A turn that computes for longer than this is told of once, while it runs: by default it may go on for half a minute,
/// and whoever waits for it should not have to guess what for.
const SLOW_MS: u64 = 1_000;

/// A guest's only window to the world.
pub(crate) struct InstanceState {
    turn: Option<Box<Turn>>,
    chance: Option<Box<ChaCha20Rng>>,
    ticks_left: u64,
    /// What is left when the turn is told of as slow; none if it will not be.
    ticks_left_slow: Option<u64>,
    pub(crate) limiter: Limiter,
    pub(crate) wasi: WasiState,
}

impl InstanceState {
    /// Before the first turn. The start of the instance may take as long as a turn.
    pub(crate) fn new(limits: &Limits) -> InstanceState {
        InstanceState {
            turn: None,
            chance: None,
            ticks_left: limits.turn_deadline_ms / TICK_MS,
            ticks_left_slow: None,
            limiter: Limiter::new(limits.memory_bytes_max),
            wasi: WasiState::default(),
        }
    }

    /// Takes a turn in. Its chance and its time, so many ticks, begin anew.
    pub(crate) fn begin(&mut self, turn: Box<Turn>, ticks_max: u64) {
        assert!(self.turn.is_none(), "one turn at a time");
        self.ticks_left = ticks_max;
        // A turn that is taken again has no bound that could be told.
        let is_bounded = ticks_max < u64::MAX;
        self.ticks_left_slow = ticks_max.checked_sub(SLOW_MS / TICK_MS).filter(|_| is_bounded);
        // A turn that is taken again has the bound that it had then: a guest sees it when its memory does not grow.
        self.limiter.set_memory_bytes_max(turn.limits().memory_bytes_max);
        self.chance = None;
        self.wasi.set_time(turn.now());
        self.turn = Some(turn);
    }

    /// Gives the turn back, with everything that the guest has written to its output streams.
    pub(crate) fn end(&mut self) -> Box<Turn> {
        self.wasi.flush(self.turn.as_deref_mut());
        self.chance = None;
        self.turn.take().expect("a turn that has begun is here until it ends")
    }

    /// The running turn; outside of one, a trap that names the import.
    pub(crate) fn turn(&mut self, import: &'static str) -> Result<&mut Turn> {
        self.turn.as_deref_mut().ok_or_else(|| Error::new(GuestFault::OutsideOfATurn { import }))
    }

    /// As [`InstanceState::turn`], if it is of a room: none in the lobby.
    pub(crate) fn room(&mut self, import: &'static str) -> Result<Option<&mut Turn>> {
        let turn = self.turn(import)?;
        Ok((!turn.is_in_the_lobby()).then_some(turn))
    }

    /// As [`InstanceState::room`], if anybody can name that room: none of a socket outside of rooms.
    pub(crate) fn named_room(&mut self, import: &'static str) -> Result<Option<&mut Turn>> {
        let room = self.room(import)?;
        Ok(room.filter(|turn| !turn.is_unnamed()))
    }

    /// Bytes that the guest may write to a stream now.
    pub(crate) fn stream_credit(&self, stream: StreamId) -> u64 {
        self.turn.as_deref().and_then(|turn| turn.stream_credit(stream).ok()).unwrap_or(0)
    }

    /// The time: 0 outside of a turn.
    pub(crate) fn now(&self) -> Timestamp {
        self.turn.as_deref().map_or(Timestamp(0), Turn::now)
    }

    /// The party's vars: none outside of a turn.
    pub(crate) fn vars(&self) -> Option<&BTreeMap<String, String>> {
        self.turn.as_deref().map(Turn::vars)
    }

    /// The turn's chance: one stream for all who ask. Outside of a turn it is the same for everyone.
    pub(crate) fn chance(&mut self) -> &mut ChaCha20Rng {
        let seed = self.turn.as_ref().map_or([0; 32], |turn| turn.seed().0);
        self.chance.get_or_insert_with(|| Box::new(ChaCha20Rng::from_seed(seed)))
    }

    /// Forgets what the start of the instance used of its chance and wrote to its output streams.
    pub(crate) fn end_start(&mut self) {
        self.chance = None;
        self.wasi.flush(None);
        self.wasi.end_prologue();
    }

    /// Logs a line of the guest's, after what it has written to its output streams.
    pub(crate) fn log(&mut self, level: LogLevel, text: Vec<u8>) {
        self.wasi.drain(self.turn.as_deref_mut());
        if let Some(turn) = &mut self.turn {
            turn.log(level, text.into());
        }
    }

    /// Hands finished lines of the output streams to the turn.
    pub(crate) fn drain_output(&mut self) {
        self.wasi.drain(self.turn.as_deref_mut());
    }

    /// Another millisecond has been used up. An error ends the turn.
    pub(crate) fn spend_tick(&mut self) -> Result<()> {
        match self.ticks_left.checked_sub(1) {
            Some(left) => self.ticks_left = left,
            None => return Err(Error::new(GuestFault::Deadline)),
        }
        if self.ticks_left_slow == Some(self.ticks_left) {
            self.tell_slow();
        }
        Ok(())
    }

    fn tell_slow(&self) {
        let Some(turn) = self.turn.as_deref() else { return };
        let (address, event, limits) = (turn.address(), turn.event_name(), turn.limits());
        tracing::warn!(
            project = address.project(),
            party = address.party(),
            room = address.room(),
            event,
            "the turn has computed for {SLOW_MS} ms and goes on; it is dropped when it has used its fuel (turn_fuel_max, {}) \
             or computed for {} ms (turn_deadline_ms)",
            limits.turn_fuel_max,
            limits.turn_deadline_ms
        );
    }
}
