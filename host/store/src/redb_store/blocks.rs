//! A checksum for every block of the file, below redb.
//!
//! redb keeps checksums of its pages but verifies them only after an unclean close. A flipped bit in a page that
//! was at rest is otherwise believed: a value of ours would show it by its own checksum, but a key that can no
//! longer be found looks like a key that was never there. So this layer, which redb takes for its file, keeps a
//! CRC-32C for each block of 4,096 bytes and compares it with every read.
//!
//! The file is a row of groups: one block of 1,024 checksums, then the 1,024 blocks that they are of. Checksums are
//! kept in memory as they change and written before each sync. That is safe without a log, because redb never
//! overwrites a page of the last state that was synced: what a crash tears apart from its checksum is always part of
//! a transaction that had not finished. If redb then finds, by its own checksums, that such a transaction is whole
//! after all, the checksums of its blocks are brought up to date with the first sync of that repair. Not later: the
//! repair ends with a commit after which an opening reads what it names without verifying it first, and that commit
//! may be on the device although the opening which made it failed before its end.
//!
//! What a damaged block means depends on what it is. A leaf with one damaged row of ours (see `leaf`) is let through,
//! and everybody is in doubt from then on, which makes readers prove that what they read is complete. Anything else
//! is shared by all rooms, and reading it fails.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::{BackendError, StorageBackend};
use thiserror::Error;

use crate::redb_store::aside::step_aside_after;
use crate::redb_store::checksums::{
    BLOCK, BLOCK_BYTES, GROUP_BLOCKS, Groups, blocks_in, file_bytes, position,
};
use crate::redb_store::leaf::{Damaged, examine};

/// A read of a damaged page that all rooms share.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("block {block} of the store, which all rooms share, does not match its checksum")]
pub(crate) struct SharedDamage {
    block: u64,
}

/// What has been found damaged since the store was opened, across reopenings.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// How many leaves with a damaged row were read; one more if the store was in doubt when it was opened.
    doubts: AtomicU64,
    /// Which leaves those were.
    leaves: Mutex<HashSet<u64>>,
    /// Whether something that all rooms share is damaged: the store is of no use until it is checked.
    shared: AtomicBool,
    /// How long the file is, in bytes.
    file_bytes: AtomicU64,
    /// Bytes that were written to it.
    written_bytes: AtomicU64,
}

impl Findings {
    /// How many reasons for doubt there are; 0 is none.
    pub(crate) fn doubts(&self) -> u64 {
        self.doubts.load(Ordering::Acquire)
    }

    /// Adds a reason for doubt.
    pub(crate) fn add_doubt(&self) {
        self.doubts.fetch_add(1, Ordering::AcqRel);
    }

    fn add_leaf(&self, block: u64) {
        if self.leaves.lock().unwrap_or_else(PoisonError::into_inner).insert(block) {
            self.add_doubt();
        }
    }

    /// Whether something that all rooms share is damaged.
    pub(crate) fn shared(&self) -> bool {
        self.shared.load(Ordering::Acquire)
    }

    /// How long the file is, in bytes.
    pub(crate) fn file_bytes(&self) -> u64 {
        self.file_bytes.load(Ordering::Relaxed)
    }

    /// How many bytes have been written to it.
    pub(crate) fn written_bytes(&self) -> u64 {
        self.written_bytes.load(Ordering::Relaxed)
    }
}

/// The file as redb sees it: without the checksums. Clones are the same file.
#[derive(Clone, Debug)]
pub(crate) struct Blocks {
    file: Arc<CheckedFile>,
}

#[derive(Debug)]
struct CheckedFile {
    inner: Box<dyn StorageBackend>,
    groups: Mutex<Groups>,
    findings: Arc<Findings>,
    /// While redb repairs the file: the blocks that did not match, and the checksums of what was read of them, until
    /// they are settled.
    unsettled: Mutex<Option<BTreeMap<u64, u32>>>,
    refuses_writes: AtomicBool,
    /// Whether what is written to it counts as written.
    counts: bool,
}

impl Blocks {
    /// Takes a file. Whether what is written reaches a device the caller knows: only then it counts.
    pub(crate) fn new(
        inner: Box<dyn StorageBackend>,
        findings: Arc<Findings>,
        counts: bool,
    ) -> io::Result<Blocks> {
        findings.file_bytes.store(inner.len()?, Ordering::Relaxed);
        let (groups, unsettled, refuses_writes) =
            (Mutex::default(), Mutex::default(), AtomicBool::new(false));
        let file = CheckedFile { inner, groups, findings, unsettled, refuses_writes, counts };
        Ok(Blocks { file: Arc::new(file) })
    }

    /// Whether the file is empty.
    pub(crate) fn is_empty(&self) -> io::Result<bool> {
        Ok(self.file.inner.len()? == 0)
    }

    /// Whether the file begins as this layer begins one.
    pub(crate) fn is_ours(&self) -> io::Result<bool> {
        self.file.groups().is_ours(&*self.file.inner)
    }

    /// redb begins to repair the file, which a crash has left unfinished: it verifies all that it reads by its own
    /// checksums before it syncs anything, so ours do not count until [`Blocks::settle`].
    pub(crate) fn begin_repair(&self) {
        self.file.unsettled().get_or_insert_default();
    }

    /// The file is open, and what counts of it is verified: from now on every block must match. An error leaves a file
    /// that takes no more writes.
    pub(crate) fn settle(&self) -> io::Result<()> {
        let settled = self.file.settle_blocks().and_then(|any| if any { self.file.sync() } else { Ok(()) });
        self.file.unsettled().take();
        if settled.is_err() {
            self.file.refuses_writes.store(true, Ordering::Release);
        }
        settled
    }
}

impl CheckedFile {
    fn groups(&self) -> MutexGuard<'_, Groups> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unsettled(&self) -> MutexGuard<'_, Option<BTreeMap<u64, u32>>> {
        self.unsettled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The blocks that redb has read in its repair and that did not match were cut off from their checksums by the
    /// crash: they get those of what redb has verified. Says whether there were any.
    fn settle_blocks(&self) -> io::Result<bool> {
        let unsettled = self.unsettled().as_mut().map(std::mem::take).unwrap_or_default();
        for (&block, &checksum) in &unsettled {
            self.groups().set(&*self.inner, block, checksum)?;
        }
        Ok(!unsettled.is_empty())
    }

    fn shared_damage(&self, block: u64) -> io::Error {
        self.findings.shared.store(true, Ordering::Release);
        io::Error::new(io::ErrorKind::InvalidData, SharedDamage { block })
    }

    /// Reads whole blocks and compares their checksums.
    fn read_blocks(&self, first: u64, out: &mut [u8]) -> io::Result<()> {
        let mut mismatch = None;
        for (block, bytes) in runs(first, out.len()) {
            let run = &mut out[bytes];
            self.inner.read(position(block), run)?;
            let mut groups = self.groups();
            for (block, bytes) in (block..).zip(run.chunks_exact(BLOCK_BYTES)) {
                if !matches(groups.get(&*self.inner, block)?, block, bytes) {
                    mismatch = mismatch.or(Some(block));
                    if let Some(unsettled) = &mut *self.unsettled() {
                        unsettled.insert(block, checksum(block, bytes));
                    }
                }
            }
        }
        let Some(block) = mismatch else { return Ok(()) };
        if self.unsettled().is_some() {
            return Ok(());
        }
        match examine(out) {
            Damaged::Nothing => {}
            Damaged::OneRow => self.findings.add_leaf(first),
            Damaged::Structure => return Err(self.shared_damage(block)),
        }
        Ok(())
    }

    fn write_blocks(&self, first: u64, data: &[u8]) -> io::Result<()> {
        for (block, bytes) in runs(first, data.len()) {
            let run = &data[bytes];
            self.inner.write(position(block), run)?;
            let mut groups = self.groups();
            for (block, bytes) in (block..).zip(run.chunks_exact(BLOCK_BYTES)) {
                groups.set(&*self.inner, block, checksum(block, bytes))?;
                if let Some(unsettled) = &mut *self.unsettled() {
                    unsettled.remove(&block);
                }
            }
        }
        step_aside_after(data.len());
        Ok(())
    }

    fn set_blocks(&self, blocks: u64) -> io::Result<()> {
        let len = file_bytes(blocks);
        self.inner.set_len(len)?;
        self.findings.file_bytes.store(len, Ordering::Relaxed);
        self.groups().set_blocks(&*self.inner, blocks)
    }

    fn sync(&self) -> io::Result<()> {
        self.settle_blocks()?;
        self.groups().write_dirty(&*self.inner)?;
        self.inner.sync_data()
    }

    fn check_writable(&self) -> io::Result<()> {
        if self.refuses_writes.load(Ordering::Acquire) {
            return Err(io::Error::other("the file could not be opened in full"));
        }
        Ok(())
    }
}

/// Splits a run of blocks where a group ends. Each part is its first block and its place in the buffer.
fn runs(first: u64, bytes: usize) -> impl Iterator<Item = (u64, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done == bytes {
            return None;
        }
        let block = first + (done / BLOCK_BYTES) as u64;
        let to_group_end = (GROUP_BLOCKS - block % GROUP_BLOCKS) as usize * BLOCK_BYTES;
        let start = done;
        done = bytes.min(start + to_group_end);
        Some((block, start..done))
    })
}

/// The checksum of a block: over its number too, so that a block in the wrong place is none. Never 0, which stands
/// for a block that has not been written.
fn checksum(block: u64, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&block.to_le_bytes()), bytes).max(1)
}

fn matches(expected: u32, block: u64, bytes: &[u8]) -> bool {
    block == 0 || expected == checksum(block, bytes) || (expected == 0 && bytes.iter().all(|&byte| byte == 0))
}

/// The block that an access begins with. All are of whole blocks, except those within redb's header.
fn whole_blocks(offset: u64, bytes: usize) -> io::Result<Option<u64>> {
    if offset.is_multiple_of(BLOCK) && bytes.is_multiple_of(BLOCK_BYTES) {
        return Ok(Some(offset / BLOCK));
    }
    if offset + bytes as u64 <= BLOCK {
        return Ok(None);
    }
    let access = format!("an access of {bytes} bytes at {offset} is not of whole blocks");
    Err(io::Error::new(io::ErrorKind::InvalidInput, access))
}

impl StorageBackend for Blocks {
    fn len(&self) -> io::Result<u64> {
        Ok(blocks_in(self.file.inner.len()?) * BLOCK)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        match whole_blocks(offset, out.len())? {
            Some(first) => self.file.read_blocks(first, out),
            None => self.file.inner.read(position(0) + offset, out),
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.check_writable()?;
        if !len.is_multiple_of(BLOCK) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a length is not of whole blocks"));
        }
        self.file.set_blocks(len / BLOCK)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.check_writable()?;
        self.file.sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.check_writable()?;
        match whole_blocks(offset, data.len())? {
            Some(first) => self.file.write_blocks(first, data)?,
            None => self.file.inner.write(position(0) + offset, data)?,
        }
        if self.file.counts {
            self.file.findings.written_bytes.fetch_add(data.len() as u64, Ordering::Relaxed);
        }
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.file.inner.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.inner.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.inner.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.inner.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.inner.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.inner.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.inner.query_lock_range(start, end)
    }
}

#[cfg(test)]
mod tests;
