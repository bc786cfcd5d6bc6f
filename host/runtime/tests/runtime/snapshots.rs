//! Snapshots of tiny guests: everything that an instance keeps comes back, bit by bit, and nothing else is kept.

use std::sync::Arc;

use party_core::event::TurnEnd;
use party_core::limits::Limits;
use party_runtime::engine::{Engine, EngineOptions};
use party_runtime::restore::RestoreError;
use party_runtime::snapshot::Snapshot;

use crate::guests::{Guest, logging};
use crate::room::{ENGINE, TestRoom, block_on, load, small_limits, vars};

/// Has all that can be captured in its globals, changes all of it in every turn, and logs it.
fn globals() -> Guest {
    logging()
        .item(
            "(global $i (mut i32) (i32.const -7)) (global $l (mut i64) (i64.const 1000000000001))
             (global $f (mut f32) (f32.const 1.5)) (global $d (mut f64) (f64.const -0.1))
             (global $constant i32 (i32.const 5)) (global $same (mut i64) (i64.const 9))",
        )
        .on(
            "on-message",
            "(global.set $i (i32.mul (global.get $i) (i32.const 1103515245)))
             (global.set $l (i64.mul (global.get $l) (i64.const 6364136223846793005)))
             (global.set $f (f32.mul (global.get $f) (f32.const -1.25)))
             (global.set $d (f64.div (global.get $d) (f64.const 3)))
             (i32.store (i32.const 3000) (global.get $i)) (i64.store (i32.const 3004) (global.get $l))
             (f32.store (i32.const 3012) (global.get $f)) (f64.store (i32.const 3016) (global.get $d))
             (call $log (i32.const 2) (i32.const 3000) (i32.const 24))
             (i32.const 1024)",
        )
}

/// Grows its memory with every message, and leaves something at both ends of what is new. Logs how large it is.
fn growing() -> Guest {
    logging().on(
        "on-message",
        "(local.set $kind (i32.mul (memory.size) (i32.const 65536)))
         (if (i32.lt_s (memory.grow (local.get $bytes)) (i32.const 0)) (then (unreachable)))
         (i64.store (local.get $kind) (local.get $event))
         (i64.store (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 8)) (local.get $event))
         (i32.store (i32.const 3000) (memory.size))
         (call $log (i32.const 2) (i32.const 3000) (i32.const 4))
         (i32.const 1024)",
    )
}

/// Two memories of its own and the adapter's module beside it, which has globals: all of them change.
fn several() -> Guest {
    logging()
        .wasi("fd_write", "(param i32 i32 i32 i32) (result i32)")
        .item("(memory $second 1 20) (memory $empty 0)")
        .on(
            "on-message",
            "(i32.store (i32.const 3000) (local.get $text))
             (i32.store (i32.const 3004) (local.get $bytes))
             (drop (call $fd_write (i32.const 1) (i32.const 3000) (i32.const 1) (i32.const 3008)))
             (drop (memory.grow $second (i32.const 1)))
             (i64.store $second (i32.const 65528) (i64.add (local.get $event) (i64.load $second (i32.const 65528))))
             (i64.store (i32.const 3016) (i64.load $second (i32.const 65528)))
             (call $log (i32.const 2) (i32.const 3016) (i32.const 8))
             (i32.const 1024)",
        )
        .prologue(
            "(i32.store (i32.const 3000) (i32.const 1152)) (i32.store (i32.const 3004) (i32.const 2))
             (drop (call $fd_write (i32.const 1) (i32.const 3000) (i32.const 1) (i32.const 3008)))",
        )
}

/// One room sleeps after every turn, its twin never. Both hear the same.
async fn twins(guest: &[u8], messages: &[&str]) -> (TestRoom, TestRoom) {
    let (mut sleeper, mut twin) = (TestRoom::of(guest), TestRoom::of(guest));
    sleeper.nap_always();
    for room in [&mut sleeper, &mut twin] {
        let client = room.connect().await;
        for message in messages {
            assert_eq!(room.end_of(client, message).await, TurnEnd::Done);
        }
    }
    assert_eq!(sleeper.capture(), twin.capture());
    assert_eq!(sleeper.logs, twin.logs);
    assert_eq!(sleeper.outputs, twin.outputs);
    (sleeper, twin)
}

#[test]
fn globals_of_every_number_type_come_back() {
    let (sleeper, _) = block_on(twins(&globals().build(), &["a"; 5]));
    let logs: Vec<_> = sleeper.logs.iter().map(|line| &line.text).collect();
    assert_eq!(logs.len(), 5);
    assert!((1..5).all(|n| logs[n] != logs[n - 1]));
}

#[test]
fn memory_that_has_grown_comes_back() {
    let (sleeper, twin) = block_on(twins(&growing().build(), &["abc", "abcdefgh", "x"]));
    assert_eq!(sleeper.instance().memory_bytes(), (2 + 3 + 8 + 1) << 16);
    assert_eq!(twin.instance().memory_bytes(), sleeper.instance().memory_bytes());
}

#[test]
fn several_memories_and_modules_come_back() {
    let (sleeper, _) = block_on(twins(&several().build(), &["one\n", "two\n", "three\n"]));
    assert_eq!(sleeper.logged().iter().filter(|line| line.len() < 6).count(), 3, "{:?}", sleeper.logged());
    // The adapter has a page for itself.
    assert_eq!(sleeper.instance().memory_bytes(), (2 + 1 + 3 + 1) << 16);
}

#[test]
fn a_page_that_was_cleared_is_clear_again() {
    // The data of the base is overwritten with zeros: less than before is different, too.
    let guest = logging()
        .item(r#"(data (i32.const 70000) "something that goes")"#)
        .on("on-message", "(memory.fill (i32.const 69632) (i32.const 0) (i32.const 4096)) (i32.const 1024)");
    let (mut sleeper, _) = block_on(twins(&guest.build(), &["a"]));
    assert!(sleeper.capture().unwrap().delta_bytes() >= 19);
}

#[test]
fn an_instance_that_only_ran_its_prologue_is_fresh() {
    let component = load(&several().build(), small_limits());
    assert_eq!(component.capturable(), Ok(()));
    let mut instance = block_on(component.instantiate()).unwrap();
    let snapshot = instance.capture().unwrap();
    assert!(component.is_fresh(&snapshot));
    assert_eq!((snapshot.delta_bytes(), Some(snapshot.layout_key())), (0, component.layout_key()));
    let mut room = TestRoom::of(&several().build());
    block_on(async {
        let client = room.connect().await;
        room.end_of(client, "x").await;
    });
    assert!(!room.component().clone().is_fresh(&room.capture().unwrap()));
}

#[test]
fn a_snapshot_is_small() {
    let mut room = TestRoom::of(&globals().build());
    block_on(async {
        let client = room.connect().await;
        room.end_of(client, "x").await;
    });
    let encoded = room.capture().unwrap().encode().unwrap();
    assert!(encoded.len() < 200, "{} bytes", encoded.len());
}

#[test]
fn another_engine_goes_on_where_the_first_stopped() {
    let guest = several().build();
    let elsewhere = Engine::new(EngineOptions { rooms_awake_max: 3, compile_cache: None }).unwrap();
    let other = elsewhere.load(&guest, &vars(), &Arc::new(Limits::default())).unwrap();
    let (mut moving, mut twin) = (TestRoom::of(&guest), TestRoom::of(&guest));
    assert_eq!(moving.component().layout_key(), other.layout_key());
    block_on(async {
        for (room, moves) in [(&mut moving, true), (&mut twin, false)] {
            let client = room.connect().await;
            room.end_of(client, "first\n").await;
            if moves {
                room.move_to(&other).await;
            }
            room.end_of(client, "second\n").await;
        }
    });
    assert_eq!(moving.logs, twin.logs);
}

#[test]
fn the_key_is_of_the_component_and_of_nothing_else() {
    let key = |guest: &Guest| load(&guest.build(), small_limits()).layout_key().unwrap();
    let again = ENGINE.load(&globals().build(), &Arc::default(), &Arc::default()).unwrap();
    assert_eq!(Some(key(&globals())), again.layout_key(), "vars and limits are the room's");
    let other_code = globals().on("on-alarm", "(drop (i32.const 7)) (i32.const 1024)");
    let other_data = globals().item(r#"(data (i32.const 9000) "x")"#);
    let other_globals = globals().item("(global $more (mut i32) (i32.const 0))");
    let other_prologue = globals().prologue("(i32.store (i32.const 3000) (i32.const 1))");
    let others = [other_code, other_data, other_globals, other_prologue];
    let keys: Vec<_> = others.iter().map(key).chain([key(&globals())]).collect();
    for (n, one) in keys.iter().enumerate() {
        assert!(!keys[..n].contains(one), "{n}");
    }
}

#[test]
fn a_snapshot_of_another_component_is_refused() {
    let snapshot = |guest: Guest| {
        let component = load(&guest.build(), small_limits());
        (block_on(component.instantiate()).unwrap().capture().unwrap(), component)
    };
    let ((ours, component), (theirs, _)) = (snapshot(globals()), snapshot(growing()));
    let wanted = ours.layout_key();
    let refused = block_on(component.restore(&theirs)).err();
    assert_eq!(refused, Some(RestoreError::OtherLayout { found: theirs.layout_key(), wanted }));
    assert!(block_on(component.restore(&ours)).is_ok());
}

#[test]
fn more_memory_than_a_room_may_have_now_is_restored_and_does_not_grow() {
    let guest = growing().build();
    let mut room = TestRoom::of(&guest);
    let snapshot: Snapshot = block_on(async {
        let client = room.connect().await;
        room.end_of(client, &"x".repeat(70)).await;
        room.capture().unwrap()
    });
    let small = load(&guest, small_limits());
    let restored = block_on(small.restore(&snapshot)).unwrap();
    assert_eq!(restored.memory_bytes(), 72 << 16);
    // The room could not grow so far by itself either.
    let mut refusing = TestRoom::with_limits(&guest, small_limits());
    block_on(async {
        let client = refusing.connect().await;
        refusing.drop_of(client, &"x".repeat(70)).await;
    });
}

#[test]
fn a_restored_room_keeps_to_its_bounds() {
    // 62 of 64 pages are used; the two that are left can be taken, a third cannot.
    let mut room = TestRoom::with_limits(&growing().build(), small_limits());
    block_on(async {
        let client = room.connect().await;
        room.end_of(client, &"x".repeat(60)).await;
        room.nap().await;
        assert_eq!(room.end_of(client, "xx").await, TurnEnd::Done);
        room.nap().await;
        room.drop_of(client, "x").await;
    });
}
