//! Everybody's pointer in a room.
//!
//! The room remembers nothing: what there is to know of a person is kept with their connection, where it outlives the
//! room's sleep and its end, and goes when they go.

mod cursor;
mod frame;

use std::collections::BTreeMap;

use cursor::{Country, Cursor};
use frame::{Records, ToRoom};
use party::{Close, Connection, Message, Party, Reply, Request, Response, Result, Room};
use serde::Serialize;

#[derive(Default)]
struct Cursors;

#[party::serve]
impl Party for Cursors {
    fn on_connect(&mut self, room: &Room, connection: &Connection) -> Result<()> {
        let Some(info) = connection.info() else { return Ok(()) };
        let others = present(room)?;
        let Some(cursor) = Cursor::beside(&others, Country::of(&info)) else {
            return Ok(connection.reject(&Response::text("the room is full").with_status(503))?);
        };
        connection.accept(&[&cursor.country.tag()])?;
        connection.set_state(&cursor)?;
        let all = others.iter().fold(Records::default().you(&cursor), Records::came);
        connection.send(all.message())?;
        show(room, connection, Records::default().came(&cursor))
    }

    fn on_message(&mut self, room: &Room, from: &Connection, message: Message) -> Result<()> {
        let Some(mut cursor) = from.state::<Cursor>()? else { return Ok(()) };
        match ToRoom::read(&message) {
            Some(ToRoom::Point(place)) => {
                cursor.place = place;
                from.set_state(&cursor)?;
                show(room, from, Records::default().pointed(&cursor))
            }
            Some(ToRoom::Wave) => {
                let waves = Records::default().waves(&cursor).message();
                room.everyone().tagged(&cursor.country.tag()).send(waves)?;
                Ok(())
            }
            None => Ok(from.close(1003, "a message is binary and has 0, 1 or 4 bytes")?),
        }
    }

    fn on_close(&mut self, room: &Room, connection: &Connection, _close: Close) -> Result<()> {
        match connection.state::<Cursor>()? {
            Some(cursor) => show(room, connection, Records::default().left(&cursor)),
            None => Ok(()),
        }
    }

    /// How many people are here, and where they come from.
    fn on_request(&mut self, room: &Room, request: Request) -> Result<Reply> {
        if request.method != "GET" {
            return Ok(Response::status(405).with_header("allow", "GET").into());
        }
        let mut census = Census { people: 0, countries: BTreeMap::new() };
        for cursor in present(room)? {
            census.people += 1;
            *census.countries.entry(cursor.country.tag()).or_default() += 1;
        }
        Ok(Response::json(&census)?.into())
    }
}

#[derive(Serialize)]
struct Census {
    people: u32,
    countries: BTreeMap<String, u32>,
}

/// The pointers of all who are in, in the order in which they came.
fn present(room: &Room) -> Result<Vec<Cursor>> {
    let mut present = Vec::new();
    for connection in room.connections() {
        present.extend(connection.state::<Cursor>()?);
    }
    Ok(present)
}

/// Show something about somebody to all others.
fn show(room: &Room, about: &Connection, records: Records) -> Result<()> {
    room.everyone().except(&[*about]).send(records.message())?;
    Ok(())
}
