//! `party-bindgen` rewrites the committed bindings; `party-bindgen --check` only says whether they are current.

mod generate;

use std::env;
use std::process::ExitCode;

use anyhow::Result;

use generate::{Paths, is_current, rewrite};

fn main() -> Result<ExitCode> {
    let paths = Paths::of_repository();
    match env::args().nth(1).as_deref() {
        None => rewrite(&paths)?,
        Some("--check") if is_current(&paths)? => {}
        Some("--check") => {
            eprintln!("the bindings differ from the contract\nhint: run `cargo run -p party-bindgen`");
            return Ok(ExitCode::FAILURE);
        }
        Some(other) => {
            eprintln!("unknown argument `{other}`\nhint: the only one is `--check`");
            return Ok(ExitCode::from(2));
        }
    }
    Ok(ExitCode::SUCCESS)
}
