//! Who has voted for what: one vote for each key, stored beside the sums.

use party::{Error, Request, Result, Room};

use crate::poll::{Poll, bad};

/// The key of the poll in storage; the vote of `KEY` has the key `vote/KEY`.
const POLL: &str = "poll";
const KEY_CHARS_MAX: usize = 64;
/// As many keys can vote, so that a room that is flooded with keys does not fill the disk.
const VOTES_MAX: u32 = 100_000;

/// Whoever has a vote: 1 to 64 of the characters that a URL holds as they are.
pub(crate) struct Voter(String);

impl Voter {
    /// The voter of this key.
    pub(crate) fn of(key: &str) -> Result<Self> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        match (1..=KEY_CHARS_MAX).contains(&key.len()) && key.bytes().all(fits) {
            true => Ok(Self(key.to_owned())),
            false => Err(bad(format!("a key (_pk) has 1 to {KEY_CHARS_MAX} of A-Z a-z 0-9 - . _ ~"))),
        }
    }

    /// The voter that a request is of: `?_pk=KEY`.
    pub(crate) fn asking(request: &Request) -> Result<Self> {
        let mut parameters = request.query().unwrap_or_default().split('&');
        Self::of(parameters.find_map(|parameter| parameter.strip_prefix("_pk=")).unwrap_or_default())
    }

    /// The option that they have voted for, by its number from 0.
    pub(crate) fn vote(&self, room: &Room) -> Result<Option<usize>> {
        Ok(room.storage().get(self.stored())?)
    }

    fn stored(&self) -> String {
        format!("vote/{}", self.0)
    }
}

impl Poll {
    /// The room's poll, if it has one.
    pub(crate) fn load(room: &Room) -> Result<Option<Self>> {
        Ok(room.storage().get(POLL)?)
    }

    pub(crate) fn store(&self, room: &Room) -> Result<()> {
        Ok(room.storage().put(POLL, self)?)
    }

    /// Count a vote; one that was given before moves. Vote and sums are stored with the turn, both or neither.
    pub(crate) fn count(&mut self, room: &Room, voter: &Voter, option: usize) -> Result<()> {
        if option >= self.options.len() {
            let last = self.options.len() - 1;
            return Err(bad(format!("there is no option {option}; they are 0 to {last}")));
        }
        match voter.vote(room)? {
            Some(before) => self.options[before].votes -= 1,
            None if self.votes < VOTES_MAX => self.votes += 1,
            None => {
                let why = format!("{VOTES_MAX} have voted, which is the limit");
                return Err(Error::new(why).with_status(503));
            }
        }
        self.options[option].votes += 1;
        room.storage().put(voter.stored(), &option)?;
        self.store(room)
    }
}
