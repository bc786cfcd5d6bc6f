//! What a scripted guest does in a turn, in the words of transcripts.
//!
//! Commands are separated by `;`, and the last may say how the turn ends: `done`, `pending e` (the event is called
//! e from here on), `fail message`, `fail 418 message` or `trap message`.
//!
//! ```text
//! accept a red,blue     reject a 403 no      send a hello     close a 4000 bye     attach a bytes
//! broadcast hello       broadcast hello except a,b            broadcast hello tag red
//! auto-response ping=pong    auto-response off
//! list    list red      state a      attachment a             respond r 200 hello
//! put k v    put-many k=v j=w    get k    get-many k j    delete k    delete-many k j    clear    bytes
//! page prefix=k start=k after=k end=k limit=2 bytes=9 reverse
//! alarm 5000    alarm off    alarm    sleep s 100    cancel s    operations    rooms o party prefix after a    asset o /path
//! call o party/room hello    fetch o https://a.test/ 5000 hello    fetch o https://a.test/ resend hello
//! fetch o https://a.test/ stream    fetch o https://a.test/ streamed-resend    connect o wss://a.test/    connect o party/room
//! read b r    open w r 200    write w bytes    send-on o hello    finish w    break-off w    close-on o 1000 bye    may-write w    streams
//! settle e    settle e fail message    hold    release    now    incarnation    log text    own e
//! ```
//!
//! `own e` gives this turn's event a name. What is logged is shown when the turn is over. Reads write a line each; commands only if they are refused.

use bytes::Bytes;
use party_core::auto_response::AutoResponse;
use party_core::event::{DropCause, Failure, LogLevel, TurnEnd};
use party_core::fetch::FetchOptions;
use party_core::http::{Request, Response};
use party_core::ids::{ConnectionId, Timestamp};
use party_core::message::Message;
use party_core::operation::ConnectTarget;
use party_core::turn::Turn;
use party_core::turn::storage::ListOptions;

use crate::notation::{Names, close_frame};
use crate::show;

/// Runs a script; `found` gets a line for each read and each refusal.
pub(crate) fn run(script: &str, turn: &mut Turn, names: &mut Names, found: &mut Vec<String>) -> TurnEnd {
    for command in script.split(';').map(str::trim).filter(|command| !command.is_empty()) {
        let (verb, rest) = command.split_once(' ').unwrap_or((command, ""));
        match verb {
            "done" => return TurnEnd::Done,
            "pending" => {
                names.events.insert(rest.into(), turn.event_id());
                return TurnEnd::Pending;
            }
            "fail" => return TurnEnd::Failed(failure(rest)),
            "destroy" => {
                turn.destroy();
                continue;
            }
            "abort" => return TurnEnd::Dropped(DropCause::Aborted(rest.into())),
            "trap" => return TurnEnd::Dropped(DropCause::Trap(rest.into())),
            _ => {}
        }
        let result = about_connections(verb, rest, turn, names)
            .or_else(|| about_storage(verb, rest, turn))
            .or_else(|| about_streams(verb, rest, turn, names))
            .or_else(|| about_time(verb, rest, turn, names))
            .unwrap_or_else(|| panic!("unknown command: {command}"));
        found.extend(match result {
            Ok(None) => None,
            Ok(Some(answer)) => Some(format!("{command}: {answer}")),
            Err(error) => Some(format!("{command}: error: {error}")),
        });
    }
    TurnEnd::Done
}

type Answer = Result<Option<String>, String>;

fn done<E: ToString>(result: Result<(), E>) -> Answer {
    result.map(|()| None).map_err(|error| error.to_string())
}

fn shown<T, E: ToString>(result: Result<T, E>, show: impl FnOnce(T) -> String) -> Answer {
    result.map(|value| Some(show(value))).map_err(|error| error.to_string())
}

fn about_connections(verb: &str, rest: &str, turn: &mut Turn, names: &Names) -> Option<Answer> {
    let (name, text) = rest.split_once(' ').unwrap_or((rest, ""));
    let connection = || names.connections.get(name).copied().unwrap_or(ConnectionId(u64::MAX));
    Some(match verb {
        "accept" => {
            let tags = text.split(',').filter(|tag| !tag.is_empty()).map(str::to_owned).collect();
            done(turn.accept(connection(), tags))
        }
        "reject" => done(turn.reject(connection(), response(text))),
        "send" => done(turn.send(connection(), Message::text(text))),
        "close" => done(turn.close(connection(), close_frame(text))),
        "attach" => done(turn.set_attachment(connection(), bytes(text))),
        "auto-response" => {
            let pair = rest.split_once('=').map(|(request, response)| AutoResponse {
                request: request.into(),
                response: response.into(),
            });
            done(turn.set_auto_response(pair))
        }
        "attachment" => shown(turn.attachment(connection()), |bytes| show::bytes(&bytes)),
        "broadcast" => {
            let (message, except, tag) = broadcast(rest, names);
            shown(turn.broadcast(message, &except, tag), |count| count.to_string())
        }
        "list" => {
            let listed = turn.connections(Some(rest).filter(|tag| !tag.is_empty()));
            Ok(Some(show::connections(&listed, names)))
        }
        "state" => Ok(Some(match turn.connection(connection()) {
            Some(view) => format!("{:?} {}", view.ready_state, view.tags.join(",")).trim().to_owned(),
            None => "none".into(),
        })),
        "respond" => done(turn.respond(names.requests[name], response(text))),
        _ => return None,
    })
}

/// `hello except a,b` or `hello tag red`
fn broadcast<'a>(rest: &'a str, names: &Names) -> (Message, Vec<ConnectionId>, Option<&'a str>) {
    let (rest, tag) = match rest.split_once(" tag ") {
        Some((rest, tag)) => (rest, Some(tag)),
        None => (rest, None),
    };
    let (message, except) = rest.split_once(" except ").unwrap_or((rest, ""));
    let except = except.split(',').filter(|name| !name.is_empty()).map(|name| names.connections[name]);
    (Message::text(message), except.collect(), tag)
}

fn about_storage(verb: &str, rest: &str, turn: &mut Turn) -> Option<Answer> {
    let keys = || rest.split_whitespace().map(bytes).collect::<Vec<_>>();
    Some(match verb {
        "put" => {
            let (key, value) = rest.split_once(' ').unwrap_or((rest, ""));
            done(turn.put(bytes(key), bytes(value)))
        }
        "put-many" => {
            let entries = rest.split_whitespace().map(|entry| {
                let (key, value) = entry.split_once('=').expect("key=value");
                (bytes(key), bytes(value))
            });
            done(turn.put_many(entries.collect()))
        }
        "get" => shown(turn.get(rest.as_bytes()), |value| show::value(value.as_ref())),
        "get-many" => shown(turn.get_many(&keys()), |values| {
            values.iter().map(|value| show::value(value.as_ref())).collect::<Vec<_>>().join(" ")
        }),
        "delete" => shown(turn.delete(bytes(rest)), |existed| existed.to_string()),
        "delete-many" => shown(turn.delete_many(keys()), |count| count.to_string()),
        "clear" => {
            turn.delete_all();
            Ok(None)
        }
        "bytes" => Ok(Some(turn.storage_bytes().to_string())),
        "page" => shown(turn.list(&list_options(rest)), |page| show::page(&page)),
        _ => return None,
    })
}

fn list_options(text: &str) -> ListOptions {
    let mut options = ListOptions::default();
    for word in text.split_whitespace() {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        match name {
            "prefix" => options.prefix = bytes(value),
            "start" => options.start = Some(bytes(value)),
            "after" => options.start_after = Some(bytes(value)),
            "end" => options.end = Some(bytes(value)),
            "limit" => options.limit = value.parse().expect("a number"),
            "bytes" => options.bytes_max = value.parse().expect("a number"),
            "reverse" => options.reverse = true,
            _ => panic!("unknown option: {word}"),
        }
    }
    options
}

fn about_streams(verb: &str, rest: &str, turn: &mut Turn, names: &mut Names) -> Option<Answer> {
    let (name, text) = rest.split_once(' ').unwrap_or((rest, ""));
    Some(match verb {
        "open" => {
            let (request, text) = text.split_once(' ').expect("a request and a status");
            match turn.open_response(names.requests[request], text.parse().expect("a status"), Vec::new()) {
                Ok(id) => {
                    names.streams.retain(|_, other| *other != id);
                    names.streams.insert(name.into(), id);
                    Ok(None)
                }
                Err(error) => Err(error.to_string()),
            }
        }
        "read" => match turn.read_body(names.requests[text]) {
            Ok(id) => {
                names.streams.retain(|_, other| *other != id);
                names.streams.insert(name.into(), id);
                Ok(None)
            }
            Err(error) => Err(error.to_string()),
        },
        "write" => done(turn.write(names.stream(name), bytes(text))),
        "send-on" => done(turn.send_on(names.stream(name), Message::text(text))),
        "break-off" => done(turn.break_off(names.stream(name))),
        "finish" => done(turn.finish(names.stream(name))),
        "close-on" => done(turn.close_on(names.stream(name), close_frame(text))),
        "may-write" => shown(turn.stream_credit(names.stream(name)), |bytes| bytes.to_string()),
        "streams" => Ok(Some(turn.open_streams().to_string())),
        _ => return None,
    })
}

fn about_time(verb: &str, rest: &str, turn: &mut Turn, names: &mut Names) -> Option<Answer> {
    let (name, text) = rest.split_once(' ').unwrap_or((rest, ""));
    Some(match verb {
        "alarm" if rest.is_empty() => {
            Ok(Some(turn.alarm().map_or_else(|| "none".into(), |at| at.to_string())))
        }
        "alarm" => {
            turn.set_alarm(rest.parse().ok().map(Timestamp));
            Ok(None)
        }
        "sleep" => match turn.sleep(text.parse().expect("milliseconds")) {
            Ok(id) => {
                names.operations.insert(name.into(), id);
                Ok(None)
            }
            Err(error) => Err(error.to_string()),
        },
        "rooms" => {
            let (party, rest) = text.split_once(' ').unwrap_or((text, ""));
            let (prefix, after) = match rest.split_once(" after ") {
                Some((prefix, after)) => (prefix, Some(after.to_owned())),
                None => (rest, None),
            };
            match turn.rooms(party.into(), prefix.into(), after, 10) {
                Ok(id) => {
                    names.operations.insert(name.into(), id);
                    Ok(None)
                }
                Err(error) => Err(error.to_string()),
            }
        }
        "asset" => match turn.asset(text.into()) {
            Ok(id) => {
                names.operations.insert(name.into(), id);
                Ok(None)
            }
            Err(error) => Err(error.to_string()),
        },
        "call" => {
            let (address, body) = text.split_once(' ').unwrap_or((text, ""));
            let (party, room) = address.split_once('/').expect("a party and a room");
            let body = Bytes::copy_from_slice(body.as_bytes());
            let request = Request {
                method: "POST".into(),
                uri: String::new(),
                headers: Vec::new(),
                body,
                body_waits: false,
            };
            match turn.call(party.into(), room.into(), request) {
                Ok(id) => {
                    names.operations.insert(name.into(), id);
                    Ok(None)
                }
                Err(error) => Err(error.to_string()),
            }
        }
        "fetch" => {
            let (url, text) = text.split_once(' ').unwrap_or((text, ""));
            let (how, body) = text.split_once(' ').unwrap_or((text, ""));
            let (resend, streams) = (how.ends_with("resend"), how.starts_with("stream"));
            let timeout_ms = how.parse().unwrap_or_default();
            let body = Bytes::copy_from_slice(body.as_bytes());
            let request = Request {
                method: "POST".into(),
                uri: url.into(),
                headers: Vec::new(),
                body,
                body_waits: false,
            };
            match turn.fetch(request, FetchOptions { timeout_ms, redirects_max: 0, resend, streams }) {
                Ok(id) => {
                    names.operations.insert(name.into(), id);
                    Ok(None)
                }
                Err(error) => Err(error.to_string()),
            }
        }
        "connect" => {
            let target = match text.split_once("://") {
                Some(_) => ConnectTarget::Url(text.into()),
                None => {
                    let (party, way) = text.split_once('/').expect("a party and a room");
                    let (room, uri) = way.split_at(way.find(['/', '?']).unwrap_or(way.len()));
                    let (method, headers, body) = ("GET".into(), Vec::new(), Bytes::new());
                    let request = Request { method, uri: uri.into(), headers, body, body_waits: false };
                    ConnectTarget::Room { party: party.into(), room: room.into(), request: Box::new(request) }
                }
            };
            match turn.connect(target) {
                Ok(id) => {
                    names.operations.insert(name.into(), id);
                    Ok(None)
                }
                Err(error) => Err(error.to_string()),
            }
        }
        "cancel" => Ok(Some(turn.cancel(names.operations[name]).to_string())),
        "operations" => Ok(Some(turn.open_operations().to_string())),
        "settle" => {
            let outcome = match text.split_once(' ') {
                Some(("fail", message)) => Err(failure(message)),
                _ => Ok(()),
            };
            done(turn.settle(names.events[name], outcome))
        }
        "own" => {
            names.events.insert(name.into(), turn.event_id());
            Ok(None)
        }
        "hold" => done(turn.hold()),
        "release" => done(turn.release()),
        "now" => Ok(Some(turn.now().to_string())),
        "incarnation" => Ok(Some(turn.incarnation().to_string())),
        "log" => {
            turn.log(LogLevel::Info, bytes(rest));
            Ok(None)
        }
        _ => return None,
    })
}

/// `message`, or `418 message`.
fn failure(text: &str) -> Failure {
    let with_status = text.split_once(' ').and_then(|(status, rest)| Some((status.parse().ok()?, rest)));
    let (status, message) = with_status.map_or((None, text), |(status, rest)| (Some(status), rest));
    Failure { message: message.into(), stack: None, status }
}

/// `200 body`
fn response(text: &str) -> Response {
    let (status, body) = text.split_once(' ').unwrap_or((text, ""));
    Response::text(status.parse().expect("a status"), body)
}

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}
