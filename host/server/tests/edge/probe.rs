//! The guest of these tests. What it does is told by the first byte of a message:
//!
//! - `b`: send it to everyone
//! - `c`: close the connection with 4001 and the rest of the message as reason
//! - anything else: send it back
//!
//! When a connection closes, everyone gets a binary message: the code (two bytes, little-endian) and whether it was
//! clean (one byte). When one breaks the protocol, everyone gets the error as text. A request is answered with its
//! own body; one for a URL that holds `wait` never.

use std::sync::LazyLock;

use crate::guests::{ALL_HANDLERS, Guest, PENDING, component};

/// The flag of `on-connect` among the handlers.
const ON_CONNECT: u32 = 1 << 2;
/// The flag of `on-request` among the handlers.
const ON_REQUEST: u32 = 1 << 6;

/// That it reads bodies itself.
const REQUEST_BODIES: u32 = 1 << 19;

/// The flags of `on-fetch`, `on-socket` and `on-cron` among the handlers.
const OF_NO_ROOM: u32 = 1 << 14 | 1 << 15 | 1 << 16;

/// Sends what the guest has at `text`, as a message of this kind, to everyone.
fn broadcast(kind: &str, text: &str, bytes: &str) -> String {
    format!(
        "(call $broadcast {kind} {text} {bytes}
         (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 4096))"
    )
}

const RESPOND: &str = "
  (if (i32.eqz (call $has_wait (local.get $uri) (local.get $uri_bytes))) (then
    (call $respond (local.get $request) (i32.const 200) (i32.const 0) (i32.const 0)
      (i32.const 0) (local.get $body) (local.get $body_bytes) (i32.const 4096))
    (return (i32.const 1024))))
  (i32.const 1056)";

/// Whether four bytes that spell `wait` stand in some text.
const HAS_WAIT: &str = "
  (func $has_wait (param $at i32) (param $left i32) (result i32)
    (block $end (loop $next
      (br_if $end (i32.lt_s (local.get $left) (i32.const 4)))
      (if (i32.eq (i32.load align=1 (local.get $at)) (i32.const 0x74696177)) (then (return (i32.const 1))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br $next)))
    (i32.const 0))";

fn guest() -> Guest {
    let on_message = format!(
        "(local $first i32)
         (if (local.get $bytes) (then (local.set $first (i32.load8_u (local.get $text)))))
         (if (i32.eq (local.get $first) (i32.const 98)) (then {everyone} (return (i32.const 1024))))
         (if (i32.eq (local.get $first) (i32.const 99)) (then
           (call $close (local.get $connection) (i32.const 1) (i32.const 4001)
             (i32.add (local.get $text) (i32.const 1)) (i32.sub (local.get $bytes) (i32.const 1)) (i32.const 4096))
           (return (i32.const 1024))))
         (call $send (local.get $connection) (local.get $kind) (local.get $text) (local.get $bytes) (i32.const 4096))
         (i32.const 1024)",
        everyone = broadcast("(local.get $kind)", "(local.get $text)", "(local.get $bytes)")
    );
    let on_close = format!(
        "(i32.store16 (i32.const 5000) (local.get $code))
         (i32.store8 (i32.const 5002) (local.get $clean))
         {} (i32.const 1024)",
        broadcast("(i32.const 1)", "(i32.const 5000)", "(i32.const 3)")
    );
    let on_error = broadcast("(i32.const 0)", "(local.get $text)", "(local.get $bytes)") + "(i32.const 1024)";
    Guest::new()
        .import("connections", "send", "(param i64 i32 i32 i32 i32)")
        .import("connections", "close", "(param i64 i32 i32 i32 i32 i32)")
        .import("connections", "broadcast", "(param i32 i32 i32 i32 i32 i32 i32 i32 i32)")
        .import("responses", "respond", "(param i64 i32 i32 i32 i32 i64 i32 i32)")
        .item(HAS_WAIT)
        .on("on-message", &on_message)
        .on("on-close", &on_close)
        .on("on-error", &on_error)
        .on("on-request", RESPOND)
}

/// The guest.
pub(crate) static PROBE: LazyLock<Vec<u8>> = LazyLock::new(|| guest().build());
/// The guest, but its `on-connect` never settles.
pub(crate) static HESITANT: LazyLock<Vec<u8>> = LazyLock::new(|| guest().on("on-connect", PENDING).build());
/// The guest, in whose rooms `ping` is answered with `pong` by the host.
pub(crate) static POLITE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    guest()
        .import("connections", "set-auto-response", "(param i32 i32 i32 i32 i32 i32)")
        .item(r#"(data (i32.const 6000) "pingpong")"#)
        .on(
            "on-start",
            "(call $set-auto-response
               (i32.const 1) (i32.const 6000) (i32.const 4) (i32.const 6004) (i32.const 4) (i32.const 4096))
             (i32.const 1024)",
        )
        .build()
});
/// The guest without `on-connect` and `on-request`.
pub(crate) static DEAF: LazyLock<Vec<u8>> =
    LazyLock::new(|| guest().handlers(ALL_HANDLERS & !ON_CONNECT & !ON_REQUEST).build());

/// Answers a request with the headers that it sees, each on a line: `name:value`.
const TELL_HEADERS: &str = "
  (local $out i32)
  (local.set $out (i32.const 8192))
  (block $end (loop $next
    (br_if $end (i32.eqz (local.get $headers_count)))
    (memory.copy (local.get $out) (i32.load (local.get $headers)) (i32.load offset=4 (local.get $headers)))
    (local.set $out (i32.add (local.get $out) (i32.load offset=4 (local.get $headers))))
    (i32.store8 (local.get $out) (i32.const 58))
    (local.set $out (i32.add (local.get $out) (i32.const 1)))
    (memory.copy (local.get $out) (i32.load offset=8 (local.get $headers)) (i32.load offset=12 (local.get $headers)))
    (local.set $out (i32.add (local.get $out) (i32.load offset=12 (local.get $headers))))
    (i32.store8 (local.get $out) (i32.const 10))
    (local.set $out (i32.add (local.get $out) (i32.const 1)))
    (local.set $headers (i32.add (local.get $headers) (i32.const 16)))
    (local.set $headers_count (i32.sub (local.get $headers_count) (i32.const 1)))
    (br $next)))
  (call $respond (local.get $request) (i32.const 200) (i32.const 0) (i32.const 0)
    (i32.const 0) (i64.const 8192) (i32.sub (local.get $out) (i32.const 8192)) (i32.const 4096))
  (i32.const 1024)";

/// The guest, but it answers a request with its headers.
pub(crate) static TELLER: LazyLock<Vec<u8>> =
    LazyLock::new(|| guest().on("on-request", TELL_HEADERS).build());

/// The guest, which would read bodies itself, and wants nothing of one that waits: it is answered with none.
pub(crate) static FORGOER: LazyLock<Vec<u8>> =
    LazyLock::new(|| guest().handlers(ALL_HANDLERS | REQUEST_BODIES).build());

/// It answers nothing itself, and has not even a start.
pub(crate) static MUTE: LazyLock<Vec<u8>> = LazyLock::new(|| guest().handlers(0).build());

/// What a request is among the parameters of an export.
const REQUEST: &str = "(param i32) (param i32) (param i32) (param i32) (param i32) (param i32) (param i32) (param i64) (param i32)";

/// The guest, with a lobby that traps at whatever it hears: a 500 is a lobby that was asked.
pub(crate) static LOBBY: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let exports = [
        ("lobby", "before-connect", format!("(param i64 i32 i32) {REQUEST}")),
        ("lobby", "before-request", format!("(param i64 i32 i32) {REQUEST}")),
        ("lobby", "on-fetch", format!("(param i64) {REQUEST}")),
        ("lobby", "on-socket", format!("(param i64 i64) {REQUEST}")),
        ("lobby", "on-cron", "(param i64 i32 i32 i32 i32 i64)".to_owned()),
        ("upgrade", "save", String::new()),
        ("upgrade", "restore", "(param i32 i32)".to_owned()),
    ];
    let export = |(interface, name, parameters): &(&str, &str, String)| {
        let full = format!("party:server/{interface}@0.1.0#{name}");
        format!("(func (export \"{full}\") {parameters} (result i32) unreachable)\n")
    };
    let guest = guest().handlers(ALL_HANDLERS | OF_NO_ROOM);
    component(&guest.item(&exports.iter().map(export).collect::<String>()).text(), "party")
});
