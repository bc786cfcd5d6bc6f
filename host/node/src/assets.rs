//! Who reads the project's static assets for rooms. The node knows no files: whoever starts it gives it one that does.

use std::future::Future;
use std::pin::Pin;

use party_core::http::Response;
use party_core::operation::OperationError;

/// An asset that is being read; none: there is no such asset. To drop it is to give it up.
pub type Reading = Pin<Box<dyn Future<Output = Result<Option<Response>, OperationError>>>>;

/// Reads assets as clients get them. It is asked on the worker of the room, by a task that ends at the operation's deadline.
pub trait AssetSource: Send + Sync {
    /// Reads the asset at a path as it stands in a URL. A body of more than `body_bytes_max` bytes is
    /// [`OperationError::TooLarge`], and is not read.
    fn read(&self, path: &str, body_bytes_max: u64) -> Reading;
}

/// A project without assets.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoAssets;

impl AssetSource for NoAssets {
    fn read(&self, _path: &str, _body_bytes_max: u64) -> Reading {
        Box::pin(async { Ok(None) })
    }
}
