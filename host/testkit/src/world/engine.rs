//! The engine of a world: one for all worlds of a process, or a small one of its own whose places a test can take.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
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

/// Where cargo puts the tests and benches that it builds, and what those keep beside it.
const CARGO_DEPS: &str = "deps";
const COMPILED: &str = "party-compiled";

/// The compile cache of a process that says nothing of one: beside the tests that cargo has built, if it is one of them. It
/// goes with `cargo clean`, and nobody has to ignore it.
fn own_cache() -> Option<PathBuf> {
    cache_beside(&std::env::current_exe().ok()?)
}

fn cache_beside(program: &Path) -> Option<PathBuf> {
    let deps = program.parent().filter(|dir| dir.file_name().is_some_and(|name| name == CARGO_DEPS))?;
    let cache = deps.parent()?.join(COMPILED);
    // A directory that cannot be written is no reason not to test.
    DirBuilder::new().recursive(true).mode(0o700).create(&cache).ok()?;
    Some(cache)
}

/// One engine serves all worlds of a process: it reserves address space for every room that could be awake.
pub(crate) fn engine(compile_cache: Option<PathBuf>) -> Result<Engine> {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    if let Some(engine) = ENGINE.get() {
        return Ok(engine.clone());
    }
    let compile_cache = compile_cache.or_else(own_cache);
    let engine = Engine::without_yields(EngineOptions { rooms_awake_max: PLACES, compile_cache })?;
    Ok(ENGINE.get_or_init(|| engine).clone())
}

/// An engine for one world, as small as one can be: a pool of a few instances, whatever the node's own bounds allow.
pub(super) fn own_engine(compile_cache: Option<PathBuf>) -> Result<Engine> {
    let compile_cache = compile_cache.or_else(own_cache);
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
        let component =
            self.own().components.borrow().values().next().map(|(component, _)| component.clone());
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::{cache_beside, own_cache};

    #[test]
    fn tests_that_cargo_has_built_share_a_cache_in_its_target_directory_and_other_programs_have_none() {
        let target = std::env::temp_dir().join(format!("party-engine-{}", std::process::id()));
        let (test, program) = (target.join("debug/deps/votes-1"), target.join("debug/party-host"));
        assert_eq!(cache_beside(&program), None);
        let cache = cache_beside(&test).unwrap();
        assert_eq!(cache, target.join("debug/party-compiled"));
        assert_eq!(fs::metadata(&cache).unwrap().permissions().mode() & 0o777, 0o700, "it holds native code");
        assert_eq!(cache_beside(&test), Some(cache), "it is there already");
        fs::remove_dir_all(&target).unwrap();
        assert!(own_cache().is_some_and(|cache| cache.is_dir()), "this is such a test");
    }
}
