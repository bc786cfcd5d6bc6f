//! The clients of a run: who is in which room, who sends, and what each is to receive.
//!
//! What must hold: senders are numbered through all rooms, those of one room next to each other, so that a receiver
//! knows by the number alone whether a message is its room's.

use super::super::poller::Poller;
use super::super::target::Target;
use super::super::websocket::WebSocket;
use super::tally::Receiver;
use super::{FanOut, TrafficError, TrafficSettings};

/// One connection, and what it sends.
#[derive(Debug)]
pub(super) struct Client {
    /// The connection.
    pub(super) socket: WebSocket,
    /// What it has received.
    pub(super) receiver: Receiver,
    /// What it sends, if it is one that sends.
    pub(super) sender: Option<Sender>,
    /// The kernel did not take all that was queued.
    pub(super) waits_to_write: bool,
}

/// The sending side of a client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sender {
    /// Its number among all senders.
    pub(super) id: u32,
    /// One past the highest of its own messages that came back.
    pub(super) returned: u64,
}

/// Connects every client, each watched under its place in the list. Also returns the client of each sender, by the
/// sender's id.
pub(super) fn connect_all(
    target: &Target,
    settings: &TrafficSettings,
    poller: &Poller,
) -> Result<(Vec<Client>, Vec<usize>), TrafficError> {
    assert!(settings.senders >= 1 && settings.senders <= settings.clients, "senders are clients");
    let in_all = settings.rooms as usize * settings.clients as usize;
    let mut clients = Vec::with_capacity(in_all);
    let mut client_of_sender = Vec::new();
    for room in 0..settings.rooms {
        let name = format!("load-{:08x}-{room}", settings.run);
        let first_in_room = client_of_sender.len() as u32;
        for place in 0..settings.clients {
            let index = clients.len();
            let key = format!("{:08x}-{index}", settings.run);
            let socket = WebSocket::connect(target, &settings.party, &name, &key)
                .map_err(|source| TrafficError::Connect { client: index, clients: in_all, source })?;
            poller.watch(&socket, index)?;
            let sender = (place < settings.senders).then(|| {
                client_of_sender.push(index);
                Sender { id: client_of_sender.len() as u32 - 1, returned: 0 }
            });
            let receiver = match (settings.fan_out, &sender) {
                (FanOut::Echo, Some(sender)) => Receiver::new(sender.id, 1),
                (FanOut::Echo, None) => Receiver::new(0, 0),
                (FanOut::Broadcast, _) => Receiver::new(first_in_room, settings.senders),
            };
            clients.push(Client { socket, receiver, sender, waits_to_write: false });
        }
    }
    Ok((clients, client_of_sender))
}
