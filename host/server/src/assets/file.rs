//! One file on its way to a client, in chunks of bounded size.

use std::future::Future;
use std::io::{self, Read};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use cap_std::fs::{Dir, File};
use thiserror::Error;

use super::name::AssetName;
use super::{Files, INDEX, content_type};

/// How much is read at once, in bytes. Smaller files are read whole as they are opened.
const CHUNK_BYTES: usize = 64 << 10;
/// The end of the year 9999, in seconds: HTTP dates go no further.
const DATE_SECONDS_MAX: u64 = 253_402_300_799;

/// What a name stands for.
#[derive(Debug)]
pub(crate) enum Opened {
    /// A file, or the index of a directory.
    File(FileBody),
    /// A directory; its name lacks the slash, or it has no index.
    Directory,
    /// Nothing that may be seen.
    Nothing,
}

/// What there is to say about a file.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    /// Its size.
    pub(crate) bytes: u64,
    /// When it was last written, if the system says so.
    pub(crate) modified: Option<SystemTime>,
    /// What it is.
    pub(crate) content_type: String,
}

/// Why a file that has begun cannot be sent to its end. The connection is cut, so that the client sees it.
#[derive(Debug, Error)]
pub(crate) enum FileError {
    /// It cannot be read.
    #[error("the file cannot be read")]
    Read(#[from] io::Error),
    /// It ended early.
    #[error("the file has become shorter; {missing} bytes are missing")]
    Shorter {
        /// What was announced and is not there.
        missing: u64,
    },
    /// The host ends.
    #[error("the host is shutting down")]
    Ending,
}

type Reading = Pin<Box<dyn Future<Output = Option<(File, io::Result<Bytes>)>> + Send>>;

/// The body of a response that is a file.
pub(crate) struct FileBody {
    facts: Facts,
    first: Bytes,
    rest: Option<File>,
    reading: Option<Reading>,
    files: Option<Files>,
    /// Bytes that are still to be sent.
    left: u64,
}

impl Facts {
    /// An entity tag: weak, because it is made of time and size and not of what is in the file.
    pub(crate) fn etag(&self) -> String {
        let since = self.modified.and_then(|modified| modified.duration_since(UNIX_EPOCH).ok());
        format!("W/\"{:x}-{:x}\"", since.unwrap_or(Duration::ZERO).as_nanos(), self.bytes)
    }

    /// When it was last written, in the resolution of HTTP dates.
    pub(crate) fn modified_whole_seconds(&self) -> Option<SystemTime> {
        let seconds = self.modified?.duration_since(UNIX_EPOCH).ok()?.as_secs();
        (seconds <= DATE_SECONDS_MAX).then(|| UNIX_EPOCH + Duration::from_secs(seconds))
    }

    /// When it was last written, as an HTTP date.
    pub(crate) fn last_modified(&self) -> Option<String> {
        self.modified_whole_seconds().map(httpdate::fmt_http_date)
    }
}

/// Opens what a name stands for and reads its beginning. Blocks.
pub(crate) fn open(directory: &Dir, name: &AssetName) -> Opened {
    let Ok(found) = directory.metadata(name.relative()) else { return Opened::Nothing };
    if found.is_file() && !name.is_directory() {
        return open_file(directory, name.relative()).map_or(Opened::Nothing, Opened::File);
    }
    if !found.is_dir() {
        return Opened::Nothing;
    }
    if !name.is_directory() {
        return Opened::Directory;
    }
    let index = format!("{}/{INDEX}", name.relative());
    match directory.metadata(&index) {
        Ok(found) if found.is_file() => open_file(directory, &index).map_or(Opened::Nothing, Opened::File),
        _ => Opened::Directory,
    }
}

/// A file that was seen to be a regular one: others may block for ever.
fn open_file(directory: &Dir, name: &str) -> io::Result<FileBody> {
    let mut file = directory.open(name)?;
    let found = file.metadata()?;
    let first = read_chunk(&mut file, found.len())?;
    let facts = Facts {
        bytes: found.len(),
        modified: found.modified().ok().map(|time| time.into_std()),
        content_type: content_type::of(name),
    };
    let whole = first.len() as u64 >= facts.bytes;
    Ok(FileBody {
        left: facts.bytes,
        facts,
        first,
        rest: (!whole).then_some(file),
        reading: None,
        files: None,
    })
}

fn read_chunk(file: &mut File, left: u64) -> io::Result<Bytes> {
    let bytes = left.min(CHUNK_BYTES as u64);
    let mut chunk = Vec::with_capacity(bytes as usize);
    file.take(bytes).read_to_end(&mut chunk)?;
    Ok(chunk.into())
}

impl FileBody {
    /// What there is to say about it.
    pub(crate) fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Reads further chunks through these.
    pub(crate) fn read_through(mut self, files: &Files) -> FileBody {
        self.files = Some(files.clone());
        self
    }

    /// Bytes that are still to be sent.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    /// The next chunk.
    pub(crate) fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, FileError>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        if !self.first.is_empty() {
            let first = std::mem::take(&mut self.first);
            return Poll::Ready(Some(self.sent(first)));
        }
        if self.reading.is_none() {
            let Some((mut file, files)) = self.rest.take().zip(self.files.clone()) else {
                let missing = std::mem::take(&mut self.left);
                return Poll::Ready(Some(Err(FileError::Shorter { missing })));
            };
            let left = self.left;
            self.reading = Some(Box::pin(async move {
                let read = move || {
                    let chunk = read_chunk(&mut file, left);
                    (file, chunk)
                };
                files.read(read).await
            }));
        }
        let reading = self.reading.as_mut().expect("made above if there was none");
        let Poll::Ready(read) = reading.as_mut().poll(cx) else { return Poll::Pending };
        self.reading = None;
        Poll::Ready(Some(match read {
            None => Err(FileError::Ending),
            Some((_, Err(error))) => Err(error.into()),
            Some((file, Ok(chunk))) => {
                self.rest = Some(file);
                self.sent(chunk)
            }
        }))
    }

    fn sent(&mut self, chunk: Bytes) -> Result<Bytes, FileError> {
        if chunk.is_empty() {
            return Err(FileError::Shorter { missing: std::mem::take(&mut self.left) });
        }
        self.left = self.left.saturating_sub(chunk.len() as u64);
        Ok(chunk)
    }
}

impl std::fmt::Debug for FileBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileBody")
            .field("facts", &self.facts)
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}
