//! The data directory: who may use it, and the file in it.
//!
//! One host at a time: it holds a lock on the file `lock`, which the system releases however the host ends. The
//! holder's process id is written into it for whoever is refused. Everything is for the owner's eyes only.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::redb_store::OpenError;
use crate::redb_store::device::FileDevice;

const LOCK_FILE: &str = "lock";
pub(crate) const STORE_FILE: &str = "rooms.store";
const UNFINISHED_FILE: &str = "rooms.store.new";
const LAST_BATCH_FILE: &str = "rooms.batch";
const LOCK_RETRY: Duration = Duration::from_millis(20);
const HOLDER_BYTES_MAX: u64 = 20;

/// A data directory that this process holds.
#[derive(Debug)]
pub(crate) struct DataDirectory {
    path: PathBuf,
    /// Holds the lock for as long as it is open.
    _lock: File,
}

impl DataDirectory {
    /// Creates the directory if it is missing and locks it, trying again until `wait` has passed: a host that was
    /// killed holds its lock until the system has cleaned up behind it.
    pub(crate) fn lock(path: &Path, wait: Duration) -> Result<DataDirectory, OpenError> {
        let failed = |what: &'static str| move |source| OpenError::Io { what, path: path.to_owned(), source };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(failed("create the data directory"))?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let lock = options.open(path.join(LOCK_FILE)).map_err(failed("open the lock file of"))?;
        let start = Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if start.elapsed() < wait => thread::sleep(LOCK_RETRY),
                Err(TryLockError::WouldBlock) => {
                    return Err(OpenError::InUse { path: path.to_owned(), holder: holder(&lock) });
                }
                Err(TryLockError::Error(source)) => return Err(failed("lock")(source)),
            }
        }
        write_holder(&lock).map_err(failed("write the lock file of"))?;
        Ok(DataDirectory { path: path.to_owned(), _lock: lock })
    }

    /// The store's file, and the one for its last batch.
    pub(crate) fn device(&self) -> FileDevice {
        FileDevice::new(self.path.join(STORE_FILE), self.path.join(LAST_BATCH_FILE))
    }

    /// Makes the store with `create` under another name and renames it, so that a crash leaves a whole one or
    /// none. Does nothing if there is one. A store that is gone although batches were acknowledged is not replaced
    /// by an empty one.
    pub(crate) fn ensure_store(
        &self,
        create: impl FnOnce(&FileDevice) -> Result<(), OpenError>,
    ) -> Result<(), OpenError> {
        let failed =
            |what: &'static str| move |source| OpenError::Io { what, path: self.path.clone(), source };
        let (store, last_batch) = (self.path.join(STORE_FILE), self.path.join(LAST_BATCH_FILE));
        if store.try_exists().map_err(failed("look into"))? {
            return Ok(());
        }
        if last_batch.try_exists().map_err(failed("look into"))? {
            return Err(OpenError::Missing { path: store, last_batch });
        }
        let unfinished = self.path.join(UNFINISHED_FILE);
        match std::fs::remove_file(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed("clean up")(error)),
            Ok(()) | Err(_) => {}
        }
        create(&FileDevice::new(unfinished.clone(), last_batch))?;
        std::fs::rename(&unfinished, store).map_err(failed("create the store in"))?;
        File::open(&self.path).and_then(|directory| directory.sync_all()).map_err(failed("sync"))
    }
}

fn write_holder(mut lock: &File) -> io::Result<()> {
    lock.set_len(0)?;
    write!(lock, "{}", std::process::id())
}

/// The process id in a lock file, `unknown` if it has not been written yet.
fn holder(lock: &File) -> String {
    let mut text = String::new();
    let read = lock.take(HOLDER_BYTES_MAX).read_to_string(&mut text);
    match read {
        Ok(_) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => text,
        Ok(_) | Err(_) => "unknown".to_owned(),
    }
}
