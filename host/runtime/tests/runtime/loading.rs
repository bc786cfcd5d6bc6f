//! Components that are refused, each with a message that says what is wrong.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use party_core::event::{DropCause, Handlers};
use party_core::limits::Limits;
use party_runtime::component::Digest;
use party_runtime::load::{COMPONENT_BYTES_MAX, LoadError};
use wit_component::dummy_module;
use wit_parser::{ManglingAndAbi, Resolve};

use crate::guests::{ALL_HANDLERS, Guest, UPGRADE_HANDLERS, component_of, echo, encode, world};
use crate::room::{ENGINE, load, small_limits, vars};

fn refusal(bytes: &[u8]) -> LoadError {
    match ENGINE.load(bytes, &vars(), &Arc::new(small_limits())) {
        Err(error) => error,
        Ok(_) => panic!("the component is taken"),
    }
}

fn said(bytes: &[u8]) -> String {
    refusal(bytes).to_string()
}

#[test]
fn what_is_no_component_is_named() {
    assert_eq!(said(b""), "the component is empty");
    assert_eq!(
        said(b"fn main() {}"),
        "this is not WebAssembly: it begins with \"fn main() {}\", not with \"\\0asm\""
    );
    assert_eq!(said(&wat_of("(module)")), "this is a core WebAssembly module, not a component");
    let large = vec![0; COMPONENT_BYTES_MAX as usize + 1];
    assert_eq!(said(&large), "the component is 67108865 bytes; the limit is 67108864");
    assert!(refusal(&wat_of("(module)")).hint().is_some());
}

#[test]
fn a_damaged_component_is_malformed_in_the_validator_s_words() {
    let whole = echo().build();
    assert!(matches!(refusal(&whole[..whole.len() / 2]), LoadError::Malformed(_)));
    assert!(matches!(refusal(&whole[..9]), LoadError::Malformed(_)));
    assert!(matches!(refusal(b"\0asm"), LoadError::Malformed(_)));
    let text = r#"(component (import "x" (func $f)) (export "f" (func 7)))"#;
    let LoadError::Malformed(text) = refusal(&wat_of(text)) else { panic!("it is malformed") };
    assert!(text.contains("index out of bounds"), "{text}");
}

/// Text whose meaning is not checked.
fn wat_of(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn every_single_byte_may_be_wrong() {
    // Flipped bits give an error or a component; the host goes on either way.
    let whole = Guest::new().build();
    let limits = Arc::new(Limits { turn_fuel_max: 100_000, ..small_limits() });
    let mut refused = 0;
    for at in (0..whole.len()).step_by(101) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x55;
        refused += u32::from(ENGINE.load(&damaged, &vars(), &limits).is_err());
    }
    assert!(refused > 10, "{refused}");
}

#[test]
fn another_world_is_refused_with_what_it_exports() {
    let mut resolve = Resolve::default();
    let package = resolve
        .push_str(
            "other.wit",
            "package my:thing@1.0.0;
             interface api { run: func(); }
             world other { export api; export extra: func(); }",
        )
        .unwrap();
    let world = resolve.select_world(&[package], None).unwrap();
    let text = r#"(module (func (export "my:thing/api@1.0.0#run")) (func (export "extra")))"#;
    let error = refusal(&component_of(text, &resolve, world));
    let expected =
        "the component does not export party:server/guest@0.1.0; it exports my:thing/api@1.0.0, extra";
    assert_eq!(error.to_string().split_once("; it").unwrap().0, expected.split_once("; it").unwrap().0);
    let LoadError::NoGuest { mut exports, .. } = error else { panic!("{error}") };
    exports.sort();
    assert_eq!(exports, ["extra", "my:thing/api@1.0.0"]);
    assert_eq!(
        said(&wat_of("(component)")),
        "the component does not export party:server/guest@0.1.0; it exports nothing"
    );
}

#[test]
fn another_version_is_named() {
    let text = r#"(component (instance $none) (export "party:server/guest@0.9.0" (instance $none)))"#;
    assert_eq!(
        said(&wat_of(text)),
        "the component exports party:server/guest@0.9.0; this host speaks party:server/guest@0.1.0"
    );
}

#[test]
fn missing_and_mistyped_functions_are_all_named() {
    let text = r#"(component
        (core module $m (func (export "f")) (func (export "g") (param i64) (result i32) (i32.const 0)))
        (core instance $i (instantiate $m))
        (func $f (canon lift (core func $i "f")))
        (func $g (param "event" u64) (result u32) (canon lift (core func $i "g")))
        (instance $guest (export "on-start" (func $f)) (export "on-alarm" (func $g)))
        (export "party:server/guest@0.1.0" (instance $guest)))"#;
    let LoadError::GuestFunctions { missing, mistyped, .. } = refusal(&wat_of(text)) else {
        panic!("it is unfit")
    };
    assert_eq!(mistyped, ["on-start", "on-alarm"]);
    let expected = [
        "capabilities",
        "on-resume",
        "on-connect",
        "on-message",
        "on-close",
        "on-error",
        "on-request",
        "on-completed",
        "on-stream",
        "on-drain",
        "on-response-closed",
    ];
    assert_eq!(missing, expected);
}

#[test]
fn imports_that_are_not_offered_are_all_named() {
    let (mut resolve, _) = world("room-only");
    resolve.push_str("http.wit", "package wasi:http@0.2.0; interface types { send: func(); }").unwrap();
    resolve.push_str("random.wit", "package wasi:random@0.3.0; interface random { draw: func(); }").unwrap();
    let needy = "package my:needy;
        world needy {
            import wasi:http/types@0.2.0;
            import wasi:random/random@0.3.0;
            import beep: func();
            export party:server/guest@0.1.0;
        }";
    let package = resolve.push_str("needy.wit", needy).unwrap();
    let world = resolve.select_world(&[package], None).unwrap();
    let guest = with_calls(&[
        ("wasi:http/types@0.2.0", "send", ""),
        ("wasi:random/random@0.3.0", "draw", ""),
        ("$root", "beep", ""),
    ]);
    let LoadError::Imports { mut imports } = refusal(&component_of(&guest, &resolve, world)) else {
        panic!("its imports are not offered")
    };
    imports.sort();
    assert_eq!(imports, ["beep", "wasi:http/types@0.2.0", "wasi:random/random@0.3.0"]);
}

#[test]
fn imports_of_the_contract_must_have_its_types() {
    let mut contract = String::new();
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
    for file in fs::read_dir(wit).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        // The package is declared once, at the beginning.
        if text.contains("package party:server") {
            contract.insert_str(0, &text)
        } else {
            contract.push_str(&text)
        }
    }
    let changed =
        contract.replace("now: func() -> timestamp-ms;", "now: func() -> u32; soon: func();").replace(
            "world room-only {",
            "interface weather { rain: func(); } world room-only { import weather;",
        );
    let mut resolve = Resolve::default();
    let package = resolve.push_str("changed.wit", &changed).unwrap();
    let world = resolve.select_world(&[package], Some("room-only")).unwrap();
    let guest = with_calls(&[
        ("party:server/room@0.1.0", "now", "(result i32)"),
        ("party:server/room@0.1.0", "soon", ""),
        ("party:server/weather@0.1.0", "rain", ""),
    ]);
    let LoadError::Imports { mut imports } = refusal(&component_of(&guest, &resolve, world)) else {
        panic!("its imports are not the contract's")
    };
    imports.sort();
    let expected =
        ["party:server/room@0.1.0 now", "party:server/room@0.1.0 soon", "party:server/weather@0.1.0"];
    assert_eq!(imports, expected);
}

/// A guest that imports these functions (interface, name, core type) and calls them.
fn with_calls(functions: &[(&str, &str, &str)]) -> String {
    let (mut imports, mut calls) = (String::new(), String::new());
    for (interface, name, ty) in functions {
        imports.push_str(&format!("(import \"{interface}\" \"{name}\" (func ${name} {ty}))\n"));
        calls.push_str(&if ty.is_empty() {
            format!("(call ${name})")
        } else {
            format!("(drop (call ${name}))")
        });
    }
    let guest = Guest::new().item(&format!("(func $calls {calls})")).prologue("(call $calls)");
    guest.text().replacen("(module", &format!("(module {imports}"), 1)
}

#[test]
fn memories_that_do_not_fit_a_room_are_refused() {
    let with_memory = |memory: &str| wat_of(&format!("(component (core module {memory}))"));
    assert_eq!(
        said(&with_memory("(memory 65)")),
        "the component's memory begins with 4259840 bytes; the limit is 4194304"
    );
    assert!(matches!(refusal(&with_memory("(memory i64 1)")), LoadError::Memory64));
    assert!(matches!(refusal(&with_memory("(memory 1 1 shared)")), LoadError::SharedMemory));
}

#[test]
fn memories_that_fit_one_by_one_but_not_together_make_no_instance() {
    let error = refusal(&Guest::new().item("(memory 40) (memory 40)").build());
    let LoadError::Start(DropCause::Instantiation(text)) = error else { panic!("{error}") };
    assert!(text.contains("memory"), "{text}");
}

#[test]
fn every_import_and_export_of_the_contract_fits() {
    // A module that imports all there is and exports all there is, and traps whatever is called.
    for name in ["room-only", "party"] {
        let (resolve, world) = world(name);
        let module = dummy_module(&resolve, world, ManglingAndAbi::Legacy(wit_parser::LiftLowerAbi::Sync));
        let LoadError::Start(DropCause::Trap(text)) = refusal(&encode(module, &resolve, world)) else {
            panic!("it fits but does not run")
        };
        assert!(text.contains("unreachable"), "{text}");
    }
}

#[test]
fn a_component_says_what_it_can_do() {
    let all = load(&Guest::new().build(), small_limits());
    assert_eq!(all.handlers(), Handlers(ALL_HANDLERS));
    let some = Handlers::ON_MESSAGE.with(Handlers::ON_RESPONSE_CLOSED);
    let bytes = Guest::new().handlers(some.0).build();
    let component = load(&bytes, small_limits());
    assert_eq!(component.handlers(), some);
    assert_eq!(component.digest(), Digest::of(&bytes));
    assert_eq!(component.digest().to_string().len(), 64);
}

#[test]
fn too_many_tables_are_refused_by_name() {
    let tables = "(table 1 funcref)".repeat(20);
    let error = said(&Guest::new().item(&tables).build());
    assert!(error.starts_with("the component cannot be compiled: "), "{error}");
    assert!(error.contains("table"), "{error}");
}

#[test]
fn a_component_that_can_be_carried_over_must_export_how() {
    let error = refusal(&Guest::new().handlers(ALL_HANDLERS | UPGRADE_HANDLERS).build());
    assert!(matches!(error, LoadError::Upgrade(_)), "{error}");
    assert_eq!(
        error.to_string(),
        "the component says that it has `save`, and does not export it in party:server/upgrade@0.1.0"
    );
    assert!(error.hint().is_some());
}

#[test]
fn a_component_that_announces_a_lobby_must_export_it() {
    for (handler, name) in [
        (Handlers::BEFORE_CONNECT, "before-connect"),
        (Handlers::BEFORE_REQUEST, "before-request"),
        (Handlers::ON_FETCH, "on-fetch"),
        (Handlers::ON_CRON, "on-cron"),
    ] {
        let error = refusal(&Guest::new().handlers(ALL_HANDLERS | handler.0).build());
        assert!(matches!(error, LoadError::Lobby(_)), "{error}");
        let says = format!(
            "the component says that it has `{name}`, and does not export it in party:server/lobby@0.1.0"
        );
        assert_eq!(error.to_string(), says);
        assert!(error.hint().is_some());
    }
}
