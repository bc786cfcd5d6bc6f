//! Calls of the accessors that a rewritten component exports (see [`rewrite`](crate::rewrite)).
//!
//! They are wasm functions like any other, but they never wait and their cost is known, so they are run on the spot:
//! with fuel of their own and a deadline that does not come. The next turn sets both anew.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use thiserror::Error;
use wasmtime::component::{
    Component, ComponentExportIndex, ComponentNamedList, Instance, Lift, Lower, WasmList,
};
use wasmtime::{Result, Store};

use crate::rewrite::{ACCESSORS, State};
use crate::state::InstanceState;

/// Fuel for one accessor, each of which has less than 20 instructions.
const FUEL: u64 = 10_000;
/// Milliseconds of epoch that no accessor takes.
const TICKS: u64 = 1 << 32;
/// Bytes of a wasm page.
pub(crate) const WASM_PAGE_BYTES: u64 = 65_536;

/// Where the accessors of a component are.
pub(crate) struct Accessors {
    to: ComponentExportIndex,
    memories: Vec<MemoryAccessors>,
    globals: Vec<GlobalAccessors>,
}

struct MemoryAccessors {
    size: ComponentExportIndex,
    grow: ComponentExportIndex,
    read: ComponentExportIndex,
    write: ComponentExportIndex,
}

struct GlobalAccessors {
    get: ComponentExportIndex,
    set: ComponentExportIndex,
}

/// What can be wrong with a call that cannot fail.
#[derive(Debug, Error)]
enum AccessError {
    #[error("the accessor waits")]
    Waits,
    #[error("a memory of {pages} pages shows {bytes} bytes")]
    Partial { pages: u64, bytes: usize },
}

impl Accessors {
    /// Finds them by name. `None`: the component has not been rewritten in this way.
    pub(crate) fn find(component: &Component, state: &State) -> Option<Accessors> {
        let instance = component.get_export_index(None, ACCESSORS)?;
        let find = |name: &str| component.get_export_index(Some(&instance), name);
        let memory = |k| {
            Some(MemoryAccessors {
                size: find(&format!("m{k}-size"))?,
                grow: find(&format!("m{k}-grow"))?,
                read: find(&format!("m{k}-read"))?,
                write: find(&format!("m{k}-write"))?,
            })
        };
        let global =
            |k| Some(GlobalAccessors { get: find(&format!("g{k}-get"))?, set: find(&format!("g{k}-set"))? });
        Some(Accessors {
            to: find("to")?,
            memories: (0..state.memories.len()).map(memory).collect::<Option<_>>()?,
            globals: (0..state.globals.len()).map(global).collect::<Option<_>>()?,
        })
    }

    /// How many memories there are.
    pub(crate) fn memories(&self) -> usize {
        self.memories.len()
    }

    /// How many mutable globals there are.
    pub(crate) fn globals(&self) -> usize {
        self.globals.len()
    }
}

/// An instance, opened.
pub(crate) struct Access<'a> {
    accessors: &'a Accessors,
    store: &'a mut Store<InstanceState>,
    instance: Instance,
}

impl<'a> Access<'a> {
    /// Opens an instance that is not in a turn.
    pub(crate) fn open(
        accessors: &'a Accessors,
        store: &'a mut Store<InstanceState>,
        instance: Instance,
    ) -> Access<'a> {
        store.set_epoch_deadline(TICKS);
        Access { accessors, store, instance }
    }

    /// Shows a memory as it is.
    pub(crate) fn read<T>(&mut self, memory: usize, with: impl FnOnce(&[u8]) -> T) -> Result<T> {
        let accessors = &self.accessors.memories[memory];
        let (pages,): (u32,) = self.call(&accessors.size, ())?;
        if pages == 0 {
            return Ok(with(&[]));
        }
        let bytes_now = u64::from(pages) * WASM_PAGE_BYTES;
        // The engine counts what a guest makes the host copy. This is the host's own wish, and nothing is copied.
        let counted = self.store.hostcall_fuel();
        self.store.set_hostcall_fuel(usize::try_from(bytes_now)?);
        let called = self.call(&accessors.read, ());
        self.store.set_hostcall_fuel(counted);
        let (list,): (WasmList<u8>,) = called?;
        let bytes = list.as_le_slice(&*self.store);
        if bytes.len() as u64 != bytes_now {
            // 4 GiB are one byte more than a list can have.
            return Err(AccessError::Partial { pages: u64::from(pages), bytes: bytes.len() }.into());
        }
        Ok(with(bytes))
    }

    /// Grows a memory to so many wasm pages. Whether it could: never to less than it has.
    pub(crate) fn grow(&mut self, memory: usize, pages: u32) -> Result<bool> {
        let (grown,): (bool,) = self.call(&self.accessors.memories[memory].grow, (pages,))?;
        Ok(grown)
    }

    /// Writes into a memory. An error if it does not reach so far.
    pub(crate) fn write(&mut self, memory: usize, at: u32, bytes: &[u8]) -> Result<()> {
        let () = self.call(&self.accessors.to, (at,))?;
        self.call(&self.accessors.memories[memory].write, (bytes,))
    }

    /// The bits of a global, zeros above them.
    pub(crate) fn global(&mut self, global: usize) -> Result<u64> {
        let (bits,): (u64,) = self.call(&self.accessors.globals[global].get, ())?;
        Ok(bits)
    }

    /// Sets the bits of a global.
    pub(crate) fn set_global(&mut self, global: usize, bits: u64) -> Result<()> {
        self.call(&self.accessors.globals[global].set, (bits,))
    }

    fn call<P, R>(&mut self, function: &ComponentExportIndex, parameters: P) -> Result<R>
    where
        P: ComponentNamedList + Lower + Send + Sync,
        R: ComponentNamedList + Lift + Send + Sync + 'static,
    {
        self.store.set_fuel(FUEL)?;
        let function = self.instance.get_typed_func::<P, R>(&mut *self.store, function)?;
        at_once(function.call_async(&mut *self.store, parameters))
    }
}

/// What a future gives that does not wait.
fn at_once<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => Err(AccessError::Waits.into()),
    }
}

#[cfg(test)]
mod tests {
    use party_core::limits::Limits;
    use wasmtime::component::{Component, Instance, Linker};
    use wasmtime::{Engine, Store};

    use super::{Access, Accessors, at_once};
    use crate::config::engine_config;
    use crate::rewrite::{Rewritten, rewrite};
    use crate::state::InstanceState;

    /// Two instances of one module, and one of another whose memory they are not to meet.
    const COMPONENT: &str = r#"(component
        (core module $m (memory 1 3) (global (mut i32) (i32.const 7)) (data (i32.const 2) "twice"))
        (core module $n (memory 0) (global (mut f64) (f64.const 0.5)))
        (core instance (instantiate $m))
        (core instance (instantiate $n))
        (core instance (instantiate $m)))"#;

    fn opened(text: &str, memory_bytes_max: u64) -> (Store<InstanceState>, Instance, Accessors) {
        let engine = Engine::new(&engine_config(4)).unwrap();
        let Rewritten { bytes, state } = rewrite(&wat::parse_str(text).unwrap()).unwrap();
        let component = Component::new(&engine, bytes).unwrap();
        let accessors = Accessors::find(&component, &state).unwrap();
        let limits = Limits { memory_bytes_max, ..Limits::default() };
        let mut store = Store::new(&engine, InstanceState::new(&limits));
        store.limiter(|state| &mut state.limiter);
        store.set_fuel(1_000_000).unwrap();
        store.set_epoch_deadline(1_000);
        let linker = Linker::new(&engine);
        let instance = at_once(linker.instantiate_async(&mut store, &component)).unwrap();
        (store, instance, accessors)
    }

    #[test]
    fn every_memory_and_global_has_its_own_accessors() {
        let (mut store, instance, accessors) = opened(COMPONENT, 1 << 20);
        assert_eq!((accessors.memories(), accessors.globals()), (3, 3));
        let mut access = Access::open(&accessors, &mut store, instance);
        access.write(0, 1, b"changed").unwrap();
        access.set_global(0, 5).unwrap();
        access.set_global(1, 1.25_f64.to_bits()).unwrap();
        // What is shown is the memory, also where the accessor hands over the list.
        for (memory, beginning) in [(0, &b"\0changed\0"[..]), (2, b"\0\0twice\0\0")] {
            let (found, bytes) = access.read(memory, |all| (all[..9].to_vec(), all.len())).unwrap();
            assert_eq!((found.as_slice(), bytes), (beginning, 65_536));
        }
        assert_eq!(access.read(1, <[u8]>::len).unwrap(), 0);
        let globals = [0, 1, 2].map(|global| access.global(global).unwrap());
        assert_eq!(globals, [5, 1.25_f64.to_bits(), 7]);
    }

    #[test]
    fn memories_grow_to_a_size_and_within_their_bounds() {
        let (mut store, instance, accessors) = opened(COMPONENT, 4 << 16);
        let mut access = Access::open(&accessors, &mut store, instance);
        assert!(access.grow(0, 2).unwrap());
        assert!(access.grow(0, 2).unwrap(), "it is as large already");
        assert!(!access.grow(0, 1).unwrap(), "a memory never shrinks");
        assert!(!access.grow(2, 4).unwrap(), "the memory's own bound");
        assert!(access.grow(2, 2).unwrap());
        assert!(!access.grow(1, 1).unwrap(), "the room's bound");
        assert_eq!(access.read(0, <[u8]>::len).unwrap(), 2 << 16);
    }

    #[test]
    fn nothing_is_written_outside_of_a_memory() {
        let (mut store, instance, accessors) = opened(COMPONENT, 1 << 20);
        let mut access = Access::open(&accessors, &mut store, instance);
        access.write(0, 65_530, b"123456").unwrap();
        assert!(access.write(0, 65_531, b"123456").is_err());
        let (mut store, instance, accessors) = opened(COMPONENT, 1 << 20);
        let mut access = Access::open(&accessors, &mut store, instance);
        assert!(access.write(0, u32::MAX, b"1").is_err());
    }

    #[test]
    fn a_memory_of_4_gib_is_not_shown_in_part() {
        let (mut store, instance, accessors) =
            opened("(component (core module $m (memory 1)) (core instance (instantiate $m)))", 4 << 30);
        let mut access = Access::open(&accessors, &mut store, instance);
        assert!(access.grow(0, 65_536).unwrap());
        let error = access.read(0, <[u8]>::len).unwrap_err();
        assert_eq!(error.to_string(), "a memory of 65536 pages shows 0 bytes");
    }
}
