//! Guests as components, built as `party-host build` builds them, once for a run of all tests.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use crate::root;

/// The packages that hold guests.
const PACKAGES: [&str; 11] = [
    "counter",
    "chat",
    "workflow",
    "cursors",
    "tictactoe",
    "poll",
    "lookup",
    "bots",
    "yardstick",
    "test-guests",
    "test-versions",
];
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

/// The path of the component of a party that only a transcript plays: one with a planted bug, by its name in
/// `tests/planted/parties`, or a fact, by its name in `tests/guests/facts`.
pub fn party_path(name: &str) -> PathBuf {
    parties().join(format!("{name}.wasm"))
}

/// Where those are.
pub fn parties() -> PathBuf {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        cargo_build(&["--profile", "parties", "-p", "test-planted", "-p", "test-facts", "--examples"]);
    });
    target().join("wasm32-wasip2/parties/examples")
}

/// How a version of the guest `test_versions` is called and how it fails; each is one character that the guest explains.
#[derive(Clone, Copy, Debug)]
pub struct Version {
    /// Its name.
    pub name: char,
    /// How it starts: `o` in order, `f` fails, `t` traps, `l` loops, `w` waits for 5 s, `n` never settles.
    pub start: char,
    /// How it saves: `o`, `f`, `t`, `l`.
    pub save: char,
    /// How it restores: `o`, `f`, `t`, `l`, or `s`: it begins a task.
    pub restore: char,
}

impl Version {
    /// A version in which all is in order.
    pub fn named(name: char) -> Version {
        Version { name, start: 'o', save: 'o', restore: 'o' }
    }

    fn mark(self) -> String {
        let Version { name, start, save, restore } = self;
        format!("<<version={name} start={start} save={save} restore={restore}>>")
    }

    /// Its component.
    pub fn component(self) -> Vec<u8> {
        let mut component = guest("test_versions");
        let (built, wanted) = (Version::named('1').mark(), self.mark());
        let mut places = component.windows(built.len()).enumerate();
        let at = places.find_map(|(at, found)| (found == built.as_bytes()).then_some(at));
        let at = at.expect("the guest has a mark");
        component[at..at + built.len()].copy_from_slice(wanted.as_bytes());
        component
    }
}

/// A component that does the same and is another: with a custom section of this name behind it.
pub fn renamed(mut component: Vec<u8>, name: &str) -> Vec<u8> {
    let length = u8::try_from(name.len()).expect("a short name");
    component.extend([0, length + 1, length]);
    component.extend(name.as_bytes());
    component
}

/// A component that does the same and cannot be captured: with a core module behind it that no instance is made of and no
/// export can reach, in a component of its own.
pub fn uncapturable(mut component: Vec<u8>) -> Vec<u8> {
    // `(component (core module (memory 1)))`, as a section.
    let (module, memory) = (b"\0asm\x01\0\0\0", [5, 3, 1, 0, 1]);
    component.extend([4, 23]);
    component.extend(b"\0asm\x0d\0\x01\0");
    component.extend([1, 13]);
    component.extend(module);
    component.extend(memory);
    component
}

/// A guest's component.
pub fn guest(name: &str) -> Vec<u8> {
    let path = guest_path(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{} cannot be read: {error}", path.display()))
}

/// Cargo does nothing if they are built; its own lock lets test programs that run at once build once.
fn build() {
    let packages = PACKAGES.map(|package| ["-p", package]).concat();
    cargo_build(&[&["--release"], &packages[..]].concat());
}

fn cargo_build(what: &[&str]) {
    let output = Command::new(env!("CARGO"))
        .args(["build", "--target", "wasm32-wasip2"])
        .args(what)
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
