//! The engine: one per process. It owns the pool that instances live in, the linker, the compile cache and the
//! clock that makes guests yield.

use std::error::Error as _;
use std::path::PathBuf;
use std::sync::Arc;

use thiserror::Error;
use wasmtime::component::Linker;

use crate::cache::{CacheError, CompileCache};
use crate::config;
use crate::imports;
use crate::snapshot::Touched;
use crate::state::InstanceState;
use crate::ticker::Ticker;
use crate::wasi;

/// What an engine is made for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EngineOptions {
    /// Rooms that may be awake at once. The system may allow fewer: [`Engine::rooms_awake_max`] tells.
    pub rooms_awake_max: u32,
    /// Where compiled code is kept, a directory that only this user can enter. It is made if it is not there.
    /// `None`: every load compiles.
    pub compile_cache: Option<PathBuf>,
}

/// Why there is no engine.
#[derive(Debug, Error)]
pub enum EngineError {
    /// The memory for the pool cannot be reserved, or the processor is not supported.
    #[error("the engine cannot be set up for {rooms_awake_max} awake rooms: {reason}")]
    Setup {
        /// The number of rooms that it was to hold.
        rooms_awake_max: u32,
        /// The engine's words.
        reason: String,
    },
    /// No thread can be started.
    #[error("the engine's clock thread cannot be started")]
    Ticker(#[source] std::io::Error),
    /// Nor can those that compile.
    #[error("the threads that compile components cannot be started")]
    Compilers(#[source] rayon::ThreadPoolBuildError),
    /// The compile cache cannot be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
}

/// Prepares this thread for guests. Left to the first guest that runs on it, what that needs would be asked for then; and where the
/// system has none just then, the engine panics.
///
/// # Panics
///
/// If the system has none now.
pub fn prepare_thread() {
    wasmtime::Engine::tls_eager_initialize();
}

/// Starts the threads that compile, once for the process. Left to the first compilation, they would be asked for when a version
/// is deployed, perhaps under pressure; and if the system had none just then, that and every later compilation would panic.
fn start_compilers() -> Result<(), EngineError> {
    match rayon::ThreadPoolBuilder::new().build_global() {
        // Without a cause it says that they have been started before.
        Err(error) if error.source().is_some() => Err(EngineError::Compilers(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Loads components. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Engine(Arc<Parts>);

struct Parts {
    // The ticker stops before the engine that it ticks goes.
    ticker: Ticker,
    linker: Linker<InstanceState>,
    cache: Option<CompileCache>,
    touched: Touched,
    wasm: wasmtime::Engine,
    rooms_awake_max: u32,
    guests_yield: bool,
}

impl Engine {
    /// Reserves the pool's address space, opens the cache, and starts the clock, which rests until a turn runs.
    pub fn new(options: EngineOptions) -> Result<Engine, EngineError> {
        Engine::make(options, true)
    }

    /// As [`Engine::new`], for hosts that tests carry on one thread: a turn keeps the thread until it ends or passes its
    /// bounds. Where a guest yields depends on how fast the machine is just then, and with it what the thread does next.
    pub fn without_yields(options: EngineOptions) -> Result<Engine, EngineError> {
        Engine::make(options, false)
    }

    fn make(options: EngineOptions, guests_yield: bool) -> Result<Engine, EngineError> {
        start_compilers()?;
        let rooms_awake_max = config::rooms_awake_max(options.rooms_awake_max);
        let setup =
            |error: wasmtime::Error| EngineError::Setup { rooms_awake_max, reason: format!("{error:#}") };
        let wasm = wasmtime::Engine::new(&config::engine_config(rooms_awake_max)).map_err(setup)?;
        let mut linker = Linker::new(&wasm);
        imports::add_to_linker(&mut linker).map_err(setup)?;
        wasi::add_to_linker(&mut linker).map_err(setup)?;
        let cache =
            options.compile_cache.map(|directory| CompileCache::open(directory, &wasm)).transpose()?;
        let ticker = Ticker::start(wasm.clone()).map_err(EngineError::Ticker)?;
        let touched = Touched::new();
        Ok(Engine(Arc::new(Parts { ticker, linker, cache, touched, wasm, rooms_awake_max, guests_yield })))
    }

    /// How many rooms can be awake: what was asked for, or less if the system allows less.
    pub fn rooms_awake_max(&self) -> u32 {
        self.0.rooms_awake_max
    }

    /// Whether a busy guest lets the others of its thread go on.
    pub(crate) fn guests_yield(&self) -> bool {
        self.0.guests_yield
    }

    pub(crate) fn wasm(&self) -> &wasmtime::Engine {
        &self.0.wasm
    }

    pub(crate) fn linker(&self) -> &Linker<InstanceState> {
        &self.0.linker
    }

    pub(crate) fn cache(&self) -> Option<&CompileCache> {
        self.0.cache.as_ref()
    }

    pub(crate) fn touched(&self) -> &Touched {
        &self.0.touched
    }

    pub(crate) fn ticker(&self) -> &Ticker {
        &self.0.ticker
    }
}
