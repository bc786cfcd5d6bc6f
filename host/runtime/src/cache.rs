//! The compile cache: compiled code by the digest of what was compiled, the [rewritten](crate::rewrite) component.
//!
//! What is in it is run as native code, so the directory belongs to this user alone (0700, refused otherwise), its
//! files too (0600), and nothing else ever fills it. A file that is damaged or cut off is not used but made
//! again. One file per component and engine configuration, `<digest>-<configuration>.cwasm`:
//!
//! ```text
//! offset 0        compiled code, as the engine serialises it (an ELF file)
//! end - 48        SHA-256 of the code                    32 bytes
//! end - 16        length of the code, little-endian       8 bytes
//! end - 8         "PTYCWASM"                              8 bytes
//! ```
//!
//! The trailer stands behind the code so that the file can be mapped as it is: pages of code that no room runs
//! are never read, and all processes share those that are.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};
use thiserror::Error;
use wasmtime::component::Component;
use wasmtime::{Engine, Result};

use crate::component::Digest;

/// The end of a whole file.
const MAGIC: [u8; 8] = *b"PTYCWASM";
/// What stands in a file; files of another scheme have other names and are never found. 1: components as their authors
/// made them. 2: rewritten ones.
const SCHEME: u32 = 2;
/// Digest, length and magic.
const TRAILER_BYTES: u64 = 48;
/// What the cache may hold; beyond it the oldest files go.
const CACHE_BYTES_MAX: u64 = 2 << 30;
/// How much is read at once to check a file.
const READ_BYTES: usize = 64 << 10;

/// Why the cache directory cannot be used.
#[derive(Debug, Error)]
pub enum CacheError {
    /// It cannot be made or looked at.
    #[error("the compile cache {} cannot be used", path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// It is not a directory.
    #[error("the compile cache {} is not a directory", path.display())]
    NotADirectory {
        /// The path.
        path: PathBuf,
    },
    /// Somebody else could put native code into it.
    #[error(
        "the compile cache {} belongs to user {owner} with mode {mode:03o}; it must belong to user {user} with mode 700",
        path.display()
    )]
    OpenToOthers {
        /// The directory.
        path: PathBuf,
        /// Its owner's id.
        owner: u32,
        /// This process's user id.
        user: u32,
        /// Its permissions.
        mode: u32,
    },
}

/// A directory of compiled code.
pub(crate) struct CompileCache {
    directory: PathBuf,
    configuration: u64,
    written: AtomicU64,
}

impl CompileCache {
    /// Opens the directory, and makes it if it is not there.
    pub(crate) fn open(directory: PathBuf, engine: &Engine) -> std::result::Result<CompileCache, CacheError> {
        let io_error = |source| CacheError::Io { path: directory.clone(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(&directory).map_err(io_error)?;
        let metadata = fs::symlink_metadata(&directory).map_err(io_error)?;
        if !metadata.is_dir() {
            return Err(CacheError::NotADirectory { path: directory });
        }
        let (owner, user) = (metadata.uid(), rustix::process::geteuid().as_raw());
        let mode = metadata.mode() & 0o777;
        if owner != user || mode & 0o077 != 0 {
            return Err(CacheError::OpenToOthers { path: directory, owner, user, mode });
        }
        let mut hasher = DefaultHasher::new();
        SCHEME.hash(&mut hasher);
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Ok(CompileCache { directory, configuration: hasher.finish(), written: AtomicU64::new(0) })
    }

    fn path(&self, digest: Digest) -> PathBuf {
        self.directory.join(format!("{digest}-{:016x}.cwasm", self.configuration))
    }

    /// The compiled component, if it is here and whole.
    pub(crate) fn get(&self, engine: &Engine, digest: Digest) -> Option<Component> {
        let path = self.path(digest);
        match is_whole(&path) {
            Ok(true) => {}
            Ok(false) => {
                tracing::warn!(path = %path.display(), "a file of the compile cache is damaged and is made again");
                return None;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a file of the compile cache cannot be read");
                return None;
            }
        }
        match load_file(engine, &path) {
            Ok(component) => Some(component),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a file of the compile cache does not fit this engine");
                None
            }
        }
    }

    /// Keeps compiled code, and loads it. A cache that cannot be written is no reason not to serve.
    pub(crate) fn put(&self, engine: &Engine, digest: Digest, compiled: &[u8]) -> Result<Component> {
        let path = self.path(digest);
        match self.write(&path, compiled) {
            Ok(()) => {
                self.evict(&path);
                load_file(engine, &path)
            }
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "the compile cache cannot be written");
                load_bytes(engine, compiled)
            }
        }
    }

    /// Writes under another name first: whoever opens the file finds a whole one.
    fn write(&self, path: &Path, compiled: &[u8]) -> io::Result<()> {
        let number = self.written.fetch_add(1, Ordering::Relaxed);
        let temporary = self.directory.join(format!("{}-{number}.new", process::id()));
        let written = write_file(&temporary, compiled).and_then(|()| fs::rename(&temporary, path));
        if written.is_err()
            && let Err(error) = fs::remove_file(&temporary)
        {
            tracing::debug!(path = %temporary.display(), %error, "an unfinished file stays in the compile cache");
        }
        written
    }

    /// Removes the oldest files beyond [`CACHE_BYTES_MAX`], but never this one.
    fn evict(&self, kept: &Path) {
        let files = match self.files() {
            Ok(files) => files,
            Err(error) => return tracing::warn!(%error, "the compile cache cannot be listed"),
        };
        let mut bytes: u64 = files.iter().map(|file| file.bytes).sum();
        for file in files.iter().filter(|file| file.path != kept) {
            if bytes <= CACHE_BYTES_MAX {
                return;
            }
            match fs::remove_file(&file.path) {
                Ok(()) => bytes -= file.bytes,
                Err(error) => {
                    tracing::warn!(path = %file.path.display(), %error, "a file stays in the compile cache")
                }
            }
        }
    }

    /// All files, the oldest first.
    fn files(&self) -> io::Result<Vec<CacheFile>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if metadata.is_file() {
                files.push(CacheFile {
                    written: metadata.modified()?,
                    bytes: metadata.len(),
                    path: entry.path(),
                });
            }
        }
        files.sort();
        Ok(files)
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct CacheFile {
    written: SystemTime,
    bytes: u64,
    path: PathBuf,
}

fn write_file(path: &Path, compiled: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(compiled)?;
    file.write_all(&Sha256::digest(compiled))?;
    file.write_all(&(compiled.len() as u64).to_le_bytes())?;
    file.write_all(&MAGIC)
}

/// Whether a file is what was once written.
fn is_whole(path: &Path) -> io::Result<bool> {
    let mut file = File::open(path)?;
    let bytes = file.metadata()?.len();
    let Some(code_bytes) = bytes.checked_sub(TRAILER_BYTES) else { return Ok(false) };
    file.seek(SeekFrom::Start(code_bytes))?;
    let mut trailer = [0; TRAILER_BYTES as usize];
    file.read_exact(&mut trailer)?;
    if trailer[32..40] != code_bytes.to_le_bytes() || trailer[40..] != MAGIC {
        return Ok(false);
    }
    file.seek(SeekFrom::Start(0))?;
    let mut code = file.take(code_bytes);
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match code.read(&mut buffer)? {
            0 => return Ok(hasher.finalize()[..] == trailer[..32]),
            read => hasher.update(&buffer[..read]),
        }
    }
}

#[expect(unsafe_code, reason = "loading compiled code; what makes it sound is said inside")]
fn load_file(engine: &Engine, path: &Path) -> Result<Component> {
    // SAFETY: the file holds what this engine's compiler made: only this user can write to the directory, only
    // this module does, and the file has just been found whole, or has just been written. Files here are replaced
    // or removed, never changed, so that the mapping stays what it is.
    unsafe { Component::deserialize_file(engine, path) }
}

#[expect(unsafe_code, reason = "loading compiled code; what makes it sound is said inside")]
fn load_bytes(engine: &Engine, compiled: &[u8]) -> Result<Component> {
    // SAFETY: the bytes come straight from this engine's compiler.
    unsafe { Component::deserialize(engine, compiled) }
}
