//! Generates the Rust bindings of the contract for `guest-sdk/rust`.
//!
//! The bindings are committed, so that a party builds in seconds instead of compiling a WIT parser and a code
//! generator first. What must hold: `src/bindings.rs` of the SDK is always exactly what this program makes of
//! `wit/`; a test compares the two.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use wit_bindgen_core::wit_parser::Resolve;
use wit_bindgen_core::{Files, WorldGenerator};
use wit_bindgen_rust::{Opts, Ownership};

/// The world that an SDK builds against.
const WORLD: &str = "party";

/// Where things are, relative to this package.
#[derive(Debug, Clone)]
pub(crate) struct Paths {
    /// The directory of the WIT package.
    pub(crate) wit: PathBuf,
    /// The committed bindings.
    pub(crate) bindings: PathBuf,
}

impl Paths {
    /// The places in this repository.
    pub(crate) fn of_repository() -> Self {
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        Self { wit: package.join("../../../wit"), bindings: package.join("../src/bindings.rs") }
    }
}

/// The text of the bindings for the contract in `wit`.
///
/// Errors: the WIT does not parse, or holds no world `party`.
pub(crate) fn generate(wit: &Path) -> Result<String> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(wit).with_context(|| format!("reading {}", wit.display()))?;
    let world = resolve.select_world(&[package], Some(WORLD))?;
    let mut files = Files::default();
    options().build().generate(&mut resolve, world, &mut files)?;
    let mut texts = files.iter();
    let (_, text) = texts.next().context("the generator wrote no file")?;
    ensure!(texts.next().is_none(), "the generator wrote more than one file");
    mend(str::from_utf8(text)?)
}

/// Write the bindings anew.
pub(crate) fn rewrite(paths: &Paths) -> Result<()> {
    let text = generate(&paths.wit)?;
    fs::write(&paths.bindings, text).with_context(|| format!("writing {}", paths.bindings.display()))
}

/// Whether the committed bindings are what the contract asks for.
pub(crate) fn is_current(paths: &Paths) -> Result<bool> {
    let committed = fs::read_to_string(&paths.bindings)
        .with_context(|| format!("reading {}", paths.bindings.display()))?;
    Ok(committed == generate(&paths.wit)?)
}

/// Version 0.63 of the generator forgets the lifetime of a borrowed record where it implements `Error` for it.
fn mend(text: &str) -> Result<String> {
    const FORGOTTEN: &str = "impl ::core::error::Error for FailureParam {}";
    let found = text.matches(FORGOTTEN).count();
    ensure!(
        found == 1,
        "the generator no longer forgets a lifetime: take `mend` away ({found} places found)"
    );
    Ok(text.replace(FORGOTTEN, "impl ::core::error::Error for FailureParam<'_> {}"))
}

/// How the bindings are made: arguments are borrowed, so that a send or a put copies nothing inside the guest,
/// and the export macro can be called from the author's crate.
fn options() -> Opts {
    Opts {
        format: true,
        ownership: Ownership::Borrowing { duplicate_if_necessary: true },
        pub_export_macro: true,
        export_macro_name: Some("export_party".to_owned()),
        default_bindings_module: Some("party::bindings".to_owned()),
        ..Opts::default()
    }
}
