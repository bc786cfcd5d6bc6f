//! Operations as checkpoints and records have them.

use std::sync::Arc;

use bytes::Bytes;

use crate::codec::{Malformed, Reader, Writer, calls, http};
use crate::http::Request;
use crate::ids::Timestamp;
use crate::limits::{FETCH_REDIRECTS_MAX, ROOMS_PAGE_MAX};
use crate::operation::{ConnectTarget, Operation, OperationError, Work};
use crate::planted::{self, PlantedBug};
use crate::turn::operations::CALLED_HOST;

type Read<T> = Result<T, Malformed>;

pub(crate) fn operation(writer: &mut Writer, operation: &Operation) {
    match operation {
        Operation::Sleep { due } => {
            writer.byte(0);
            writer.number(due.0);
        }
        Operation::Work { work, until } => {
            writer.byte(1);
            writer.number(until.0);
            self::work(writer, work);
        }
    }
}

/// What a socket to another room asks for that says no more than to which.
fn bare(party: &str, room: &str) -> Request {
    Request {
        method: "GET".into(),
        uri: format!("http://{CALLED_HOST}/parties/{party}/{room}"),
        headers: Vec::new(),
        body: Bytes::new(),
        body_waits: false,
    }
}

pub(crate) fn read_operation(reader: &mut Reader) -> Read<Operation> {
    Ok(match reader.byte()? {
        0 => Operation::Sleep { due: Timestamp(reader.number("sleep's end")?) },
        1 => {
            let until = Timestamp(reader.number("operation's end")?);
            Operation::Work { work: Arc::new(read_work(reader)?), until }
        }
        _ => return Err(Malformed::Field { field: "operation's kind" }),
    })
}

pub(crate) fn work(writer: &mut Writer, work: &Work) {
    match work {
        Work::Rooms { party, prefix, after, limit } => {
            writer.byte(0);
            writer.bytes(party.as_bytes());
            writer.bytes(prefix.as_bytes());
            writer.option(after.as_ref(), |writer, after| writer.bytes(after.as_bytes()));
            writer.number((*limit).into());
        }
        Work::Call { party, room, request, once } => {
            writer.byte(1);
            writer.bytes(party.as_bytes());
            writer.bytes(room.as_bytes());
            http::request(writer, request);
            writer.option(once.as_ref(), calls::once);
        }
        Work::Fetch { request, redirects_max, resend, streams } => {
            writer.byte(if *streams { 5 } else { 2 });
            match planted::is(PlantedBug::KeyNotKept) {
                true => http::request(writer, &Request { headers: Vec::new(), ..(**request).clone() }),
                false => http::request(writer, request),
            }
            writer.number((*redirects_max).into());
            writer.byte((*resend).into());
        }
        Work::Connect { target: ConnectTarget::Url(url) } => {
            writer.byte(6);
            writer.bytes(url.as_bytes());
        }
        Work::Connect { target: ConnectTarget::Room { party, room, request } } => {
            let is_bare = **request == bare(party, room);
            writer.byte(if is_bare { 7 } else { 8 });
            writer.bytes(party.as_bytes());
            writer.bytes(room.as_bytes());
            if !is_bare {
                http::request(writer, request);
            }
        }
        Work::Asset { path } => {
            writer.byte(3);
            writer.bytes(path.as_bytes());
        }
    }
}

fn read_work(reader: &mut Reader) -> Read<Work> {
    let kind = reader.byte()?;
    Ok(match kind {
        0 => Work::Rooms {
            party: reader.text("party")?,
            prefix: reader.text("prefix")?,
            after: reader.option("last room", |reader| reader.text("last room"))?,
            limit: match u32::try_from(reader.number("number of rooms")?) {
                Ok(limit) if (1..=ROOMS_PAGE_MAX).contains(&limit) => limit,
                Ok(_) | Err(_) => return Err(Malformed::Field { field: "number of rooms" }),
            },
        },
        1 => Work::Call {
            party: reader.text("party")?,
            room: reader.text("room")?,
            request: Box::new(http::read_request(reader)?),
            once: reader.option("call's time", calls::read_once)?,
        },
        2 | 5 => Work::Fetch {
            request: Box::new(http::read_request(reader)?),
            redirects_max: match u32::try_from(reader.number("number of redirects")?) {
                Ok(redirects) if redirects <= FETCH_REDIRECTS_MAX => redirects,
                Ok(_) | Err(_) => return Err(Malformed::Field { field: "number of redirects" }),
            },
            resend: reader.flag("whether it is sent again")?,
            streams: kind == 5,
        },
        6 => Work::Connect { target: ConnectTarget::Url(reader.text("socket's address")?) },
        kind @ (7 | 8) => {
            let (party, room) = (reader.text("party")?, reader.text("room")?);
            let bare = bare(&party, &room);
            let request = if kind == 8 { http::read_request(reader)? } else { bare.clone() };
            if kind == 8 && request == bare {
                return Err(Malformed::Field { field: "socket's request" });
            }
            Work::Connect { target: ConnectTarget::Room { party, room, request: Box::new(request) } }
        }
        3 => Work::Asset { path: reader.text("asset's path")? },
        _ => return Err(Malformed::Field { field: "work's kind" }),
    })
}

pub(crate) fn error(writer: &mut Writer, error: &OperationError) {
    let text = match error {
        OperationError::Timeout => return writer.byte(0),
        OperationError::NoSuchParty(text) => {
            writer.byte(1);
            text
        }
        OperationError::Connect(text) => {
            writer.byte(2);
            text
        }
        OperationError::TooLarge(bytes_max) => {
            writer.byte(3);
            return writer.number(*bytes_max);
        }
        OperationError::Overloaded(max) => {
            writer.byte(4);
            return writer.number((*max).into());
        }
        OperationError::Dns(text) => {
            writer.byte(5);
            text
        }
        OperationError::Tls(text) => {
            writer.byte(6);
            text
        }
        OperationError::RefusedByPolicy(text) => {
            writer.byte(7);
            text
        }
    };
    writer.bytes(text.as_bytes());
}

pub(crate) fn read_error(reader: &mut Reader) -> Read<OperationError> {
    Ok(match reader.byte()? {
        0 => OperationError::Timeout,
        1 => OperationError::NoSuchParty(reader.text("party")?),
        2 => OperationError::Connect(reader.text("failure")?),
        3 => OperationError::TooLarge(reader.number("bound")?),
        4 => {
            let max = u32::try_from(reader.number("bound")?);
            OperationError::Overloaded(max.map_err(|_| Malformed::Field { field: "bound" })?)
        }
        5 => OperationError::Dns(reader.text("failure")?),
        6 => OperationError::Tls(reader.text("failure")?),
        7 => OperationError::RefusedByPolicy(reader.text("failure")?),
        _ => return Err(Malformed::Field { field: "failure" }),
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{Arc, FETCH_REDIRECTS_MAX, Malformed, OperationError, ROOMS_PAGE_MAX, Read, Reader};
    use super::{
        ConnectTarget, Operation, Timestamp, Work, Writer, error, operation, read_error, read_operation,
    };
    use crate::http::{Header, Request};

    fn rooms(after: Option<&str>, limit: u32) -> Operation {
        let (party, prefix) = ("main".into(), "großes ß".into());
        let work = Work::Rooms { party, prefix, after: after.map(str::to_owned), limit };
        Operation::Work { work: Arc::new(work), until: Timestamp(1_700_000_030_000) }
    }

    fn request(method: &str, uri: &str, has_header: bool) -> Request {
        let header = Header { name: "idempotency-key".into(), value: Bytes::from_static(b"\xff k") };
        let headers = if has_header { vec![header] } else { Vec::new() };
        Request {
            method: method.into(),
            uri: uri.into(),
            headers,
            body: Bytes::from_static(b"four"),
            body_waits: false,
        }
    }

    fn fetch(resend: bool, redirects_max: u32) -> Operation {
        let request = request("PUT", "https://example.com/a?b", resend);
        let work =
            Work::Fetch { request: Box::new(request), redirects_max, resend, streams: redirects_max == 7 };
        Operation::Work { work: Arc::new(work), until: Timestamp(1_700_000_300_000) }
    }

    fn connect(target: ConnectTarget) -> Operation {
        Operation::Work { work: Arc::new(Work::Connect { target }), until: Timestamp(1_700_000_030_000) }
    }

    fn asset(path: &str) -> Operation {
        let work = Work::Asset { path: path.into() };
        Operation::Work { work: Arc::new(work), until: Timestamp(1_700_000_030_000) }
    }

    fn operations() -> Vec<Operation> {
        vec![
            asset("/"),
            asset("/großes%20ß.txt"),
            fetch(true, 0),
            fetch(false, FETCH_REDIRECTS_MAX),
            fetch(true, 7),
            connect(ConnectTarget::Url("wss://example.com/a?b".into())),
            connect(ConnectTarget::Room {
                party: "main".into(),
                room: "großes ß".into(),
                request: Box::new(request("GET", "http://rooms.internal/parties/main/x/a?b", true)),
            }),
            connect(ConnectTarget::Room {
                party: "main".into(),
                room: "r".into(),
                request: Box::new(super::bare("main", "r")),
            }),
            Operation::Sleep { due: Timestamp(0) },
            Operation::Sleep { due: Timestamp::NEVER },
            rooms(None, 1),
            rooms(Some(""), 300),
            rooms(Some("the last one"), ROOMS_PAGE_MAX),
        ]
    }

    fn errors() -> Vec<OperationError> {
        vec![
            OperationError::Timeout,
            OperationError::NoSuchParty("main".into()),
            OperationError::NoSuchParty(String::new()),
            OperationError::Connect("the store cannot be read: großes ß".into()),
            OperationError::TooLarge(1 << 40),
            OperationError::Overloaded(u32::MAX),
            OperationError::Dns("nowhere.invalid".into()),
            OperationError::Tls("the certificate has expired".into()),
            OperationError::RefusedByPolicy("169.254.169.254 is link-local".into()),
        ]
    }

    fn written<T>(write: fn(&mut Writer, &T), value: &T) -> Bytes {
        let mut writer = Writer::default();
        write(&mut writer, value);
        writer.finish()
    }

    fn read<T>(read: fn(&mut Reader) -> Read<T>, bytes: &Bytes) -> Read<T> {
        let mut reader = Reader::new(bytes.clone());
        let value = read(&mut reader)?;
        reader.finish()?;
        Ok(value)
    }

    /// It comes back; no cut of it does; and whatever else does has one form.
    fn check<T: PartialEq + std::fmt::Debug>(
        values: &[T],
        write: fn(&mut Writer, &T),
        from: fn(&mut Reader) -> Read<T>,
    ) {
        for value in values {
            let whole = written(write, value);
            assert_eq!(read(from, &whole).as_ref(), Ok(value));
            for end in 0..whole.len() {
                assert!(read(from, &whole.slice(..end)).is_err(), "{value:?} until byte {end}");
            }
            for (at, byte) in (0..whole.len()).flat_map(|at| (0..=u8::MAX).map(move |byte| (at, byte))) {
                let mut damaged = whole.to_vec();
                damaged[at] = byte;
                let damaged = Bytes::from(damaged);
                if let Ok(other) = read(from, &damaged) {
                    assert_eq!(written(write, &other), damaged, "{value:?} with {byte} at {at}: {other:?}");
                }
            }
        }
    }

    #[test]
    fn operations_come_back_as_they_were_written_and_nothing_else_does() {
        check(&operations(), operation, read_operation);
    }

    #[test]
    fn failures_come_back_as_they_were_written_and_nothing_else_does() {
        check(&errors(), error, read_error);
    }

    #[test]
    fn their_bytes_are_those_that_are_drawn() {
        assert_eq!(written(operation, &Operation::Sleep { due: Timestamp(300) }), [0, 0xac, 0x02][..]);
        let work =
            Work::Rooms { party: "m".into(), prefix: String::new(), after: Some("a".into()), limit: 7 };
        let asked = Operation::Work { work: Arc::new(work), until: Timestamp(5) };
        assert_eq!(written(operation, &asked), [1, 5, 0, 1, b'm', 0, 1, 1, b'a', 7][..]);
        let asset =
            Operation::Work { work: Arc::new(Work::Asset { path: "/a".into() }), until: Timestamp(5) };
        assert_eq!(written(operation, &asset), [1, 5, 3, 2, b'/', b'a'][..]);
        assert_eq!(written(error, &OperationError::Timeout), [0][..]);
        assert_eq!(written(error, &OperationError::NoSuchParty("m".into())), [1, 1, b'm'][..]);
        assert_eq!(written(error, &OperationError::Connect("x".into())), [2, 1, b'x'][..]);
    }

    #[test]
    fn a_page_without_rooms_or_with_too_many_is_refused() {
        let refused = Err(Malformed::Field { field: "number of rooms" });
        for limit in [0, ROOMS_PAGE_MAX + 1, u32::MAX] {
            assert_eq!(read(read_operation, &written(operation, &rooms(None, limit))), refused, "{limit}");
        }
        // 2^32 + 1 rooms, which is one if only half of the number is looked at.
        let many = Bytes::from_static(&[1, 5, 0, 1, b'm', 0, 0, 0x81, 0x80, 0x80, 0x80, 0x10]);
        assert_eq!(read(read_operation, &many), refused);
    }

    #[test]
    fn more_redirects_than_are_followed_are_refused() {
        let refused = Err(Malformed::Field { field: "number of redirects" });
        let many = written(operation, &fetch(false, FETCH_REDIRECTS_MAX + 1));
        assert_eq!(read(read_operation, &many), refused);
    }

    #[test]
    fn other_kinds_and_other_than_text_are_refused() {
        let kinds: [(&[u8], _); 3] = [
            (&[2, 5], "operation's kind"),
            (&[1, 5, 4, 1, b'm', 0, 0, 1], "work's kind"),
            (&[1, 5, 0, 1, 0xff, 0, 0, 1], "party"),
        ];
        for (bytes, field) in kinds {
            let bytes = Bytes::from_static(bytes);
            assert_eq!(read(read_operation, &bytes), Err(Malformed::Field { field }));
        }
        assert_eq!(read(read_error, &Bytes::from_static(&[8])), Err(Malformed::Field { field: "failure" }));
    }

    #[test]
    fn a_length_is_not_believed_before_its_bytes_are_seen() {
        // A party of a billion bytes.
        let bytes = Bytes::from_static(&[1, 5, 0, 0x80, 0x94, 0xeb, 0xdc, 0x03, b'm']);
        assert_eq!(read(read_operation, &bytes), Err(Malformed::Length));
    }
}
