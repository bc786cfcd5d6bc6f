//! The rows of what is kept of rooms' memories: chunks of blobs, journals, blobs that nothing points to, components.
//!
//! - A *blob* is a checkpoint or a component, cut into chunks so that each row fits a page of redb. It has an owner (a
//!   room's prefix, or a component's key) and a number that is never used again; 0 is that of a room's checkpoint that
//!   is small enough to be written with its commit, over the one before.
//! - Whoever points to a blob (a room's record, a component's row) knows its length and the checksum of the whole, so
//!   a chunk that is missing, old or another's is noticed.
//! - Journals of all rooms share one table in order of time: they grow at its end, however many rooms there are.
//! - Keys can be told from each other by their form alone; `leaf` relies on that.

use party_core::commit::ComponentDigest;
use party_core::ids::CommitSeq;
use redb::TableDefinition;

use crate::redb_store::layout::fields::{Reader, Writer};
use crate::redb_store::layout::{CRC_BYTES, Damage, Tally, damaged_key, parse_prefix, prefix_len, printable};

/// Chunks of blobs.
pub(crate) const CHUNKS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("chunks");
/// Records of all journals, in order of time.
pub(crate) const JOURNAL: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("journal");
/// Blobs that nothing points to: being written, or to be reclaimed.
pub(crate) const LOOSE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("loose");
/// Which components there are.
pub(crate) const COMPONENTS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("components");

/// The number of a blob that is written with its commit.
pub(crate) const INLINE_BLOB: u64 = 0;
/// The length of `journal`'s keys, and of `loose`'s.
const NUMBER_BYTES: usize = 8;
/// The most bytes of a chunk.
const CHUNK_BYTES_MAX: usize = 4_000;
/// What a leaf of one row has room for: a page, without its head and the row's two offsets.
const ROW_BYTES_MAX: usize = 4_096 - 4 - 8;
/// What a chunk's key has after the owner: the blob's number and the chunk's.
const CHUNK_PLACE_BYTES: usize = 12;
/// No name may hold a colon, so no room's prefix begins like this.
const COMPONENT_MARK: &[u8] = b"sha256:";
const COMPONENT_BYTES: usize = 28;
/// How long the part of a record is that tells of the room's memory.
pub(super) const MEMORY_BYTES: usize = 80;

/// Where a blob is and what it must be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Pointer {
    pub(crate) blob: u64,
    pub(crate) bytes: u64,
    /// CRC-32C of all of it.
    pub(crate) crc: u32,
}

/// What a record says of the room's memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct StoredMemory {
    /// What checkpoint and journal belong to.
    pub(crate) component: ComponentDigest,
    /// The checkpoint's commit, or without one the last commit before the journal: the journal's come after it.
    pub(crate) since: CommitSeq,
    pub(crate) checkpoint: Option<Pointer>,
    /// Its records in the journal.
    pub(crate) journal: Tally,
    pub(crate) journal_bytes: u64,
}

/// A component's row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct StoredComponent {
    pub(crate) pointer: Pointer,
    /// How many rooms have a checkpoint or a journal of it.
    pub(crate) references: u64,
}

pub(super) fn encode_memory<const N: usize>(body: &mut Writer<N>, memory: &StoredMemory) {
    body.put(&memory.component.0);
    body.u64(memory.since.0);
    let pointer = memory.checkpoint.unwrap_or_default();
    body.u64(pointer.blob);
    // A checkpoint's length fits: it is bounded far below.
    body.u32(u32::try_from(pointer.bytes).unwrap_or(u32::MAX));
    body.u32(pointer.crc);
    body.u64(memory.journal.rows);
    body.u64(memory.journal.sum);
    body.u64(memory.journal_bytes);
}

pub(super) fn decode_memory(body: &mut Reader<'_>, has_checkpoint: bool) -> StoredMemory {
    let (component, since) = (ComponentDigest(body.take()), CommitSeq(body.u64()));
    let pointer = Pointer { blob: body.u64(), bytes: u64::from(body.u32()), crc: body.u32() };
    let journal = Tally { rows: body.u64(), sum: body.u64() };
    let checkpoint = has_checkpoint.then_some(pointer);
    StoredMemory { component, since, checkpoint, journal, journal_bytes: body.u64() }
}

/// The key of a component's row, and the owner of its blob.
pub(crate) fn component_key(component: ComponentDigest) -> Vec<u8> {
    [COMPONENT_MARK, &component.0].concat()
}

/// The component that a key is of.
pub(crate) fn parse_component_key(key: &[u8]) -> Result<ComponentDigest, Damage> {
    let digest = key.strip_prefix(COMPONENT_MARK).and_then(|digest| digest.try_into().ok());
    digest.map(ComponentDigest).ok_or_else(|| damaged_key(key))
}

/// The body of a component's row.
pub(crate) fn encode_component(component: &StoredComponent) -> [u8; COMPONENT_BYTES] {
    let mut body = Writer::<COMPONENT_BYTES>::new();
    body.u64(component.pointer.blob);
    body.u64(component.pointer.bytes);
    body.u32(component.pointer.crc);
    body.u64(component.references);
    body.finish()
}

/// Reads the body of a component's row.
pub(crate) fn decode_component(key: &[u8], body: &[u8]) -> Result<StoredComponent, Damage> {
    let mut body = Reader::new(key, body, COMPONENT_BYTES)?;
    let pointer = Pointer { blob: body.u64(), bytes: body.u64(), crc: body.u32() };
    Ok(StoredComponent { pointer, references: body.u64() })
}

/// The key of a blob's chunk.
pub(crate) fn chunk_key(owner: &[u8], blob: u64, chunk: u32) -> Vec<u8> {
    [owner, &blob.to_be_bytes(), &chunk.to_be_bytes()].concat()
}

/// How many bytes of a blob go into one chunk: as many as fill a page with their key, up to a bound.
pub(crate) fn chunk_bytes(owner: &[u8]) -> usize {
    CHUNK_BYTES_MAX.min(ROW_BYTES_MAX - CRC_BYTES - CHUNK_PLACE_BYTES - owner.len())
}

/// How many chunks a blob of so many bytes has.
pub(crate) fn chunk_count(owner: &[u8], bytes: u64) -> u64 {
    bytes.div_ceil(chunk_bytes(owner) as u64)
}

/// Whether a key of this form stands in `chunks`.
fn is_chunk_key(key: &[u8]) -> bool {
    let Some(owner_bytes) = key.len().checked_sub(CHUNK_PLACE_BYTES) else { return false };
    let owner = &key[..owner_bytes];
    let is_room = || prefix_len(key).is_ok_and(|bytes| bytes == owner_bytes) && parse_prefix(owner).is_ok();
    parse_component_key(owner).is_ok() || is_room()
}

/// Whether a key has the form of one of the tables here.
pub(crate) fn is_memory_key(key: &[u8]) -> bool {
    key.len() == NUMBER_BYTES || parse_component_key(key).is_ok() || is_chunk_key(key)
}

/// The key of a journal's record: the number of its batch and its place there. It is never used again.
pub(crate) fn journal_number(batch: u64, place: usize) -> u64 {
    debug_assert!(place < crate::store::BATCH_COMMITS_MAX, "a batch is bounded");
    batch * crate::store::BATCH_COMMITS_MAX as u64 + place as u64
}

/// Reads a number that is a key.
pub(crate) fn parse_number(key: &[u8]) -> Result<u64, Damage> {
    key.try_into().map(u64::from_be_bytes).map_err(|_| damaged_key(key))
}

/// The body of a journal's record.
pub(crate) fn encode_entry(out: &mut Vec<u8>, prefix: &[u8], seq: CommitSeq, record: &[u8]) {
    out.clear();
    out.extend_from_slice(&seq.0.to_le_bytes());
    let prefix_bytes = u16::try_from(prefix.len()).expect("an address is bounded");
    out.extend_from_slice(&prefix_bytes.to_le_bytes());
    out.extend_from_slice(prefix);
    out.extend_from_slice(record);
}

/// Takes the body of a journal's record apart: the room's prefix, the commit, the record.
pub(crate) fn decode_entry<'a>(
    key: &[u8],
    body: &'a [u8],
) -> Result<(&'a [u8], CommitSeq, &'a [u8]), Damage> {
    let malformed = || Damage(format!("the journal's row {} is malformed", printable(key)));
    let (seq, rest) = body.split_first_chunk().ok_or_else(malformed)?;
    let (prefix_bytes, rest) = rest.split_first_chunk().ok_or_else(malformed)?;
    let prefix_bytes = usize::from(u16::from_le_bytes(*prefix_bytes));
    let (prefix, record) = rest.split_at_checked(prefix_bytes).ok_or_else(malformed)?;
    Ok((prefix, CommitSeq(u64::from_le_bytes(*seq)), record))
}
