//! Staging: writing a blob in many small transactions, between which commits of others go on.

use party_core::ids::Epoch;
use redb::WriteTransaction;

use crate::redb_store::batch::{Rejected, write_state};
use crate::redb_store::blobs::{PIECE_CHUNKS, list_loose, sweep, write_chunks};
use crate::redb_store::engine::Engine;
use crate::redb_store::index::Effects;
use crate::redb_store::layout::State;
use crate::redb_store::layout::memory_rows::{CHUNKS, Pointer, chunk_bytes};
use crate::store::CommitError;

impl Engine {
    /// Writes a blob that nothing points to yet.
    pub(crate) fn stage(&self, held: Epoch, owner: &[u8], bytes: &[u8]) -> Result<Pointer, CommitError> {
        let crc = crc32c::crc32c(bytes);
        let mut blob = None;
        let piece_bytes = PIECE_CHUNKS * chunk_bytes(owner);
        let pieces = bytes.len().div_ceil(piece_bytes).max(1);
        for piece in 0..pieces {
            let start = piece * piece_bytes;
            let piece_of = &bytes[start..bytes.len().min(start + piece_bytes)];
            let written = self.stage_piece(held, owner, &mut blob, piece, piece_of);
            if let Err(error) = written {
                if let Some(blob) = blob {
                    self.index().blobs.give_up(blob);
                }
                return Err(error);
            }
        }
        let blob = blob.expect("there is at least one piece");
        let pointer = Pointer { blob, bytes: bytes.len() as u64, crc };
        self.index().blobs.complete(blob, pointer);
        Ok(pointer)
    }

    fn stage_piece(
        &self,
        held: Epoch,
        owner: &[u8],
        blob: &mut Option<u64>,
        piece: usize,
        bytes: &[u8],
    ) -> Result<(), CommitError> {
        let mut writer = self.writer_of(held)?;
        let is_first = blob.is_none();
        // Numbers of batches are never used twice, and each transaction has one.
        let number = *blob.get_or_insert(writer.state.batch + 1);
        if is_first {
            self.index().blobs.begin(number, owner);
        } else if !self.index().blobs.is_staged(number) {
            let cause = "what was written of it has been given up meanwhile".to_owned();
            return Err(CommitError::NotWritten { cause });
        }
        self.transact(&mut writer, |transaction, state| {
            if is_first {
                list_loose(transaction, number, owner)?;
            }
            let first = u32::try_from(piece * PIECE_CHUNKS).expect("a blob is bounded");
            write_chunks(&mut transaction.open_table(CHUNKS)?, owner, number, first, bytes)?;
            // What is covered goes as fast as what covers it comes: a commit alone sweeps too little for a large memory.
            let swept = sweep(transaction, &self.index().blobs)?;
            next_batch(transaction, state, Effects { swept, ..Effects::default() })
        })
    }
}

/// Ends a transaction that is no batch of commits; it takes a batch's number all the same.
pub(crate) fn next_batch(
    transaction: &WriteTransaction,
    state: State,
    effects: Effects,
) -> Result<(State, Effects), Rejected> {
    let next = State { batch: state.batch + 1, ..state };
    write_state(transaction, &next)?;
    Ok((next, effects))
}
