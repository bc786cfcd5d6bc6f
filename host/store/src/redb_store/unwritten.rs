//! A file whose writes stay in memory: so a store can be read while nothing can be written.
//!
//! redb writes when it opens a file, if only to say that it is in use, and repairs one that a failure has left
//! unfinished. On a disk that refuses writes it cannot be opened at all, although all that anybody was told of could
//! be read. So what the engine would write then is kept beside the file and laid over what is read of it; nothing of it
//! ever reaches the device. It is thrown away when the file is opened in earnest.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::{BackendError, StorageBackend};

use crate::redb_store::checksums::{BLOCK, BLOCK_BYTES};

/// How much may be written to memory, in blocks: 64 MiB, many times what an opening and a repair write.
const BLOCKS_MAX: usize = (64 << 20) / BLOCK_BYTES;

/// The file, and what lies over it.
pub(crate) struct Unwritten {
    inner: Box<dyn StorageBackend>,
    over: Mutex<Over>,
}

struct Over {
    blocks: BTreeMap<u64, Box<[u8]>>,
    len: u64,
    /// How much of the file itself is still seen: it may have been cut.
    of_file: u64,
}

impl fmt::Debug for Unwritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unwritten({:?})", self.inner)
    }
}

impl Unwritten {
    /// A file as it is.
    pub(crate) fn new(inner: Box<dyn StorageBackend>) -> io::Result<Unwritten> {
        let len = inner.len()?;
        let over = Mutex::new(Over { blocks: BTreeMap::new(), len, of_file: len });
        Ok(Unwritten { inner, over })
    }

    fn over(&self) -> MutexGuard<'_, Over> {
        self.over.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Over {
    fn check_end(&self, offset: u64, bytes: usize) -> io::Result<()> {
        match offset.checked_add(bytes as u64) {
            Some(end) if end <= self.len => Ok(()),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// What is seen from an offset on, within the length.
    fn read(&self, inner: &dyn StorageBackend, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let of_file = self.of_file.saturating_sub(offset).min(out.len() as u64) as usize;
        let (from_file, beyond) = out.split_at_mut(of_file);
        if !from_file.is_empty() {
            inner.read(offset, from_file)?;
        }
        beyond.fill(0);
        let end = offset + out.len() as u64;
        for (block, bytes) in self.blocks.range(offset / BLOCK..end.div_ceil(BLOCK)) {
            let (start, stop) = (offset.max(block * BLOCK), end.min((block + 1) * BLOCK));
            let within = |at: u64, from: u64| (at - from) as usize;
            out[within(start, offset)..within(stop, offset)]
                .copy_from_slice(&bytes[within(start, block * BLOCK)..within(stop, block * BLOCK)]);
        }
        Ok(())
    }

    /// A block to be changed, as it is seen.
    fn block(&mut self, inner: &dyn StorageBackend, block: u64) -> io::Result<&mut [u8]> {
        if !self.blocks.contains_key(&block) {
            if self.blocks.len() >= BLOCKS_MAX {
                let full = format!("more than {BLOCKS_MAX} blocks would have to be written");
                return Err(io::Error::new(io::ErrorKind::StorageFull, full));
            }
            let mut bytes = vec![0; BLOCK_BYTES].into_boxed_slice();
            let seen = self.len.saturating_sub(block * BLOCK).min(BLOCK) as usize;
            self.read(inner, block * BLOCK, &mut bytes[..seen])?;
            self.blocks.insert(block, bytes);
        }
        Ok(self.blocks.get_mut(&block).expect("it is there, or has just been put there"))
    }
}

impl StorageBackend for Unwritten {
    fn len(&self) -> io::Result<u64> {
        Ok(self.over().len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let over = self.over();
        over.check_end(offset, out.len())?;
        over.read(&*self.inner, offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut over = self.over();
        over.blocks.retain(|block, _| block * BLOCK < len);
        if let Some(last) = over.blocks.get_mut(&(len / BLOCK)) {
            last[(len % BLOCK) as usize..].fill(0);
        }
        (over.len, over.of_file) = (len, over.of_file.min(len));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut over = self.over();
        let end = offset.checked_add(data.len() as u64).ok_or(io::ErrorKind::InvalidInput)?;
        over.len = over.len.max(end);
        let mut at = offset;
        while at < end {
            let (block, within) = (at / BLOCK, (at % BLOCK) as usize);
            let bytes = (BLOCK_BYTES - within).min((end - at) as usize);
            let done = (at - offset) as usize;
            over.block(&*self.inner, block)?[within..within + bytes]
                .copy_from_slice(&data[done..done + bytes]);
            at += bytes as u64;
        }
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.inner.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.query_lock_range(start, end)
    }
}

#[cfg(test)]
mod tests {
    use redb::StorageBackend;
    use redb::backends::InMemoryBackend;

    use crate::redb_store::unwritten::Unwritten;

    /// Reads and writes at chance places give what a file gives, and the file below is never touched.
    #[test]
    fn it_is_a_file_of_its_own_over_one_that_stays() {
        let (below, twin) = (InMemoryBackend::new(), InMemoryBackend::new());
        let first: Vec<u8> = (0..20_000_u32).map(|at| (at % 251) as u8).collect();
        for file in [&below, &twin] {
            file.set_len(first.len() as u64).unwrap();
            file.write(0, &first).unwrap();
        }
        let over = Unwritten::new(Box::new(below)).unwrap();
        let mut state = 7_u64;
        let mut chance = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % below
        };
        for step in 0..2_000_u64 {
            let len = twin.len().unwrap();
            assert_eq!(over.len().unwrap(), len);
            let at = chance(len.max(1));
            let bytes = chance(9_000).min(len - at.min(len)) as usize;
            if chance(40) == 0 {
                let len = chance(40_000);
                over.set_len(len).unwrap();
                twin.set_len(len).unwrap();
            } else if chance(2) == 0 {
                let data = vec![step as u8; bytes];
                over.write(at, &data).unwrap();
                twin.write(at, &data).unwrap();
            } else {
                let (mut seen, mut expected) = (vec![1; bytes], vec![2; bytes]);
                over.read(at, &mut seen).unwrap();
                twin.read(at, &mut expected).unwrap();
                assert_eq!(seen, expected, "step {step}");
            }
        }
        let mut below = vec![0; first.len()];
        over.inner.read(0, &mut below).unwrap();
        assert_eq!(below, first);
    }
}
