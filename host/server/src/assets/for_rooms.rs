//! Assets that rooms read: the files that clients get, whole and in memory.
//!
//! What is only for browsers that look at a page does not apply: neither `404.html`, nor the page of a single-page app, nor the
//! redirect to a directory's slash. There, nothing is found.

use std::future::poll_fn;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use party_core::http::{Header, Response};
use party_core::operation::OperationError;
use party_node::assets::{AssetSource, Reading};

use super::file::{FileBody, FileError, Opened};
use super::name::AssetName;
use super::{Assets, headers};

/// Assets that are read for rooms at once on the whole host; others wait. With the largest body that a room may have, it bounds
/// the memory that they take until their rooms have them.
pub(super) const ROOM_READS_MAX: usize = 8;

impl AssetSource for Assets {
    fn read(&self, path: &str, body_bytes_max: u64) -> Reading {
        let (files, reads, name) =
            (self.files.clone(), Arc::clone(&self.for_rooms), AssetName::of_path(path));
        Box::pin(async move {
            let Some(name) = name else { return Ok(None) };
            let ending = || OperationError::Connect(FileError::Ending.to_string());
            let _turn = reads.acquire().await.map_err(|_| ending())?;
            let Opened::File(file) = files.open(name).await else { return Ok(None) };
            if file.left() > body_bytes_max {
                return Err(OperationError::TooLarge(body_bytes_max));
            }
            let found = headers(file.facts(), false);
            let header = |(name, value): (&hyper::header::HeaderName, &hyper::header::HeaderValue)| Header {
                name: name.as_str().into(),
                value: Bytes::copy_from_slice(value.as_bytes()),
            };
            let body = whole(file).await.map_err(|error| OperationError::Connect(error.to_string()))?;
            Ok(Some(Response { status: 200, headers: found.iter().map(header).collect(), body }))
        })
    }
}

/// All of a file. Never more than it had when it was opened.
async fn whole(mut file: FileBody) -> Result<Bytes, FileError> {
    let mut body = BytesMut::with_capacity(file.left() as usize);
    while let Some(chunk) = poll_fn(|cx| file.poll_chunk(cx)).await {
        body.extend_from_slice(&chunk?);
    }
    Ok(body.freeze())
}
