//! The committed bindings and the contract say the same.

use party_bindgen::{Paths, is_current};

#[test]
fn the_committed_bindings_are_made_of_the_contract() {
    let current = is_current(&Paths::of_repository()).expect("the contract and the bindings can be read");
    assert!(current, "run `cargo run -p party-bindgen`");
}
