//! The contract resolves, every item in it is documented, and it changes only on purpose.
//!
//! The golden file holds the resolved package as one text. A change of the contract shows there: run with
//! `PARTY_BLESS=1` to write it anew, and look at the difference.

use std::fs;

use party_tests::root;
use wit_component::WitPrinter;
use wit_parser::{Docs, Resolve, Type, TypeDefKind};

fn resolved() -> (Resolve, wit_parser::PackageId) {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(root().join("wit")).expect("the contract resolves");
    (resolve, package)
}

/// The resolved package as text, without its comments.
fn printed() -> String {
    let (resolve, package) = resolved();
    let mut printer = WitPrinter::default();
    printer.emit_docs(false);
    printer.print(&resolve, package, &[]).expect("what resolves can be printed");
    printer.output.to_string()
}

#[test]
fn the_contract_changes_only_on_purpose() {
    let golden = root().join("tests/contract/golden.wit");
    let now = printed();
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
            if !matches!(item.kind, TypeDefKind::Type(Type::Id(_))) {
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
