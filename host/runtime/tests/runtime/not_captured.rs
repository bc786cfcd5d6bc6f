//! What cannot be captured is served all the same, and says why it stays awake.

use party_core::event::TurnEnd;
use party_core::message::Message;
use party_runtime::capture::NotCapturable;
use party_runtime::restore::RestoreError;

use crate::guests::{Guest, echo, logging};
use crate::room::{TestRoom, block_on, load, small_limits};

/// The guest answers, and cannot be captured for this reason.
fn stays_awake(bytes: &[u8], expected: &NotCapturable) {
    let mut room = TestRoom::with_limits(bytes, small_limits());
    block_on(async {
        let client = room.connect().await;
        assert_eq!(room.end_of(client, "hello").await, TurnEnd::Done);
        assert_eq!(room.sent(), ["hello"]);
    });
    assert_eq!(room.component().capturable(), Err(expected));
    assert_eq!(room.component().layout_key(), None);
    assert_eq!(room.capture().as_ref(), Err(expected));
    let other = load(&echo().build(), small_limits());
    let snapshot = block_on(other.instantiate()).unwrap().capture().unwrap();
    let refused = block_on(room.component().restore(&snapshot)).err();
    assert_eq!(refused, Some(RestoreError::NotCapturable(expected.clone())));
}

fn stays_awake_with(item: &str, expected: NotCapturable) {
    stays_awake(&echo().item(item).build(), &expected);
}

#[test]
fn code_that_changes_what_is_not_memory_keeps_a_room_awake() {
    let table = "(table $t 1 funcref) (elem $e func)";
    let cases = [
        ("table.set", "(table.set $t (i32.const 0) (ref.null func))"),
        ("table.grow", "(drop (table.grow $t (ref.null func) (i32.const 0)))"),
        ("table.fill", "(table.fill $t (i32.const 0) (ref.null func) (i32.const 0))"),
        ("table.copy", "(table.copy $t $t (i32.const 0) (i32.const 0) (i32.const 0))"),
        ("table.init", "(table.init $t $e (i32.const 0) (i32.const 0) (i32.const 0))"),
        ("elem.drop", "(elem.drop $e)"),
    ];
    for (instruction, code) in cases {
        let item = format!("{table} (func $never {code})");
        stays_awake_with(&item, NotCapturable::Instruction(instruction));
    }
    let dropped = r#"(data $d "x") (func $never (data.drop $d))"#;
    stays_awake_with(dropped, NotCapturable::Instruction("data.drop"));
}

#[test]
fn code_that_only_reads_tables_and_segments_sleeps() {
    let guest = echo().item(
        r#"(table $t 1 funcref) (elem (i32.const 0) func $reads) (data $d "x")
           (func $reads (memory.init $d (i32.const 5000) (i32.const 0) (i32.const 1))
             (drop (table.get $t (i32.const 0))) (call_indirect $t (i32.const 0)))"#,
    );
    assert_eq!(load(&guest.build(), small_limits()).capturable(), Ok(()));
}

#[test]
fn globals_that_are_no_numbers_keep_a_room_awake() {
    for (ty, start) in [("v128", "(v128.const i64x2 1 2)"), ("funcref", "(ref.null func)")] {
        let item = format!("(global $g (mut {ty}) {start})");
        stays_awake_with(&item, NotCapturable::GlobalType(ty.into()));
        let constant = echo().item(&format!("(global $g {ty} {start})"));
        assert_eq!(load(&constant.build(), small_limits()).capturable(), Ok(()), "{ty}");
    }
}

#[test]
fn more_globals_than_are_read_keep_a_room_awake() {
    let globals = |count: usize| "(global (mut i32) (i32.const 0))".repeat(count);
    // One is the guest's own.
    stays_awake_with(&globals(1_024), NotCapturable::Globals { count: 1_025, count_max: 1_024 });
    let many = load(&echo().item(&globals(1_023)).build(), small_limits());
    assert_eq!(many.capturable(), Ok(()));
    assert!(block_on(many.instantiate()).unwrap().capture().is_ok());
}

#[test]
fn names_that_are_taken_keep_a_room_awake() {
    let taken = echo().item(r#"(export "party-host-snapshot:memory-0" (memory 0))"#).build();
    let mut room = TestRoom::of(&taken);
    block_on(async {
        let client = room.connect().await;
        room.message(client, Message::text("hello")).await;
    });
    assert_eq!(room.sent(), ["hello"]);
    let Err(NotCapturable::Rewriting(text)) = room.component().capturable() else { panic!("it sleeps") };
    assert!(text.contains("party-host-snapshot:memory-0"), "{text}");
}

/// A component with another section behind it.
fn with_section(mut component: Vec<u8>, id: u8, section: &[u8]) -> Vec<u8> {
    assert!(section.len() < 128);
    component.extend_from_slice(&[id, section.len() as u8]);
    component.extend_from_slice(section);
    component
}

#[test]
fn modules_that_nobody_can_reach_keep_a_room_awake() {
    let nested = wat::parse_str("(component (core module (memory 1)))").unwrap();
    stays_awake(&with_section(echo().build(), 4, &nested), &NotCapturable::NestedModule);
    // A module that no instance is made of has nothing to keep.
    let unused =
        wat::parse_str(r#"(module (table 1 funcref) (func (table.set (i32.const 0) (ref.null func))))"#);
    let component = load(&with_section(echo().build(), 1, &unused.unwrap()), small_limits());
    assert_eq!(component.capturable(), Ok(()));
}

#[test]
fn resources_of_its_own_keep_a_room_awake() {
    // A resource type, and `resource.new` for it.
    let component = with_section(echo().build(), 7, &[1, 0x3f, 0x7f, 0]);
    let types = count_of_types(&echo().build());
    assert!(types < 128);
    let component = with_section(component, 8, &[1, 0x02, types as u8]);
    stays_awake(&component, &NotCapturable::OwnResources);
}

fn count_of_types(component: &[u8]) -> u32 {
    let mut validator = wasmparser::Validator::new();
    let types = validator.validate_all(component).unwrap();
    types.as_ref().component_type_count()
}

/// Writes to a file descriptor when it gets a message, closes it when it gets an empty one, and looks at it.
fn writing(opens_in_prologue: bool) -> Guest {
    let write = "(drop (call $fd_write (i32.const 1) (i32.const 3000) (i32.const 1) (i32.const 3100)))";
    logging()
        .wasi("fd_write", "(param i32 i32 i32 i32) (result i32)")
        .wasi("fd_close", "(param i32) (result i32)")
        .item(r#"(data (i32.const 3000) "\80\0c\00\00\02\00\00\00") (data (i32.const 3200) "a\n")"#)
        .on(
            "on-message",
            &format!(
                "(if (local.get $bytes) (then {write}) (else (drop (call $fd_close (i32.const 1))))) (i32.const 1024)"
            ),
        )
        .prologue(if opens_in_prologue { write } else { "" })
}

#[test]
fn a_handle_that_the_prologue_did_not_open_keeps_a_room_awake() {
    let mut room = TestRoom::of(&writing(false).build());
    block_on(async {
        let client = room.connect().await;
        assert!(room.capture().is_ok());
        room.end_of(client, "x").await;
        assert!(matches!(room.capture(), Err(NotCapturable::Handles { handles: 1.. })));
        assert_eq!(room.component().capturable(), Ok(()));
    });
}

#[test]
fn a_handle_that_the_prologue_opened_works_after_a_nap() {
    let mut room = TestRoom::of(&writing(true).build());
    block_on(async {
        let client = room.connect().await;
        for _ in 0..3 {
            room.nap().await;
            assert_eq!(room.end_of(client, "x").await, TurnEnd::Done);
        }
        assert_eq!(room.logged(), ["a"; 3]);
    });
}

#[test]
fn a_handle_that_was_closed_keeps_a_room_awake_also_with_another_in_its_place() {
    // Straight to WASI 0.2: closes the standard output that the prologue opened, and opens it again: as many handles,
    // with the same numbers.
    let guest = Guest::new()
        .item("(global $stdout (mut i32) (i32.const 0))")
        .prologue("(global.set $stdout (call $get-stdout))")
        .on(
            "on-message",
            "(call $drop (global.get $stdout))
             (if (local.get $bytes) (then
               (if (i32.ne (call $get-stdout) (global.get $stdout)) (then (unreachable)))))
             (i32.const 1024)",
        );
    let text = guest.text().replacen(
        "(module",
        r#"(module
           (import "wasi:cli/stdout@0.2.0" "get-stdout" (func $get-stdout (result i32)))
           (import "wasi:io/streams@0.2.0" "[resource-drop]output-stream" (func $drop (param i32)))"#,
        1,
    );
    for (message, handles) in [("reopen", 1), ("", 0)] {
        let mut room = TestRoom::of(&with_stdout(&text));
        block_on(async {
            let client = room.connect().await;
            assert!(room.capture().is_ok());
            assert_eq!(room.end_of(client, message).await, TurnEnd::Done);
            assert_eq!(room.capture(), Err(NotCapturable::Handles { handles }));
        });
    }
}

/// A component of this module in the contract's world and with WASI's standard output.
fn with_stdout(text: &str) -> Vec<u8> {
    let (mut resolve, _) = crate::guests::world("room-only");
    let wasi = "package wasi:io@0.2.0; interface streams { resource output-stream; }";
    resolve.push_str("io.wit", wasi).unwrap();
    let wasi = "package wasi:cli@0.2.0;
        interface stdout { use wasi:io/streams@0.2.0.{output-stream}; get-stdout: func() -> output-stream; }";
    resolve.push_str("cli.wit", wasi).unwrap();
    let wanted = "package test:guest; world with-stdout {
        include party:server/room-only@0.1.0; import wasi:cli/stdout@0.2.0; import wasi:io/streams@0.2.0; }";
    let package = resolve.push_str("guest.wit", wanted).unwrap();
    let world = resolve.select_world(&[package], Some("with-stdout")).unwrap();
    crate::guests::component_of(text, &resolve, world)
}

#[test]
fn after_a_dropped_turn_nothing_is_captured() {
    let guest = echo().on("on-message", "(i32.store (i32.const 3000) (i32.const 1)) (unreachable)");
    let mut room = TestRoom::of(&guest.build());
    room.keep_dropped_instances();
    block_on(async {
        let client = room.connect().await;
        assert!(room.capture().is_ok());
        room.drop_of(client, "x").await;
    });
    assert_eq!(room.capture(), Err(NotCapturable::Dropped));
}

#[test]
fn every_reason_is_told_in_words() {
    let cases = [
        (NotCapturable::Memory64, "the component has a 64-bit memory"),
        (NotCapturable::Instruction("table.set"), "the component's code has the instruction table.set"),
        (NotCapturable::BaseDiffers, "two fresh instances of the component differ"),
        (NotCapturable::Handles { handles: 3 }, "the guest holds 3 WASI handles"),
    ];
    for (reason, text) in cases {
        assert!(reason.to_string().starts_with(text), "{reason}");
    }
}
