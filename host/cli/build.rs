//! Builds `party-host` again when what `party-host new` writes has changed: the compiler does not see that the SDK and
//! the template are embedded.

fn main() {
    for embedded in ["template", "../../guest-sdk/rust", "../../Cargo.toml"] {
        println!("cargo::rerun-if-changed={embedded}");
    }
}
