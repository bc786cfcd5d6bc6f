//! Guests as components, built as `party-host build` builds them, once for a run of all tests.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use crate::root;

/// The packages that hold guests.
const PACKAGES: [&str; 5] = ["counter", "chat", "workflow", "yardstick", "test-guests"];
/// The settings that `party-host build` uses. It makes the names of functions short, too; the guests keep long ones.
const PROFILE: [(&str, &str); 5] = [
    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "s"),
    ("CARGO_PROFILE_RELEASE_LTO", "fat"),
    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1"),
    ("CARGO_PROFILE_RELEASE_PANIC", "abort"),
    ("CARGO_PROFILE_RELEASE_STRIP", "debuginfo"),
];

/// Where cargo builds.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// A directory below the target directory for what tests write and may keep.
pub fn scratch(name: &str) -> PathBuf {
    let dir = target().join("party-tests").join(name);
    let parent = dir.parent().expect("it has a parent");
    fs::create_dir_all(parent).expect("the target directory can be written");
    dir
}

/// The path of a guest's component, by the name of its library: `test_guests`.
pub fn guest_path(name: &str) -> PathBuf {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(build);
    target().join("wasm32-wasip2/release").join(format!("{name}.wasm"))
}

/// A guest's component.
pub fn guest(name: &str) -> Vec<u8> {
    let path = guest_path(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{} cannot be read: {error}", path.display()))
}

/// Cargo does nothing if they are built; its own lock lets test programs that run at once build once.
fn build() {
    let output = Command::new(env!("CARGO"))
        .args(["build", "--release", "--target", "wasm32-wasip2"])
        .args(PACKAGES.iter().flat_map(|package| ["-p", package]))
        .envs(PROFILE)
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "the guests cannot be built (is the target there? rustup target add wasm32-wasip2):\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
