//! Listening, and one small task per connection.
//!
//! What must hold: a connection that fails never ends the server; the server says where it listens only when it
//! does.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;

use super::committer::{Committer, OpenError};
use super::rooms::Rooms;
use super::routes::router;

/// Smallest buffer that hyper accepts; a connection that was upgraded gives it back.
const HTTP_BUFFER_BYTES: usize = 8 * 1024;

/// How many tasks run before the sockets are asked again. Tokio's default of 61 would ask in the middle of writing a
/// broadcast to 64 connections, and what it finds would leave in writes of its own.
const TASKS_BETWEEN_POLLS: u32 = 512;

/// How long to wait after an accept failed, usually because no more files may be opened.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// Why the server cannot run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The port cannot be had.
    #[error("cannot listen on port {port}")]
    Listen {
        /// The port.
        port: u16,
        /// What the system said.
        source: io::Error,
    },
    /// The counters cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The runtime cannot start.
    #[error("cannot start the runtime")]
    Runtime(#[from] io::Error),
}

/// Serves on 127.0.0.1 until the process ends. `listening` hears the address as soon as connections are accepted.
pub fn run(port: u16, data: &Path, listening: impl FnOnce(SocketAddr)) -> Result<(), ServeError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .event_interval(TASKS_BETWEEN_POLLS)
        .enable_all()
        .build()?;
    runtime.block_on(serve(port, data, listening))
}

async fn serve(port: u16, data: &Path, listening: impl FnOnce(SocketAddr)) -> Result<(), ServeError> {
    let committer = Committer::open(data)?;
    let router = router(Arc::new(Rooms::default()), committer);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .map_err(|source| ServeError::Listen { port, source })?;
    listening(listener.local_addr()?);
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(_) => {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // A socket that is gone already fails here and below alike; there is nobody to tell.
        let _ = stream.set_nodelay(true);
        let connection = http1::Builder::new()
            .max_buf_size(HTTP_BUFFER_BYTES)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router.clone()))
            .with_upgrades();
        tokio::spawn(connection);
    }
}
