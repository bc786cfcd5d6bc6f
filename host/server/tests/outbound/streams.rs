//! Bodies that arrive in pieces, and WebSockets, from real servers.

use std::future::poll_fn;

use futures_util::{SinkExt, StreamExt};
use party_core::message::{CloseFrame, Message};
use party_core::operation::OperationError;
use party_node::outbound::{Fetch, FromSocket, Outbound, Pieces, Socket, ToSocket};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame as WireFrame, Message as WireMessage};
use tokio_tungstenite::{WebSocketStream, accept_async};

use crate::servers::{Says, Server, at_home, check, network, ok, request};

async fn piece(pieces: &mut Box<dyn Pieces>) -> Option<Result<String, String>> {
    let piece = poll_fn(|cx| pieces.poll_piece(cx)).await;
    piece.map(|piece| piece.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

fn asked(url: &str) -> Fetch {
    Fetch { request: request(&format!("GET {url}"), &[], ""), redirects_max: 1, body_bytes_max: 0 }
}

#[test]
fn the_head_comes_before_the_body_and_the_body_as_it_is_sent() {
    check(async {
        let first = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n";
        let server = Server::start(vec![Says::Half(first.into(), "3\r\ntwo\r\n0\r\n\r\n".into())]).await;
        let (head, mut body) = at_home().fetch_streamed(asked(&server.url("/"))).await.unwrap();
        assert_eq!((head.status, head.body.len()), (200, 0));
        assert_eq!(piece(&mut body).await, Some(Ok("one".into())), "its bound is that of whole bodies");
        server.go_on();
        assert_eq!(piece(&mut body).await, Some(Ok("two".into())));
        assert_eq!(piece(&mut body).await, None);
    });
}

#[test]
fn a_body_that_is_not_whole_breaks_off() {
    check(async {
        let half = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf";
        let server = Server::start(vec![Says::This(half.into())]).await;
        let (_, mut body) = at_home().fetch_streamed(asked(&server.url("/"))).await.unwrap();
        assert_eq!(piece(&mut body).await, Some(Ok("half".into())));
        let broke = piece(&mut body).await.unwrap().unwrap_err();
        assert!(broke.starts_with("the connection broke: "), "{broke}");
    });
}

#[test]
fn who_wants_no_more_closes_the_connection() {
    check(async {
        let first = "HTTP/1.1 200 OK\r\n\r\nwords";
        let mut server = Server::start(vec![Says::Half(first.into(), "x".repeat(10_000_000))]).await;
        let (_, mut body) = at_home().fetch_streamed(asked(&server.url("/"))).await.unwrap();
        assert_eq!(piece(&mut body).await, Some(Ok("words".into())));
        drop(body);
        server.go_on();
        server.connection_ended().await;
    });
}

async fn accepted(listener: &TcpListener) -> WebSocketStream<TcpStream> {
    let (socket, _) = listener.accept().await.unwrap();
    accept_async(socket).await.unwrap()
}

/// Both ends of a WebSocket.
async fn pair(message_bytes_max: u32) -> (Socket, WebSocketStream<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://127.0.0.1:{}/live?a=b", listener.local_addr().unwrap().port());
    let opening = at_home().connect(url, message_bytes_max);
    let (opened, server) = tokio::join!(opening, accepted(&listener));
    (opened.unwrap(), server)
}

#[test]
fn messages_go_both_ways_and_what_was_taken_is_told() {
    check(async {
        let (mut socket, mut server) = pair(100).await;
        socket.to.send(ToSocket::Send(Message::text("hello"))).unwrap();
        assert_eq!(server.next().await.unwrap().unwrap(), WireMessage::text("hello"));
        assert_eq!(socket.taken.recv().await, Some(5));
        server.send(WireMessage::binary(vec![1, 2])).await.unwrap();
        assert_eq!(socket.from.recv().await, Some(FromSocket::Message(Message::Binary(vec![1, 2].into()))));
    });
}

#[test]
fn either_side_closes_with_a_code() {
    check(async {
        let (mut socket, mut server) = pair(100).await;
        socket.to.send(ToSocket::Close(Some(CloseFrame::new(4_001, "enough")))).unwrap();
        let WireMessage::Close(Some(frame)) = server.next().await.unwrap().unwrap() else {
            panic!("it is closed")
        };
        assert_eq!((u16::from(frame.code), frame.reason.as_str()), (4_001, "enough"));
        // The library answers when it is asked for more.
        assert!(server.next().await.is_none());
        assert_eq!(socket.from.recv().await, Some(FromSocket::Closed(CloseFrame::new(4_001, "enough"))));

        let (mut socket, mut server) = pair(100).await;
        server.close(Some(WireFrame { code: 4_002.into(), reason: "bye".into() })).await.unwrap();
        assert_eq!(socket.from.recv().await, Some(FromSocket::Closed(CloseFrame::new(4_002, "bye"))));
        assert_eq!(socket.from.recv().await, None, "that was the last word");
    });
}

#[test]
fn a_connection_that_is_lost_and_a_message_that_is_too_large_are_the_last_word() {
    check(async {
        let (mut socket, server) = pair(100).await;
        drop(server);
        assert!(matches!(
            socket.from.recv().await,
            Some(FromSocket::Broke(_) | FromSocket::Closed(CloseFrame { code: 1006, .. }))
        ));
        let (mut socket, mut server) = pair(100).await;
        server.send(WireMessage::text("x".repeat(101))).await.unwrap();
        let Some(FromSocket::Broke(why)) = socket.from.recv().await else { panic!("it is too large") };
        assert!(why.contains("100"), "{why}");
    });
}

#[test]
fn a_room_that_gives_its_socket_up_is_gone_for_the_other_side() {
    check(async {
        let (socket, mut server) = pair(100).await;
        drop(socket);
        assert!(matches!(server.next().await, None | Some(Err(_))));
    });
}

#[test]
fn only_where_a_fetch_may_go_is_a_socket_opened_and_only_if_a_websocket_answers() {
    check(async {
        let mut server = Server::start(vec![ok("no socket")]).await;
        let url = format!("ws://127.0.0.1:{}/", server.port);
        let refused = network(&[], None).connect(url.clone(), 100).await.err().unwrap();
        assert!(matches!(refused, OperationError::RefusedByPolicy(_)), "{refused:?}");
        let failed = at_home().connect(url, 100).await.err().unwrap();
        let OperationError::Connect(why) = failed else { panic!("{failed:?}") };
        assert!(why.starts_with("no WebSocket: "), "{why}");
        assert!(server.request().await.contains("user-agent: party-host/"));
    });
}
