//! What is said with a client that leads to no room is one function, with sleeps and local variables. It takes what has come when it
//! wants it, and the client is closed when it ends.
//! covers: lobby.on-socket

use std::time::Duration;

use party::{
    Closed, Connection, Either, Error, Lobby, Message, Party, Reply, Request, Response, Result, Room, Talk,
    log, select,
};

#[derive(Default)]
struct Fact {
    asked: u32,
}

#[party::serve]
impl Party for Fact {
    fn on_request(&mut self, _: &Room, request: Request) -> Result<Reply> {
        self.asked += 1;
        Ok(Response::text(format!("{} {}", self.asked, request.text()?)).into())
    }

    fn on_message(&mut self, room: &Room, from: &Connection, message: Message) -> Result<()> {
        from.send(format!("one of {}: {}", room.connections().len(), message.as_text().unwrap_or_default()))?;
        Ok(())
    }

    fn on_socket(_: &Lobby, request: &Request) -> Result<Talk> {
        match request.path() {
            "/echo" => Ok(Talk::with(async |lobby, mut caller| {
                let mut said = 0;
                loop {
                    match select(caller.next(), lobby.sleep(Duration::from_secs(60))).await {
                        Either::First(Ok(message)) if message.as_text() == Some("fail") => {
                            return Err(Error::new("told to fail"));
                        }
                        Either::First(Ok(message)) => {
                            said += 1;
                            caller.send(&message)?;
                        }
                        Either::First(Err(closed)) => return last_words(lobby, said, &closed).await,
                        Either::Second(()) => break,
                    }
                }
                Ok(caller.send(format!("you said {said}"))?)
            })),
            "/slow" => Ok(Talk::with(async |lobby, mut caller| {
                while let Ok(message) = caller.next().await {
                    lobby.sleep(Duration::from_secs(1)).await;
                    caller.send(&message)?;
                }
                Ok(())
            })),
            "/later" => Ok(Talk::later(async |lobby| {
                let answer = lobby.call("main", "lobby").body("may it?").await?;
                let answer = answer.body_text()?.to_owned();
                Ok(Talk::with(async move |_, caller| Ok(caller.send(answer)?)))
            })),
            "/room" => Ok(Talk::with(async |lobby, mut caller| {
                let mut room = lobby.connect_to("main", "lobby").await?;
                while let Ok(message) = caller.next().await {
                    room.send(message).await?;
                    caller.send(&room.next().await?)?;
                }
                Ok(())
            })),
            "/fails" => Err(Error::new("words").with_status(403)),
            _ => Ok(Response::text("nobody is here").with_status(404).into()),
        }
    }
}

async fn last_words(lobby: Lobby, said: u32, closed: &Closed) -> Result<()> {
    let told = format!("after {said}: {closed}");
    let answer = lobby.call("main", "lobby").method("POST").body(told).await?;
    log(party::Level::Info, format_args!("{}", answer.body_text()?));
    Ok(())
}
