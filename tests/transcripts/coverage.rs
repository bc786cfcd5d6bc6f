//! Every function, every event, every error and every reason of the contract is shown by a fact, and a fact covers what it
//! says.
//!
//! The header of a fact ends with what it covers: `//! covers: storage.put, storage.storage-error.too-many`. A function is
//! `INTERFACE.FUNCTION`, an error or a reason `INTERFACE.TYPE.CASE`, and an interface of WASI has its own name. That a fact calls what it
//! covers is read off its component, which imports what it calls and nothing else.

use std::collections::BTreeSet;
use std::fs;

use party_tests::guests::party_path;
use party_tests::root;
use wit_component::DecodedWasm;
use wit_parser::{Resolve, TypeDefKind, WorldItem};

/// What a fact says that it covers.
struct Fact {
    name: String,
    covers: Vec<String>,
}

fn facts() -> Vec<Fact> {
    let files = fs::read_dir(root().join("tests/guests/facts")).expect("it is there");
    let sources = files.map(|file| file.expect("it can be read").path());
    let sources = sources.filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    let facts = sources.map(|path| {
        let name = path.file_stem().expect("it has a name").to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).expect("sources are UTF-8");
        let header: Vec<&str> = text.lines().map_while(|line| line.strip_prefix("//! ")).collect();
        let (_, covers) = header.join(" ").split_once(" covers: ").map_or_else(
            || panic!("tests/guests/facts/{name}.rs does not say what it covers: `//! covers: storage.put`"),
            |(fact, covers)| (fact.to_owned(), covers.to_owned()),
        );
        Fact { name, covers: covers.split(',').map(|item| item.trim().to_owned()).collect() }
    });
    facts.collect()
}

/// The contract by name.
struct Contract {
    /// What a party can call.
    imports: BTreeSet<String>,
    /// That, what a party is called with, and what calls are refused with.
    items: BTreeSet<String>,
}

impl Contract {
    fn read() -> Contract {
        let mut resolve = Resolve::default();
        let (package, _) = resolve.push_dir(root().join("wit")).expect("the contract resolves");
        let world = resolve.select_world(&[package], Some("party")).expect("the contract has this world");
        let world = &resolve.worlds[world];
        let imports = functions(&resolve, world.imports.values());
        let mut items = functions(&resolve, world.exports.values());
        items.extend(imports.iter().cloned());
        for (name, id) in &resolve.packages[package].interfaces {
            for (type_name, id) in &resolve.interfaces[*id].types {
                if let (TypeDefKind::Variant(error), true) =
                    (&resolve.types[*id].kind, type_name.ends_with("-error"))
                {
                    items.extend(error.cases.iter().map(|case| format!("{name}.{type_name}.{}", case.name)));
                }
                if let (TypeDefKind::Enum(reason), true) =
                    (&resolve.types[*id].kind, type_name.ends_with("-reason"))
                {
                    items.extend(reason.cases.iter().map(|case| format!("{name}.{type_name}.{}", case.name)));
                }
            }
        }
        Contract { imports, items }
    }
}

/// The functions of these interfaces: `storage.put`, and of WASI's the interfaces themselves, `wasi:cli/exit`.
fn functions<'a>(resolve: &Resolve, interfaces: impl Iterator<Item = &'a WorldItem>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for item in interfaces {
        let WorldItem::Interface { id, .. } = item else { continue };
        let interface = &resolve.interfaces[*id];
        let (Some(name), Some(package)) = (&interface.name, interface.package) else { continue };
        let package = &resolve.packages[package].name;
        match package.namespace == "wasi" {
            true => _ = found.insert(format!("wasi:{}/{name}", package.name)),
            false => found.extend(interface.functions.keys().map(|function| format!("{name}.{function}"))),
        }
    }
    found
}

/// What a component imports.
fn imported(name: &str) -> BTreeSet<String> {
    let component = fs::read(party_path(name)).expect("it was built");
    match wit_component::decode(&component).expect("what was built can be read") {
        DecodedWasm::Component(resolve, world) => functions(&resolve, resolve.worlds[world].imports.values()),
        DecodedWasm::WitPackage(..) => panic!("{name} is no component"),
    }
}

#[test]
fn every_function_every_event_and_every_error_is_covered_by_a_fact() {
    let covered: BTreeSet<String> = facts().into_iter().flat_map(|fact| fact.covers).collect();
    let items = Contract::read().items;
    assert!(items.len() > 100, "the contract was found");
    let uncovered: Vec<&String> = items.iter().filter(|item| !covered.contains(*item)).collect();
    assert!(uncovered.is_empty(), "no fact in tests/guests/facts covers {uncovered:?}");
}

#[test]
fn a_fact_covers_what_there_is_and_calls_what_it_covers() {
    let Contract { imports, items } = Contract::read();
    for Fact { name, covers } in facts() {
        let imported = imported(&name);
        for item in &covers {
            let is_there = items.contains(item) || item.starts_with("wasi:");
            assert!(
                is_there,
                "tests/guests/facts/{name}.rs covers {item}, and there is nothing of this name"
            );
            let is_called = imported.contains(item) || !(imports.contains(item) || item.starts_with("wasi:"));
            assert!(
                is_called,
                "tests/guests/facts/{name}.rs covers {item} and does not import it: {imported:?}"
            );
        }
    }
}
