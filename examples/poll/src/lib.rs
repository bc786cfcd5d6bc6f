//! A poll: created by HTTP, voted on over WebSocket or HTTP, with one vote for each key.

mod ballot;
mod poll;

use ballot::Voter;
use party::{Connection, Error, Message, Party, Reply, Request, Response, Result, Room, StartReason};
use poll::{Poll, body};
use serde::{Deserialize, Serialize};

#[derive(Default)]
struct Polls {
    /// A room has one, or none yet.
    poll: Option<Poll>,
}

/// From the page: `{"vote": 1}`.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum ToRoom {
    /// I am for the option of this number, from 0.
    Vote(usize),
}

/// A vote over HTTP: `{"option": 1}`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vote {
    option: usize,
}

/// To the page: `{"poll": {"question": …}}`, `{"voted": 1}`, `{"sorry": "…"}`.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum ToClient<'a> {
    /// The poll with its result; nothing if there is none.
    Poll(Option<&'a Poll>),
    /// What you have voted for.
    Voted(Option<usize>),
    /// What you asked for cannot be done, and why.
    Sorry(String),
}

#[party::serve]
impl Party for Polls {
    fn on_start(&mut self, room: &Room, _reason: StartReason) -> Result<()> {
        self.poll = Poll::load(room)?;
        Ok(())
    }

    fn on_connect(&mut self, room: &Room, connection: &Connection) -> Result<()> {
        let voter = match voter(connection) {
            Ok(voter) => voter,
            Err(error) => {
                let refused = Response::text(error.to_string()).with_status(400);
                return Ok(connection.reject(&refused)?);
            }
        };
        let voted = voter.vote(room)?;
        connection.send(Message::from_json(&ToClient::Poll(self.poll.as_ref()))?)?;
        connection.send(Message::from_json(&ToClient::Voted(voted))?)?;
        Ok(())
    }

    fn on_message(&mut self, room: &Room, from: &Connection, message: Message) -> Result<()> {
        let done = match message.json() {
            Ok(ToRoom::Vote(option)) => voter(from).and_then(|voter| self.vote(room, &voter, option)),
            Err(error) => Err(error.into()),
        };
        let answer = match done {
            Ok(option) => ToClient::Voted(Some(option)),
            Err(error) => ToClient::Sorry(error.to_string()),
        };
        Ok(from.send(Message::from_json(&answer)?)?)
    }

    fn on_request(&mut self, room: &Room, request: Request) -> Result<Reply> {
        Ok(match (request.method.as_str(), request.path_in_room()) {
            ("GET", "/") => Response::json(self.poll.as_ref().ok_or_else(no_poll)?)?,
            ("POST", "/") => Response::json(self.create(room, Poll::wanted(&request)?)?)?.with_status(201),
            ("POST", "/vote") => {
                let Vote { option } = body(&request)?;
                self.vote(room, &Voter::asking(&request)?, option)?;
                Response::json(&self.poll)?
            }
            (_, "/") => Response::status(405).with_header("allow", "GET, POST"),
            (_, "/vote") => Response::status(405).with_header("allow", "POST"),
            _ => Response::status(404),
        }
        .into())
    }
}

impl Polls {
    fn create(&mut self, room: &Room, poll: Poll) -> Result<&Poll> {
        if self.poll.is_some() {
            return Err(Error::new("this room has its poll; take another room").with_status(409));
        }
        poll.store(room)?;
        let poll = self.poll.insert(poll);
        room.broadcast(Message::from_json(&ToClient::Poll(Some(poll)))?)?;
        Ok(poll)
    }

    /// Count a vote, and show everyone the result.
    fn vote(&mut self, room: &Room, voter: &Voter, option: usize) -> Result<usize> {
        let poll = self.poll.as_mut().ok_or_else(no_poll)?;
        poll.count(room, voter, option)?;
        room.broadcast(Message::from_json(&ToClient::Poll(Some(poll)))?)?;
        Ok(option)
    }
}

fn voter(connection: &Connection) -> Result<Voter> {
    Voter::of(&connection.info().map(|info| info.key).unwrap_or_default())
}

fn no_poll() -> Error {
    Error::new("this room has no poll yet; POST one").with_status(404)
}
