//! Carrying a room over to another version of its party: `upgrade.save` of the old instance, `upgrade.restore` of the new.
//!
//! The interface is no part of the world that every component must export, so it is looked up by name. A component that
//! announces one of the two (`guest.capabilities`) and does not export it, or with another type, is refused when it is
//! loaded. Both are called with a turn: they can do all that a handler can, and the same turn goes from one to the other,
//! so that what they do takes effect together or not at all.

use party_core::event::{DropCause, Failure, Handlers};
use party_core::large::{NoMemory, claim_u64};
use party_core::turn::Turn;
use thiserror::Error;
use wasmtime::component::{Component, ComponentExportIndex, TypedFunc};

use crate::bindings::party::server::types::Failure as GuestFailure;
use crate::component;
use crate::imports::failure;
use crate::instance::{Instance, Opened};
use crate::ticker::TICK_MS;

/// The interface, as components export it.
const INTERFACE: &str = "party:server/upgrade@0.1.0";
/// The most that a version can hand to the next, in bytes: 64 MiB.
pub const SAVED_BYTES_MAX: usize = 64 << 20;

type Save = TypedFunc<(), (Result<Vec<u8>, GuestFailure>,)>;
type Restore<'a> = TypedFunc<(&'a [u8],), (Result<(), GuestFailure>,)>;

/// Why a component is refused that announces `save` or `restore`.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum UpgradeMisfit {
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

/// Why a room could not be carried over.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum UpgradeError {
    /// The guest said that it cannot.
    #[error("{}", .0.message)]
    Refused(Failure),
    /// The guest did not return. Its instance is dead.
    #[error("{0}")]
    Dropped(DropCause),
    /// More was saved than may be.
    #[error("it saves {bytes} bytes; the limit is {SAVED_BYTES_MAX}")]
    TooLarge {
        /// How many.
        bytes: usize,
    },
    /// There is no memory for what is saved at this moment. The guest was not asked.
    #[error(transparent)]
    NoMemory(#[from] NoMemory),
}

/// Where a component has the two functions.
#[derive(Clone, Copy)]
pub(crate) struct UpgradeIndices {
    save: Option<ComponentExportIndex>,
    restore: Option<ComponentExportIndex>,
}

impl UpgradeIndices {
    /// Finds them by name. `None`: the interface is not exported.
    pub(crate) fn find(component: &Component) -> Option<UpgradeIndices> {
        let instance = component.get_export_index(None, INTERFACE)?;
        let find = |name: &str| component.get_export_index(Some(&instance), name);
        Some(UpgradeIndices { save: find("save"), restore: find("restore") })
    }
}

impl component::Component {
    /// Whether its rooms can be carried over to this version of their party: it saves, and that one restores.
    pub fn can_hand_over_to(&self, next: &component::Component) -> bool {
        self.handlers().has(Handlers::SAVE) && next.handlers().has(Handlers::RESTORE)
    }
}

impl Instance {
    /// Whether what was announced is there.
    pub(crate) fn check_upgrade(&mut self) -> Result<(), UpgradeMisfit> {
        let handlers = self.handlers();
        let found = self.component().linked().upgrade;
        let missing = |function| UpgradeMisfit::Missing { function };
        if handlers.has(Handlers::SAVE) {
            let index = found.and_then(|found| found.save).ok_or(missing("save"))?;
            save_of(&mut self.opened(), index).map_err(|error| mistyped("save", &error))?;
        }
        if handlers.has(Handlers::RESTORE) {
            let index = found.and_then(|found| found.restore).ok_or(missing("restore"))?;
            restore_of(&mut self.opened(), index).map_err(|error| mistyped("restore", &error))?;
        }
        Ok(())
    }

    /// Asks the instance for all that the next version is to know. If the error is
    /// [`Dropped`](UpgradeError::Dropped), the instance must be thrown away.
    ///
    /// # Panics
    ///
    /// If the component does not announce `save`, or the instance is dead.
    pub async fn save(&mut self, turn: Box<Turn>) -> (Box<Turn>, Result<Vec<u8>, UpgradeError>) {
        let index = self.component().linked().upgrade.and_then(|found| found.save);
        let index = index.expect("what is announced was found when the component was loaded");
        let (fuel_max, ticks_max) = bounds(&turn);
        // The engine copies what is saved, and asks nobody for that memory.
        let copied = self.memory_bytes().min(SAVED_BYTES_MAX as u64);
        if let Err(refused) = claim_u64(copied) {
            return (turn, Err(UpgradeError::NoMemory(refused)));
        }
        let called = self.in_turn(turn, fuel_max, ticks_max, async |mut opened| {
            let save = save_of(&mut opened, index)?;
            let (saved,) = save.call_async(opened.store, ()).await?;
            Ok(saved)
        });
        let (turn, called) = called.await;
        let saved = called.map_err(UpgradeError::Dropped).and_then(|saved| saved.map_err(refused));
        let saved = saved.and_then(|saved| match saved.len() {
            0..=SAVED_BYTES_MAX => Ok(saved),
            bytes => Err(UpgradeError::TooLarge { bytes }),
        });
        (turn, saved)
    }

    /// Gives a fresh instance what the version before has saved, with that version's turn. After an error the instance
    /// must be thrown away.
    ///
    /// # Panics
    ///
    /// If the component does not announce `restore`, or the instance is dead.
    pub async fn restore_saved(
        &mut self,
        mut turn: Box<Turn>,
        saved: &[u8],
    ) -> (Box<Turn>, Result<(), UpgradeError>) {
        turn.hand_over();
        let index = self.component().linked().upgrade.and_then(|found| found.restore);
        let index = index.expect("what is announced was found when the component was loaded");
        let (fuel_max, ticks_max) = bounds(&turn);
        let called = self.in_turn(turn, fuel_max, ticks_max, async |mut opened| {
            let restore = restore_of(&mut opened, index)?;
            let (restored,) = restore.call_async(opened.store, (saved,)).await?;
            Ok(restored)
        });
        let (turn, called) = called.await;
        (turn, called.map_err(UpgradeError::Dropped).and_then(|restored| restored.map_err(refused)))
    }
}

/// Fuel and milliseconds: each of the two calls has as much as a turn.
fn bounds(turn: &Turn) -> (u64, u64) {
    (turn.limits().turn_fuel_max, turn.limits().turn_deadline_ms / TICK_MS)
}

fn save_of(opened: &mut Opened<'_>, index: ComponentExportIndex) -> wasmtime::Result<Save> {
    opened.instance.get_typed_func(&mut *opened.store, index)
}

fn restore_of<'a>(opened: &mut Opened<'_>, index: ComponentExportIndex) -> wasmtime::Result<Restore<'a>> {
    opened.instance.get_typed_func(&mut *opened.store, index)
}

fn mistyped(function: &'static str, error: &wasmtime::Error) -> UpgradeMisfit {
    UpgradeMisfit::Mistyped { function, reason: format!("{error:#}") }
}

fn refused(caught: GuestFailure) -> UpgradeError {
    UpgradeError::Refused(failure(caught))
}
