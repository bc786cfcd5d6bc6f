//! Traps of a party that the Rust SDK makes name its functions, and names cost a component little.

use party_core::event::DropCause;
use party_runtime::names::shorten;
use party_tests::guests::guest;

use crate::room::{TestRoom, block_on};

/// The largest that the counter may be as `party-host build` makes it.
const COUNTER_BYTES_MAX: usize = 165_000;

/// What the log says of a turn in which the probe was told this.
fn trap_of(component: &[u8], word: &str) -> String {
    block_on(async {
        let mut room = TestRoom::of(component);
        let client = room.connect().await;
        match room.drop_of(client, word).await {
            DropCause::Trap(text) => text,
            other => panic!("{word}: {other}"),
        }
    })
}

#[test]
fn a_trap_is_told_with_the_partys_own_functions() {
    let raw = guest("test_guests");
    let short = shorten(&raw).expect("it is a component");
    let probe = "test_guests::hostile::misbehave < <Probe as Party>::on_message < on-message)";
    for component in [&raw, &short] {
        let told = trap_of(component, "trap");
        assert!(told.contains(&format!("(in core::panicking::panic_fmt < {probe}")), "{told}");
        let told = trap_of(component, "exit");
        assert!(
            told.contains("exit(1)") && told.contains(&format!("(in std::process::exit < {probe}")),
            "{told}"
        );
        let told = trap_of(component, "recurse");
        assert!(told.contains("(in test_guests::hostile::recurse x "), "{told}");
    }
}

#[test]
fn the_counter_is_small_with_its_names() {
    let short = shorten(&guest("counter")).expect("it is a component");
    println!("the counter is {} bytes", short.len());
    assert!(short.len() < COUNTER_BYTES_MAX, "{} bytes; the limit is {COUNTER_BYTES_MAX}", short.len());
    let name = b"counter::Counter::add";
    assert!(short.windows(name.len()).any(|part| part == name));
}
