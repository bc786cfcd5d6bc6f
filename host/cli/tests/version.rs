//! The binary says which one it is. Because this asks it, `cargo test --workspace` builds the binary with everything else, and
//! the tests of the whole need not build it once more (`tests/run`, `party_tests::host`).

use std::process::Command;

#[test]
fn the_binary_says_its_version() {
    let output = Command::new(env!("CARGO_BIN_EXE_party-host")).arg("--version").output().expect("it runs");
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains(env!("CARGO_PKG_VERSION")), "{said}");
}
