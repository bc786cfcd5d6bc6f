//! The admin socket: how the command line asks a running host about its rooms.
//!
//! It is a Unix socket in the data directory that only its owner can open, because the store is locked by the host. It
//! speaks HTTP/1.1 with JSON, on a thread of its own, so that a long answer holds up no room. What can be asked is the
//! closed list of [`question`]; what is answered has the shapes of [`shapes`], told in `docs/admin.md`.
//!
//! Whoever can open the socket may do everything, and is believed nothing: what is sent is bounded, and so are how many
//! ask at once and how long they take.

pub mod client;
pub mod place;
pub mod question;
pub mod shapes;

mod answer;
mod conversation;
mod deploy;
mod metrics;

use std::io;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use party_node::node::Node;
use thiserror::Error;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::oneshot;

use crate::admin::place::{Place, PlaceError};

/// The socket of a running host. Dropped, it answers nobody any more.
#[derive(Debug)]
pub struct AdminSocket {
    path: PathBuf,
    /// Dropped to end the thread.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Why there is no admin socket. The host serves its rooms all the same.
#[derive(Debug, Error)]
pub enum AdminError {
    /// There is no place for it.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// A thread could not be started.
    #[error("a thread for the admin socket cannot be started")]
    Thread(#[source] io::Error),
}

impl AdminSocket {
    /// Listens in a data directory, which this process has locked: a socket that is there is what a host has left that
    /// was killed, and is replaced.
    pub fn open(node: &Node, data: &Path) -> Result<AdminSocket, AdminError> {
        let place = Place::of(data)?;
        let listener = place.listen()?;
        let (stop, stopped) = oneshot::channel();
        let (node, path) = (node.clone(), place.path().to_owned());
        let run = move || {
            let runtime =
                match Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
                    Ok(runtime) => runtime,
                    Err(error) => return tracing::error!("the admin socket answers nobody: {error}"),
                };
            runtime.block_on(async {
                tokio::select! {
                    () = conversation::listen(node, listener) => {}
                    // An error is the other end that was dropped, which means the same.
                    _ = stopped => {}
                }
            });
        };
        let thread =
            std::thread::Builder::new().name("admin".into()).spawn(run).map_err(AdminError::Thread)?;
        Ok(AdminSocket { path, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for AdminSocket {
    fn drop(&mut self) {
        drop(self.stop.take());
        // A socket that stays behind is replaced by the next host.
        let _ = std::fs::remove_file(&self.path);
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread of the admin socket panicked");
        }
    }
}
