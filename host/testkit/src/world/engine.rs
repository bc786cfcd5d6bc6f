//! The engine of a world: one for all worlds of a process, or a small one of its own whose places a test can take.

use std::path::PathBuf;
use std::sync::OnceLock;

use anyhow::{Context, Result, ensure};
use party_core::event::DropCause;
use party_runtime::engine::{Engine, EngineOptions};
use party_runtime::instance::Instance;

use crate::world::World;

/// Rooms awake at once in all worlds of a process, which share an engine: enough for tests that run at the same time. Places
/// cost address space only.
const PLACES: u32 = 1_000;
/// More places than an engine of a world's own has.
const OWN_PLACES_MAX: usize = 64;

/// One engine serves all worlds of a process: it reserves address space for every room that could be awake.
pub(crate) fn engine(compile_cache: Option<PathBuf>) -> Result<Engine> {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    if let Some(engine) = ENGINE.get() {
        return Ok(engine.clone());
    }
    let engine = Engine::without_yields(EngineOptions { rooms_awake_max: PLACES, compile_cache })?;
    Ok(ENGINE.get_or_init(|| engine).clone())
}

/// An engine for one world, as small as one can be: a pool of a few instances, whatever the node's own bounds allow.
pub(super) fn own_engine(compile_cache: Option<PathBuf>) -> Result<Engine> {
    Ok(Engine::without_yields(EngineOptions { rooms_awake_max: 1, compile_cache })?)
}

/// Instances that nobody uses, in the places of an engine. Dropped, the places are free again.
pub struct Taken {
    _instances: Vec<Instance>,
}

impl World {
    /// Takes every place that the engine still has, so that the host is refused each instance that it asks for, as by a
    /// system that has no memory left. Only in a world with an engine of its own
    /// ([`Builder::own_engine`](crate::world::Builder::own_engine)).
    pub async fn take_all_places(&self) -> Result<Taken> {
        let component = self.components.borrow().values().next().map(|(component, _)| component.clone());
        let component = component.context("a world has a party")?;
        let mut instances = Vec::new();
        loop {
            match component.instantiate().await {
                Ok(instance) => instances.push(instance),
                Err(DropCause::Instantiation(_)) => return Ok(Taken { _instances: instances }),
                Err(cause) => anyhow::bail!("{cause}"),
            }
            ensure!(instances.len() < OWN_PLACES_MAX, "the engine is shared with other worlds");
        }
    }
}
