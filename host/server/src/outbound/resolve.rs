//! Names, resolved as the system does it: its files, its servers, its search list.
//!
//! The system's own resolver blocks whoever asks, for as long as its servers let it wait. So each question has a thread of its
//! own, which lives as long as the question, and there are only so many: names that nobody answers hold up other names, and
//! nothing else of the host.

use std::io;
use std::net::{IpAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::thread;

use party_core::operation::OperationError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// Names that are looked up at a time; the others wait.
const LOOKUPS_MAX: usize = 64;
/// Addresses of a name that are looked at.
const ADDRESSES_MAX: usize = 32;

/// Who asks the system for addresses.
pub(super) struct Resolver {
    lookups: Arc<Semaphore>,
}

impl Default for Resolver {
    fn default() -> Resolver {
        Resolver { lookups: Arc::new(Semaphore::new(LOOKUPS_MAX)) }
    }
}

impl Resolver {
    /// The addresses of a name, in the order in which the system prefers them. At least one.
    pub(super) async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, OperationError> {
        let failed = |why: &dyn std::fmt::Display| OperationError::Dns(format!("{name}: {why}"));
        let place = Arc::clone(&self.lookups).acquire_owned().await.map_err(|error| failed(&error))?;
        let asked = name.to_owned();
        let found = on_a_thread("lookup", move || look_up(&asked, place)).await;
        let addresses = found.and_then(|found| found).map_err(|error| failed(&error))?;
        if addresses.is_empty() { Err(failed(&"it has no address")) } else { Ok(addresses) }
    }
}

/// Does what blocks on a thread of its own.
pub(super) async fn on_a_thread<T: Send + 'static>(
    name: &str,
    what: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let (sender, done) = oneshot::channel();
    let run = move || {
        // Whoever asked may have lost patience.
        let _ = sender.send(what());
    };
    thread::Builder::new().name(name.to_owned()).spawn(run)?;
    done.await.map_err(io::Error::other)
}

/// Blocks until the system has answered.
fn look_up(name: &str, _place: OwnedSemaphorePermit) -> io::Result<Vec<IpAddr>> {
    // The port is of no interest, and the system wants one.
    Ok((name, 0).to_socket_addrs()?.map(|address| address.ip()).take(ADDRESSES_MAX).collect())
}
