//! The bytes of a snapshot on their way to a disk and back; drawn in `docs/snapshot-format.md`.
//!
//! What comes back may be anything. It is checked from the outside in: its length, its mark, its format and its
//! checksum; then how large it will become, before memory is taken for it; then every number in it. There is one form
//! for every snapshot: what could have been written differently is refused.

use lz4_flex::block::get_maximum_output_size;
use party_core::large::{self, NoMemory};
use thiserror::Error;

use crate::access::WASM_PAGE_BYTES;
use crate::snapshot::delta::{Delta, GAP_BYTES_MIN, Run};
use crate::snapshot::{LayoutKey, MemorySnapshot, Snapshot, varint};

/// The first bytes.
const MAGIC: [u8; 4] = *b"PtyS";
/// The format that is written.
const VERSION: u8 = 1;
/// How the body is packed: not at all.
const PLAIN: u8 = 0;
/// How the body is packed: one LZ4 block.
const LZ4: u8 = 1;
/// Magic, version, packing, layout key, length of the unpacked body.
const HEADER_BYTES: usize = 46;
/// The checksum at the end.
const TRAILER_BYTES: usize = 4;
/// What a body may have beyond the bytes of its memories: numbers of memories and of 1,024 globals.
const BODY_BYTES_EXTRA: u64 = 32 << 10;
/// LZ4 makes at most so many bytes of one.
const LZ4_RATIO_MAX: u64 = 255;

/// Why bytes are not a snapshot, or not one for here.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum DecodeError {
    /// Something else: it is too short, or does not begin like one.
    #[error("this is not a snapshot")]
    NotASnapshot,
    /// Made by a later version of this host.
    #[error("the snapshot has format {found}; this host knows formats up to {known}")]
    NewerFormat {
        /// Its format.
        found: u8,
        /// The latest that is known here.
        known: u8,
    },
    /// Bytes have been changed or are missing.
    #[error("the snapshot is damaged: its checksum is {found:08x}, not {wanted:08x}")]
    Checksum {
        /// What its bytes have.
        found: u32,
        /// What it says.
        wanted: u32,
    },
    /// More than the bound that was given, in its packed or unpacked form.
    #[error("the snapshot has {bytes} bytes; the limit is {bytes_max}")]
    TooLarge {
        /// What it has, or says that it has.
        bytes: u64,
        /// The bound.
        bytes_max: u64,
    },
    /// Whole, but never written by this host. What is wrong with it.
    #[error("the snapshot is malformed: {0}")]
    Malformed(&'static str),
    /// There is no memory for it at this moment, which says nothing of it.
    #[error(transparent)]
    NoMemory(#[from] NoMemory),
}

impl Snapshot {
    /// The bytes to keep: format 1, with its own checksum. Never longer than what differs and a few bytes for each
    /// run of it; the state of a counter is about 200 bytes. Takes twice as much memory until it is done, which is asked
    /// for.
    pub fn encode(&self) -> Result<Vec<u8>, NoMemory> {
        let body = self.body()?;
        // What packs takes its output as it finds it, and asks nobody for memory.
        let packed_bytes_max = get_maximum_output_size(body.len());
        let mut bytes = large::zeros(HEADER_BYTES + packed_bytes_max + TRAILER_BYTES)?;
        let place = &mut bytes[HEADER_BYTES..HEADER_BYTES + packed_bytes_max];
        let packing = match lz4_flex::block::compress_into(&body, place) {
            Ok(packed_bytes) if packed_bytes < body.len() => {
                bytes.truncate(HEADER_BYTES + packed_bytes);
                LZ4
            }
            _ => {
                bytes.truncate(HEADER_BYTES);
                bytes.extend_from_slice(&body);
                PLAIN
            }
        };
        let mut header = Vec::with_capacity(HEADER_BYTES);
        header.extend_from_slice(&MAGIC);
        header.extend_from_slice(&[VERSION, packing]);
        header.extend_from_slice(&self.layout_key.0);
        header.extend_from_slice(&(body.len() as u64).to_le_bytes());
        bytes[..HEADER_BYTES].copy_from_slice(&header);
        let checksum = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        // Making it smaller gives memory back, and never needs any.
        drop(body);
        bytes.shrink_to_fit();
        Ok(bytes)
    }

    /// Reads what [`encode`](Snapshot::encode) has written. `memory_bytes_max` bounds the linear memory of the
    /// instance that will be made of it; decoding takes at most three times as much, and no more than 255 times the
    /// length of the bytes.
    pub fn decode(bytes: &[u8], memory_bytes_max: u64) -> Result<Snapshot, DecodeError> {
        let bytes_max = memory_bytes_max.saturating_add(BODY_BYTES_EXTRA);
        check_bytes(bytes.len() as u64, bytes_max.saturating_add((HEADER_BYTES + TRAILER_BYTES) as u64))?;
        let envelope = Envelope::open(bytes)?;
        check_bytes(envelope.body_bytes, bytes_max)?;
        let unpacked;
        let body = match envelope.packing {
            PLAIN if envelope.packed.len() as u64 == envelope.body_bytes => envelope.packed,
            LZ4 if envelope.body_bytes <= envelope.packed.len() as u64 * LZ4_RATIO_MAX => {
                let bytes = usize::try_from(envelope.body_bytes)
                    .map_err(|_| DecodeError::TooLarge { bytes: envelope.body_bytes, bytes_max })?;
                let mut place = large::zeros(bytes)?;
                let found = lz4_flex::block::decompress_into(envelope.packed, &mut place)
                    .map_err(|_| DecodeError::Malformed("it cannot be unpacked"))?;
                if found != bytes {
                    return Err(DecodeError::Malformed("it unpacks to another length than it says"));
                }
                unpacked = place;
                &unpacked
            }
            PLAIN | LZ4 => return Err(DecodeError::Malformed("its length cannot be right")),
            _ => return Err(DecodeError::Malformed("it is packed in an unknown way")),
        };
        let mut body = Body { rest: body };
        let mut memories = body.memories(memory_bytes_max)?;
        let globals = body.globals()?;
        body.contents(&mut memories)?;
        let memories = memories
            .into_iter()
            .map(|(pages, runs, bytes)| MemorySnapshot { pages, delta: Delta::of_parts(runs, bytes) });
        Ok(Snapshot { layout_key: envelope.layout_key, memories: memories.collect(), globals })
    }

    /// Numbers first, then the contents of all runs: like goes with like, and what is written in one piece is read in
    /// one.
    fn body(&self) -> Result<Vec<u8>, NoMemory> {
        let mut body = large::list(self.body_bytes_max())?;
        varint::write(&mut body, self.memories.len() as u64);
        for memory in &self.memories {
            varint::write(&mut body, u64::from(memory.pages));
            varint::write(&mut body, memory.delta.runs().len() as u64);
            let mut end = 0;
            for run in memory.delta.runs() {
                varint::write(&mut body, u64::from(run.at) - end);
                varint::write(&mut body, u64::from(run.len));
                end = u64::from(run.at) + u64::from(run.len);
            }
        }
        varint::write(&mut body, self.globals.len() as u64);
        let mut next = 0;
        for (number, bits) in &self.globals {
            varint::write(&mut body, u64::from(number - next));
            varint::write(&mut body, *bits);
            next = number + 1;
        }
        for memory in &self.memories {
            body.extend_from_slice(memory.delta.bytes());
        }
        Ok(body)
    }

    /// As many bytes as the body has, or a few more.
    fn body_bytes_max(&self) -> usize {
        let of_runs = |memory: &MemorySnapshot| {
            let mut end = 0;
            let of_run = |run: &Run| {
                let gap = run.at - end;
                end = run.at.saturating_add(run.len);
                varint::bytes(gap.into()) + varint::bytes(run.len.into())
            };
            memory.delta.runs().iter().map(of_run).sum::<usize>()
        };
        let runs: usize = self.memories.iter().map(of_runs).sum();
        let numbers = 2 + 2 * self.memories.len() + 2 * self.globals.len();
        self.delta_bytes() as usize + runs + numbers * varint::BYTES_MAX
    }
}

fn check_bytes(bytes: u64, bytes_max: u64) -> Result<(), DecodeError> {
    if bytes > bytes_max { Err(DecodeError::TooLarge { bytes, bytes_max }) } else { Ok(()) }
}

/// What stands around the body.
struct Envelope<'a> {
    packing: u8,
    layout_key: LayoutKey,
    body_bytes: u64,
    packed: &'a [u8],
}

impl<'a> Envelope<'a> {
    fn open(bytes: &'a [u8]) -> Result<Envelope<'a>, DecodeError> {
        let (checked, checksum) =
            bytes.split_last_chunk::<TRAILER_BYTES>().ok_or(DecodeError::NotASnapshot)?;
        let (header, packed) =
            checked.split_first_chunk::<HEADER_BYTES>().ok_or(DecodeError::NotASnapshot)?;
        let (magic, header) = header.split_first_chunk::<4>().ok_or(DecodeError::NotASnapshot)?;
        let (&[version, packing], header) = header.split_first_chunk().ok_or(DecodeError::NotASnapshot)?;
        let (layout_key, header) = header.split_first_chunk().ok_or(DecodeError::NotASnapshot)?;
        let body_bytes = header.first_chunk().ok_or(DecodeError::NotASnapshot)?;
        if *magic != MAGIC || version == 0 {
            return Err(DecodeError::NotASnapshot);
        }
        if version > VERSION {
            return Err(DecodeError::NewerFormat { found: version, known: VERSION });
        }
        let (found, wanted) = (crc32c::crc32c(checked), u32::from_le_bytes(*checksum));
        if found != wanted {
            return Err(DecodeError::Checksum { found, wanted });
        }
        let (layout_key, body_bytes) = (LayoutKey(*layout_key), u64::from_le_bytes(*body_bytes));
        Ok(Envelope { packing, layout_key, body_bytes, packed })
    }
}

/// A body that is being read.
struct Body<'a> {
    rest: &'a [u8],
}

/// A memory without its contents: its pages, its runs, and where the contents go.
type Outlined = (u32, Vec<Run>, Vec<u8>);

impl Body<'_> {
    fn number(&mut self) -> Result<u64, DecodeError> {
        varint::read(&mut self.rest).ok_or(DecodeError::Malformed("a number has no end"))
    }

    /// How many of something follow, each of which takes two bytes or more.
    fn count(&mut self) -> Result<usize, DecodeError> {
        let count = self.number()?;
        match usize::try_from(count) {
            Ok(count) if count <= self.rest.len() / 2 => Ok(count),
            _ => Err(DecodeError::Malformed("there are fewer items than it says")),
        }
    }

    fn memories(&mut self, bytes_max: u64) -> Result<Vec<Outlined>, DecodeError> {
        let (mut memories, mut bytes) = (Vec::new(), 0);
        for _ in 0..self.count()? {
            let pages = self.number()?;
            let pages = u32::try_from(pages).map_err(|_| DecodeError::Malformed("a memory is too large"))?;
            bytes += u64::from(pages) * WASM_PAGE_BYTES;
            check_bytes(bytes, bytes_max)?;
            memories.push((pages, self.runs(u64::from(pages) * WASM_PAGE_BYTES)?, Vec::new()));
        }
        Ok(memories)
    }

    fn runs(&mut self, memory_bytes: u64) -> Result<Vec<Run>, DecodeError> {
        let count = self.count()?;
        let mut runs = large::list(count)?;
        let mut end = 0_u64;
        for first in (0..count).map(|n| n == 0) {
            let (gap, len) = (self.number()?, self.number()?);
            if gap < GAP_BYTES_MIN as u64 && !first {
                return Err(DecodeError::Malformed("two runs are one"));
            }
            let at = end.saturating_add(gap);
            end = at.saturating_add(len);
            match (u32::try_from(at), u32::try_from(len)) {
                (Ok(at), Ok(len)) if len > 0 && end <= memory_bytes => runs.push(Run { at, len }),
                _ => return Err(DecodeError::Malformed("a run is empty or not inside of its memory")),
            }
        }
        Ok(runs)
    }

    fn globals(&mut self) -> Result<Vec<(u32, u64)>, DecodeError> {
        let mut globals = Vec::new();
        let mut next = 0_u64;
        for _ in 0..self.count()? {
            let number = next.saturating_add(self.number()?);
            let bits = self.number()?;
            next = number.saturating_add(1);
            let number =
                u32::try_from(number).map_err(|_| DecodeError::Malformed("a global has no number"))?;
            globals.push((number, bits));
        }
        Ok(globals)
    }

    fn contents(&mut self, memories: &mut [Outlined]) -> Result<(), DecodeError> {
        for (_, runs, contents) in memories {
            let bytes = runs.iter().map(|run| u64::from(run.len)).sum::<u64>();
            let bytes = usize::try_from(bytes).ok().filter(|bytes| *bytes <= self.rest.len());
            let bytes = bytes.ok_or(DecodeError::Malformed("there are fewer bytes than it says"))?;
            let (own, behind) = self.rest.split_at(bytes);
            *contents = large::copy(own)?;
            self.rest = behind;
        }
        if self.rest.is_empty() { Ok(()) } else { Err(DecodeError::Malformed("something follows its end")) }
    }
}
