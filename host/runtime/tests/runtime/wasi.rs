//! What a language runtime finds: guests that speak WASI preview 1, through the adapter that toolchains use.

use std::sync::Arc;

use party_core::event::{DropCause, LogLevel, TurnEnd};
use party_core::message::Message;
use party_runtime::load::LoadError;

use crate::guests::{Guest, logging};
use crate::room::{ENGINE, START, TestRoom, block_on, small_limits, vars};

/// Writes the message to a file descriptor; the vector stands at 3000.
fn writing(descriptor: u32) -> Guest {
    logging().wasi("fd_write", "(param i32 i32 i32 i32) (result i32)").on(
        "on-message",
        &format!(
            "(i32.store (i32.const 3000) (local.get $text))
             (i32.store (i32.const 3004) (local.get $bytes))
             (if (call $fd_write (i32.const {descriptor}) (i32.const 3000) (i32.const 1) (i32.const 3008))
               (then (unreachable)))
             (i32.const 1024)"
        ),
    )
}

async fn drop_text(guest: Guest) -> String {
    let mut room = TestRoom::with_limits(&guest.build(), small_limits());
    let connection = room.connect().await;
    match room.drop_of(connection, "").await {
        DropCause::Trap(text) => text,
        cause => panic!("{cause}"),
    }
}

#[test]
fn output_is_logged_by_lines() {
    block_on(async {
        for (descriptor, level) in [(1, LogLevel::Info), (2, LogLevel::Warn)] {
            let mut room = TestRoom::of(&writing(descriptor).build());
            let connection = room.connect().await;
            assert_eq!(room.end_of(connection, "one\ntwo\n\nthree").await, TurnEnd::Done);
            assert_eq!(room.logged(), ["one", "two", "", "three"]);
            assert!(room.logs.iter().all(|line| line.level == level));
        }
    });
}

#[test]
fn output_and_log_lines_keep_their_order() {
    let guest = logging()
        .wasi("fd_write", "(param i32 i32 i32 i32) (result i32)")
        .item(r#"(data (i32.const 3000) "\80\0c\00\00\02\00\00\00a\n") (data (i32.const 3200) "a\nb")"#)
        .on(
            "on-message",
            "(drop (call $fd_write (i32.const 1) (i32.const 3000) (i32.const 1) (i32.const 3100)))
             (call $log (i32.const 4) (i32.const 3202) (i32.const 1))
             (drop (call $fd_write (i32.const 2) (i32.const 3000) (i32.const 1) (i32.const 3100)))
             (i32.const 1024)",
        );
    block_on(async {
        let mut room = TestRoom::of(&guest.build());
        let connection = room.connect().await;
        assert_eq!(room.end_of(connection, "").await, TurnEnd::Done);
        assert_eq!(room.logged(), ["a", "b", "a"]);
    });
}

#[test]
fn what_was_written_before_a_trap_is_logged() {
    let guest = logging()
        .wasi("fd_write", "(param i32 i32 i32 i32) (result i32)")
        .item(r#"(data (i32.const 3000) "\80\0c\00\00\09\00\00\00") (data (i32.const 3200) "last word")"#)
        .on(
            "on-message",
            "(drop (call $fd_write (i32.const 2) (i32.const 3000) (i32.const 1) (i32.const 3100)))
             (unreachable)",
        );
    block_on(async {
        let mut room = TestRoom::of(&guest.build());
        let connection = room.connect().await;
        room.drop_of(connection, "").await;
        assert_eq!(room.logged(), ["last word"]);
    });
}

#[test]
fn a_flood_of_output_is_counted() {
    let guest = Guest::new()
        .wasi("fd_write", "(param i32 i32 i32 i32) (result i32)")
        .item("(global $n (mut i32) (i32.const 0))")
        .on(
            "on-message",
            "(i32.store (i32.const 3000) (local.get $text))
             (i32.store (i32.const 3004) (local.get $bytes))
             (loop $again
               (drop (call $fd_write (i32.const 1) (i32.const 3000) (i32.const 1) (i32.const 3008)))
               (global.set $n (i32.add (global.get $n) (i32.const 1)))
               (br_if $again (i32.lt_u (global.get $n) (i32.const 1000))))
             (i32.const 1024)",
        );
    block_on(async {
        let mut room = TestRoom::of(&guest.build());
        let connection = room.connect().await;
        assert_eq!(room.end_of(connection, "a\nb\nc\n").await, TurnEnd::Done);
        assert_eq!((room.logs.len(), room.logs_left_out), (256, 3_000 - 256));
    });
}

#[test]
fn clocks_stand_still_in_a_turn_and_move_between_turns() {
    // Logs both clocks, twice.
    let guest = logging().wasi("clock_time_get", "(param i32 i64 i32) (result i32)").on(
        "on-message",
        "(drop (call $clock_time_get (i32.const 0) (i64.const 1) (i32.const 3000)))
         (drop (call $clock_time_get (i32.const 1) (i64.const 1) (i32.const 3008)))
         (drop (call $clock_time_get (i32.const 0) (i64.const 1) (i32.const 3016)))
         (drop (call $clock_time_get (i32.const 1) (i64.const 1) (i32.const 3024)))
         (call $log (i32.const 2) (i32.const 3000) (i32.const 32))
         (i32.const 1024)",
    );
    let clocks = |bytes: &[u8]| -> Vec<u64> {
        bytes.chunks(8).map(|chunk| u64::from_le_bytes(chunk.try_into().unwrap())).collect()
    };
    block_on(async {
        let mut room = TestRoom::of(&guest.build());
        let connection = room.connect().await;
        room.message(connection, Message::text("")).await;
        room.advance(1_500).await;
        room.message(connection, Message::text("")).await;
        assert_eq!(clocks(&room.logs[0].text), [START.0 * 1_000_000; 4]);
        assert_eq!(clocks(&room.logs[1].text), [(START.0 + 1_500) * 1_000_000; 4]);
    });
}

#[test]
fn waiting_for_a_clock_is_a_trap_that_names_the_way_out() {
    // One subscription: to the monotonic clock, for so many nanoseconds.
    let waiting = |nanoseconds: u64| {
        Guest::new().wasi("poll_oneoff", "(param i32 i32 i32 i32) (result i32)").on(
            "on-message",
            &format!(
                "(i32.store (i32.const 3016) (i32.const 1))
                 (i64.store (i32.const 3024) (i64.const {nanoseconds}))
                 (if (call $poll_oneoff (i32.const 3000) (i32.const 3100) (i32.const 1) (i32.const 3200))
                   (then (unreachable)))
                 (i32.const 1024)"
            ),
        )
    };
    block_on(async {
        let text = drop_text(waiting(1_000_000)).await;
        assert!(
            text.starts_with("the guest waited for a clock inside a turn; use operations.sleep"),
            "{text}"
        );
        let mut room = TestRoom::of(&waiting(0).build());
        let connection = room.connect().await;
        assert_eq!(room.end_of(connection, "").await, TurnEnd::Done);
    });
}

#[test]
fn random_numbers_are_the_turn_s_chance() {
    let guest = logging().wasi("random_get", "(param i32 i32) (result i32)").on(
        "on-message",
        "(drop (call $random_get (i32.const 3000) (i32.const 8)))
         (drop (call $random_get (i32.const 3008) (i32.const 8)))
         (call $log (i32.const 2) (i32.const 3000) (i32.const 16))
         (i32.const 1024)",
    );
    let guest = guest.build();
    let drawn = || {
        block_on(async {
            let mut room = TestRoom::of(&guest);
            let connection = room.connect().await;
            room.message(connection, Message::text("")).await;
            room.message(connection, Message::text("")).await;
            room.logs.iter().map(|line| line.text.clone()).collect::<Vec<_>>()
        })
    };
    let first = drawn();
    assert_ne!(first[0], first[1]);
    assert_ne!(first[0][..8], first[0][8..]);
    assert_eq!(first, drawn());
}

#[test]
fn the_environment_is_the_vars_and_there_are_no_arguments() {
    let guest = logging()
        .wasi("environ_sizes_get", "(param i32 i32) (result i32)")
        .wasi("environ_get", "(param i32 i32) (result i32)")
        .wasi("args_sizes_get", "(param i32 i32) (result i32)")
        .on(
            "on-message",
            "(drop (call $args_sizes_get (i32.const 3000) (i32.const 3004)))
             (if (i32.load (i32.const 3000)) (then (unreachable)))
             (drop (call $environ_sizes_get (i32.const 3000) (i32.const 3004)))
             (if (i32.ne (i32.load (i32.const 3000)) (i32.const 2)) (then (unreachable)))
             (drop (call $environ_get (i32.const 3100) (i32.const 3200)))
             (call $log (i32.const 2) (i32.const 3200) (i32.load (i32.const 3004)))
             (i32.const 1024)",
        );
    block_on(async {
        let mut room = TestRoom::of(&guest.build());
        let connection = room.connect().await;
        assert_eq!(room.end_of(connection, "").await, TurnEnd::Done);
        assert_eq!(room.logged(), ["GREETING=hello\0NAME=test\0"]);
    });
}

#[test]
fn standard_input_is_empty_and_no_file_can_be_opened() {
    let guest = Guest::new()
        .wasi("fd_read", "(param i32 i32 i32 i32) (result i32)")
        .wasi("fd_prestat_get", "(param i32 i32) (result i32)")
        .wasi("path_open", "(param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)")
        .on(
            "on-message",
            "(i32.store (i32.const 3000) (i32.const 3200))
             (i32.store (i32.const 3004) (i32.const 16))
             (if (call $fd_read (i32.const 0) (i32.const 3000) (i32.const 1) (i32.const 3100)) (then (unreachable)))
             (if (i32.load (i32.const 3100)) (then (unreachable)))
             (if (i32.eqz (call $fd_prestat_get (i32.const 3) (i32.const 3100))) (then (unreachable)))
             (if (i32.eqz (call $path_open (i32.const 3) (i32.const 0) (i32.const 1152) (i32.const 2) (i32.const 0)
                   (i64.const 0) (i64.const 0) (i32.const 0) (i32.const 3100))) (then (unreachable)))
             (i32.const 1024)",
        );
    block_on(async {
        let mut room = TestRoom::of(&guest.build());
        let connection = room.connect().await;
        assert_eq!(room.end_of(connection, "").await, TurnEnd::Done);
    });
}

#[test]
fn exit_is_a_trap() {
    let guest = Guest::new()
        .wasi("proc_exit", "(param i32)")
        .on("on-message", "(call $proc_exit (i32.const 3)) (unreachable)");
    let text = block_on(drop_text(guest));
    assert!(text.starts_with("the guest called exit("), "{text}");
}

#[test]
fn too_many_random_bytes_are_a_trap() {
    let guest = Guest::new()
        .wasi("random_get", "(param i32 i32) (result i32)")
        .on("on-message", "(drop (memory.grow (i32.const 40))) (drop (call $random_get (i32.const 65536) (i32.const 2000000))) (i32.const 1024)");
    let text = block_on(drop_text(guest));
    assert!(
        text.starts_with("2000000 random bytes were asked for in one call; the limit is 1048576"),
        "{text}"
    );
}

#[test]
fn output_in_the_prologue_is_thrown_away_and_its_streams_stay_open() {
    let guest = writing(1)
        .item(r#"(data (i32.const 3300) "\ec\0c\00\00\04\00\00\00") (data (i32.const 3308) "open")"#);
    let guest = guest
        .prologue("(drop (call $fd_write (i32.const 1) (i32.const 3300) (i32.const 1) (i32.const 3400)))");
    block_on(async {
        let mut room = TestRoom::of(&guest.build());
        let connection = room.connect().await;
        assert_eq!(room.end_of(connection, "said").await, TurnEnd::Done);
        assert_eq!(room.logged(), ["said"]);
    });
}

#[test]
fn waiting_in_the_prologue_is_refused() {
    let guest = Guest::new().wasi("poll_oneoff", "(param i32 i32 i32 i32) (result i32)").prologue(
        "(i32.store (i32.const 3016) (i32.const 1))
         (i64.store (i32.const 3024) (i64.const 1))
         (drop (call $poll_oneoff (i32.const 3000) (i32.const 3100) (i32.const 1) (i32.const 3200)))",
    );
    match ENGINE.load(&guest.build(), &vars(), &Arc::default()) {
        Err(LoadError::Start(DropCause::Trap(text))) => assert!(text.contains("operations.sleep"), "{text}"),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("the component is taken"),
    }
}
