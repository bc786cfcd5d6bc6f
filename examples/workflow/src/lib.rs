//! A shop whose orders wait for their payment, for three days at most.
//!
//! Nothing here is stored, and nothing keeps account of where an order stands: each is a task ([`order::life`]) that
//! waits where it waits. The room sleeps meanwhile, and the host may be stopped and started again.

mod order;
mod payment;
mod protocol;
mod stock;

use std::collections::BTreeMap;
use std::time::Duration;

use order::Order;
use party::{
    Connection, Decision, Error, Lobby, Message, Party, Reply, Request, Response, Result, Room, oneshot,
};
use protocol::{ToClient, ToRoom};
use stock::Stock;

/// Orders that a shop remembers; of more, the oldest that has come to its end is forgotten.
const ORDERS_MAX: usize = 100;
/// Longer wishes are cut.
pub(crate) const WISH_CHARS_MAX: usize = 100;
/// The longest day that can be asked for, in seconds.
const DAY_SECONDS_MAX: u32 = 86_400;

#[derive(Default)]
struct Shop {
    orders: BTreeMap<u32, Order>,
    /// The number of the last order.
    last: u32,
    /// What there is, if this is a warehouse.
    stock: Stock,
}

#[party::serve]
impl Party for Shop {
    /// What is set aside is the shops' business: rooms that call each other do not come this way, all others do.
    fn before_request(_lobby: &Lobby, _room: &str, request: &Request) -> Result<Decision> {
        Ok(match request.path_in_room().starts_with("/stock/") {
            true => Response::text("only shops set things aside").with_status(403).into(),
            false => Decision::proceed().into(),
        })
    }

    fn on_connect(&mut self, _room: &Room, connection: &Connection) -> Result<()> {
        connection.send(Message::from_json(&ToClient::Orders(self.orders.values().collect()))?)?;
        Ok(())
    }

    fn on_message(&mut self, room: &Room, from: &Connection, message: Message) -> Result<()> {
        let done = match message.json() {
            Ok(ToRoom::Order(wish)) => self.place(room, &wish).map(drop),
            Ok(ToRoom::Pay(number)) => self.pay(number),
            Err(error) => Err(error.into()),
        };
        if let Err(error) = done {
            from.send(Message::from_json(&ToClient::Sorry(error.to_string()))?)?;
        }
        Ok(())
    }

    fn on_request(&mut self, room: &Room, request: Request) -> Result<Reply> {
        let path: Vec<&str> = request.path_in_room().split('/').skip(1).collect();
        Ok(match (request.method.as_str(), path.as_slice()) {
            ("GET", [""]) => Response::text(self.orders.values().map(Order::to_string).collect::<String>()),
            ("POST", [""]) => {
                let number = self.place(room, request.text()?)?;
                Response::text(format!("order {number} is placed\n")).with_status(201)
            }
            ("POST", [number, "pay"]) => {
                let number = number.parse().map_err(|_| Error::new("no such order").with_status(404))?;
                self.pay(number)?;
                Response::text(format!("order {number} is paid\n"))
            }
            ("GET", ["stock"]) => Response::text(self.stock.list()),
            ("POST", ["stock"]) => {
                self.stock.count(request.text()?)?;
                Response::text(self.stock.list())
            }
            ("PUT", ["stock", shop, number]) => {
                self.stock.set_aside(format!("{shop}/{number}"), request.text()?)?;
                Response::status(204)
            }
            ("DELETE", ["stock", shop, number]) => {
                self.stock.release(&format!("{shop}/{number}"), false);
                Response::status(204)
            }
            ("POST", ["stock", shop, number, "sent"]) => {
                self.stock.release(&format!("{shop}/{number}"), true);
                Response::status(204)
            }
            (_, [""] | ["stock"]) => Response::status(405).with_header("allow", "GET, POST"),
            (_, [_, "pay"]) => Response::status(405).with_header("allow", "POST"),
            _ => Response::status(404),
        }
        .into())
    }
}

impl Shop {
    /// Take an order, and let it live.
    fn place(&mut self, room: &Room, wish: &str) -> Result<u32> {
        let wish: String = wish.trim().chars().take(WISH_CHARS_MAX).collect();
        if wish.is_empty() {
            return Err(Error::new("an order says what is wanted").with_status(400));
        }
        self.make_place()?;
        let day = day(room)?;
        self.last += 1;
        let (number, (payment, paid)) = (self.last, oneshot());
        let wanted = wish.clone();
        let life = room.spawn(async move |room| order::life(room, number, wanted, day, paid).await);
        self.orders.insert(number, Order::new(number, wish, payment, life));
        Ok(number)
    }

    /// Let an order know that it is paid.
    fn pay(&mut self, number: u32) -> Result<()> {
        let Some(order) = self.orders.get_mut(&number) else {
            return Err(Error::new(format!("there is no order {number}")).with_status(404));
        };
        match order.pay() {
            true => Ok(()),
            false => {
                Err(Error::new(format!("order {number} does not wait for its payment")).with_status(409))
            }
        }
    }

    fn make_place(&mut self) -> Result<()> {
        if self.orders.len() < ORDERS_MAX {
            return Ok(());
        }
        let over = self.orders.values().find(|order| order.is_over()).map(Order::number);
        match over {
            Some(number) => {
                self.orders.remove(&number);
                Ok(())
            }
            None => {
                Err(Error::new(format!("{ORDERS_MAX} orders are open, which is the limit")).with_status(503))
            }
        }
    }
}

/// How long a day is: the var `DAY_SECONDS`, or a day.
fn day(room: &Room) -> Result<Duration> {
    let Some(seconds) = room.var("DAY_SECONDS") else {
        return Ok(Duration::from_secs(DAY_SECONDS_MAX.into()));
    };
    match seconds.parse() {
        Ok(number @ 1..=DAY_SECONDS_MAX) => Ok(Duration::from_secs(number.into())),
        Ok(_) | Err(_) => Err(Error::new(format!(
            "the var DAY_SECONDS is {seconds:?}; it is a number of seconds from 1 to {DAY_SECONDS_MAX}"
        ))),
    }
}
