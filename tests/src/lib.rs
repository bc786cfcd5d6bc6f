//! What the tests of the whole share: where things are, the guests and the host, built once, and plain clients.

pub mod chance;
pub mod guests;
pub mod host;
pub mod http;
pub mod program;
pub mod project;

use std::path::{Path, PathBuf};

/// The root of the repository.
pub fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("tests/ stands in the root").to_path_buf()
}
