//! Blobs: bytes too many for one row, cut into chunks of a page each.
//!
//! A blob is written under a number that nothing points to yet, in as many transactions as it takes; then one commit
//! points to it. From its first chunk on it is listed as *loose*, until the commit that points to it strikes it off;
//! when its pointer goes it is listed again. So after any crash the list names just what is to be swept up, and a sweep
//! takes no more than [`SWEEP_ROWS_MAX`] rows with each transaction.

use std::ops::Bound;

use bytes::Bytes;
use party_core::large;
use redb::{ReadableTable, WriteTransaction};

use crate::kept::{CHECKPOINT_BYTES_MAX, KeptCheckpoint};
use crate::redb_store::batch::Rows;
use crate::redb_store::index::BlobIndex;
use crate::redb_store::layout::memory_rows::{
    CHUNKS, LOOSE, Pointer, StoredMemory, chunk_bytes, chunk_count, chunk_key, parse_number,
};
use crate::redb_store::layout::{Damage, open, printable, seal};
use crate::redb_store::snapshot::Snapshot;
use crate::redb_store::trouble::Trouble;

/// How many chunks one transaction of a staging writes: half a megabyte, some milliseconds.
pub(crate) const PIECE_CHUNKS: usize = 128;
/// How many rows one transaction sweeps up.
pub(crate) const SWEEP_ROWS_MAX: usize = 128;

/// Writes some of a blob's chunks, `first` being the number of the first.
pub(crate) fn write_chunks(
    chunks: &mut Rows<'_>,
    owner: &[u8],
    blob: u64,
    first: u32,
    bytes: &[u8],
) -> Result<(), Trouble> {
    let mut sealed = Vec::new();
    for (number, chunk) in (first..).zip(bytes.chunks(chunk_bytes(owner))) {
        let key = chunk_key(owner, blob, number);
        seal(&mut sealed, &key, chunk);
        chunks.insert(key.as_slice(), sealed.as_slice())?;
    }
    Ok(())
}

/// Removes up to `limit` of a blob's chunks, from number `first` on. Says how many there were to remove.
pub(crate) fn remove_chunks(
    chunks: &mut Rows<'_>,
    owner: &[u8],
    blob: u64,
    first: u32,
    limit: usize,
) -> Result<usize, Trouble> {
    let (start, end) = (chunk_key(owner, blob, first), chunk_key(owner, blob, u32::MAX));
    let mut keys: Vec<Vec<u8>> = Vec::new();
    for row in chunks.range(start.as_slice()..=end.as_slice())?.take(limit) {
        keys.push(row?.0.value().to_vec());
    }
    if let (Some(first), Some(last)) = (keys.first(), keys.last()) {
        chunks.retain_in(first.as_slice()..=last.as_slice(), |_, _| false)?;
    }
    Ok(keys.len())
}

/// Lists a blob as one that nothing points to.
pub(crate) fn list_loose(transaction: &WriteTransaction, blob: u64, owner: &[u8]) -> Result<(), Trouble> {
    let key = blob.to_be_bytes();
    let mut sealed = Vec::new();
    seal(&mut sealed, &key, owner);
    transaction.open_table(LOOSE)?.insert(key.as_slice(), sealed.as_slice())?;
    Ok(())
}

/// Strikes a blob off that list.
pub(crate) fn strike_loose(transaction: &WriteTransaction, blob: u64) -> Result<(), Trouble> {
    transaction.open_table(LOOSE)?.remove(blob.to_be_bytes().as_slice())?;
    Ok(())
}

/// Sweeps up a part of one loose blob, if there is one. The number of the blob, if nothing of it is left.
pub(crate) fn sweep(transaction: &WriteTransaction, blobs: &BlobIndex) -> Result<Option<u64>, Trouble> {
    let Some((blob, owner)) = blobs.first_loose() else { return Ok(None) };
    let removed = remove_chunks(&mut transaction.open_table(CHUNKS)?, owner, blob, 0, SWEEP_ROWS_MAX)?;
    if removed == SWEEP_ROWS_MAX {
        return Ok(None);
    }
    strike_loose(transaction, blob)?;
    Ok(Some(blob))
}

impl Snapshot {
    /// A room's checkpoint.
    pub(crate) fn checkpoint(
        &self,
        prefix: &[u8],
        memory: &StoredMemory,
    ) -> Result<Option<KeptCheckpoint>, Trouble> {
        let Some(pointer) = memory.checkpoint else { return Ok(None) };
        let bytes = self.blob(prefix, &pointer, CHECKPOINT_BYTES_MAX).map_err(|trouble| {
            name_damage(&format!("the checkpoint of room {}", printable(prefix)), trouble)
        })?;
        Ok(Some(KeptCheckpoint { seq: memory.since, component: memory.component, bytes }))
    }

    /// A blob in whole, if it is what its pointer says.
    pub(crate) fn blob(&self, owner: &[u8], pointer: &Pointer, bytes_max: u64) -> Result<Bytes, Trouble> {
        if pointer.bytes > bytes_max {
            let bytes = pointer.bytes;
            return Err(Damage(format!("it is said to be {bytes} bytes; the limit is {bytes_max}")).into());
        }
        let count = chunk_count(owner, pointer.bytes);
        let missing = |number: u32| Damage(format!("of its {count} chunks number {number} is missing"));
        let mut rest = usize::try_from(pointer.bytes).expect("it is bounded");
        let mut bytes = large::list(rest)?;
        let start = chunk_key(owner, pointer.blob, 0);
        let mut rows = self.rows_of(CHUNKS, Bound::Included(&start), Bound::Unbounded)?;
        let mut number = 0;
        while rest > 0 {
            if (number as usize).is_multiple_of(PIECE_CHUNKS) {
                // The engine keeps pages that were read, and asks nobody for their memory.
                large::claim(rest.min(PIECE_CHUNKS * chunk_bytes(owner)))?;
            }
            let key = chunk_key(owner, pointer.blob, number);
            let row = rows.next(false)?.filter(|(found, _)| found.value() == key.as_slice());
            let (_, sealed) = row.ok_or_else(|| missing(number))?;
            let chunk = open(&key, sealed.value())?;
            if chunk.len() != rest.min(chunk_bytes(owner)) {
                return Err(Damage(format!("its chunk {number} is {} bytes", chunk.len())).into());
            }
            bytes.extend_from_slice(chunk);
            rest -= chunk.len();
            number += 1;
        }
        if crc32c::crc32c(&bytes) != pointer.crc {
            return Err(Damage("its parts are sound but do not belong together".to_owned()).into());
        }
        Ok(bytes.into())
    }

    /// How many chunks lie under a blob's number, whether or not anything points to it.
    pub(crate) fn count_chunks(&self, owner: &[u8], blob: u64) -> Result<u64, Trouble> {
        let (start, end) = (chunk_key(owner, blob, 0), chunk_key(owner, blob, u32::MAX));
        let mut rows = self.rows_of(CHUNKS, Bound::Included(&start), Bound::Included(&end))?;
        let mut count = 0;
        while rows.next(false)?.is_some() {
            count += 1;
        }
        Ok(count)
    }

    /// How many chunks there are.
    pub(crate) fn chunks(&self) -> Result<u64, Trouble> {
        self.rows_in(CHUNKS)
    }

    /// The blobs that nothing points to, and their owners. A damaged row is passed over: its blob is only never
    /// reclaimed.
    pub(crate) fn loose_blobs(&self) -> Result<Vec<(u64, Vec<u8>)>, Trouble> {
        let mut rows = self.rows_of(LOOSE, Bound::Unbounded, Bound::Unbounded)?;
        let mut loose = Vec::new();
        while let Some((key, sealed)) = rows.next(false)? {
            if let Ok(owner) = open(key.value(), sealed.value()) {
                loose.push((parse_number(key.value())?, owner.to_vec()));
            }
        }
        Ok(loose)
    }
}

/// Says whose blob it is that is damaged.
pub(crate) fn name_damage(what: &str, trouble: Trouble) -> Trouble {
    match trouble {
        Trouble::Damage(damage) => Damage(format!("{what}: {}", damage.0)).into(),
        Trouble::Engine(_) | Trouble::Panic(_) | Trouble::NoMemory(_) => trouble,
    }
}
