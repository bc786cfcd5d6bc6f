//! What the room asks of others: rooms, and the project's static assets.

use party::{Call, Message, Reply, Request, Result, Room};

use crate::{Main, text};

/// The reply to a path about others, if it is one: `PARTY/ROOM/PATH` of another room.
pub(crate) fn reply(path: &str, about: &str, request: &Request) -> Result<Option<Reply>> {
    let mut way = about.splitn(3, '/').map(str::to_owned);
    let mut next = move || way.next().unwrap_or_default();
    let (party, other, rest) = (next(), next(), next());
    Ok(Some(match path {
        "ask" => asks(party, other, move |call| call.path(&format!("/{rest}"))),
        "ask-as" => asks(party, other, move |call| call.path(&rest)),
        "ask-it" => asks(party, other, |call| call),
        "tell" => asks(party, other, move |call| {
            call.path(&format!("/{rest}")).method("POST").header("x-own", "1").body("some words")
        }),
        // Says the body there, and answers what comes.
        "socket" => {
            let words = request.text()?.to_owned();
            Reply::later(async move |room| {
                let connect = room.connect_to(&party, &other).path(&format!("/{rest}")).header("x-own", "1");
                let Ok(mut socket) = connect.await else { return Ok(text("refused")) };
                socket.send(words).await?;
                let answer = match socket.next().await {
                    Ok(Message::Text(answer)) => answer,
                    Ok(Message::Binary(_)) => "bytes".into(),
                    Err(_) => "refused".into(),
                };
                // It may have been closed there.
                let _ = socket.close(4001, "as told");
                Ok(text(answer))
            })
        }
        "asset" => {
            let path = about.to_owned();
            Reply::later(async move |room| {
                Ok(text(match room.asset(&path).await? {
                    Some(asset) => format!("{} {}", asset.status, asset.body_text()?),
                    None => "null".into(),
                }))
            })
        }
        _ => return Ok(None),
    }))
}

fn asks(party: String, other: String, with: impl FnOnce(Call) -> Call + 'static) -> Reply {
    Reply::later(async move |room| {
        let asked = with(room.call(&party, &other)).await;
        Ok(text(match asked {
            Ok(answer) => format!("{} {}", answer.status, answer.body_text()?),
            Err(_) => "refused".into(),
        }))
    })
}

/// Asks another room while an alarm rings.
pub(crate) fn from_an_alarm(room: &Room) {
    room.spawn(async |room| {
        let told = match room.call("main", "asked").path("/size").await {
            Ok(answer) => format!("asked {}", answer.status),
            Err(_) => "asked nobody".into(),
        };
        room.with(|main: &mut Main| main.tell(told));
    });
}
