//! The load tool notices every way in which a server can do wrong: one planted fault each.
//!
//! Each run is bounded by a number of messages, so that the number of faults is known exactly.

mod faulty_server;

use std::process::Command;
use std::time::Duration;

use faulty_server::{Fault, start};
use party_benches::load::counter::{self, CounterReport, CounterSettings};
use party_benches::load::target::Target;
use party_benches::load::traffic::engine;
use party_benches::load::traffic::{FanOut, Integrity, Pace, TrafficReport, TrafficSettings};

const MESSAGES: u64 = 1_000;

/// Every so many messages one is dealt with wrongly: 11 of 1,000, and none of those that are the last of a client.
const EVERY: u64 = 85;
const FAULTS: u64 = 11;

fn settings(fan_out: FanOut) -> TrafficSettings {
    let (party, rooms, clients, senders) = match fan_out {
        FanOut::Echo => ("echo", 2, 2, 2),
        FanOut::Broadcast => ("broadcast", 2, 5, 3),
    };
    TrafficSettings {
        fan_out,
        party: party.to_owned(),
        rooms,
        clients,
        senders,
        pace: Pace::Closed { in_flight: 4 },
        warm_up: Duration::ZERO,
        window: Duration::from_secs(30),
        messages_max: Some(MESSAGES),
        run: 0x1234_5678,
    }
}

fn drive(fault: Fault, fan_out: FanOut) -> TrafficReport {
    engine::run(&Target::loopback(start(fault)), &settings(fan_out), None).unwrap()
}

/// Runs echo and broadcast against one fault; both must report exactly `expected` beside what was sent.
fn check(fault: Fault, expected: Integrity) {
    for (fan_out, copies) in [(FanOut::Echo, 1), (FanOut::Broadcast, 5)] {
        let found = drive(fault, fan_out).integrity;
        let sent = Integrity { sent: MESSAGES, expected: MESSAGES * copies, ..expected };
        assert_eq!(found, sent, "{fault:?}, {fan_out:?}");
        assert_eq!(found.is_whole(), fault == Fault::Honest);
    }
}

#[test]
fn an_honest_server_passes() {
    check(Fault::Honest, Integrity::default());
}

#[test]
fn lost_messages_are_counted() {
    check(Fault::Lose(EVERY), Integrity { lost: FAULTS, ..Integrity::default() });
}

#[test]
fn duplicates_are_counted() {
    check(Fault::Duplicate(EVERY), Integrity { duplicated: FAULTS, ..Integrity::default() });
}

#[test]
fn a_duplicate_that_comes_only_at_the_end_is_counted() {
    for (fan_out, receivers) in [(FanOut::Echo, 4), (FanOut::Broadcast, 10)] {
        assert_eq!(drive(Fault::DuplicateAtClose, fan_out).integrity.duplicated, receivers);
    }
}

#[test]
fn reordered_messages_are_counted() {
    // In a broadcast the next message of the room may be another sender's, and then only the order among senders is
    // broken, so the faults are counted for echo alone.
    let found = drive(Fault::Swap(EVERY), FanOut::Echo).integrity;
    assert_eq!((found.reordered, found.lost, found.duplicated), (FAULTS, 0, 0));
    let found = drive(Fault::Swap(EVERY), FanOut::Broadcast).integrity;
    assert!(found.reordered + found.order_disagreements > 0, "{found:?}");
    assert!(!found.is_whole());
}

#[test]
fn altered_messages_are_counted_and_not_taken_for_delivered() {
    check(Fault::Alter(EVERY), Integrity { corrupted: FAULTS, lost: FAULTS, ..Integrity::default() });
}

#[test]
fn messages_of_another_room_are_counted() {
    check(Fault::Leak(EVERY), Integrity { foreign: FAULTS, ..Integrity::default() });
}

#[test]
fn receivers_that_see_senders_interleaved_differently_are_counted() {
    // One receiver in each of the two rooms.
    let found = drive(Fault::Disagree, FanOut::Broadcast).integrity;
    let expected =
        Integrity { sent: MESSAGES, expected: 5 * MESSAGES, order_disagreements: 2, ..Integrity::default() };
    assert_eq!(found, expected);
}

#[test]
fn a_stall_shows_in_the_open_loop_and_hides_in_the_closed_one() {
    let stall = Duration::from_millis(200);
    let port = start(Fault::Stall(300, stall));
    let open = TrafficSettings {
        rooms: 1,
        clients: 1,
        senders: 1,
        pace: Pace::Open { deliveries_per_s: 1_000.0 },
        window: Duration::from_secs(1),
        messages_max: None,
        ..settings(FanOut::Echo)
    };
    let open = engine::run(&Target::loopback(port), &open, None).unwrap();
    // About 200 of 1,000 messages came due during the stall, so the 99th percentile lies well inside it.
    assert!(open.latency.p99_ms > 150.0, "open loop: {:?}", open.latency);
    assert!(open.latency.p90_ms > 50.0, "open loop: {:?}", open.latency);
    assert!(open.integrity.is_whole());

    let closed = TrafficSettings {
        rooms: 1,
        clients: 1,
        senders: 1,
        pace: Pace::Closed { in_flight: 1 },
        window: Duration::from_secs(1),
        messages_max: None,
        ..settings(FanOut::Echo)
    };
    let closed = engine::run(&Target::loopback(start(Fault::Stall(300, stall))), &closed, None).unwrap();
    assert!(closed.latency.max_ms >= 200.0, "closed loop: {:?}", closed.latency);
    assert!(closed.latency.p99_ms < 75.0, "closed loop: {:?}", closed.latency);
}

fn count(fault: Fault, clients: u32) -> CounterReport {
    let settings = CounterSettings {
        party: "counter".to_owned(),
        clients,
        warm_up: Duration::ZERO,
        window: Duration::from_secs(30),
        increments_max: Some(MESSAGES),
        run: 7,
    };
    counter::run(&Target::loopback(start(fault)), &settings, None).unwrap()
}

#[test]
fn an_honest_counter_passes() {
    for clients in [1, 16] {
        let report = count(Fault::Honest, clients);
        assert!(report.is_whole(), "{report:?}");
        assert_eq!((report.acknowledged, report.value_after), (MESSAGES, MESSAGES));
    }
}

#[test]
fn an_answer_given_twice_is_found() {
    let report = count(Fault::RepeatAnswer(EVERY), 16);
    assert_eq!((report.repeated, report.value_after), (FAULTS, MESSAGES));
    assert!(!report.is_whole());
}

#[test]
fn an_increment_that_is_acknowledged_but_not_kept_is_found() {
    let report = count(Fault::ForgetIncrement(EVERY), 1);
    assert_eq!(report.value_after, MESSAGES - FAULTS);
    assert_eq!((report.repeated, report.receded), (FAULTS, FAULTS));
    assert!(!report.is_whole());
}

#[test]
fn the_exit_code_and_the_json_say_whether_the_server_did_right() {
    let directory = tempfile::tempdir().unwrap();
    for (fault, code, lost) in [(Fault::Honest, 0, 0), (Fault::Lose(EVERY), 1, FAULTS)] {
        let json = directory.path().join(format!("{code}.json"));
        let output = Command::new(env!("CARGO_BIN_EXE_party-load"))
            .args(["echo", "--warm-up-s", "0", "--messages-max", "1000", "--run", "9"])
            .arg(format!("--url=ws://127.0.0.1:{}", start(fault)))
            .arg("--json")
            .arg(&json)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        let report: serde_json::Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
        assert_eq!(report["scenario"], "traffic");
        assert_eq!(report["integrity"]["lost"], lost);
        assert!(String::from_utf8(output.stdout).unwrap().contains(&format!(" {lost} lost")));
    }
}

#[test]
fn wrong_flags_and_a_server_that_is_not_there_are_told_apart() {
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_party-load")).args(arguments).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, message) = run(&["echo", "--url", "http://192.0.2.1:80"]);
    assert_eq!(code, Some(2));
    assert!(message.contains("not a loopback address") && message.contains("--allow-remote"), "{message}");
    let (code, message) = run(&["broadcast", "--clients", "3"]);
    assert_eq!(code, Some(2));
    assert!(message.contains("4 senders are more than the 3 clients"), "{message}");
    // Port 1 of loopback: nothing listens there, and it is refused at once.
    let (code, message) = run(&["echo", "--url", "http://127.0.0.1:1"]);
    assert_eq!(code, Some(1));
    assert!(message.contains("client 0 of 64 cannot connect"), "{message}");
}
