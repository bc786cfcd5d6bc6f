//! What the engine lies on: a file, or in tests a simulated disk.
//!
//! Beside the database a device keeps one number: that of the last batch that was acknowledged. It is written after
//! each batch and never synced, so it costs a microsecond. It may be older than the database, but never newer:
//! if it is, the database has lost something, as when damage after a crash makes redb go back a transaction.
//!
//! The engine opens its device anew after every failure, because redb refuses to go on after one. A device that
//! failed to sync may have dropped writes which the operating system's cache still shows (Linux marks pages clean
//! after a failed fsync), so a reopening says whether the cache may be believed.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use redb::StorageBackend;
use redb::backends::FileBackend;
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

    /// The last batch that is known to have been acknowledged, 0 if none is.
    fn acknowledged(&self) -> io::Result<u64>;

    /// Notes that a batch is acknowledged. A note that gets lost is no harm.
    fn acknowledge(&self, batch: u64);
}

/// A file that only its owner may read or write, and a second one for the last batch. They are created if they are
/// missing.
#[derive(Debug)]
pub struct FileDevice {
    path: PathBuf,
    last_batch_path: PathBuf,
    last_batch: OnceLock<File>,
}

const LAST_BATCH_BYTES: usize = 12;

impl FileDevice {
    /// The file at `path`, and at `last_batch_path` the number of the last batch.
    pub fn new(path: PathBuf, last_batch_path: PathBuf) -> FileDevice {
        FileDevice { path, last_batch_path, last_batch: OnceLock::new() }
    }

    fn last_batch(&self) -> io::Result<&File> {
        if let Some(file) = self.last_batch.get() {
            return Ok(file);
        }
        let file = open_private(&self.last_batch_path)?;
        Ok(self.last_batch.get_or_init(|| file))
    }
}

fn open_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

impl Device for FileDevice {
    fn open(&self, cache: Cache) -> io::Result<Box<dyn StorageBackend>> {
        let file = open_private(&self.path)?;
        if cache == Cache::Suspect {
            forget_cached(&file);
        }
        Ok(Box::new(FileBackend::new(file).map_err(io::Error::other)?))
    }

    fn acknowledged(&self) -> io::Result<u64> {
        let mut bytes = [0; LAST_BATCH_BYTES];
        let (batch, crc) = match self.last_batch()?.read_exact_at(&mut bytes, 0) {
            Ok(()) => bytes.split_at(LAST_BATCH_BYTES - 4),
            // Never written, or cut short when the power failed: nothing is known.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
            Err(error) => return Err(error),
        };
        let known = crc32c::crc32c(batch).to_le_bytes() == crc;
        Ok(if known { u64::from_le_bytes(batch.try_into().map_err(io::Error::other)?) } else { 0 })
    }

    fn acknowledge(&self, batch: u64) {
        let batch = batch.to_le_bytes();
        let mut bytes = [0; LAST_BATCH_BYTES];
        bytes[..batch.len()].copy_from_slice(&batch);
        bytes[batch.len()..].copy_from_slice(&crc32c::crc32c(&batch).to_le_bytes());
        // The batch is durable whether or not the note can be written.
        let _ = self.last_batch().and_then(|file| file.write_all_at(&bytes, 0));
    }
}

/// Drops the clean pages of a file from the operating system's cache. A failure is no error: the system may keep
/// what it likes, and the engine still verifies what it reads after an unclean close.
fn forget_cached(file: &File) {
    let _ = fadvise(file, 0, None, Advice::DontNeed);
}
