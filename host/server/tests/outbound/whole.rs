//! What is sent and what comes back.

use crate::servers::{Says, Server, answer, at_home, check, fetch, get, ok, request};

#[test]
fn a_request_arrives_as_its_room_has_made_it() {
    check(async {
        let mut server =
            Server::start(vec![answer("201 Created", "X-Made: a\r\nx-made: b\r\n", "done")]).await;
        let url = server.url("/a%20b?c=d&e");
        let asked =
            request(&format!("POST {url}"), &[("x-one", "1"), ("X-Two", "2"), ("x-one", "3")], "four");
        let response = fetch(&at_home(), asked).await.unwrap();
        let told = server.request().await;
        let (head, body) = told.split_once("\r\n\r\n").unwrap();
        let mut lines: Vec<&str> = head.split("\r\n").collect();
        assert_eq!((lines.remove(0), body), ("POST /a%20b?c=d&e HTTP/1.1", "four"));
        lines.sort_unstable();
        let host = format!("host: 127.0.0.1:{}", server.port);
        let agent = format!("user-agent: party-host/{}", env!("CARGO_PKG_VERSION"));
        let mut expected = vec![
            "accept: */*",
            "connection: close",
            "content-length: 4",
            &host,
            &agent,
            "x-one: 1",
            "x-one: 3",
            "x-two: 2",
        ];
        expected.sort_unstable();
        assert_eq!(lines, expected);
        let made: Vec<&[u8]> =
            response.headers.iter().filter(|it| it.name == "x-made").map(|it| &it.value[..]).collect();
        assert_eq!((response.status, &response.body[..]), (201, &b"done"[..]));
        assert_eq!(made, [b"a", b"b"]);
    });
}

#[test]
fn what_says_how_it_came_is_left_out_and_nothing_is_unpacked() {
    check(async {
        let packed = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nKeep-Alive: timeout=5\r\nContent-Encoding: gzip\r\n\r\n\
                      3\r\nabc\r\n4\r\ndefg\r\n0\r\nx-trailer: t\r\n\r\n";
        let server = Server::start(vec![Says::This(packed.into())]).await;
        let response =
            fetch(&at_home(), request(&format!("GET {}", server.url("/")), &[], "")).await.unwrap();
        let names: Vec<&str> = response.headers.iter().map(|header| header.name.as_str()).collect();
        assert_eq!((names, &response.body[..]), (vec!["content-encoding"], &b"abcdefg"[..]));
    });
}

#[test]
fn an_answer_may_have_no_body_or_end_with_its_connection() {
    check(async {
        let answers = [
            ("GET", "HTTP/1.1 204 No Content\r\n\r\n", "204 "),
            ("HEAD", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", "200 "),
            ("GET", "HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n", "304 "),
            ("GET", "HTTP/1.1 200 OK\r\n\r\nto the end", "200 to the end"),
            ("GET", "HTTP/1.0 200 OK\r\n\r\nold", "200 old"),
            (
                "GET",
                "HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
                "200 ok",
            ),
        ];
        let says = answers.iter().map(|(_, answer, _)| Says::This((*answer).to_owned())).collect();
        let server = Server::start(says).await;
        let network = at_home();
        for (method, answer, expected) in answers {
            let asked = request(&format!("{method} {}", server.url("/")), &[], "");
            let response = fetch(&network, asked).await.unwrap();
            let body = String::from_utf8_lossy(&response.body);
            assert_eq!(format!("{} {body}", response.status), expected, "{answer}");
        }
    });
}

/// A connection that is kept could be closed just when the next request is sent.
#[test]
fn each_request_has_a_connection_of_its_own_whatever_its_server_says() {
    check(async {
        let kept = answer("200 OK", "connection: keep-alive\r\n", "kept");
        let mut server = Server::start(vec![kept]).await;
        let network = at_home();
        for _ in 0..3 {
            assert_eq!(get(&network, &server.url("/")).await.unwrap(), "200 kept");
            assert!(server.request().await.contains("connection: close"));
            server.connection_ended().await;
        }
    });
}

#[test]
fn a_body_that_takes_its_time_is_read_to_its_end() {
    check(async {
        let first = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfirst".to_owned();
        let mut server = Server::start(vec![Says::Half(first, "-last".into())]).await;
        let network = at_home();
        let url = server.url("/");
        let mut fetching = std::pin::pin!(get(&network, &url));
        tokio::select! {
            biased;
            _ = &mut fetching => panic!("half of it is not all"),
            _ = server.request() => {}
        }
        server.go_on();
        assert_eq!(fetching.await.unwrap(), "200 first-last");
    });
}

#[test]
fn what_is_given_up_ends_its_connection() {
    check(async {
        let first = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfirst".to_owned();
        let mut server =
            Server::start(vec![Says::Nothing, Says::Half(first, String::new()), ok("third")]).await;
        let network = at_home();
        let url = server.url("/");
        for _ in 0..2 {
            let mut fetching = Box::pin(get(&network, &url));
            tokio::select! {
                biased;
                _ = &mut fetching => panic!("there is no answer"),
                _ = server.request() => {}
            }
            drop(fetching);
            server.connection_ended().await;
        }
        assert_eq!(get(&network, &url).await.unwrap(), "200 third");
    });
}
