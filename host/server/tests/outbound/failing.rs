//! Servers that do not do what they should.

use party_core::operation::OperationError;
use tokio::net::TcpListener;

use crate::servers::{Says, Server, answer, at_home, check, get};

async fn check_broken(says: Says, why: &str) {
    let server = Server::start(vec![says.clone()]).await;
    match get(&at_home(), &server.url("/")).await {
        Err(OperationError::Connect(text)) => assert!(text.contains(why), "{says:?}: {text}"),
        other => panic!("{says:?}: {other:?}"),
    }
}

#[test]
fn what_is_too_large_is_not_read_to_its_end() {
    check(async {
        let body = "x".repeat(1_001);
        let chunked =
            format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3e9\r\n{body}\r\n0\r\n\r\n");
        let ending = format!("HTTP/1.1 200 OK\r\n\r\n{body}");
        let announced = "HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n".to_owned();
        for says in
            [answer("200 OK", "", &body), Says::This(chunked), Says::This(ending), Says::This(announced)]
        {
            let server = Server::start(vec![says.clone()]).await;
            let refused = get(&at_home(), &server.url("/")).await;
            assert_eq!(refused, Err(OperationError::TooLarge(1_000)), "{says:?}");
        }
        let head = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(70_000));
        let server = Server::start(vec![Says::This(head)]).await;
        assert_eq!(get(&at_home(), &server.url("/")).await, Err(OperationError::TooLarge(64 << 10)));
        let many: String = (0..300).map(|number| format!("x-{number}: y\r\n")).collect();
        let server = Server::start(vec![Says::This(format!("HTTP/1.1 200 OK\r\n{many}\r\n"))]).await;
        assert_eq!(get(&at_home(), &server.url("/")).await, Err(OperationError::TooLarge(64 << 10)));
        let most = "x".repeat(1_000);
        let server = Server::start(vec![answer("200 OK", "", &most)]).await;
        assert_eq!(get(&at_home(), &server.url("/")).await, Ok(format!("200 {most}")));
    });
}

#[test]
fn what_breaks_off_or_is_no_http_is_no_answer() {
    check(async {
        check_broken(Says::AtOnce(""), "the connection broke").await;
        check_broken(Says::AtOnce("SSH-2.0-OpenSSH\r\n"), "the connection broke").await;
        check_broken(Says::This("HTTP/1.1 200".into()), "the connection broke").await;
        check_broken(
            Says::This("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf".into()),
            "the connection broke",
        )
        .await;
        check_broken(
            Says::This("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nhalf".into()),
            "broke",
        )
        .await;
        check_broken(
            Says::This("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab".into()),
            "broke",
        )
        .await;
        check_broken(Says::This("HTTP/1.1 999 What\r\n\r\n".into()), "status 999").await;
        check_broken(Says::This("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n".into()), "").await;
    });
}

#[test]
fn where_nobody_listens_nothing_is_fetched() {
    check(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        match get(&at_home(), &format!("http://127.0.0.1:{port}/")).await {
            Err(OperationError::Connect(text)) => {
                assert!(text.contains(&format!("127.0.0.1:{port}: ")) && text.contains("refused"), "{text}");
            }
            other => panic!("{other:?}"),
        }
    });
}

/// No name under it exists, ever (RFC 6761, 6.4).
#[test]
fn a_name_that_is_none_is_not_resolved() {
    check(async {
        match get(&at_home(), "http://nowhere.invalid/").await {
            Err(OperationError::Dns(text)) => assert!(text.starts_with("nowhere.invalid: "), "{text}"),
            other => panic!("{other:?}"),
        }
    });
}
