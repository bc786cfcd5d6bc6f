//! The engine of all worlds of a process.

use std::path::PathBuf;
use std::sync::OnceLock;

use anyhow::Result;
use party_runtime::engine::{Engine, EngineOptions};

/// Rooms awake at once in all worlds of a process, which share an engine: enough for tests that run at the same time. Places
/// cost address space only.
const PLACES: u32 = 1_000;

/// One engine serves all worlds of a process: it reserves address space for every room that could be awake.
pub(super) fn engine(compile_cache: Option<PathBuf>) -> Result<Engine> {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    if let Some(engine) = ENGINE.get() {
        return Ok(engine.clone());
    }
    let engine = Engine::new(EngineOptions { rooms_awake_max: PLACES, compile_cache })?;
    Ok(ENGINE.get_or_init(|| engine).clone())
}
