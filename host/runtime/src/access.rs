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
