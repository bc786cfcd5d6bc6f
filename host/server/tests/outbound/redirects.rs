//! Redirects, from one real server to another.

use party_node::outbound::{Fetch, Outbound as _};

use crate::servers::{Server, answer, at_home, check, fetch, get, ok, request};

#[test]
fn a_redirect_is_followed_and_another_server_sees_no_secrets() {
    check(async {
        let mut there = Server::start(vec![ok("there")]).await;
        let location = format!("location: {}\r\n", there.url("/to?x#y"));
        let mut here = Server::start(vec![answer("307 Temporary Redirect", &location, "not this")]).await;
        let headers =
            [("authorization", "secret"), ("cookie", "secret"), ("x-own", "1"), ("content-type", "a/b")];
        let asked = request(&format!("PUT {}", here.url("/from")), &headers, "body");
        let response = fetch(&at_home(), asked).await.unwrap();
        assert_eq!((response.status, &response.body[..]), (200, &b"there"[..]));
        let told = here.request().await;
        assert!(told.contains("authorization: secret") && told.contains("cookie: secret"), "{told}");
        let told = there.request().await;
        assert!(told.starts_with("PUT /to?x HTTP/1.1\r\n") && told.ends_with("\r\n\r\nbody"), "{told}");
        assert!(told.contains("x-own: 1") && told.contains("content-type: a/b"), "{told}");
        assert!(told.contains(&format!("host: 127.0.0.1:{}\r\n", there.port)), "{told}");
        assert!(!told.contains("secret"), "{told}");
    });
}

#[test]
fn the_same_server_sees_all_again_and_a_post_becomes_a_get() {
    check(async {
        let moved = answer("302 Found", "location: ../to\r\n", "");
        let mut server = Server::start(vec![moved, ok("here")]).await;
        let headers = [("authorization", "secret"), ("content-type", "a/b")];
        let asked = request(&format!("POST {}", server.url("/a/from")), &headers, "body");
        assert_eq!(fetch(&at_home(), asked).await.unwrap().status, 200);
        assert!(server.request().await.ends_with("\r\n\r\nbody"));
        let told = server.request().await;
        assert!(told.starts_with("GET /to HTTP/1.1\r\n") && told.ends_with("\r\n\r\n"), "{told}");
        assert!(told.contains("authorization: secret") && !told.contains("content-type"), "{told}");
    });
}

#[test]
fn the_redirect_after_the_last_is_the_answer() {
    check(async {
        let around = answer("302 Found", "location: /again\r\n", "round and round");
        let mut server = Server::start(vec![around]).await;
        assert_eq!(get(&at_home(), &server.url("/")).await.unwrap(), "302 round and round");
        for _ in 0..4 {
            server.request().await;
        }
        let asked = request(&format!("GET {}", server.url("/")), &[], "");
        let fetch = Fetch { request: asked, redirects_max: 0, body_bytes_max: 1_000 };
        let response = at_home().fetch(fetch).await.unwrap();
        let location = response.headers.iter().find(|header| header.name == "location").unwrap();
        assert_eq!((response.status, &location.value[..]), (302, &b"/again"[..]));
    });
}
