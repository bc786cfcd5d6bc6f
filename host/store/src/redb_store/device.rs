//! What the engine lies on: a file, or in tests a simulated disk.
//!
//! The engine opens its device anew after every failure, because redb refuses to go on after one. A device that
//! failed to sync may have dropped writes which the operating system's cache still shows (Linux marks pages clean
//! after a failed fsync), so a reopening says whether the cache may be believed.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Bound;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use redb::backends::FileBackend;
use redb::{BackendError, StorageBackend};
use rustix::fs::{Advice, fadvise};

/// Whether what the operating system has cached of a device may be taken for what the device holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cache {
    /// Nothing has failed since the cache was filled.
    Trusted,
    /// A write or sync failed: what is cached must be read from the device again.
    Suspect,
}

/// A place for one database that can be opened again and again, once at a time.
pub trait Device: Send + Sync + 'static {
    /// Opens it. The backend before has been closed.
    fn open(&self, cache: Cache) -> io::Result<Box<dyn StorageBackend>>;
}

/// A file that only its owner may read or write. It is created if it is missing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileDevice {
    path: PathBuf,
}

impl FileDevice {
    /// The file at `path`.
    pub fn new(path: PathBuf) -> FileDevice {
        FileDevice { path }
    }
}

impl Device for FileDevice {
    fn open(&self, cache: Cache) -> io::Result<Box<dyn StorageBackend>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(&self.path)?;
        if cache == Cache::Suspect {
            forget_cached(&file);
        }
        Ok(Box::new(FileBackend::new(file).map_err(io::Error::other)?))
    }
}

/// Drops the clean pages of a file from the operating system's cache. A failure is no error: the system may keep
/// what it likes, and the engine still verifies what it reads after an unclean close.
fn forget_cached(file: &File) {
    let _ = fadvise(file, 0, None, Advice::DontNeed);
}

/// A boxed backend that redb can own, and that tells how long the storage is.
pub(crate) struct SizedBackend {
    inner: Box<dyn StorageBackend>,
    bytes: Arc<AtomicU64>,
}

impl SizedBackend {
    /// Wraps `inner`; `bytes` follows its length from now on.
    pub(crate) fn new(inner: Box<dyn StorageBackend>, bytes: Arc<AtomicU64>) -> io::Result<SizedBackend> {
        bytes.store(inner.len()?, Ordering::Relaxed);
        Ok(SizedBackend { inner, bytes })
    }
}

impl fmt::Debug for SizedBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl StorageBackend for SizedBackend {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.inner.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)?;
        self.bytes.store(len, Ordering::Relaxed);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.inner.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.inner.write(offset, data)
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
