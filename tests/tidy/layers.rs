//! Who may know whom: the direct dependencies of each crate, as `cargo tree` tells them.

use std::collections::BTreeSet;
use std::process::Command;

use party_tests::root;

/// Each crate of the host and what it may depend on, beside what everybody may (`thiserror`, `bytes`).
const ALLOWED: [(&str, &[&str]); 6] = [
    ("party-core", &["sha2"]),
    ("party-store", &["party-core", "redb", "crc32c", "rustix", "tracing"]),
    (
        "party-runtime",
        &[
            "party-core",
            "wasmtime",
            "wasmtime-wasi",
            "wasmtime-wasi-io",
            "rayon",
            "rustc-demangle",
            "wasmparser",
            "wasm-encoder",
            "sha2",
            "crc32c",
            "lz4_flex",
            "rand_chacha",
            "tracing",
            "rustix",
            "tokio",
            "getrandom",
        ],
    ),
    (
        "party-node",
        &[
            "party-core",
            "party-store",
            "party-runtime",
            "tokio",
            "futures-util",
            "tracing",
            "getrandom",
            "rand_chacha",
            "croner",
            "chrono",
        ],
    ),
    (
        "party-server",
        &[
            "party-core",
            "party-node",
            "tokio",
            "tokio-tungstenite",
            "futures-util",
            "hyper",
            "hyper-util",
            "http-body-util",
            "rustls",
            "tokio-rustls",
            "rustls-native-certs",
            "url",
            "tracing",
            "serde",
            "serde_json",
            "toml",
            "strsim",
            "ipnet",
            "tokio-rustls",
            "cap-std",
            "mime_guess",
            "httpdate",
            "socket2",
        ],
    ),
    ("party", &["party-macros", "wit-bindgen", "serde", "serde_json", "postcard"]),
];

const EVERYBODY: [&str; 2] = ["thiserror", "bytes"];

#[test]
fn each_crate_knows_only_what_it_may() {
    for (name, allowed) in ALLOWED {
        let direct = direct_dependencies(name);
        let may = |one: &String| allowed.contains(&one.as_str()) || EVERYBODY.contains(&one.as_str());
        let forbidden: Vec<&String> = direct.iter().filter(|one| !may(one)).collect();
        assert!(forbidden.is_empty(), "{name} may not depend on {forbidden:?} (ARCHITECTURE.md, layers)");
    }
}

#[test]
fn only_the_runtime_reaches_wasmtime_by_name() {
    for name in ["party-core", "party-store", "party-node", "party-server", "party-testkit", "party-host"] {
        let direct = direct_dependencies(name);
        assert!(!direct.iter().any(|one| one.starts_with("wasmtime")), "{name} names wasmtime");
    }
}

fn direct_dependencies(name: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "-p", name, "--depth", "1", "--prefix", "none", "-e", "normal", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo tree runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("cargo writes UTF-8");
    text.lines().skip(1).filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}
