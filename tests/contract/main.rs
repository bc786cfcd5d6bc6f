//! The contract resolves, every item in it is documented, and it changes only on purpose.
//!
//! The golden file holds every function and type of the resolved package, one a line. A change of the contract
//! shows there: run with `PARTY_BLESS=1` to write it anew, and look at the difference.

use std::fs;

use party_tests::root;
use wit_parser::{Docs, Resolve, TypeDefKind, WorldItem, WorldKey};

fn resolved() -> (Resolve, wit_parser::PackageId) {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(root().join("wit")).expect("the contract resolves");
    (resolve, package)
}

/// One line for each item, in the order of the files' names.
fn listing() -> String {
    let (resolve, package) = resolved();
    let package = &resolve.packages[package];
    let mut lines = vec![format!("package {}", package.name)];
    for (name, id) in &package.worlds {
        let world = &resolve.worlds[*id];
        for (direction, items) in [("import", &world.imports), ("export", &world.exports)] {
            for (key, item) in items {
                let item_name = match (key, item) {
                    (WorldKey::Interface(id), WorldItem::Interface { .. }) => {
                        resolve.interfaces[*id].name.clone().unwrap_or_default()
                    }
                    (WorldKey::Name(name), _) => name.clone(),
                    (WorldKey::Interface(_), WorldItem::Function(_) | WorldItem::Type { .. }) => {
                        unreachable!("an interface key names an interface")
                    }
                };
                lines.push(format!("world {name}: {direction} {item_name}"));
            }
        }
    }
    for (name, id) in &package.interfaces {
        let interface = &resolve.interfaces[*id];
        for (type_name, id) in &interface.types {
            lines.push(format!("{name}.{type_name}: {:?}", resolve.types[*id].kind));
        }
        for (function_name, function) in &interface.functions {
            lines.push(format!("{name}.{function_name}: {:?} -> {:?}", function.params, function.result));
        }
    }
    lines.join("\n") + "\n"
}

#[test]
fn the_contract_changes_only_on_purpose() {
    let golden = root().join("tests/contract/golden.txt");
    let now = listing();
    if std::env::var_os("PARTY_BLESS").is_some() {
        fs::write(&golden, &now).expect("the golden file can be written");
    }
    let before = fs::read_to_string(&golden).expect("the golden file is there");
    for (before, now) in before.lines().zip(now.lines()) {
        assert_eq!(before, now, "the contract has changed; if on purpose, run again with PARTY_BLESS=1");
    }
    assert_eq!(before.lines().count(), now.lines().count(), "the contract has changed");
}

#[test]
fn every_item_of_the_contract_is_documented() {
    let (resolve, package) = resolved();
    let mut mute = Vec::new();
    let mut check = |what: String, docs: &Docs| {
        if docs.contents.as_deref().unwrap_or_default().trim().is_empty() {
            mute.push(what);
        }
    };
    for (name, id) in &resolve.packages[package].interfaces {
        let interface = &resolve.interfaces[*id];
        check(name.clone(), &interface.docs);
        for (type_name, id) in &interface.types {
            let item = &resolve.types[*id];
            // A `use` repeats what is documented where it is defined.
            if !matches!(item.kind, TypeDefKind::Type(wit_parser::Type::Id(_))) {
                check(format!("{name}.{type_name}"), &item.docs);
            }
        }
        for (function_name, function) in &interface.functions {
            check(format!("{name}.{function_name}"), &function.docs);
        }
    }
    assert!(mute.is_empty(), "without a word: {mute:?}");
}

#[test]
fn every_interface_has_a_file_of_its_own() {
    let (resolve, package) = resolved();
    for (name, _) in &resolve.packages[package].interfaces {
        let path = root().join("wit").join(format!("{name}.wit"));
        assert!(path.is_file(), "interface {name} belongs into wit/{name}.wit");
    }
}
