//! The part of WASI 0.2 that language runtimes need, inside the rules of a turn.
//!
//! Environment: the party's vars. Standard output and error: the turn's log, by lines. Clocks: the turn's time,
//! which stands still. Random: the turn's chance. Files, arguments, standard input: none. What would block the
//! host traps. Everything else of WASI (sockets above all) is not linked, so that a component that needs it is
//! refused when it is loaded.

mod clocks;
mod command_line;
mod handles;
mod output;
mod poll;
mod random;
mod streams;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use party_core::ids::Timestamp;
use party_core::turn::Turn;
use wasmtime::Result;
use wasmtime::component::{HasData, HasSelf, Linker, Resource, ResourceTable};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemCtx, WasiFilesystemCtxView};
use wasmtime_wasi::p2::bindings::{cli, clocks as wasi_clocks, filesystem, random as wasi_random};
use wasmtime_wasi_io::bindings::wasi::io;

use crate::state::InstanceState;
use handles::Handles;
use output::Output;

/// Streams, pollables and errors that a guest may hold at once.
const RESOURCES_MAX: usize = 1_024;

/// The interfaces that are linked, in version 0.2.
pub(crate) const OFFERED: [&str; 20] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/stderr",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:cli/terminal-stderr",
    "wasi:clocks/wall-clock",
    "wasi:clocks/monotonic-clock",
    "wasi:random/random",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:filesystem/types",
    "wasi:filesystem/preopens",
];

/// What WASI keeps of an instance.
pub(crate) struct WasiState {
    pub(crate) table: ResourceTable,
    filesystem: WasiFilesystemCtx,
    handles: Handles,
    output: Arc<Output>,
    /// Nanoseconds since 1970, shared with the pollables that wait for it.
    now_ns: Arc<AtomicU64>,
}

impl Default for WasiState {
    fn default() -> WasiState {
        let mut table = ResourceTable::new();
        table.set_max_capacity(RESOURCES_MAX);
        WasiState {
            table,
            filesystem: WasiFilesystemCtx::default(),
            handles: Handles::default(),
            output: Arc::default(),
            now_ns: Arc::default(),
        }
    }
}

impl WasiState {
    /// Moves the clocks on. They never go back.
    pub(crate) fn set_time(&mut self, now: Timestamp) {
        let now_ns = now.0.saturating_mul(1_000_000);
        self.now_ns.fetch_max(now_ns, Ordering::Relaxed);
    }

    /// From now on the handles that are open are the ones that every instance has.
    pub(crate) fn end_prologue(&mut self) {
        self.handles = Handles::of(&mut self.table);
    }

    /// Whether exactly those are open. Otherwise how many are.
    pub(crate) fn check_handles(&mut self) -> std::result::Result<(), usize> {
        self.handles.check(&mut self.table)
    }

    /// A guest drops a handle.
    pub(crate) fn dropped<T: 'static>(&mut self, handle: &Resource<T>) {
        self.handles.dropped(handle.rep());
    }

    /// Hands finished lines to the turn; without one they are thrown away.
    pub(crate) fn drain(&mut self, turn: Option<&mut Turn>) {
        self.output.drain(turn);
    }

    /// Hands all that was written to the turn, the unfinished lines too.
    pub(crate) fn flush(&mut self, turn: Option<&mut Turn>) {
        self.output.flush(turn);
    }
}

/// Links all of it.
pub(crate) fn add_to_linker(linker: &mut Linker<InstanceState>) -> Result<()> {
    type Own = HasSelf<InstanceState>;
    let own: fn(&mut InstanceState) -> &mut InstanceState = |state| state;
    cli::environment::add_to_linker::<_, Own>(linker, own)?;
    cli::exit::add_to_linker::<_, Own>(linker, own)?;
    cli::stdin::add_to_linker::<_, Own>(linker, own)?;
    cli::stdout::add_to_linker::<_, Own>(linker, own)?;
    cli::stderr::add_to_linker::<_, Own>(linker, own)?;
    cli::terminal_input::add_to_linker::<_, Own>(linker, own)?;
    cli::terminal_output::add_to_linker::<_, Own>(linker, own)?;
    cli::terminal_stdin::add_to_linker::<_, Own>(linker, own)?;
    cli::terminal_stdout::add_to_linker::<_, Own>(linker, own)?;
    cli::terminal_stderr::add_to_linker::<_, Own>(linker, own)?;
    wasi_clocks::wall_clock::add_to_linker::<_, Own>(linker, own)?;
    wasi_clocks::monotonic_clock::add_to_linker::<_, Own>(linker, own)?;
    wasi_random::random::add_to_linker::<_, Own>(linker, own)?;
    wasi_random::insecure::add_to_linker::<_, Own>(linker, own)?;
    wasi_random::insecure_seed::add_to_linker::<_, Own>(linker, own)?;
    io::poll::add_to_linker::<_, Own>(linker, own)?;
    io::streams::add_to_linker::<_, Own>(linker, own)?;
    io::error::add_to_linker::<_, Table>(linker, |state| &mut state.wasi.table)?;
    filesystem::types::add_to_linker::<_, WasiFilesystem>(linker, files)?;
    filesystem::preopens::add_to_linker::<_, WasiFilesystem>(linker, files)
}

/// No directory is open, and without one nothing can be opened.
fn files(state: &mut InstanceState) -> WasiFilesystemCtxView<'_> {
    WasiFilesystemCtxView { ctx: &mut state.wasi.filesystem, table: &mut state.wasi.table }
}

struct Table;

impl HasData for Table {
    type Data<'a> = &'a mut ResourceTable;
}
