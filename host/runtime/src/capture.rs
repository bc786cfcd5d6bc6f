//! Captures an instance between two turns, or says why that cannot be.
//!
//! Most reasons are the component's and known when it is loaded ([`Component::capturable`]); two are of the moment: a
//! turn that was dropped leaves memory half changed, and a handle that the guest holds is a number in its memory whose
//! meaning is in a table of the host. Only the handles that the prologue opened will have the same meaning in another
//! instance, because its prologue opens the same.

use party_core::large::NoMemory;
use thiserror::Error;

use crate::access::WASM_PAGE_BYTES;
use crate::component::Component;
use crate::image::{BaseMemory, Image};
use crate::instance::Instance;
use crate::snapshot::{Delta, MemorySnapshot, Snapshot, Stretch, everything};

/// Why an instance, or every instance of a component, cannot be captured. Such a room stays awake.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum NotCapturable {
    /// A memory with 64-bit addresses.
    #[error("the component has a 64-bit memory")]
    Memory64,
    /// A memory shared between threads.
    #[error("the component has a shared memory")]
    SharedMemory,
    /// A mutable global that is no number of 32 or 64 bits; its type.
    #[error("the component has a mutable global of type {0}; only i32, i64, f32 and f64 can be captured")]
    GlobalType(String),
    /// More mutable globals than are read.
    #[error("the component has {count} mutable globals; the limit is {count_max}")]
    Globals {
        /// How many it has.
        count: usize,
        /// The bound.
        count_max: usize,
    },
    /// A core module inside of a nested component, which no export can reach.
    #[error("the component has a core module inside of a nested component")]
    NestedModule,
    /// A core module that comes from outside of the component.
    #[error("the component takes a core module from outside")]
    ForeignModule,
    /// Code that changes a table or drops a segment; the instruction.
    #[error("the component's code has the instruction {0}, which changes what is not in its memory")]
    Instruction(&'static str),
    /// Handles of resource types of its own are kept in a table of the engine.
    #[error("the component makes resources of its own, which are not in its memory")]
    OwnResources,
    /// Something of the component model that keeps state in the engine; what it is.
    #[error("the component uses {0}, which keeps state outside of its memory")]
    Builtin(&'static str),
    /// The component could not be given accessors to its memory; the validator's or the compiler's text.
    #[error("the component cannot be given accessors to its memory: {0}")]
    Rewriting(String),
    /// Two instances that had run nothing but their prologue differ.
    #[error("two fresh instances of the component differ, so there is nothing to compare with")]
    BaseDiffers,
    /// The last turn was dropped or given up: the memory may be half changed.
    #[error("the instance's last turn did not end in order")]
    Dropped,
    /// WASI handles that the prologue did not open; how many there are.
    #[error(
        "the guest holds {handles} WASI handles that its prologue did not open or holds them no longer as opened"
    )]
    Handles {
        /// Handles that it holds now, those of the prologue included.
        handles: usize,
    },
    /// The accessors did not do what they are for; the engine's text.
    #[error("the instance's memory cannot be read: {0}")]
    Reading(String),
    /// There is no memory for what differs at this moment, which says nothing of the instance.
    #[error(transparent)]
    NoMemory(#[from] NoMemory),
}

impl NotCapturable {
    /// The reason in one word, without what is particular about the case: for what is counted.
    pub fn kind(&self) -> &'static str {
        match self {
            NotCapturable::Memory64 => "memory64",
            NotCapturable::SharedMemory => "shared-memory",
            NotCapturable::GlobalType(_) => "global-type",
            NotCapturable::Globals { .. } => "globals",
            NotCapturable::NestedModule => "nested-module",
            NotCapturable::ForeignModule => "foreign-module",
            NotCapturable::Instruction(_) => "instruction",
            NotCapturable::OwnResources => "own-resources",
            NotCapturable::Builtin(_) => "builtin",
            NotCapturable::Rewriting(_) => "rewriting",
            NotCapturable::BaseDiffers => "base-differs",
            NotCapturable::Dropped => "dropped",
            NotCapturable::Handles { .. } => "handles",
            NotCapturable::Reading(_) => "reading",
            NotCapturable::NoMemory(_) => "no-memory",
        }
    }
}

impl Instance {
    /// Takes a snapshot: what differs between this instance and a fresh one. The instance stays as it is.
    ///
    /// Costs some 20 µs for a small room and a millisecond for each 10 MB that differ.
    pub fn capture(&mut self) -> Result<Snapshot, NotCapturable> {
        let component = self.component().clone();
        let touched = component.engine().touched();
        self.capture_where(component.image()?, |memory| touched.stretches(memory))
    }

    /// As [`capture`](Instance::capture), but compares whole memories, as on a system whose kernel cannot tell which
    /// pages were written. The snapshot is the same.
    pub fn capture_by_comparing(&mut self) -> Result<Snapshot, NotCapturable> {
        let component = self.component().clone();
        self.capture_where(component.image()?, |memory| Ok(everything(memory)))
    }

    fn capture_where(
        &mut self,
        image: &Image,
        stretches: impl Fn(&[u8]) -> Result<Vec<Stretch>, NoMemory>,
    ) -> Result<Snapshot, NotCapturable> {
        if !self.is_callable() {
            return Err(NotCapturable::Dropped);
        }
        self.check_handles()?;
        let reading = |error: wasmtime::Error| NotCapturable::Reading(format!("{error:#}"));
        let mut access = self.open(&image.accessors);
        let mut memories = Vec::with_capacity(image.memories.len());
        for (number, base) in image.memories.iter().enumerate() {
            let snapshot = access.read(number, |memory| {
                let pages = (memory.len() as u64 / WASM_PAGE_BYTES) as u32;
                let delta = Delta::between(memory, base, &stretches(memory)?)?;
                Ok::<_, NoMemory>(MemorySnapshot { pages, delta })
            });
            memories.push(snapshot.map_err(reading)??);
        }
        let mut globals = Vec::new();
        for (number, base) in image.globals.iter().enumerate() {
            let bits = access.global(number).map_err(reading)?;
            if bits != *base {
                globals.push((number as u32, bits));
            }
        }
        Ok(Snapshot { layout_key: image.layout_key, memories, globals })
    }
}

impl Component {
    /// Whether instances can be captured, and if not, why. Decided when the component was loaded; what can still
    /// stand in the way of a single instance is in [`NotCapturable`], too.
    pub fn capturable(&self) -> Result<(), &NotCapturable> {
        self.image_or_why().map(|_| ())
    }

    /// Whether an instance of which this snapshot was taken is as good as a fresh one: nothing differs.
    pub fn is_fresh(&self, snapshot: &Snapshot) -> bool {
        self.image_or_why().is_ok_and(|image| {
            let same = |(memory, base): (&MemorySnapshot, &BaseMemory)| {
                memory.delta.runs().is_empty() && u64::from(memory.pages) * WASM_PAGE_BYTES == base.bytes()
            };
            snapshot.layout_key == image.layout_key
                && snapshot.globals.is_empty()
                && snapshot.memories.iter().zip(&image.memories).all(same)
        })
    }

    fn image(&self) -> Result<&Image, NotCapturable> {
        self.image_or_why().map_err(Clone::clone)
    }
}
