//! The layer of checksums over a file in memory.

use crate::redb_store::blocks::{Blocks, Findings, SharedDamage};
use crate::redb_store::checksums::{BLOCK, BLOCK_BYTES, GROUP_BLOCKS, Groups, position};
use redb::StorageBackend;
use redb::backends::InMemoryBackend;
use std::sync::Arc;

fn blocks() -> Blocks {
    Blocks::new(Box::new(InMemoryBackend::new()), Arc::default(), true).unwrap()
}

#[test]
fn what_is_written_is_read_across_groups() {
    let blocks = blocks();
    blocks.set_len((2 * GROUP_BLOCKS + 10) * BLOCK).unwrap();
    let data: Vec<u8> = (0..8 * BLOCK_BYTES).map(|byte| (byte / 7) as u8).collect();
    for first in [1, GROUP_BLOCKS - 3, GROUP_BLOCKS, 2 * GROUP_BLOCKS - 8, 2 * GROUP_BLOCKS + 2] {
        blocks.write(first * BLOCK, &data).unwrap();
        let mut read = vec![0; data.len()];
        blocks.read(first * BLOCK, &mut read).unwrap();
        assert!(read == data, "at block {first}");
    }
    assert_eq!(blocks.len().unwrap(), (2 * GROUP_BLOCKS + 10) * BLOCK);
}

#[test]
fn a_shorter_file_forgets_the_checksums_of_what_was_cut_off() {
    let blocks = blocks();
    blocks.set_len(100 * BLOCK).unwrap();
    blocks.write(50 * BLOCK, &[7; BLOCK_BYTES]).unwrap();
    blocks.set_len(50 * BLOCK).unwrap();
    blocks.set_len(100 * BLOCK).unwrap();
    let mut read = [1; BLOCK_BYTES];
    blocks.read(50 * BLOCK, &mut read).unwrap();
    assert_eq!(read, [0; BLOCK_BYTES]);
}

#[test]
fn a_damaged_block_of_what_all_rooms_share_is_an_error() {
    let blocks = blocks();
    blocks.set_len(10 * BLOCK).unwrap();
    let mut page = vec![9; 2 * BLOCK_BYTES];
    blocks.write(4 * BLOCK, &page).unwrap();
    blocks.file.inner.write(position(5) + 17, &[8]).unwrap();
    let error = blocks.read(4 * BLOCK, &mut page).unwrap_err();
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<SharedDamage>());
    assert_eq!(cause, Some(&SharedDamage { block: 5 }));
    let findings: &Findings = &blocks.file.findings;
    assert_eq!((findings.shared(), findings.doubts()), (true, 0));
}

#[test]
fn a_leaf_with_one_damaged_row_is_let_through_and_raises_doubt() {
    let blocks = blocks();
    blocks.set_len(10 * BLOCK).unwrap();
    let mut page = vec![0; BLOCK_BYTES];
    // One row: its key ends at 20, its value at 24, and the value is not what its checksum says.
    page[..12].copy_from_slice(&[1, 0, 1, 0, 20, 0, 0, 0, 24, 0, 0, 0]);
    page[12..20].copy_from_slice(b"p\0m\0ab\0\0");
    blocks.write(4 * BLOCK, &page).unwrap();
    blocks.read(4 * BLOCK, &mut page).unwrap();
    let findings: &Findings = &blocks.file.findings;
    assert_eq!((findings.shared(), findings.doubts()), (false, 0));
    blocks.file.inner.write(position(4) + 22, &[8]).unwrap();
    blocks.read(4 * BLOCK, &mut page).unwrap();
    assert_eq!((findings.shared(), findings.doubts()), (false, 1));
}

#[test]
fn a_block_in_the_place_of_another_is_damaged() {
    let blocks = blocks();
    blocks.set_len(10 * BLOCK).unwrap();
    for block in [4, 5] {
        blocks.write(block * BLOCK, &[2; BLOCK_BYTES]).unwrap();
    }
    let file = &*blocks.file.inner;
    let fifth = blocks.file.groups().get(file, 5).unwrap();
    blocks.file.groups().set(file, 4, fifth).unwrap();
    assert!(blocks.read(4 * BLOCK, &mut [0; BLOCK_BYTES]).is_err());
    assert!(blocks.read(5 * BLOCK, &mut [0; BLOCK_BYTES]).is_ok());
}

#[test]
fn accesses_that_are_not_of_whole_blocks_are_for_the_header_alone() {
    let blocks = blocks();
    blocks.set_len(10 * BLOCK).unwrap();
    blocks.write(9, b"header").unwrap();
    let mut read = [0; 6];
    blocks.read(9, &mut read).unwrap();
    assert_eq!(&read, b"header");
    assert!(blocks.read(BLOCK + 1, &mut read).is_err());
    assert!(blocks.write(BLOCK - 1, b"xx").is_err());
    assert!(blocks.set_len(BLOCK + 1).is_err());
}

#[test]
fn what_does_not_match_during_a_repair_is_settled_after_it() {
    let blocks = blocks();
    blocks.set_len(10 * BLOCK).unwrap();
    blocks.write(4 * BLOCK, &[2; BLOCK_BYTES]).unwrap();
    blocks.file.inner.write(position(4), &[3; BLOCK_BYTES]).unwrap();
    blocks.begin_repair();
    let mut page = [0; BLOCK_BYTES];
    blocks.read(4 * BLOCK, &mut page).unwrap();
    assert_eq!(page, [3; BLOCK_BYTES]);
    blocks.settle().unwrap();
    blocks.read(4 * BLOCK, &mut page).unwrap();
    blocks.file.inner.write(position(4), &[2; BLOCK_BYTES]).unwrap();
    assert!(blocks.read(4 * BLOCK, &mut page).is_err(), "the checksum is that of what was settled");
}

/// redb ends a repair with a commit, and an opening after that reads what the commit names before it verifies anything.
#[test]
fn what_a_repair_has_verified_is_settled_with_its_first_sync() {
    let blocks = blocks();
    blocks.set_len(10 * BLOCK).unwrap();
    blocks.write(4 * BLOCK, &[2; BLOCK_BYTES]).unwrap();
    blocks.write(5 * BLOCK, &[2; BLOCK_BYTES]).unwrap();
    for block in [4, 5] {
        blocks.file.inner.write(position(block), &[3; BLOCK_BYTES]).unwrap();
    }
    blocks.begin_repair();
    blocks.read(4 * BLOCK, &mut [0; BLOCK_BYTES]).unwrap();
    // What is written after it was read has a newer checksum.
    blocks.read(5 * BLOCK, &mut [0; BLOCK_BYTES]).unwrap();
    blocks.write(5 * BLOCK, &[4; BLOCK_BYTES]).unwrap();
    blocks.sync_data().unwrap();
    // The opening fails here, and the next one knows only what is in the file.
    *blocks.file.groups() = Groups::default();
    *blocks.file.unsettled() = None;
    for block in [4, 5] {
        blocks.read(block * BLOCK, &mut [0; BLOCK_BYTES]).unwrap();
    }
}
