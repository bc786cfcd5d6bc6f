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

#[cfg(test)]
mod tests {
    use std::env;

    use arbitrary::Unstructured;
    use rand_chacha::ChaCha12Rng;
    use rand_chacha::rand_core::{Rng, SeedableRng};
    use wasm_smith::{Component, Config};
    use wasmparser::Validator;

    use super::rewrite;
    use crate::capture::NotCapturable;
    use crate::config::wasm_features;

    /// Components with imports, aliases and nested components in any order: every index that is added must be right,
    /// or the result would not be valid. `PARTY_SEED=42` tries only that seed, `PARTY_LONG=1` a hundred times as many.
    #[test]
    fn random_components_are_valid_afterwards() {
        let asked: Option<u64> = env::var("PARTY_SEED").ok().and_then(|seed| seed.parse().ok());
        let count = if env::var_os("PARTY_LONG").is_some() { 50_000 } else { 500 };
        let (mut rewritten, mut refused) = (0, 0);
        for seed in asked.map_or(0..count, |seed| seed..seed + 1) {
            let mut drawn = vec![0; 8 << 10];
            ChaCha12Rng::seed_from_u64(seed).fill_bytes(&mut drawn);
            let Ok(component) = Component::new(Config::default(), &mut Unstructured::new(&drawn)) else {
                continue;
            };
            let bytes = component.to_bytes();
            if Validator::new_with_features(wasm_features()).validate_all(&bytes).is_err() {
                continue;
            }
            match rewrite(&bytes) {
                Ok(done) => {
                    let valid = Validator::new_with_features(wasm_features()).validate_all(&done.bytes);
                    assert!(valid.is_ok(), "PARTY_SEED={seed}: {:?}", valid.err());
                    rewritten += 1;
                }
                Err(NotCapturable::Rewriting(error)) => panic!("PARTY_SEED={seed}: {error}"),
                Err(_) => refused += 1,
            }
        }
        println!("{rewritten} rewritten, {refused} refused");
        assert!(asked.is_some() || rewritten > 20, "{rewritten} rewritten, {refused} refused");
    }

    #[test]
    fn rewriting_gives_the_same_bytes_every_time() {
        let component = wat::parse_str(
            "(component (core module $m (memory 1) (global (mut i32) (i32.const 7)))
               (core instance (instantiate $m)) (core instance (instantiate $m)))",
        );
        let component = component.unwrap();
        let (first, second) = (rewrite(&component).unwrap(), rewrite(&component).unwrap());
        assert_eq!(first.bytes, second.bytes);
        assert_eq!((first.state.memories.len(), first.state.globals.len()), (2, 2));
    }
}
