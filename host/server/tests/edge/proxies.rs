//! What a room hears of its clients when proxies stand between.

use crate::world::{World, with_edge, with_world};

const TRUSTED: &str = r#"
trusted_proxies = ["10.0.0.0/8", "2001:db8::1"]
trusted_headers = ["cf-ipcountry"]
"#;

/// The headers that a room sees of a request with these, sorted.
async fn seen(world: &World, from: &str, headers: &str) -> Vec<String> {
    let mut wire = world.dial_from(from).await;
    wire.send(format!("GET /parties/teller/room HTTP/1.1\r\nhost: edge\r\n{headers}\r\n")).await;
    let (head, body) = wire.response().await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let mut lines: Vec<_> = body.lines().map(String::from).collect();
    lines.sort();
    lines
}

const CLAIMS: &str = "x-forwarded-for: 198.51.100.1, 192.0.2.7\r\nx-forwarded-proto: https\r\ncf-ipcountry: NO\r\n\
                      forwarded: for=198.51.100.1\r\nx-real-ip: 198.51.100.1\r\nx-mine: 1\r\n";

#[test]
fn a_proxy_that_is_listed_is_believed_whom_it_asks_for_and_nobody_else_is() {
    with_edge(TRUSTED, async |world| {
        for proxy in ["10.1.2.3", "::ffff:10.1.2.3", "2001:db8::1"] {
            assert_eq!(
                seen(world, proxy, CLAIMS).await,
                [
                    "cf-ipcountry:NO",
                    "host:edge",
                    "x-forwarded-for:192.0.2.7",
                    "x-forwarded-proto:https",
                    "x-mine:1"
                ],
                "{proxy}"
            );
        }
        for client in ["192.0.2.66", "2001:db8::2", "127.0.0.1"] {
            let address = format!("x-forwarded-for:{client}");
            assert_eq!(
                seen(world, client, CLAIMS).await,
                ["host:edge", address.as_str(), "x-forwarded-proto:http", "x-mine:1"],
                "{client}"
            );
        }
    });
}

#[test]
fn each_request_of_a_proxys_connection_is_of_whom_it_says() {
    with_edge(TRUSTED, async |world| {
        let mut wire = world.dial_from("10.0.0.1").await;
        for client in ["192.0.2.1", "192.0.2.2"] {
            wire.send(format!(
                "GET /parties/teller/room HTTP/1.1\r\nhost: edge\r\nx-forwarded-for: {client}\r\n\r\n"
            ))
            .await;
            let (_, body) = wire.response().await;
            assert!(body.contains(&format!("x-forwarded-for:{client}\n")), "{body}");
        }
    });
}

#[test]
fn without_a_list_a_room_sees_none_of_it() {
    with_world(async |world| {
        assert_eq!(seen(world, "127.0.0.1", CLAIMS).await, ["cf-ipcountry:NO", "host:edge", "x-mine:1"]);
    });
    // With an empty one it is told who the client is, and nobody is believed.
    with_edge("trusted_proxies = []", async |world| {
        let expected = ["host:edge", "x-forwarded-for:192.0.2.9", "x-forwarded-proto:http"];
        assert_eq!(seen(world, "192.0.2.9", "x-forwarded-for: 1.1.1.1\r\n").await, expected);
    });
}
