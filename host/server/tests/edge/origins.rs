//! Pages that may speak to rooms and lobbies, and pages that may not.

use crate::wire::{Frame, text};
use crate::world::{upgrade, with_edge, with_lobby, with_project, with_world};

const LISTED: &str = r#"allowed_origins = ["https://app.example.com", "https://*.example.org"]"#;

fn of_page(request: &str, origin: &str) -> String {
    request.replacen("host: edge\r\n", &format!("host: edge\r\norigin: {origin}\r\n"), 1)
}

#[test]
fn a_websocket_of_a_page_that_is_not_listed_is_refused_and_its_room_not_asked() {
    with_edge(LISTED, async |world| {
        // Its `on-connect` would never answer.
        let mut wire = world.dial().await;
        wire.send(of_page(&upgrade("/parties/hesitant/room"), "https://evil.example")).await;
        let (head, body) = wire.response().await;
        assert!(head.starts_with("HTTP/1.1 403 "), "{head}");
        assert_eq!(
            body,
            "pages of the origin \"https://evil.example\" are not allowed here: allowed_origins of the project does not list it"
        );
        for origin in ["null", "https://example.org", "http://app.example.com", "http://edge", ""] {
            let mut wire = world.dial().await;
            wire.send(of_page(&upgrade("/party/room"), origin)).await;
            let (head, _) = wire.response().await;
            assert!(head.starts_with("HTTP/1.1 403 "), "{origin}: {head}");
        }
        for origin in ["https://app.example.com", "https://a.b.example.org"] {
            let mut wire = world.dial().await;
            wire.send(of_page(&upgrade("/party/room"), origin)).await;
            assert!(wire.response().await.0.starts_with("HTTP/1.1 101 "), "{origin}");
            wire.send(text("hi")).await;
            assert_eq!(wire.frames().await, [Frame::text("hi")]);
        }
        // Whoever is no browser.
        world.connect("/party/room").await;
    });
}

#[test]
fn a_request_of_such_a_page_is_refused_before_its_body_is_read() {
    with_edge(LISTED, async |world| {
        let post = "POST /party/room HTTP/1.1\r\nhost: edge\r\ncontent-length: 5\r\n\r\nhello";
        let mut wire = world.dial().await;
        wire.send(of_page(post, "https://evil.example")).await;
        let (head, _) = wire.response().await;
        assert!(head.starts_with("HTTP/1.1 403 ") && head.contains("\r\nconnection: close"), "{head}");
        // What browsers ask before such a request, too.
        let mut wire = world.dial().await;
        wire.send(of_page("OPTIONS /party/room HTTP/1.1\r\nhost: edge\r\n\r\n", "https://evil.example"))
            .await;
        assert!(wire.response().await.0.starts_with("HTTP/1.1 403 "));
        for request in [of_page(post, "https://app.example.com"), post.to_owned()] {
            let mut wire = world.dial().await;
            wire.send(request).await;
            assert_eq!(wire.response().await.1, "hello");
        }
    });
}

#[test]
fn the_lobby_does_not_hear_of_such_a_page() {
    // This lobby fails at whatever it hears, which is then answered with 500.
    let urls = ["/", "/anything?x", "/__scheduled__?cron=nightly", "/__scheduled__"];
    with_lobby(LISTED, async |world| {
        for url in urls {
            let get = format!("GET {url} HTTP/1.1\r\nhost: edge\r\n\r\n");
            let post = format!("POST {url} HTTP/1.1\r\nhost: edge\r\ncontent-length: 5\r\n\r\n");
            for request in [get.clone(), post, upgrade(url)] {
                let mut wire = world.dial().await;
                wire.send(of_page(&request, "https://evil.example")).await;
                let (head, body) = wire.response().await;
                assert!(head.starts_with("HTTP/1.1 403 "), "{request}: {head}");
                assert!(body.contains("\"https://evil.example\""), "{request}: {body}");
            }
            for request in [of_page(&upgrade(url), "https://app.example.com"), upgrade(url)] {
                let mut wire = world.dial().await;
                wire.send(&request).await;
                let (head, body) = wire.response().await;
                assert!(head.starts_with("HTTP/1.1 500 "), "{request}: {head}");
                assert_eq!(body, "Uncaught exception when connecting", "{request}");
            }
            let heard = if url.ends_with("__") { "400" } else { "500" };
            for request in [of_page(&get, "https://app.example.com"), get.clone()] {
                let mut wire = world.dial().await;
                wire.send(&request).await;
                let (head, _) = wire.response().await;
                assert!(head.starts_with(&format!("HTTP/1.1 {heard} ")), "{request}: {head}");
            }
        }
    });
    // Without a list it hears of everybody.
    with_lobby("", async |world| {
        let mut wire = world.dial().await;
        wire.send(of_page("GET / HTTP/1.1\r\nhost: edge\r\n\r\n", "https://evil.example")).await;
        assert!(wire.response().await.0.starts_with("HTTP/1.1 500 "));
    });
}

#[test]
fn what_is_nothing_asks_nobody_where_they_come_from() {
    with_edge(LISTED, async |world| {
        let mut wire = world.dial().await;
        wire.send(of_page("GET /font.woff HTTP/1.1\r\nhost: edge\r\n\r\n", "https://evil.example")).await;
        assert!(wire.response().await.0.starts_with("HTTP/1.1 404 "));
    });
}

#[test]
fn without_a_list_pages_of_all_origins_may_speak_and_with_an_empty_one_none() {
    with_world(async |world| {
        let mut wire = world.dial().await;
        wire.send(of_page(&upgrade("/party/room"), "https://evil.example")).await;
        assert!(wire.response().await.0.starts_with("HTTP/1.1 101 "));
    });
    with_edge("allowed_origins = []", async |world| {
        let mut wire = world.dial().await;
        wire.send(of_page(&upgrade("/party/room"), "http://edge")).await;
        assert!(wire.response().await.0.starts_with("HTTP/1.1 403 "));
        world.connect("/party/room").await;
    });
}

#[test]
fn a_page_that_is_not_listed_is_not_told_what_pages_may_with_cors() {
    let project = format!("profile = \"partyserver\"\ncors = true\n[edge]\n{LISTED}\n");
    with_project(&project, async |world| {
        for method in ["OPTIONS", "POST"] {
            let ask =
                format!("{method} /parties/main/room HTTP/1.1\r\nhost: edge\r\ncontent-length: 0\r\n\r\n");
            for (origin, status) in [("https://evil.example", "403 "), ("https://app.example.com", "200 ")] {
                let mut wire = world.dial().await;
                wire.send(of_page(&ask, origin)).await;
                let (head, _) = wire.response().await;
                assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{method} {origin}: {head}");
                assert_eq!(head.contains("access-control-allow-origin: *"), status == "200 ", "{head}");
            }
        }
    });
}
