//! Builds `party-host` again when what `party-host new` writes has changed: the compiler does not see that the SDK, the
//! template and the examples' sources are embedded.

fn main() {
    for embedded in ["template", "../../guest-sdk/rust", "../../Cargo.toml"] {
        println!("cargo::rerun-if-changed={embedded}");
    }
    for example in ["counter", "chat", "workflow", "cursors", "tictactoe", "poll", "lookup", "bots"] {
        // Not all of its directory: a host that serves it writes there.
        for embedded in ["src", "public", "tests"] {
            println!("cargo::rerun-if-changed=../../examples/{example}/{embedded}");
        }
    }
}
