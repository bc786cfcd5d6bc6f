//! The base image of a component: what a fresh instance keeps, after its prologue.
//!
//! Every instance begins with the same memory and the same globals, because its prologue runs outside of any room,
//! with no vars, at time 0 and with the same chance. A snapshot is the difference to that. Whether it is so is
//! checked when the component is loaded, on two instances. A component whose instances differ is not captured:
//! storing whole memories instead would work for sleeping rooms, but what makes two fresh instances differ would
//! make a replayed turn differ, too, and the author should hear of it.

use party_core::large::{self, NoMemory};
use sha2::{Digest as _, Sha256};
use wasm_encoder::ValType;
use wasmtime::Result;

use crate::access::Accessors;
use crate::component::Digest;
use crate::instance::Instance;
use crate::rewrite::State;
use crate::snapshot::LayoutKey;

/// The unit in which memories are compared, in bytes. Pages of the system are as large or a multiple of it.
pub(crate) const BLOCK_BYTES: usize = 4_096;

/// A block of a memory.
pub(crate) type Block = [u8; BLOCK_BYTES];

/// A component's base image, and what belongs to it.
pub(crate) struct Image {
    pub(crate) accessors: Accessors,
    pub(crate) memories: Vec<BaseMemory>,
    /// The bits of the mutable globals.
    pub(crate) globals: Vec<u64>,
    pub(crate) layout_key: LayoutKey,
}

/// A memory of the base image. What is zero is not kept.
#[derive(PartialEq, Eq)]
pub(crate) struct BaseMemory {
    /// How long it is.
    bytes: u64,
    blocks: Vec<Option<Box<Block>>>,
}

impl BaseMemory {
    /// A copy of a memory.
    pub(crate) fn of(memory: &[u8]) -> std::result::Result<BaseMemory, NoMemory> {
        let (blocks, _) = memory.as_chunks::<BLOCK_BYTES>();
        let is_kept = |block: &Block| *block != [0; BLOCK_BYTES];
        large::claim(blocks.iter().filter(|block| is_kept(block)).count() * BLOCK_BYTES)?;
        let mut kept = large::list(blocks.len())?;
        kept.extend(blocks.iter().map(|block| is_kept(block).then(|| Box::new(*block))));
        Ok(BaseMemory { bytes: memory.len() as u64, blocks: kept })
    }

    /// How long it is, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// A block; `None` if it is all zeros, as whatever lies behind the end is.
    pub(crate) fn block(&self, number: usize) -> Option<&Block> {
        self.blocks.get(number)?.as_deref()
    }

    /// Appends a stretch of it.
    pub(crate) fn append(&self, mut at: usize, bytes: usize, to: &mut Vec<u8>) {
        let end = at + bytes;
        while at < end {
            let (number, from) = (at / BLOCK_BYTES, at % BLOCK_BYTES);
            let bytes = (BLOCK_BYTES - from).min(end - at);
            match self.block(number) {
                Some(block) => to.extend_from_slice(&block[from..from + bytes]),
                None => to.resize(to.len() + bytes, 0),
            }
            at += bytes;
        }
    }
}

impl Image {
    /// Takes it of one fresh instance. What a capture then finds on another must be nothing.
    pub(crate) fn of(
        accessors: Accessors,
        instance: &mut Instance,
        state: &State,
        digest: Digest,
    ) -> Result<Image> {
        let mut access = instance.open(&accessors);
        let memories: Vec<_> = (0..accessors.memories())
            .map(|memory| Ok(access.read(memory, BaseMemory::of)??))
            .collect::<Result<_>>()?;
        let globals: Vec<_> =
            (0..accessors.globals()).map(|global| access.global(global)).collect::<Result<_>>()?;
        let layout_key = layout_key(digest, &memories, &globals, state);
        Ok(Image { accessors, memories, globals, layout_key })
    }
}

/// The key under which snapshots of this component are good: of its bytes, so that a snapshot never meets other code,
/// and of all that snapshots are the difference to. Neither the engine's version nor that of the rewriting is part
/// of it.
fn layout_key(digest: Digest, memories: &[BaseMemory], globals: &[u64], state: &State) -> LayoutKey {
    let mut hash = Sha256::new();
    hash.update(b"party-host layout 1\0");
    hash.update(digest.0);
    hash.update((memories.len() as u64).to_le_bytes());
    for memory in memories {
        hash.update(memory.bytes.to_le_bytes());
        let kept = memory.blocks.iter().enumerate().filter_map(|(n, block)| Some((n, block.as_ref()?)));
        for (number, block) in kept {
            hash.update((number as u64).to_le_bytes());
            hash.update(block.as_slice());
        }
        hash.update(u64::MAX.to_le_bytes());
    }
    hash.update((globals.len() as u64).to_le_bytes());
    for (global, bits) in state.globals.iter().zip(globals) {
        let ty: u8 = match global.ty {
            ValType::I32 => 0x7f,
            ValType::I64 => 0x7e,
            ValType::F32 => 0x7d,
            ValType::F64 => 0x7c,
            ValType::V128 => 0x7b,
            ValType::Ref(_) => 0x70,
        };
        hash.update([ty]);
        hash.update(bits.to_le_bytes());
    }
    LayoutKey(hash.finalize().into())
}
