//! The first line of a request, and the form of its headers: forms of targets, versions, methods, bytes that may not be.

use crate::answers::{Answer, parse};
use crate::world::{World, with_world};

/// Sends one request on a connection of its own; checks the status of the answer, and whether the connection goes on.
async fn check(world: &World, request: impl AsRef<[u8]>, status: u16, goes_on: bool) {
    let request = request.as_ref();
    let mut wire = world.dial().await;
    wire.push(request).await;
    let (arrived, shown) = (wire.take().await, request[..request.len().min(100)].escape_ascii().to_string());
    let is_head = request.starts_with(b"HEAD ");
    let answers = parse(&arrived, is_head, false).unwrap_or_else(|error| panic!("{error}\n{shown}"));
    let [Answer::Response(found, _)] = &answers[..] else { panic!("{shown}: {answers:?}") };
    assert_eq!((*found, !wire.has_ended().await), (status, goes_on), "{shown}");
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nhost: edge\r\n\r\n")
}

#[test]
fn a_target_may_name_the_host_as_a_proxys_does() {
    with_world(async |world| {
        for target in [
            "http://edge/party/room",
            "http://other:80/party/room?a=b",
            "HTTP://EDGE/party/room",
            "https://edge/party/room",
        ] {
            check(world, get(target), 200, true).await;
        }
        for target in ["http://edge", "http://edge/", "edge:80", "*", "/"] {
            check(world, get(target), 404, true).await;
        }
        check(world, get("http://me@edge/party/room"), 400, true).await;
        check(world, b"OPTIONS * HTTP/1.1\r\nhost: edge\r\n\r\n", 404, true).await;
        check(world, b"OPTIONS /party/room HTTP/1.1\r\nhost: edge\r\n\r\n", 200, true).await;
        for target in ["edge:80", "/party/room", "*"] {
            check(world, format!("CONNECT {target} HTTP/1.1\r\nhost: edge\r\n\r\n"), 405, false).await;
        }
    });
}

#[test]
fn a_target_that_is_none_is_refused() {
    with_world(async |world| {
        for target in
            ["", "party/room", "http://", "http:///party/room", "/party/\u{1}", "/party/a b", "/party/a\tb"]
        {
            check(world, get(target), 400, false).await;
        }
        check(world, get(&format!("/party/room?{}", "x".repeat(31_000))), 200, true).await;
        check(world, get(&format!("/party/room?{}", "x".repeat(40_000))), 431, false).await;
    });
}

#[test]
fn versions_are_told_apart() {
    with_world(async |world| {
        for version in
            ["HTTP/1.2", "HTTP/2.0", "HTTP/0.9", "HTTP/11", "http/1.1", "HTTP/1.1x", "HTCPCP/1.0", ""]
        {
            check(world, format!("GET /party/room {version}\r\nhost: edge\r\n\r\n"), 400, false).await;
        }
        let mut wire = world.dial().await;
        wire.push(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        assert!(wire.has_ended().await, "a client that knows HTTP/2 takes that for an answer");
    });
}

#[test]
fn an_old_client_is_answered_and_left_unless_it_asks_to_stay() {
    with_world(async |world| {
        let mut wire = world.dial().await;
        let old =
            |headers: &str| format!("POST /party/room HTTP/1.0\r\ncontent-length: 2\r\n{headers}\r\nhi");
        for _ in 0..2 {
            wire.send(old("connection: keep-alive\r\n")).await;
            let (head, body) = wire.response().await;
            assert!(head.starts_with("HTTP/1.0 200 ") && body == "hi", "{head}");
            assert!(head.contains("\r\nconnection: keep-alive"), "{head}");
        }
        wire.send(old("")).await;
        let (head, body) = wire.response().await;
        assert!(head.starts_with("HTTP/1.0 200 ") && body == "hi", "{head}");
        assert!(wire.has_ended().await);
    });
}

#[test]
fn a_client_that_wants_to_end_is_answered_first() {
    with_world(async |world| {
        let mut wire = world.dial().await;
        wire.send("GET /party/room HTTP/1.1\r\nhost: edge\r\nconnection: foo, Close\r\n\r\nGET /party/room")
            .await;
        let (head, _) = wire.response().await;
        assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("\r\nconnection: close"), "{head}");
        assert!(wire.has_ended().await);
    });
}

#[test]
fn a_method_is_any_token_and_head_has_no_body() {
    with_world(async |world| {
        for method in ["PURGE", "M-SEARCH", "get", "x!#$%&'*+-.^_`|~9"] {
            check(world, format!("{method} /party/room HTTP/1.1\r\nhost: edge\r\n\r\n"), 200, true).await;
        }
        for method in ["", "G(T", "G\u{e4}T", "G\0T", "GET,"] {
            check(world, format!("{method} /party/room HTTP/1.1\r\nhost: edge\r\n\r\n"), 400, false).await;
        }
        let mut wire = world.dial().await;
        wire.send("HEAD /party/room HTTP/1.1\r\nhost: edge\r\ncontent-length: 5\r\n\r\nhello").await;
        assert_eq!(wire.take_text().await, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n");
        wire.send("HEAD /nothing HTTP/1.1\r\nhost: edge\r\n\r\n").await;
        let answer = wire.take_text().await;
        assert!(answer.starts_with("HTTP/1.1 404 ") && answer.ends_with("\r\n\r\n"), "{answer}");
        assert!(answer.contains("\r\ncontent-length: 9\r\n"), "{answer}");
    });
}

#[test]
fn headers_that_may_not_be_are_refused() {
    with_world(async |world| {
        let refused: [&[u8]; 12] = [
            b"a b: c",
            b"a : c",
            b" a: c",
            b"a",
            b": c",
            b"a\0: c",
            b"\xc3\xa4: c",
            b"a: c\0d",
            b"a: c\rd",
            b"a: c\x7fd",
            b"a: c\r\n folded",
            b"a(b): c",
        ];
        for header in refused {
            let request = [b"GET /party/room HTTP/1.1\r\nhost: edge\r\n", header, b"\r\n\r\n"].concat();
            check(world, &request, 400, false).await;
        }
        let taken: [&[u8]; 5] = [b"a:c", b"a:", b"a: \t c \t", b"a: \xc3\xa4\xff", b"A!#$%&'*+-.^_`|~9: c"];
        for header in taken {
            let request = [b"GET /party/room HTTP/1.1\r\nhost: edge\r\n", header, b"\r\n\r\n"].concat();
            check(world, &request, 200, true).await;
        }
        check(world, b"GET /party/room HTTP/1.1\r\n\r\n", 400, true).await;
        check(world, b"GET /party/room HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", 400, true).await;
    });
}

#[test]
fn bounds_of_a_head_are_exact() {
    with_world(async |world| {
        let with = |count: usize| {
            let headers: String = (0..count).map(|number| format!("x-{number}: 1\r\n")).collect();
            format!("GET /party/room HTTP/1.1\r\nhost: edge\r\n{headers}\r\n")
        };
        check(world, with(99), 200, true).await;
        check(world, with(100), 431, false).await;
        let of = |bytes: usize| {
            let (before, after) = ("GET /party/room HTTP/1.1\r\nhost: edge\r\nx: ", "\r\n\r\n");
            format!("{before}{}{after}", "y".repeat(bytes - before.len() - after.len()))
        };
        check(world, of(32_768), 200, true).await;
        check(world, of(32_769), 431, false).await;
    });
}
