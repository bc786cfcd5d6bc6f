//! What a warehouse has, and what shops have set aside there.
//!
//! Each room of this party has shelves; a shop asks those of the room that the var `WAREHOUSE` names. What it asks can be asked
//! again without harm, so that it need not know whether it was heard.

use std::collections::BTreeMap;
use std::time::Duration;

use party::{Error, Response, Result, Room, warn};

use crate::WISH_CHARS_MAX;

/// Kinds of things that are counted at most, and things that are set aside at most.
const KINDS_MAX: usize = 1_000;
const SET_ASIDE_MAX: usize = 10_000;
/// A warehouse that does not answer is asked so often, after waits that double, the first one this long.
const ATTEMPTS_MAX: u32 = 6;
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// The shelves of a room.
#[derive(Default)]
pub(crate) struct Stock {
    /// How many there are of what was counted; of all else there is enough.
    free: BTreeMap<String, u32>,
    /// What is kept for orders, by the path of the order: `shop/1`.
    set_aside: BTreeMap<String, String>,
}

impl Stock {
    /// All that was counted, a line each: `3 a blue bicycle, 1 set aside`.
    pub(crate) fn list(&self) -> String {
        let kept = |thing: &String| self.set_aside.values().filter(|kept| *kept == thing).count();
        let line = |(thing, free): (&String, &u32)| match kept(thing) {
            0 => format!("{free} {thing}\n"),
            kept => format!("{free} {thing}, {kept} set aside\n"),
        };
        self.free.iter().map(line).collect()
    }

    /// Note how many there are: `3 a blue bicycle`.
    pub(crate) fn count(&mut self, line: &str) -> Result<()> {
        let (count, thing) = line.trim().split_once(' ').unwrap_or_default();
        let (count, thing) = (count.parse(), thing.trim());
        let (Ok(count), chars @ 1..) = (count, thing.chars().count()) else {
            return Err(Error::new("say it like this: 3 a blue bicycle").with_status(400));
        };
        if chars > WISH_CHARS_MAX {
            let why = format!("it has {chars} characters; the limit is {WISH_CHARS_MAX}");
            return Err(Error::new(why).with_status(400));
        }
        if !self.free.contains_key(thing) && self.free.len() >= KINDS_MAX {
            let why = format!("{KINDS_MAX} kinds of things are counted, which is the limit");
            return Err(Error::new(why).with_status(503));
        }
        self.free.insert(thing.to_owned(), count);
        Ok(())
    }

    /// Keep one for this order. Once it is kept it stays so, however often it is asked for.
    pub(crate) fn set_aside(&mut self, order: String, thing: &str) -> Result<()> {
        if self.set_aside.contains_key(&order) {
            return Ok(());
        }
        let Some(free) = self.free.get_mut(thing) else { return Ok(()) };
        if self.set_aside.len() >= SET_ASIDE_MAX {
            let why = format!("{SET_ASIDE_MAX} things are set aside, which is the limit");
            return Err(Error::new(why).with_status(503));
        }
        let left = free.checked_sub(1);
        *free = left.ok_or_else(|| Error::new(format!("no {thing} is left")).with_status(409))?;
        self.set_aside.insert(order, thing.to_owned());
        Ok(())
    }

    /// The order is over: what was kept for it has left the house, or is there for others again.
    pub(crate) fn release(&mut self, order: &str, sent: bool) {
        let Some(thing) = self.set_aside.remove(order) else { return };
        if let Some(free) = self.free.get_mut(&thing).filter(|_| !sent) {
            *free = free.saturating_add(1);
        }
    }
}

/// The warehouse, as the life of an order asks it. Without one there is enough of everything.
pub(crate) struct Warehouse {
    room: Option<String>,
    /// Where it keeps things for this order.
    path: String,
}

impl Warehouse {
    /// The one of this shop's orders, for the order of this number.
    pub(crate) fn of(room: &Room, number: u32) -> Self {
        Self { room: room.var("WAREHOUSE"), path: format!("/stock/{}/{number}", room.id()) }
    }

    /// Have one set aside; why that cannot be.
    pub(crate) async fn set_aside(&self, room: &Room, thing: &str) -> Result<(), String> {
        match self.ask(room, "PUT", "", thing).await {
            Some(answer) if answer.status == 204 => Ok(()),
            Some(answer) if answer.status == 409 => Err("sold out".to_owned()),
            Some(answer) => Err(format!("cancelled: the warehouse answers {}", answer.status)),
            None => Err("cancelled: the warehouse does not answer".to_owned()),
        }
    }

    /// The order is cancelled.
    pub(crate) async fn give_back(&self, room: &Room) {
        self.ask(room, "DELETE", "", "").await;
    }

    /// The order has left the house.
    pub(crate) async fn sent(&self, room: &Room) {
        self.ask(room, "POST", "/sent", "").await;
    }

    /// Ask until there is an answer; `None` if there is none in the end.
    async fn ask(&self, room: &Room, method: &str, more: &str, body: &str) -> Option<Response> {
        let Some(warehouse) = &self.room else { return Some(Response::status(204)) };
        let (path, mut wait) = (format!("{}{more}", self.path), FIRST_WAIT);
        for attempt in 1..=ATTEMPTS_MAX {
            match room.call(&room.party(), warehouse).method(method).path(&path).body(body).await {
                Ok(answer) => return Some(answer),
                Err(error) => warn!("{method} {path} of {warehouse}, attempt {attempt}: {error}"),
            }
            if attempt < ATTEMPTS_MAX {
                room.sleep(wait).await;
                wait *= 2;
            }
        }
        None
    }
}
