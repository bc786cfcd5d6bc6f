//! The committed bindings and the contract say the same.

use std::process::Command;

#[test]
fn the_committed_bindings_are_made_of_the_contract() {
    let check = Command::new(env!("CARGO_BIN_EXE_party-bindgen")).arg("--check").status();
    assert!(check.expect("the generator runs").success(), "run `cargo run -p party-bindgen`");
}

#[test]
fn an_unknown_argument_is_refused() {
    let refused = Command::new(env!("CARGO_BIN_EXE_party-bindgen")).arg("--chek").output();
    let refused = refused.expect("the generator runs");
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("unknown argument `--chek`"));
}
