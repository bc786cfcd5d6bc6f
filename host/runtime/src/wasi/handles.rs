//! Which WASI handles mean the same in every instance: those that the prologue opened, as long as they stay open.
//!
//! A handle is a number in the guest's memory; what it means is in tables of the host, which no snapshot has. Every
//! instance runs the same prologue, so the handles that are open after it have the same numbers and the same meaning
//! everywhere. It is not enough to count them: a guest that closes one and opens another has as many, and they may
//! even have the same numbers. So the first close of one of them is remembered, whatever comes after it.

use wasmtime::component::ResourceTable;
use wasmtime_wasi_io::poll::DynPollable;
use wasmtime_wasi_io::streams::{DynInputStream, DynOutputStream};

/// The handles that the prologue opened.
#[derive(Default)]
pub(super) struct Handles {
    /// Their places in the table.
    opened: Vec<u32>,
    /// One of them has been closed, or its closing would not be noticed.
    changed: bool,
}

impl Handles {
    /// All that are open now.
    pub(super) fn of(table: &mut ResourceTable) -> Handles {
        let count = table.iter_mut().count();
        let mut handles = Handles { opened: Vec::with_capacity(count), changed: false };
        for place in 0.. {
            if handles.opened.len() == count {
                break;
            }
            let Ok(entry) = table.get_any_mut(place) else { continue };
            handles.opened.push(place);
            // These are closed through imports of ours, which tell. Nothing else can be opened without files.
            let is_ours =
                entry.is::<DynInputStream>() || entry.is::<DynOutputStream>() || entry.is::<DynPollable>();
            handles.changed |= !is_ours;
        }
        handles
    }

    /// A handle is being closed.
    pub(super) fn dropped(&mut self, place: u32) {
        self.changed |= self.opened.contains(&place);
    }

    /// Whether these are open and no others. Otherwise how many are.
    pub(super) fn check(&self, table: &mut ResourceTable) -> Result<(), usize> {
        let count = table.iter_mut().count();
        if self.changed || count != self.opened.len() { Err(count) } else { Ok(()) }
    }
}
