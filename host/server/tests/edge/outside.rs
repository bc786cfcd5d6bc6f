//! WebSockets where no room is: the handshake is looked at before the lobby is asked, and who takes none answers a request.

use crate::world::{upgrade, with_lobby, with_world};

#[test]
fn a_bad_handshake_is_refused_before_the_lobby_hears_of_it() {
    // This lobby traps at whatever it hears, which is then answered with 500.
    with_lobby("", async |world| {
        let good = upgrade("/some/socket");
        let bad = [
            (good.replacen("sec-websocket-version: 13", "sec-websocket-version: 8", 1), "426"),
            (good.replacen("sec-websocket-key: ", "sec-websocket-key: x", 1), "400"),
            (good.replacen("GET ", "POST ", 1), "400"),
            (good.clone(), "500"),
        ];
        for (request, status) in bad {
            let mut wire = world.dial().await;
            wire.send(&request).await;
            let (head, _) = wire.response().await;
            assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {head}");
        }
    });
}

#[test]
fn a_connection_on_which_a_socket_was_refused_goes_on() {
    with_lobby("", async |world| {
        let mut wire = world.dial().await;
        for _ in 0..3 {
            wire.send(upgrade("/some/socket")).await;
            let (head, body) = wire.response().await;
            assert!(head.starts_with("HTTP/1.1 500 "), "{head}");
            assert_eq!(body, "Uncaught exception when connecting");
        }
    });
}

#[test]
fn a_party_that_takes_none_is_asked_as_by_a_request() {
    with_world(async |world| {
        let mut wire = world.dial().await;
        wire.send(upgrade("/some/socket")).await;
        let (head, body) = wire.response().await;
        assert!(head.starts_with("HTTP/1.1 404 "), "{head}");
        assert_eq!(body, "Not found");
    });
}
