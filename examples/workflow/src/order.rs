//! An order: its life, as code that goes on for days, and what it leaves to be seen.

use std::fmt;
use std::time::Duration;

use party::{Either, Message, Receiver, Result, Room, Sender, Task, Timestamp, select, warn};
use serde::{Serialize, Serializer};

use crate::Shop;
use crate::payment::charge;
use crate::protocol::ToClient;
use crate::stock::Warehouse;

/// An order that is not paid after so many days is cancelled; after each of the days before, there is a reminder.
const DAYS: u32 = 3;

/// The life of an order, from its placing to its end.
///
/// Wherever this waits, the room may sleep and the host may be stopped and started again: the variables are what they
/// were, and the time goes on.
pub(crate) async fn life(room: Room, number: u32, wish: String, day: Duration, payment: Receiver<()>) {
    let placed = room.now();
    note(&room, number, "placed");
    let warehouse = Warehouse::of(&room, number);
    if let Err(why) = warehouse.set_aside(&room, &wish).await {
        return note(&room, number, &why);
    }

    let three_days = async {
        for gone in 1..DAYS {
            room.sleep_until(placed + day * gone).await;
            note(&room, number, &format!("reminder {gone}: {} left to pay", days(DAYS - gone)));
        }
        room.sleep_until(placed + day * DAYS).await;
        format!("cancelled after {} without a payment", days(DAYS))
    };

    let cancelled = match select(payment, three_days).await {
        Either::First(_) => charge(&room, number, &wish).await.err(),
        Either::Second(why) => Some(why),
    };
    match cancelled {
        None => {
            note(&room, number, "paid");
            room.sleep(day / 2).await;
            note(&room, number, "sent");
            warehouse.sent(&room).await;
        }
        Some(why) => {
            note(&room, number, &why);
            warehouse.give_back(&room).await;
        }
    }
}

fn days(count: u32) -> String {
    format!("{count} {}", if count == 1 { "day" } else { "days" })
}

/// Write down what happens to an order, and show it to everyone.
pub(crate) fn note(room: &Room, number: u32, what: &str) {
    let line = Line { at: room.now(), what: what.to_owned() };
    let shown = room.with(|shop: &mut Shop| -> Result<()> {
        let Some(order) = shop.orders.get_mut(&number) else { return Ok(()) };
        order.story.push(line);
        room.broadcast(Message::from_json(&ToClient::Order(order))?)?;
        Ok(())
    });
    if let Err(error) = shown {
        warn!("order {number} is not shown: {error}");
    }
}

/// What a shop knows of an order.
#[derive(Serialize)]
pub(crate) struct Order {
    number: u32,
    wish: String,
    story: Vec<Line>,
    /// Brings the payment to the order's life, once.
    #[serde(rename = "waits", serialize_with = "waits")]
    payment: Option<Sender<()>>,
    #[serde(skip)]
    life: Task,
}

/// Something that has happened to an order.
#[derive(Serialize)]
struct Line {
    at: Timestamp,
    what: String,
}

impl Order {
    pub(crate) fn new(number: u32, wish: String, payment: Sender<()>, life: Task) -> Self {
        Self { number, wish, story: Vec::new(), payment: Some(payment), life }
    }

    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// Pay it. Whether it waited for that.
    pub(crate) fn pay(&mut self) -> bool {
        self.payment.take().is_some_and(|payment| payment.send(()).is_ok())
    }

    /// Whether its life has come to its end.
    pub(crate) fn is_over(&self) -> bool {
        self.life.is_finished()
    }
}

/// As one line: `1 a blue bicycle: placed, paid, sent`.
impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let story: Vec<_> = self.story.iter().map(|line| line.what.as_str()).collect();
        writeln!(f, "{} {}: {}", self.number, self.wish, story.join(", "))
    }
}

/// Whether an order waits for its payment: after three days nobody does any more.
fn waits<S: Serializer>(payment: &Option<Sender<()>>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bool(payment.as_ref().is_some_and(|payment| !payment.is_closed()))
}
