//! Rewrites a component when it is loaded, so that the host can read and write what its instances keep in memory.
//!
//! wasmtime lets nobody look into a component's memories and globals, so the component is given exports that do:
//! every core module exports the memories and the mutable globals that it defines ([`module`]), one more core module
//! imports all of them and offers functions over them ([`accessors`]), and those are exported at the top as one
//! instance ([`splice`]). Nothing of the author's code is touched; code generation stays what it is.
//!
//! What must hold: a component that is rewritten has no state that these functions do not reach. So whatever could
//! have some (a table that code changes, a resource type of its own, a module inside of a nested component) is found
//! first ([`scan`]), and the component stays as it is.
//!
//! Rejected: wasmtime's debugging interface reaches the same state, but makes code two to five times slower.

mod accessors;
mod code;
mod module;
mod scan;
mod splice;

use wasm_encoder::ValType;
use wasmparser::{Parser, ValidPayload, Validator};

use crate::capture::NotCapturable;
use crate::config::wasm_features;
use scan::Outline;

/// The name of the instance that a rewritten component exports.
pub(crate) const ACCESSORS: &str = "party-host-snapshot";
/// Mutable globals that a component may have: toolchains make one to three, and reading each is a call.
const GLOBALS_MAX: usize = 1_024;

/// A component that lets itself be read and written.
pub(crate) struct Rewritten {
    /// The component.
    pub(crate) bytes: Vec<u8>,
    /// What its instances keep, in the order in which the accessors count it.
    pub(crate) state: State,
}

/// What the instances of a component keep: core instance by core instance, each in the order of its module.
pub(crate) struct State {
    /// The memories: each with the core instance that defines it and its number there.
    pub(crate) memories: Vec<Memory>,
    /// The mutable globals.
    pub(crate) globals: Vec<Global>,
}

/// A linear memory.
#[derive(Clone, Copy)]
pub(crate) struct Memory {
    instance: u32,
    index: u32,
    ty: wasmparser::MemoryType,
}

/// A mutable global.
#[derive(Clone, Copy)]
pub(crate) struct Global {
    instance: u32,
    index: u32,
    /// One of the four numeric types.
    pub(crate) ty: ValType,
}

/// Rewrites a component that has been found valid.
pub(crate) fn rewrite(bytes: &[u8]) -> Result<Rewritten, NotCapturable> {
    let outline = Outline::read(bytes)?;
    let state = outline.state();
    if state.globals.len() > GLOBALS_MAX {
        return Err(NotCapturable::Globals { count: state.globals.len(), count_max: GLOBALS_MAX });
    }
    let bytes = splice::splice(&outline, &state)?;
    validate(&bytes)?;
    Ok(Rewritten { bytes, state })
}

/// Checks the result by the rules that the engine goes by. Function bodies are left to the compiler: the author's
/// have not changed, and it looks at all of them.
fn validate(bytes: &[u8]) -> Result<(), NotCapturable> {
    let mut validator = Validator::new_with_features(wasm_features());
    let mut parser = Parser::new(0);
    parser.set_features(wasm_features());
    for payload in parser.parse_all(bytes) {
        let valid: Result<ValidPayload<'_>, _> = payload.and_then(|payload| validator.payload(&payload));
        valid.map_err(unfit)?;
    }
    Ok(())
}

/// Something that cannot be put into the shape that is needed.
fn unfit(error: wasmparser::BinaryReaderError) -> NotCapturable {
    NotCapturable::Rewriting(error.to_string())
}

impl Memory {
    /// The name under which its module exports it.
    fn export_name(&self) -> String {
        format!("{ACCESSORS}:memory-{}", self.index)
    }
}

impl Global {
    /// The name under which its module exports it.
    fn export_name(&self) -> String {
        format!("{ACCESSORS}:global-{}", self.index)
    }
}
