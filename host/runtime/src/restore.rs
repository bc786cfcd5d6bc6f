//! Makes an instance of a snapshot: a fresh one, whose prologue has run, and then everything that differs.

use party_core::event::DropCause;
use thiserror::Error;

use crate::access::{Access, WASM_PAGE_BYTES};
use crate::capture::NotCapturable;
use crate::component::Component;
use crate::image::{BLOCK_BYTES, BaseMemory, Image};
use crate::instance::Instance;
use crate::refusal::is_refusal;
use crate::snapshot::{Delta, LayoutKey, MemorySnapshot, Run, Snapshot};
use crate::traps::GuestFault;

/// Runs that lie closer together than this are written at once, with what the base has between them: a write costs
/// half a microsecond, as much as copying so many bytes. Less than a page, so that no other page is written to.
const GAP_BYTES_MAX: usize = BLOCK_BYTES / 2;
/// Runs that are worth a write of their own.
const LONG_RUN_BYTES: usize = 4 * BLOCK_BYTES;
/// About as many bytes of runs are put together: they are copied for it, into memory that nobody is asked for.
const TOGETHER_BYTES_MAX: usize = 64 << 10;
/// About as much is written before others on this thread go on.
const WRITE_BYTES_MAX: usize = 1 << 20;

/// Why there is no instance of a snapshot.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum RestoreError {
    /// Instances of this component are not captured, so there is nothing to restore.
    #[error(transparent)]
    NotCapturable(NotCapturable),
    /// The snapshot is of another component, or of another base image.
    #[error("the snapshot is of layout {found}; this component has layout {wanted}")]
    OtherLayout {
        /// The snapshot's.
        found: LayoutKey,
        /// The component's.
        wanted: LayoutKey,
    },
    /// The snapshot has the component's layout key but not its shape: it was never captured. What does not fit.
    #[error("the snapshot does not fit its component: {0}")]
    Misfit(&'static str),
    /// The memory of the instance does not grow so far: its own bound, or the system's.
    #[error("the instance's memory cannot grow to {pages} pages")]
    Growth {
        /// How far it should have grown.
        pages: u32,
    },
    /// No fresh instance could be made.
    #[error("no instance could be made: {0}")]
    Start(DropCause),
    /// The accessors did not do what they are for; the engine's text.
    #[error("the instance's memory cannot be written: {0}")]
    Writing(String),
}

impl Component {
    /// Makes an instance that is what the captured one was. It waits for its next turn.
    ///
    /// It has the memory that it had, also where that is more than `memory_bytes_max` is now: a setting takes away nothing that
    /// was acknowledged. Growing further fails then, as ever.
    ///
    /// An instance that could not be restored wholly is thrown away. Costs what
    /// [`instantiate`](Component::instantiate) does, some 20 µs for a small room, and a millisecond for each 2 MB
    /// that differ.
    pub async fn restore(&self, snapshot: &Snapshot) -> Result<Instance, RestoreError> {
        let image = self.image_or_why().map_err(|reason| RestoreError::NotCapturable(reason.clone()))?;
        check(snapshot, image)?;
        let mut instance = Instance::start(self).await.map_err(RestoreError::Start)?;
        instance.may_have(snapshot.memory_bytes().max(self.limits().memory_bytes_max));
        for (number, (memory, base)) in snapshot.memories.iter().zip(&image.memories).enumerate() {
            grow(&mut instance.open(&image.accessors), number, memory, base)?;
            let mut rest = Spans::of(&memory.delta, base);
            while write_some(&mut instance.open(&image.accessors), number, &mut rest).map_err(writing)? {
                tokio::task::yield_now().await;
            }
        }
        let mut access = instance.open(&image.accessors);
        for (number, bits) in &snapshot.globals {
            access.set_global(*number as usize, *bits).map_err(writing)?;
        }
        Ok(instance)
    }
}

fn writing(error: wasmtime::Error) -> RestoreError {
    match error.downcast_ref::<GuestFault>() {
        // The system may have memory again in a moment: then another instance can be made.
        Some(fault @ GuestFault::NoMemory(_)) => {
            RestoreError::Start(DropCause::Instantiation(fault.to_string()))
        }
        Some(_) | None if is_refusal(&error) => {
            RestoreError::Start(DropCause::Instantiation(format!("{error:#}")))
        }
        Some(_) | None => RestoreError::Writing(format!("{error:#}")),
    }
}

/// Everything that can be known before an instance is made.
fn check(snapshot: &Snapshot, image: &Image) -> Result<(), RestoreError> {
    if snapshot.layout_key != image.layout_key {
        return Err(RestoreError::OtherLayout { found: snapshot.layout_key, wanted: image.layout_key });
    }
    if snapshot.memories.len() != image.memories.len() {
        return Err(RestoreError::Misfit("it has another number of memories"));
    }
    if snapshot.globals.iter().any(|(number, _)| *number as usize >= image.globals.len()) {
        return Err(RestoreError::Misfit("it has a global that the component has not"));
    }
    for (memory, base) in snapshot.memories.iter().zip(&image.memories) {
        let bytes = u64::from(memory.pages) * WASM_PAGE_BYTES;
        if bytes < base.bytes() {
            return Err(RestoreError::Misfit("a memory is smaller than a fresh instance's"));
        }
        let last = memory.delta.runs().last();
        if last.is_some_and(|run| u64::from(run.at) + u64::from(run.len) > bytes) {
            return Err(RestoreError::Misfit("it has bytes behind the end of a memory"));
        }
    }
    Ok(())
}

fn grow(
    access: &mut Access<'_>,
    number: usize,
    memory: &MemorySnapshot,
    base: &BaseMemory,
) -> Result<(), RestoreError> {
    let pages = memory.pages;
    if u64::from(pages) * WASM_PAGE_BYTES == base.bytes() {
        return Ok(());
    }
    if access.grow(number, pages).map_err(writing)? { Ok(()) } else { Err(RestoreError::Growth { pages }) }
}

/// Writes up to [`WRITE_BYTES_MAX`] or a little more. Whether there may be more to write.
fn write_some(access: &mut Access<'_>, memory: usize, spans: &mut Spans<'_>) -> wasmtime::Result<bool> {
    let mut written = 0;
    while written < WRITE_BYTES_MAX {
        let Some((at, bytes)) = spans.next() else { return Ok(false) };
        access.write(memory, at, bytes)?;
        written += bytes.len();
    }
    Ok(true)
}

/// What is written at once: long runs in parts, and short runs that lie close together as one.
struct Spans<'a> {
    /// Runs that are not written yet, or not in whole.
    runs: &'a [Run],
    /// What stands in them.
    bytes: &'a [u8],
    base: &'a BaseMemory,
    /// Bytes of the first of them are written.
    into: usize,
    together: Vec<u8>,
}

impl<'a> Spans<'a> {
    fn of(delta: &'a Delta, base: &'a BaseMemory) -> Spans<'a> {
        Spans { runs: delta.runs(), bytes: delta.bytes(), base, into: 0, together: Vec::new() }
    }

    /// The first run, and what stands in it.
    fn first(&self) -> Option<(Run, &'a [u8])> {
        let run = *self.runs.first()?;
        Some((run, &self.bytes[..run.len as usize]))
    }

    fn pass(&mut self, run: Run) {
        (self.runs, self.bytes) = (&self.runs[1..], &self.bytes[run.len as usize..]);
    }

    /// An address and what is to stand there.
    fn next(&mut self) -> Option<(u32, &[u8])> {
        let (run, bytes) = self.first()?;
        if bytes.len() >= LONG_RUN_BYTES {
            let part = self.into..bytes.len().min(self.into + WRITE_BYTES_MAX);
            let at = run.at + part.start as u32;
            self.into = part.end;
            if part.end == bytes.len() {
                self.pass(run);
                self.into = 0;
            }
            return Some((at, &bytes[part]));
        }
        self.together.clear();
        self.together.extend_from_slice(bytes);
        self.pass(run);
        while let Some((following, bytes)) = self.first() {
            let end = run.at as usize + self.together.len();
            let gap = following.at as usize - end;
            if gap > GAP_BYTES_MAX
                || bytes.len() >= LONG_RUN_BYTES
                || self.together.len() >= TOGETHER_BYTES_MAX
            {
                break;
            }
            self.base.append(end, gap, &mut self.together);
            self.together.extend_from_slice(bytes);
            self.pass(following);
        }
        Some((run.at, &self.together))
    }
}
