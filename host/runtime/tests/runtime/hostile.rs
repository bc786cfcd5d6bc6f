//! Hostile guests: each is contained, its turn is dropped for the right cause, and the next instance works.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use party_core::event::{DropCause, TurnEnd};
use party_core::limits::{Limits, TURN_OUTPUTS_MAX};
use party_core::message::Message;
use party_core::storage::{KeyRange, RoomStorage, StorageReadError, Visit};
use party_runtime::load::LoadError;

use crate::guests::{Guest, echo, logging};
use crate::room::{ENGINE, TestRoom, block_on, load, small_limits, vars};

/// A guest that misbehaves when it is told "bad", and otherwise sends back what it gets.
fn misbehaving(guest: Guest, misdeed: &str) -> Guest {
    guest.import("connections", "send", "(param i64 i32 i32 i32 i32)").on(
        "on-message",
        &format!(
            "(if (i32.eq (local.get $bytes) (i32.const 3)) (then {misdeed}))
             (call $send (local.get $connection) (local.get $kind) (local.get $text) (local.get $bytes) (i32.const 2048))
             (i32.const 1024)"
        ),
    )
}

/// The guest's turn is dropped, nothing of it is seen, and the room goes on in a new instance.
async fn contained(guest: Guest, misdeed: &str, limits: Limits) -> DropCause {
    let mut room = TestRoom::with_limits(&misbehaving(guest, misdeed).build(), limits);
    let connection = room.connect().await;
    let cause = room.drop_of(connection, "bad").await;
    assert_eq!(room.sent(), [""; 0]);
    room.message(connection, Message::text("good")).await;
    assert_eq!(room.sent(), ["good"]);
    cause
}

/// As [`contained`], and the cause is a trap whose text holds this.
fn traps(guest: Guest, misdeed: &str, expected: &str) {
    match block_on(contained(guest, misdeed, small_limits())) {
        DropCause::Trap(text) => {
            assert!(text.contains(expected), "{text}");
            assert!(text.len() <= 2_048, "{} bytes", text.len());
        }
        cause => panic!("{cause}"),
    }
}

#[test]
fn a_loop_ends_with_its_fuel() {
    let limits = Limits { turn_fuel_max: 1_000_000, ..small_limits() };
    let cause = block_on(contained(Guest::new(), "(loop $forever (br $forever))", limits));
    assert_eq!(cause, DropCause::Fuel { fuel_max: 1_000_000 });
}

#[test]
fn a_loop_ends_at_its_deadline_and_others_go_on_meanwhile() {
    let limits = Limits { turn_fuel_max: u64::MAX, turn_deadline_ms: 60, ..small_limits() };
    let guest = misbehaving(Guest::new(), "(loop $forever (br $forever))").build();
    block_on(async {
        let mut busy = TestRoom::with_limits(&guest, limits);
        let mut other = TestRoom::of(&echo().build());
        let (busy_connection, other_connection) = (busy.connect().await, other.connect().await);
        let looping = busy.drop_of(busy_connection, "bad");
        let mut looping = std::pin::pin!(looping);
        let mut turns_meanwhile = 0;
        let cause = loop {
            tokio::select! {
                biased;
                cause = &mut looping => break cause,
                () = other.message(other_connection, Message::text("x")) => turns_meanwhile += 1,
            }
        };
        assert_eq!(cause, DropCause::Deadline { deadline_ms: 60 });
        assert!(turns_meanwhile >= 30, "{turns_meanwhile} turns of another room in about 60 yields");
    });
}

#[test]
fn memory_beyond_the_bound_is_refused_and_the_room_goes_on() {
    let guest = Guest::new()
        .on(
            "on-message",
            "(loop $more (br_if $more (i32.ge_s (memory.grow (i32.const 1)) (i32.const 0))))
             (if (i32.ne (memory.size) (i32.const 64)) (then (unreachable)))
             (i32.const 1024)",
        )
        .build();
    block_on(async {
        let mut room = TestRoom::with_limits(&guest, small_limits());
        let connection = room.connect().await;
        assert_eq!(room.end_of(connection, "").await, TurnEnd::Done);
        assert_eq!(room.instance().memory_bytes(), small_limits().memory_bytes_max);
    });
}

#[test]
fn a_guest_that_takes_all_memory_and_fails_is_a_trap() {
    let allocate =
        "(loop $more (drop (call $allocate (i32.const 0) (i32.const 0) (i32.const 8) (i32.const 65536)))
                      (br $more))";
    traps(Guest::new(), allocate, "unreachable");
}

#[test]
fn a_table_does_not_grow_without_end() {
    let guest = Guest::new().item("(table $t 1 funcref)").on(
        "on-message",
        "(loop $more (br_if $more (i32.ge_s (table.grow $t (ref.null func) (i32.const 1000)) (i32.const 0))))
         (if (i32.gt_u (table.size $t) (i32.const 20000)) (then (unreachable)))
         (i32.const 1024)",
    );
    block_on(async {
        let mut room = TestRoom::of(&guest.build());
        let connection = room.connect().await;
        assert_eq!(room.end_of(connection, "").await, TurnEnd::Done);
    });
}

#[test]
fn traps_are_told_with_the_functions_they_happened_in() {
    let guest = Guest::new().item("(func $inner (unreachable)) (func $outer (call $inner))");
    traps(guest, "(call $outer)", "wasm `unreachable` instruction executed (in inner < outer < on-message)");
    traps(Guest::new(), "(drop (i32.div_u (i32.const 1) (i32.const 0)))", "integer divide by zero");
    traps(Guest::new(), "(drop (i32.load (i32.const -4)))", "out of bounds memory access");
}

#[test]
fn endless_recursion_is_a_trap() {
    let guest = Guest::new()
        .item("(func $deeper (param i64) (result i64) (i64.add (i64.const 1) (call $deeper (local.get 0))))");
    traps(guest, "(drop (call $deeper (i64.const 0)))", "call stack exhausted");
}

#[test]
fn bad_pointers_and_values_are_traps() {
    let send = |arguments: &str| format!("(call $send (local.get $connection) {arguments} (i32.const 2048))");
    traps(Guest::new(), &send("(i32.const 0) (i32.const -8) (i32.const 100)"), "out of bounds");
    traps(Guest::new(), &send("(i32.const 1) (i32.const 0) (i32.const -1)"), "out of bounds");
    traps(Guest::new(), &send("(i32.const 9) (i32.const 0) (i32.const 0)"), "discriminant");
    traps(
        Guest::new().item(r#"(data (i32.const 3000) "\ff\fe")"#),
        &send("(i32.const 0) (i32.const 3000) (i32.const 2)"),
        "utf-8",
    );
    traps(Guest::new(), "(return (i32.const -4))", "out of bounds");
    traps(Guest::new(), "(return (i32.const 1025))", "aligned");
    traps(Guest::new().item(r#"(data (i32.const 3000) "\07")"#), "(return (i32.const 3000))", "discriminant");
}

#[test]
fn a_list_that_shows_the_same_bytes_a_million_times_is_a_trap() {
    // 65,536 entries, each of which says that key and value are the megabyte at 0: 128 GiB to copy.
    let guest = Guest::new().import("storage", "put-many", "(param i32 i32 i32)");
    let misdeed = "(local.set $bytes (i32.const 0))
         (drop (memory.grow (i32.const 32)))
         (loop $entry
           (i32.store (i32.add (i32.const 1048576) (local.get $bytes)) (i32.const 0))
           (i32.store offset=4 (i32.add (i32.const 1048576) (local.get $bytes)) (i32.const 1048576))
           (local.set $bytes (i32.add (local.get $bytes) (i32.const 8)))
           (br_if $entry (i32.lt_u (local.get $bytes) (i32.const 1048576))))
         (call $put-many (i32.const 1048576) (i32.const 65536) (i32.const 2048))";
    traps(guest, misdeed, "fuel");
}

#[test]
fn a_flood_of_messages_stops_at_the_turn_s_bound() {
    let guest = echo().on(
        "on-message",
        "(loop $again
           (call $send (local.get $connection) (local.get $kind) (local.get $text) (local.get $bytes) (i32.const 2048))
           (br_if $again (i32.eqz (i32.load8_u (i32.const 2048)))))
         (if (i32.ne (i32.load8_u (i32.const 2056)) (i32.const 6)) (then (unreachable)))
         (i32.const 1024)",
    );
    let guest = guest.build();
    block_on(async {
        let by_count = Limits { turn_sends_max: 1_000, ..small_limits() };
        let by_bytes = Limits { turn_output_bytes_max: 50_000, ..small_limits() };
        let by_neither = small_limits();
        for (limits, sends) in [(by_count, 1_000), (by_bytes, 500), (by_neither, TURN_OUTPUTS_MAX)] {
            let mut room = TestRoom::with_limits(&guest, limits);
            let connection = room.connect().await;
            assert_eq!(room.end_of(connection, &"x".repeat(100)).await, TurnEnd::Done);
            assert_eq!(room.sent().len(), sends);
        }
    });
}

#[test]
fn a_flood_of_log_lines_is_counted() {
    let guest = logging().item("(global $n (mut i32) (i32.const 0))").on(
        "on-message",
        "(loop $again
           (call $log (i32.const 2) (local.get $text) (local.get $bytes))
           (global.set $n (i32.add (global.get $n) (i32.const 1)))
           (br_if $again (i32.lt_u (global.get $n) (i32.const 100000))))
         (i32.const 1024)",
    );
    block_on(async {
        let mut room = TestRoom::of(&guest.build());
        let connection = room.connect().await;
        assert_eq!(room.end_of(connection, "x").await, TurnEnd::Done);
        assert_eq!((room.logs.len(), room.logs_left_out), (256, 99_744));
    });
}

#[test]
fn a_flood_of_writes_stops_at_the_turn_s_bound() {
    let guest = Guest::new()
        .import("storage", "put", "(param i32 i32 i32 i32 i32)")
        .item("(global $n (mut i32) (i32.const 0))")
        .on(
            "on-message",
            "(loop $again
               (i32.store (i32.const 3000) (global.get $n))
               (global.set $n (i32.add (global.get $n) (i32.const 1)))
               (call $put (i32.const 3000) (i32.const 4) (i32.const 0) (i32.const 65536) (i32.const 2048))
               (br_if $again (i32.eqz (i32.load8_u (i32.const 2048)))))
             (if (i32.ne (i32.load8_u (i32.const 2056)) (i32.const 4)) (then (unreachable)))
             (if (i32.ne (global.get $n) (i32.const 256)) (then (unreachable)))
             (i32.const 1024)",
        );
    block_on(async {
        let mut room = TestRoom::of(&guest.build());
        let connection = room.connect().await;
        assert_eq!(room.end_of(connection, "x").await, TurnEnd::Done);
    });
}

/// A store whose device has failed.
struct Broken;

impl RoomStorage for Broken {
    fn get(&self, _key: &[u8]) -> Result<Option<Bytes>, StorageReadError> {
        Err(StorageReadError::Io("the device is gone".into()))
    }

    fn scan(
        &self,
        _range: &KeyRange,
        _reverse: bool,
        _visit: &mut dyn FnMut(&[u8], &[u8]) -> Visit,
    ) -> Result<(), StorageReadError> {
        Err(StorageReadError::Damaged("page 7".into()))
    }
}

#[test]
fn a_store_that_cannot_be_read_ends_the_turn_at_once() {
    let guest = logging()
        .import("storage", "get", "(param i32 i32 i32)")
        .import("storage", "list", "(param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)")
        .on(
            "on-message",
            "(if (local.get $bytes)
               (then (call $get (i32.const 0) (i32.const 1) (i32.const 2048)))
               (else (call $list (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
                 (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
                 (i32.const 0) (i32.const 2048))))
             (call $log (i32.const 0) (i32.const 0) (i32.const 0))
             (i32.const 1024)",
        );
    block_on(async {
        let mut room = TestRoom::over_storage(&guest.build(), Arc::new(Broken));
        let connection = room.connect().await;
        let read = room.drop_of(connection, "get").await;
        assert_eq!(read, DropCause::Storage("the store cannot be read: the device is gone".into()));
        assert_eq!(room.logged(), [""; 0]);
        // That one is to be made anew of what is kept of it; this is another.
        let mut room = TestRoom::over_storage(&guest.build(), Arc::new(Broken));
        let connection = room.connect().await;
        let listed = room.drop_of(connection, "").await;
        assert_eq!(listed, DropCause::Storage("a stored value is damaged: page 7".into()));
        assert_eq!(room.logged(), [""; 0]);
    });
}

#[test]
fn an_instance_that_trapped_is_never_called_again() {
    let guest = misbehaving(Guest::new(), "(unreachable)").build();
    block_on(async {
        let mut room = TestRoom::of(&guest);
        room.keep_dropped_instances();
        let connection = room.connect().await;
        room.drop_of(connection, "bad").await;
        let again =
            catch_unwind(AssertUnwindSafe(|| block_on_nested(room.message(connection, Message::text("x")))));
        let panicked = again.expect_err("the second call is refused");
        let text = panicked.downcast_ref::<&str>().expect("it says why");
        assert_eq!(*text, "an instance whose last turn did not end in order is never called again");
    });
}

/// Runs a future that does not wait, inside of another.
fn block_on_nested<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut context) {
        std::task::Poll::Ready(output) => output,
        std::task::Poll::Pending => panic!("the future waits"),
    }
}

#[test]
fn a_start_is_bounded_and_contained() {
    let load = |guest: Guest, limits: Limits| match ENGINE.load(&guest.build(), &vars(), &Arc::new(limits)) {
        Err(LoadError::Start(cause)) => cause,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("the component is taken"),
    };
    let endless = "(loop $forever (br $forever))";
    let fuel = Limits { turn_fuel_max: 1_000_000, ..small_limits() };
    assert_eq!(load(Guest::new().prologue(endless), fuel.clone()), DropCause::Fuel { fuel_max: 1_000_000 });
    let start = Guest::new().item(&format!("(func $begin {endless}) (start $begin)"));
    assert_eq!(load(start, fuel), DropCause::Fuel { fuel_max: 1_000_000 });
    let deadline = Limits { turn_deadline_ms: 20, turn_fuel_max: u64::MAX, ..small_limits() };
    assert_eq!(load(Guest::new().prologue(endless), deadline), DropCause::Deadline { deadline_ms: 20 });
    let trap = load(Guest::new().prologue("(unreachable)"), small_limits());
    assert!(trap.to_string().contains("unreachable"), "{trap}");
}

#[test]
fn whatever_the_prologue_may_not_use_is_a_trap_that_names_itself() {
    let send = "(call $send (i64.const 1) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 2048))";
    let text = "(param i32)";
    for (interface, function, signature, call) in [
        ("connections", "send", "(param i64 i32 i32 i32 i32)", send),
        ("room", "project", text, "(call $project (i32.const 2048))"),
        ("room", "party", text, "(call $party (i32.const 2048))"),
        ("room", "id", text, "(call $id (i32.const 2048))"),
        ("room", "incarnation", text, "(call $incarnation (i32.const 2048))"),
        ("room", "now", "(result i64)", "(drop (call $now))"),
        ("room", "var", "(param i32 i32 i32)", "(call $var (i32.const 0) (i32.const 0) (i32.const 2048))"),
        ("room", "usage", text, "(call $usage (i32.const 2048))"),
    ] {
        let guest = Guest::new().import(interface, function, signature).prologue(call).build();
        let loaded = ENGINE.load(&guest, &vars(), &Arc::default());
        let Err(LoadError::Start(DropCause::Trap(text))) = loaded else {
            panic!("{interface}.{function}: the component is taken");
        };
        let expected = "was called while the instance starts; only logging, random and room.vars can be";
        assert!(text.starts_with(&format!("{interface}.{function} {expected}")), "{text}");
    }
}

#[test]
fn reads_in_the_prologue_are_the_same_for_every_instance() {
    let guest = logging()
        .import("random", "bytes", "(param i32 i32)")
        .import("room", "vars", "(param i32)")
        .item("(global $drawn (mut i64) (i64.const 0))")
        .prologue(
            "(call $bytes (i32.const 8) (i32.const 2048))
             (global.set $drawn (i64.load (i32.load (i32.const 2048))))
             (call $log (i32.const 2) (i32.load (i32.const 2048)) (i32.const 8))
             (call $vars (i32.const 2048))
             (if (i32.load (i32.const 2052)) (then (unreachable)))",
        )
        .on(
            "on-message",
            "(i64.store (i32.const 3000) (global.get $drawn))
             (call $log (i32.const 2) (i32.const 3000) (i32.const 8))
             (i32.const 1024)",
        )
        .build();
    let drawn = || {
        block_on(async {
            let mut room = TestRoom::of(&guest);
            let connection = room.connect().await;
            assert_eq!(room.end_of(connection, "").await, TurnEnd::Done);
            assert_eq!(room.logs.len(), 1, "what the prologue logs is thrown away");
            room.logs[0].text.clone()
        })
    };
    let first = drawn();
    assert_ne!(*first, [0; 8]);
    assert_eq!(first, drawn());
}

#[test]
fn when_all_places_are_taken_the_next_instance_is_refused() {
    block_on(async {
        let component = load(&Guest::new().build(), small_limits());
        let mut instances = Vec::new();
        let refused = loop {
            match component.instantiate().await {
                Ok(instance) => instances.push(instance),
                Err(cause) => break cause,
            }
            assert!(instances.len() < 1_000, "the pool has an end");
        };
        assert!(
            matches!(&refused, DropCause::Instantiation(text) if text.contains("all places are taken")),
            "{refused}"
        );
        instances.clear();
        assert!(component.instantiate().await.is_ok());
    });
}
