//! Where the checksums of blocks are, in the file and in memory.
//!
//! A group is one block of checksums and then the blocks that they are of. Checksums are read when they are first
//! needed, changed in memory, and written when the owner of the file syncs it.

use std::fmt;
use std::io;

use redb::StorageBackend;

/// How many bytes have one checksum: redb's page.
pub(crate) const BLOCK_BYTES: usize = 4_096;
/// The same, as redb counts offsets.
pub(crate) const BLOCK: u64 = BLOCK_BYTES as u64;
/// How many blocks share a block of checksums.
pub(crate) const GROUP_BLOCKS: u64 = (BLOCK_BYTES / CHECKSUM_BYTES) as u64;
const CHECKSUM_BYTES: usize = 4;
/// Stands in place of the checksum of block 0, redb's header: that is written in parts, and redb checks it itself.
const MAGIC: u32 = u32::from_le_bytes(*b"pst1");

/// The checksums, by group, as far as they have been needed.
#[derive(Default)]
pub(crate) struct Groups {
    groups: Vec<Option<Group>>,
}

struct Group {
    checksums: Box<[u32]>,
    dirty: bool,
}

impl fmt::Debug for Groups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Groups({})", self.groups.len())
    }
}

impl Groups {
    /// The checksums of a group, read if they have not been.
    fn group(&mut self, file: &dyn StorageBackend, group: usize) -> io::Result<&mut Group> {
        if self.groups.len() <= group {
            self.groups.resize_with(group + 1, || None);
        }
        let slot = &mut self.groups[group];
        if slot.is_none() {
            let mut bytes = [0; BLOCK_BYTES];
            file.read(group_position(group), &mut bytes)?;
            let checksums =
                bytes.as_chunks().0.iter().map(|&checksum| u32::from_le_bytes(checksum)).collect();
            *slot = Some(Group { checksums, dirty: false });
        }
        Ok(slot.as_mut().expect("it has just been filled"))
    }

    /// Whether the file begins as it must.
    pub(crate) fn is_ours(&mut self, file: &dyn StorageBackend) -> io::Result<bool> {
        Ok(file.len()? >= BLOCK && self.group(file, 0)?.checksums[0] == MAGIC)
    }

    /// A block's checksum, 0 if it has never been written.
    pub(crate) fn get(&mut self, file: &dyn StorageBackend, block: u64) -> io::Result<u32> {
        let (group, index) = place(block);
        Ok(self.group(file, group)?.checksums[index])
    }

    /// Changes a block's checksum, in memory.
    pub(crate) fn set(&mut self, file: &dyn StorageBackend, block: u64, checksum: u32) -> io::Result<()> {
        let (group, index) = place(block);
        let group = self.group(file, group)?;
        group.checksums[index] = checksum;
        group.dirty = true;
        Ok(())
    }

    /// Follows a change of the file's length: blocks that are new, or will be, have no checksum.
    pub(crate) fn set_blocks(&mut self, file: &dyn StorageBackend, blocks: u64) -> io::Result<()> {
        let (full, rest) = place(blocks);
        self.groups.truncate(full + usize::from(rest > 0));
        if rest > 0 {
            let last = self.group(file, full)?;
            last.checksums[rest..].fill(0);
            last.dirty = true;
        }
        if blocks > 0 {
            let first = self.group(file, 0)?;
            first.checksums[0] = MAGIC;
            first.dirty = true;
        }
        Ok(())
    }

    /// Writes what has changed.
    pub(crate) fn write_dirty(&mut self, file: &dyn StorageBackend) -> io::Result<()> {
        for (number, group) in self.groups.iter_mut().enumerate() {
            if let Some(group) = group
                && group.dirty
            {
                let bytes: Vec<u8> =
                    group.checksums.iter().flat_map(|&checksum| checksum.to_le_bytes()).collect();
                file.write(group_position(number), &bytes)?;
                group.dirty = false;
            }
        }
        Ok(())
    }
}

/// Where a block's checksum is: its group and its place there.
fn place(block: u64) -> (usize, usize) {
    let group = usize::try_from(block / GROUP_BLOCKS).expect("a file has fewer groups than memory has bytes");
    (group, (block % GROUP_BLOCKS) as usize)
}

/// Where a group begins in the file, with its checksums.
fn group_position(group: usize) -> u64 {
    group as u64 * (GROUP_BLOCKS + 1) * BLOCK
}

/// Where a block is in the file.
pub(crate) fn position(block: u64) -> u64 {
    (block + block / GROUP_BLOCKS + 1) * BLOCK
}

/// How long a file of so many blocks is.
pub(crate) fn file_bytes(blocks: u64) -> u64 {
    (blocks + blocks.div_ceil(GROUP_BLOCKS)) * BLOCK
}

/// How many blocks a file of so many bytes holds; what does not fill a block is not counted.
pub(crate) fn blocks_in(file_bytes: u64) -> u64 {
    let all = file_bytes / BLOCK;
    all - all.div_ceil(GROUP_BLOCKS + 1)
}

#[cfg(test)]
mod tests {
    use crate::redb_store::checksums::{BLOCK, GROUP_BLOCKS, blocks_in, file_bytes, position};

    #[test]
    fn blocks_and_checksums_fill_the_file_without_gaps() {
        assert_eq!([0, 1, 1_023, 1_024].map(position), [1, 2, 1_024, 1_026].map(|block| block * BLOCK));
        for blocks in [0, 1, 2, GROUP_BLOCKS - 1, GROUP_BLOCKS, GROUP_BLOCKS + 1, 5 * GROUP_BLOCKS, 12_345] {
            let bytes = file_bytes(blocks);
            assert_eq!(blocks_in(bytes), blocks);
            assert_eq!(blocks_in(bytes + BLOCK - 1), blocks, "a part of a block does not count");
            if blocks > 0 {
                assert_eq!(position(blocks - 1) + BLOCK, bytes, "the last block ends the file");
            }
        }
    }
}
