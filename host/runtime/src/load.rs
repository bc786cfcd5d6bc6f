//! From bytes to a [`Component`]: check, compile, link, ask what it can do.
//!
//! Every way in which a component can be unfit has a variant of its own, and each says what to do about it.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;

use party_core::event::DropCause;
use party_core::large::{NoMemory, claim};
use party_core::limits::Limits;
use thiserror::Error;

use crate::access::Accessors;
use crate::bindings::RoomOnlyIndices;
use crate::capture::NotCapturable;
use crate::checks;
use crate::component::{Component, Digest, Linked};
use crate::engine::Engine;
use crate::image::Image;
use crate::instance::Instance;
use crate::lobby::{LobbyIndices, LobbyMisfit};
use crate::refusal::is_refusal;
use crate::rewrite::{State, rewrite};
use crate::traps::start_cause;
use crate::upgrade::{UpgradeIndices, UpgradeMisfit};

/// The engine's word for a component: code.
type Compiled = wasmtime::component::Component;
/// What reads an instance's state, and which state there is.
type Readable = Result<(Accessors, State), NotCapturable>;

/// The largest component, in bytes: 64 MiB.
pub const COMPONENT_BYTES_MAX: u64 = 64 << 20;

/// How many times its own size a component takes while it is given accessors.
const REWRITTEN_TIMES: usize = 4;
/// How many times its own size a component takes while it is compiled.
const COMPILED_TIMES: usize = 32;

/// Why a component is refused.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum LoadError {
    /// There are no bytes.
    #[error("the component is empty")]
    Empty,
    /// More than [`COMPONENT_BYTES_MAX`].
    #[error("the component is {bytes} bytes; the limit is {bytes_max}")]
    TooLarge {
        /// Its size.
        bytes: u64,
        /// The bound.
        bytes_max: u64,
    },
    /// Something else than WebAssembly.
    #[error("this is not WebAssembly: it begins with {beginning:?}, not with \"\\0asm\"")]
    NotWasm {
        /// The first bytes, fit to print.
        beginning: String,
    },
    /// A core module.
    #[error("this is a core WebAssembly module, not a component")]
    CoreModule,
    /// Not valid; the text is the validator's.
    #[error("the component is not valid: {0}")]
    Malformed(String),
    /// A memory with 64-bit addresses.
    #[error("the component has a 64-bit memory; rooms have 32-bit memories")]
    Memory64,
    /// A memory shared between threads.
    #[error("the component has a shared memory; rooms have no threads")]
    SharedMemory,
    /// A memory that begins larger than a room may be.
    #[error("the component's memory begins with {bytes} bytes; the limit is {bytes_max}")]
    InitialMemory {
        /// How large it begins.
        bytes: u64,
        /// The bound, `memory_bytes_max`.
        bytes_max: u64,
    },
    /// It does not export the guest interface.
    #[error("the component does not export {wanted}; it exports {}", listed(exports))]
    NoGuest {
        /// The interface.
        wanted: &'static str,
        /// What it exports instead.
        exports: Vec<String>,
    },
    /// It was made for another version of the contract.
    #[error("the component exports {found}; this host speaks {wanted}")]
    WrongVersion {
        /// What it exports.
        found: String,
        /// The interface.
        wanted: &'static str,
    },
    /// Functions of the guest interface are not there or have another type.
    #[error(
        "the component does not implement {wanted}: missing {}; of another type {}",
        listed(missing),
        listed(mistyped)
    )]
    GuestFunctions {
        /// The interface.
        wanted: &'static str,
        /// Names of functions that it lacks.
        missing: Vec<String>,
        /// Names of functions that it has with another type.
        mistyped: Vec<String>,
    },
    /// It needs something that no host of rooms offers.
    #[error("the component imports what this host does not offer: {}", listed(imports))]
    Imports {
        /// The imports, each as `interface` or `interface.function`.
        imports: Vec<String>,
    },
    /// The engine does not take it; the text is its own.
    #[error("the component cannot be compiled: {0}")]
    Compile(String),
    /// An import or export has a type that does not fit; the text is the engine's.
    #[error("the component cannot be linked: {0}")]
    Link(String),
    /// It says that its rooms can be carried over to another version, and cannot.
    #[error(transparent)]
    Upgrade(#[from] UpgradeMisfit),
    /// It says that it has a handler of the lobby, and has not.
    #[error(transparent)]
    Lobby(#[from] LobbyMisfit),
    /// It does not survive its own start.
    #[error("the component does not start: {0}")]
    Start(DropCause),
    /// The system has no memory, thread, file or place for it at this moment, which says nothing of the component. The text
    /// is the engine's.
    #[error("the component cannot be loaded now: {0}")]
    Refused(String),
}

impl From<NoMemory> for LoadError {
    fn from(refused: NoMemory) -> LoadError {
        LoadError::Refused(refused.to_string())
    }
}

impl LoadError {
    /// What the author of the party can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            LoadError::CoreModule => {
                Some("build for wasm32-wasip2, or make a component of it with `wasm-tools component new`")
            }
            LoadError::NotWasm { .. } => Some("give the compiled .wasm file, not its source"),
            LoadError::NoGuest { .. }
            | LoadError::GuestFunctions { .. }
            | LoadError::Upgrade(_)
            | LoadError::Lobby(_) => {
                Some("build it with a party SDK; in Rust, `#[party::serve]` stands above `impl Party for …`")
            }
            LoadError::WrongVersion { .. } => Some("build the party with the SDK of this host's version"),
            LoadError::Imports { .. } => {
                Some("rooms reach the world through party:server only: operations, storage, connections")
            }
            LoadError::Refused(_) => Some("try again in a moment"),
            LoadError::TooLarge { .. } => Some("strip debug information from the component"),
            LoadError::InitialMemory { .. } => {
                Some("raise memory_bytes_max under [limits], or shrink the memory")
            }
            LoadError::Empty
            | LoadError::Malformed(_)
            | LoadError::Memory64
            | LoadError::SharedMemory
            | LoadError::Compile(_)
            | LoadError::Link(_)
            | LoadError::Start(_) => None,
        }
    }
}

/// Whether these bytes are a component that implements the contract. Takes milliseconds; what only compiling and
/// starting it can find is left to [`Engine::load`].
pub fn check(bytes: &[u8], limits: &Limits) -> Result<(), LoadError> {
    checks::check(bytes, limits)
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "nothing".into() } else { names.join(", ") }
}

impl Engine {
    /// Makes a component of bytes: checks that it implements the contract, compiles it (or takes the compiled
    /// code from the cache), links it, and asks an instance of it what it can do.
    ///
    /// Blocks: seconds for a large component that is not in the cache; a log line says when it compiles.
    pub fn load(
        &self,
        bytes: &[u8],
        vars: &Arc<BTreeMap<String, String>>,
        limits: &Arc<Limits>,
    ) -> Result<Component, LoadError> {
        checks::check(bytes, limits)?;
        claim(bytes.len().saturating_mul(REWRITTEN_TIMES))?;
        let digest = Digest::of(bytes);
        let (compiled, readable) = self.compile_readable(bytes, digest)?;
        let linked = self.link(&compiled)?;
        let component = Component::new(self.clone(), linked, digest, Arc::clone(vars), Arc::clone(limits));
        let loaded = run_here(probe(component, readable))?;
        if let Err(reason) = loaded.capturable() {
            tracing::warn!(component = %digest, %reason, "rooms of a component cannot sleep");
        }
        Ok(loaded)
    }

    /// Compiles the component with accessors to its memory, or, if it cannot have any, as it is.
    fn compile_readable(&self, bytes: &[u8], digest: Digest) -> Result<(Compiled, Readable), LoadError> {
        let reason = match rewrite(bytes) {
            Ok(rewritten) => match self.compile(&rewritten.bytes, digest) {
                Ok(compiled) => match Accessors::find(&compiled, &rewritten.state) {
                    Some(accessors) => return Ok((compiled, Ok((accessors, rewritten.state)))),
                    None => NotCapturable::Rewriting("they are not there".into()),
                },
                // It would be one that cannot be captured, and never was.
                Err(refused @ LoadError::Refused(_)) => return Err(refused),
                // Perhaps it is the component's own fault; then that is what is told.
                Err(error) => NotCapturable::Rewriting(error.to_string()),
            },
            Err(reason) => reason,
        };
        Ok((self.compile(bytes, digest)?, Err(reason)))
    }

    fn link(&self, compiled: &Compiled) -> Result<Linked, LoadError> {
        let link_error = |error| unless_refused(error, LoadError::Link);
        let instance = self.linker().instantiate_pre(compiled).map_err(link_error)?;
        let indices = RoomOnlyIndices::new(&instance).map_err(link_error)?;
        let (upgrade, lobby) = (UpgradeIndices::find(compiled), LobbyIndices::find(compiled));
        Ok(Linked { instance, indices, upgrade, lobby })
    }

    /// Compiles what a component has become, or finds it compiled. `component` is the digest of what its author made.
    fn compile(&self, bytes: &[u8], component: Digest) -> Result<Compiled, LoadError> {
        let compile_error = |error| unless_refused(error, LoadError::Compile);
        let claim_to_compile = || claim(bytes.len().saturating_mul(COMPILED_TIMES));
        let Some(cache) = self.cache() else {
            claim_to_compile()?;
            tracing::info!(%component, bytes = bytes.len(), "compiling a component");
            return Compiled::new(self.wasm(), bytes).map_err(compile_error);
        };
        let digest = Digest::of(bytes);
        if let Some(compiled) = cache.get(self.wasm(), digest) {
            return Ok(compiled);
        }
        claim_to_compile()?;
        tracing::info!(%component, bytes = bytes.len(), "compiling a component, for the first time on this host");
        let compiled = self.wasm().precompile_component(bytes).map_err(compile_error)?;
        tracing::info!(%component, compiled_bytes = compiled.len(), "compiled");
        cache.put(self.wasm(), digest, &compiled).map_err(compile_error)
    }
}

/// Asks one instance what it can do, and compares two: what they have in common is what snapshots are compared with.
async fn probe(component: Component, readable: Readable) -> Result<Component, LoadError> {
    let mut first = started(&component).await?;
    let handlers = first.handlers();
    first.check_upgrade()?;
    first.check_lobby()?;
    let image = match readable {
        Ok((accessors, state)) => match Image::of(accessors, &mut first, &state, component.digest()) {
            Err(error) if is_refusal(&error) => return Err(LoadError::Refused(format!("{error:#}"))),
            image => image.map_err(|error| NotCapturable::Reading(format!("{error:#}"))),
        },
        Err(reason) => Err(reason),
    };
    drop(first);
    let loaded = component.with(handlers, image);
    if loaded.capturable().is_err() {
        return Ok(loaded);
    }
    match started(&loaded).await?.capture() {
        Ok(difference) if loaded.is_fresh(&difference) => Ok(loaded),
        Ok(_) => Ok(component.with(handlers, Err(NotCapturable::BaseDiffers))),
        Err(NotCapturable::NoMemory(refused)) => Err(refused.into()),
        Err(reason) => Ok(component.with(handlers, Err(reason))),
    }
}

/// What an error of the engine says of a component, if it says anything.
fn unless_refused(error: wasmtime::Error, says: impl FnOnce(String) -> LoadError) -> LoadError {
    let text = format!("{error:#}");
    if is_refusal(&error) { LoadError::Refused(text) } else { says(text) }
}

/// An instance of a component that is being loaded. If there is none, either it is the component's fault or the system's.
async fn started(component: &Component) -> Result<Instance, LoadError> {
    Instance::make(component).await.map_err(|error| match start_cause(&error, component.limits()) {
        DropCause::Instantiation(reason) if is_refusal(&error) => LoadError::Refused(reason),
        cause => LoadError::Start(cause),
    })
}

/// Runs a future that never waits for anything but its own yields.
fn run_here<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::yield_now(),
        }
    }
}
