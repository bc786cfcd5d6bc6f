//! A guest without a test fails the build: each fact in `guests/facts` has a transcript in `guests/transcripts`, and each
//! transcript its fact. What they are becomes a test each, which `transcripts/facts.rs` takes in.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::{env, fs};

const FACTS: &str = "guests/facts";
const TRANSCRIPTS: &str = "guests/transcripts";

fn main() {
    println!("cargo::rerun-if-changed={FACTS}");
    println!("cargo::rerun-if-changed={TRANSCRIPTS}");
    println!("cargo::rerun-if-changed=build.rs");
    let facts = names(FACTS, "rs");
    let transcripts = names(TRANSCRIPTS, "party");
    // `FACT.party`, or `FACT.ANYTHING.party` where a fact needs more than one.
    let fact_of = |transcript: &str| transcript.split('.').next().unwrap_or_default().to_owned();
    let shown: BTreeMap<String, &String> = transcripts.iter().map(|name| (fact_of(name), name)).collect();
    let manifest = fs::read_to_string(format!("{FACTS}/Cargo.toml")).expect("the facts have a manifest");
    for fact in &facts {
        if !shown.contains_key(fact) {
            error(&format!(
                "tests/{FACTS}/{fact}.rs has no transcript: write tests/{TRANSCRIPTS}/{fact}.party"
            ));
        }
        if !manifest.contains(&format!("path = \"{fact}.rs\"")) {
            error(&format!("tests/{FACTS}/{fact}.rs is not built: add it to tests/{FACTS}/Cargo.toml"));
        }
    }
    for (fact, transcript) in &shown {
        if !facts.contains(fact) {
            error(&format!(
                "tests/{TRANSCRIPTS}/{transcript}.party is about no fact: there is no tests/{FACTS}/{fact}.rs"
            ));
        }
    }
    let tests: String = transcripts.iter().map(|name| test(name)).collect();
    let out = env::var("OUT_DIR").expect("cargo sets it");
    fs::write(Path::new(&out).join("facts.rs"), tests).expect("the output directory can be written");
}

/// The build fails, when everything has been looked at.
fn error(what: &str) {
    println!("cargo::error={what}");
}

/// The files of a directory with this extension, without it.
fn names(directory: &str, extension: &str) -> BTreeSet<String> {
    let files = fs::read_dir(directory).unwrap_or_else(|error| panic!("{directory}: {error}"));
    let names =
        files.map(|file| file.expect("the tree can be read").file_name().to_string_lossy().into_owned());
    names.filter_map(|name| Some(name.strip_suffix(extension)?.strip_suffix('.')?.to_owned())).collect()
}

fn test(transcript: &str) -> String {
    let function = transcript.replace('.', "_");
    format!("#[test]\nfn {function}() {{\n    play({transcript:?});\n}}\n")
}
