//! A small server with PartyKit's URLs that does one thing wrong, so that the load tool can be shown to notice.
//!
//! One thread per connection, everything blocking: slow and simple, so that its only faults are the planted ones.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Message, Role, WebSocket};

/// What the server does wrong. Messages are counted over all connections, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    Honest,
    /// Every so many messages one is not delivered to the first who should get it.
    Lose(u64),
    /// Every so many messages one is delivered twice to the first who should get it.
    Duplicate(u64),
    /// The first message comes again, just before the server answers the close.
    DuplicateAtClose,
    /// Every so many messages one is held back until the next has been delivered.
    Swap(u64),
    /// Every so many messages one has a digit altered.
    Alter(u64),
    /// Every so many messages one is delivered to another room too.
    Leak(u64),
    /// The room's second member gets neighbouring messages of two senders in the other order.
    Disagree,
    /// Before this message is handled the whole server stands still.
    Stall(u64, Duration),
    /// Every so many increments one is answered with the number of the increment before.
    RepeatAnswer(u64),
    /// Every so many increments one is acknowledged but not kept.
    ForgetIncrement(u64),
}

#[derive(Default)]
struct State {
    messages: u64,
    increments: u64,
    number: u64,
    /// Members of each room, by its path.
    rooms: HashMap<String, Vec<Member>>,
}

struct Member {
    id: u64,
    stream: TcpStream,
    held: Option<Vec<u8>>,
    first: Option<Vec<u8>>,
}

/// Starts the server on a port of its own and returns it. It ends with the test's process.
pub(crate) fn start(fault: Fault) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let state = Arc::new(Mutex::new(State::default()));
    thread::spawn(move || {
        for (id, stream) in (1..).zip(listener.incoming()) {
            let state = Arc::clone(&state);
            thread::spawn(move || serve(id, stream.unwrap(), &state, fault));
        }
    });
    port
}

fn serve(id: u64, mut stream: TcpStream, state: &Mutex<State>, fault: Fault) {
    stream.set_nodelay(true).unwrap();
    while let Some(head) = read_head(&mut stream) {
        let line = head.lines().next().unwrap();
        let method = line.split(' ').next().unwrap();
        let path = line.split(' ').nth(1).unwrap().split('?').next().unwrap().to_owned();
        let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "));
        let Some(key) = key else {
            let body = count(&mut state.lock().unwrap(), method, fault).to_string();
            let response = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            stream.write_all(response.as_bytes()).unwrap();
            continue;
        };
        let response = format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Accept: {}\r\n\r\n",
            derive_accept_key(key.as_bytes())
        );
        return carry(id, stream, response.as_bytes(), &path, state, fault);
    }
}

fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    Some(String::from_utf8(head).unwrap())
}

fn count(state: &mut State, method: &str, fault: Fault) -> u64 {
    if method != "POST" {
        return state.number;
    }
    state.increments += 1;
    match fault {
        Fault::RepeatAnswer(every) if state.increments.is_multiple_of(every) => {
            state.number += 1;
            state.number - 1
        }
        Fault::ForgetIncrement(every) if state.increments.is_multiple_of(every) => state.number + 1,
        _ => {
            state.number += 1;
            state.number
        }
    }
}

/// Joins the room, then answers the handshake: who has the answer misses nothing. Then reads the connection's
/// messages and delivers them. The close is answered by tungstenite.
fn carry(id: u64, mut stream: TcpStream, answer: &[u8], path: &str, state: &Mutex<State>, fault: Fault) {
    let member = Member { id, stream: stream.try_clone().unwrap(), held: None, first: None };
    let mut joining = state.lock().unwrap();
    joining.rooms.entry(path.to_owned()).or_default().push(member);
    stream.write_all(answer).unwrap();
    drop(joining);
    let mut socket = WebSocket::from_raw_socket(stream, Role::Server, None);
    while let Ok(message) = socket.read() {
        let mut state = state.lock().unwrap();
        match message {
            Message::Text(text) => {
                state.messages += 1;
                deliver(&mut state, id, path, text.as_bytes(), fault);
            }
            Message::Close(_) => {
                let members = state.rooms.get_mut(path).unwrap();
                let own = members.iter().position(|member| member.id == id).unwrap();
                let member = members.remove(own);
                let again = member.first.filter(|_| fault == Fault::DuplicateAtClose);
                for payload in member.held.iter().chain(again.iter()) {
                    send(&member.stream, payload);
                }
            }
            other => panic!("the load tool sends text and closes only, not {other:?}"),
        }
    }
}

fn deliver(state: &mut State, id: u64, path: &str, payload: &[u8], fault: Fault) {
    let State { messages, rooms, .. } = state;
    let due = |every: u64| messages.is_multiple_of(every);
    if let Fault::Stall(at, time) = fault
        && *messages == at
    {
        thread::sleep(time);
    }
    if let (Fault::Leak(every), Some(other)) = (fault, rooms.keys().find(|other| *other != path).cloned())
        && due(every)
    {
        send(&rooms[&other][0].stream, payload);
    }
    let broadcast = path.starts_with("/parties/broadcast/");
    let receivers = rooms.get_mut(path).unwrap().iter_mut().filter(|member| broadcast || member.id == id);
    for (place, member) in receivers.enumerate() {
        member.first.get_or_insert_with(|| payload.to_vec());
        let first = place == 0;
        match fault {
            Fault::Lose(every) if first && due(every) => {}
            Fault::Duplicate(every) if first && due(every) => {
                send(&member.stream, payload);
                send(&member.stream, payload);
            }
            Fault::Swap(every) if first && due(every) => member.held = Some(payload.to_vec()),
            Fault::Alter(every) if first && due(every) => {
                let mut altered = payload.to_vec();
                altered[40] ^= 0x01;
                altered[60] = b'?';
                send(&member.stream, &altered);
            }
            Fault::Disagree if place == 1 => match member.held.take() {
                // The sender is told by bytes 9 to 17; its own messages stay in order.
                Some(held) if held[9..17] != payload[9..17] => {
                    send(&member.stream, payload);
                    send(&member.stream, &held);
                }
                Some(held) => {
                    send(&member.stream, &held);
                    member.held = Some(payload.to_vec());
                }
                None => member.held = Some(payload.to_vec()),
            },
            _ => {
                send(&member.stream, payload);
                if let Some(held) = member.held.take() {
                    send(&member.stream, &held);
                }
            }
        }
    }
}

fn send(mut stream: &TcpStream, payload: &[u8]) {
    let mut frame = vec![0x81, u8::try_from(payload.len()).unwrap()];
    frame.extend_from_slice(payload);
    stream.write_all(&frame).unwrap();
}
