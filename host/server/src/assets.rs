//! Static assets: files beneath one directory, for GET and HEAD, and the page of the project for what is not there.
//!
//! Whatever the path says, nothing outside the directory is opened: cap-std resolves every name beneath the open
//! directory and refuses links that lead out of it. Files that begin with a dot and everything in `node_modules`
//! are not served, as on PartyKit. Opening and reading block, so they run beside the worker's thread, a bounded
//! number at a time.

use std::io;
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use hyper::header::{
    CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, LAST_MODIFIED, LOCATION,
};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};
use tokio::sync::Semaphore;

use crate::config::ServeConfig;
use crate::edge::body::EdgeBody;

mod content_type;
pub(crate) mod file;
mod for_rooms;
mod name;
mod validators;

use file::{Facts, FileBody, Opened};
use name::AssetName;

/// Files that are opened or read at the same moment on the whole host. More wait: disks do not get faster by it.
const READS_MAX: usize = 8;
/// The page of a directory, and of a single-page app.
const INDEX: &str = "index.html";
/// The page that answers what is not there.
const NOT_FOUND_PAGE: &str = "404.html";

/// The static assets of a project.
#[derive(Debug)]
pub struct Assets {
    files: Files,
    single_page_app: bool,
    /// Of those that rooms read: each is whole in memory until its room has it.
    for_rooms: Arc<Semaphore>,
}

/// How much may be read at once, for all projects of a host.
#[derive(Clone, Debug)]
pub struct AssetReads {
    reads: Arc<Semaphore>,
    for_rooms: Arc<Semaphore>,
}

impl Default for AssetReads {
    fn default() -> AssetReads {
        AssetReads {
            reads: Arc::new(Semaphore::new(READS_MAX)),
            for_rooms: Arc::new(Semaphore::new(for_rooms::ROOM_READS_MAX)),
        }
    }
}

/// The directory, and how much of it may be read at once.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    directory: Arc<Dir>,
    reads: Arc<Semaphore>,
}

impl Assets {
    /// Opens the directory. It may change while it is served.
    pub fn open(config: &ServeConfig, reads: &AssetReads) -> io::Result<Assets> {
        let directory = Arc::new(Dir::open_ambient_dir(&config.path, ambient_authority())?);
        let AssetReads { reads, for_rooms } = reads.clone();
        let files = Files { directory, reads };
        Ok(Assets { files, single_page_app: config.single_page_app, for_rooms })
    }

    /// The answer to a request for anything that is no room; `None` if there is no file for it.
    pub(crate) async fn answer(&self, parts: &Parts) -> Option<Response<EdgeBody>> {
        // Others find no file, and the page that says so.
        let reads = parts.method == Method::GET || parts.method == Method::HEAD;
        if let Some(name) = AssetName::of_path(parts.uri.path()).filter(|_| reads) {
            match self.files.open(name.clone()).await {
                Opened::File(file) => return Some(present(file, StatusCode::OK, parts)),
                Opened::Directory if name.is_directory() => {}
                Opened::Directory => return redirect(parts),
                Opened::Nothing => {}
            }
        }
        let is_of_app = reads && self.single_page_app && navigates(&parts.headers);
        if is_of_app { self.page(INDEX, StatusCode::OK, parts).await } else { None }
    }

    /// The page that says so, where nothing has answered.
    pub(crate) async fn page_of_nothing(&self, parts: &Parts) -> Option<Response<EdgeBody>> {
        self.page(NOT_FOUND_PAGE, StatusCode::NOT_FOUND, parts).await
    }

    async fn page(
        &self,
        name: &'static str,
        status: StatusCode,
        parts: &Parts,
    ) -> Option<Response<EdgeBody>> {
        match self.files.open(AssetName::of_page(name)).await {
            Opened::File(file) => Some(present(file, status, parts)),
            Opened::Directory | Opened::Nothing => None,
        }
    }
}

impl Files {
    /// Opens a file, or the index of a directory.
    async fn open(&self, name: AssetName) -> Opened {
        let directory = Arc::clone(&self.directory);
        match self.read(move || file::open(&directory, &name)).await {
            Some(Opened::File(file)) => Opened::File(file.read_through(self)),
            Some(other) => other,
            None => Opened::Nothing,
        }
    }

    /// Runs something that reads, beside the worker's thread. `None` only when the host ends.
    async fn read<T: Send + 'static>(&self, read: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let _turn = Arc::clone(&self.reads).acquire_owned().await.ok()?;
        tokio::task::spawn_blocking(read).await.ok()
    }
}

/// Whether a browser goes to a page, rather than loading a part of one.
fn navigates(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-mode").is_some_and(|mode| mode == "navigate")
}

/// A directory without its slash: with the index in its place, the relative links in it would lead elsewhere.
fn redirect(parts: &Parts) -> Option<Response<EdgeBody>> {
    let query = parts.uri.query().map_or_else(String::new, |query| format!("?{query}"));
    let location = HeaderValue::from_str(&format!("{}/{query}", parts.uri.path())).ok()?;
    let mut response = Response::new(EdgeBody::Whole("".into()));
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    response.headers_mut().insert(LOCATION, location);
    Some(response)
}

fn present(file: FileBody, status: StatusCode, parts: &Parts) -> Response<EdgeBody> {
    let facts = file.facts();
    let fresh = status == StatusCode::OK && validators::is_fresh(&parts.headers, facts);
    let headers = headers(facts, fresh);
    let bytes = facts.bytes;
    let mut response = Response::new(match (fresh, parts.method == Method::HEAD) {
        (true, _) => EdgeBody::Whole("".into()),
        (false, true) => EdgeBody::Announced(bytes),
        (false, false) => EdgeBody::File(file),
    });
    *response.status_mut() = if fresh { StatusCode::NOT_MODIFIED } else { status };
    *response.headers_mut() = headers;
    response
}

/// What is said of a file; less of one that the client has already.
fn headers(facts: &Facts, fresh: bool) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut set = |name: HeaderName, value: &str| {
        // All values are ASCII of our own making.
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    set(ETAG, &facts.etag());
    if let Some(date) = facts.last_modified() {
        set(LAST_MODIFIED, &date);
    }
    // Kept by browsers, but asked for again each time: a page and its script must not be of different days.
    set(CACHE_CONTROL, "no-cache");
    if !fresh {
        set(CONTENT_TYPE, &facts.content_type);
    }
    headers
}

#[cfg(test)]
mod tests;
