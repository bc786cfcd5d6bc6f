//! What a message can say.

use std::future::Future as _;
use std::task::{Context, Waker};
use std::time::Duration;

use party::{Connection, Error, Result, Room, Timestamp};

use crate::{Probe, hostile, streams};

impl Probe {
    /// Does what a message says.
    pub(crate) fn do_as_told(&mut self, room: &Room, from: &Connection, text: &str) -> Result<()> {
        let (word, about) = text.split_once(' ').unwrap_or((text, ""));
        match word {
            "echo" => from.send(about)?,
            "ignore" => {}
            "slept" => from.send(self.slept.to_string())?,
            "said" => from.send(self.said.to_string())?,
            "started" => from.send(format!("{:?}", self.started))?,
            "all" => {
                room.broadcast(about)?;
            }
            "others" => {
                room.everyone().except(&[*from]).send(about)?;
            }
            "tagged" => {
                let (tag, what) = about.split_once(' ').unwrap_or((about, ""));
                room.everyone().tagged(tag).send(what)?;
            }
            "who" => {
                let who: Vec<String> = room.connections().iter().map(ToString::to_string).collect();
                from.send(who.join(" "))?;
            }
            "key" => from.send(from.info().map(|info| info.key).unwrap_or_default())?,
            "uri" => from.send(from.info().map(|info| info.uri).unwrap_or_default())?,
            "id" => from.send(room.id())?,
            "now" => from.send(room.now().as_millis().to_string())?,
            "var" => from.send(room.var(about).unwrap_or_else(|| "none".into()))?,
            "random" => from.send(format!("{:016x}", room.random_u64()))?,
            "clock" => from.send(clocks())?,
            "remember" => from.set_attachment(about.as_bytes())?,
            "recall" => from.send(String::from_utf8_lossy(&from.attachment()?).into_owned())?,
            "fail" => return Err(Error::new(about)),
            "close" => {
                let (code, reason) = about.split_once(' ').unwrap_or((about, ""));
                from.close(code.parse()?, reason)?;
            }
            "print" => println!("{about}"),
            "log" => party::info!("{about}"),
            "auto-response" => from.send(said(match about.split_once('=') {
                Some((request, response)) => room.set_auto_response(request, response),
                None => room.clear_auto_response(),
            }))?,
            "auto-response-fails" => {
                let (request, response) = about.split_once('=').unwrap_or_default();
                room.set_auto_response(request, response)?;
                return Err(Error::new("told to fail"));
            }
            "enter" => from.send(self.enter(room, Some(*from), about)?)?,
            "roll" => self.roll_as_told(room, from, about)?,
            "destroy" => from.send(said(room.destroy()))?,
            "rooms" => list_rooms(room, from, about),
            "call" => call_room(room, from, about),
            "fetch" => fetch(room, from, about),
            "fetch-in-pieces" => streams::fetch_in_pieces(room, from, about),
            "socket" => streams::open_socket(room, from, about),
            "say-all-first" => streams::say_all_first(room, from, about)?,
            "take-back" => take_back(room, from, about)?,
            "naps" => nap_often(room, from, about)?,
            "sleep" | "drop-sleep" | "hold" | "release" => self.wait(room, from, word, about)?,
            "put" | "get" | "delete" | "list" | "clear" | "put-bytes" => keep(room, from, word, about)?,
            "alarm" | "no-alarm" | "when" | "alarm-fails" => ring(room, from, word, about)?,
            "trap" | "loop" | "allocate" | "recurse" | "flood" | "flood-log" | "flood-storage" | "exit"
            | "block" => {
                // Whatever was sent or stored before must not be seen.
                from.send("never seen")?;
                room.storage().put("never kept", &1u8)?;
                room.set_auto_response("never", "answered")?;
                hostile::misbehave(room, from, word, about)?;
            }
            _ => return Err(Error::new(format!("unknown word {word:?}"))),
        }
        Ok(())
    }

    fn wait(&mut self, room: &Room, from: &Connection, word: &str, about: &str) -> Result<()> {
        let from = *from;
        match word {
            "sleep" => {
                let (ms, what) = about.split_once(' ').unwrap_or((about, ""));
                let (ms, what) = (ms.parse()?, what.to_owned());
                self.sleeping = Some(room.spawn(async move |room| {
                    room.sleep(Duration::from_millis(ms)).await;
                    from.send(format!("{what} at {}", room.now().as_millis()))?;
                    Ok::<(), Error>(())
                }));
            }
            "drop-sleep" => {
                let cancelled = self.sleeping.take().is_some_and(|task| task.cancel());
                from.send(cancelled.to_string())?;
            }
            "hold" => self.hold = Some(room.hold()?),
            _ => self.hold = None,
        }
        Ok(())
    }
}

/// `count ms`: so many sleeps at once. Each is counted when it ends.
fn nap_often(room: &Room, from: &Connection, about: &str) -> Result<()> {
    let (count, ms) = about.split_once(' ').unwrap_or((about, "0"));
    let rest = Duration::from_millis(ms.parse()?);
    for _ in 0..count.parse()? {
        room.spawn(async move |room| {
            room.sleep(rest).await;
            room.with(|probe: &mut Probe| probe.slept += 1);
        });
    }
    Ok(from.send("good night")?)
}

/// Begins so much work and takes it all back in the same turn.
fn take_back(room: &Room, from: &Connection, about: &str) -> Result<()> {
    let (count, from) = (about.parse()?, *from);
    room.spawn(async move |room| {
        let mut begun: Vec<_> = (0..count).map(|_| Box::pin(async { room.rooms("main").await })).collect();
        for work in &mut begun {
            let polled = work.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            if polled.is_ready() {
                return Err(Error::new("it is refused"));
            }
        }
        drop(begun);
        from.send("taken back")?;
        Ok(())
    });
    Ok(())
}

/// `party room METHOD /path body`: answers with the status and the body.
fn call_room(room: &Room, from: &Connection, about: &str) {
    let words: Vec<String> = about.splitn(5, ' ').map(str::to_owned).collect();
    let from = *from;
    room.spawn(async move |room| {
        let word = |index: usize| words.get(index).map_or("", String::as_str);
        let call = room.call(word(0), word(1)).method(word(2)).path(word(3)).body(word(4));
        let called = match call.await {
            Ok(response) => format!("{} {}", response.status, response.body_text()?),
            Err(error) => format!("failed: {error}"),
        };
        // The client may have gone meanwhile.
        room.storage().put_bytes("called", called.as_bytes())?;
        from.send(called)?;
        Ok::<(), Error>(())
    });
}

/// `METHOD URL body`, and `again` before it if it may be sent again: answers with the status and the body.
fn fetch(room: &Room, from: &Connection, about: &str) {
    let (resend, about) = match about.strip_prefix("again ") {
        Some(about) => (true, about.to_owned()),
        None => (false, about.to_owned()),
    };
    let from = *from;
    room.spawn(async move |room| {
        let mut words = about.splitn(3, ' ');
        let mut word = || words.next().unwrap_or_default();
        let (method, url) = (word(), word());
        let fetch = room.fetch(url).method(method).body(word());
        let fetched = match if resend { fetch.resend().await } else { fetch.await } {
            Ok(response) => format!("{} {}", response.status, response.body_text()?),
            Err(error) => format!("failed: {error}"),
        };
        // The client may have gone meanwhile.
        room.storage().put_bytes("fetched", fetched.as_bytes())?;
        from.send(fetched)?;
        Ok::<(), Error>(())
    });
}

/// `party prefix limit`, and ` after`: answers with the ids, `next` and where to go on.
fn list_rooms(room: &Room, from: &Connection, about: &str) {
    let words: Vec<String> = about.split(' ').map(str::to_owned).collect();
    let from = *from;
    room.spawn(async move |room| {
        let word = |index: usize| words.get(index).map_or("", String::as_str);
        let list = room.rooms(word(0)).prefix(word(1)).limit(word(2).parse()?);
        let list = if word(3).is_empty() { list } else { list.after(word(3)) };
        match list.await {
            Ok(page) => {
                let next = page.next.map(|next| format!(" next {next}")).unwrap_or_default();
                from.send(format!("{}{next}", page.rooms.join(" ")))?;
            }
            Err(error) => from.send(format!("failed: {error}"))?,
        }
        Ok::<(), Error>(())
    });
}

fn said<E: std::fmt::Display>(result: std::result::Result<(), E>) -> String {
    result.map_or_else(|error| error.to_string(), |()| "ok".into())
}

/// The clocks that the language offers: frozen in a turn, at the turn's time.
fn clocks() -> String {
    let wall = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_millis());
    let before = std::time::Instant::now();
    let spun: u64 = (0..100_000u64).map(std::hint::black_box).sum();
    format!("{wall} {} {}", before.elapsed().as_nanos(), u8::from(spun > 0))
}

fn keep(room: &Room, from: &Connection, word: &str, about: &str) -> Result<()> {
    let storage = room.storage();
    let (key, value) = about.split_once(' ').unwrap_or((about, ""));
    match word {
        "put" => storage.put_bytes(key, value)?,
        "put-bytes" => {
            let stored = storage.put_bytes(key, vec![b'x'; value.parse()?]);
            from.send(said(stored))?;
        }
        "get" => {
            let value = storage.get_bytes(key)?;
            from.send(
                value.map_or_else(|| "none".into(), |value| String::from_utf8_lossy(&value).into_owned()),
            )?;
        }
        "delete" => from.send(storage.delete(key)?.to_string())?,
        "list" => {
            let keys = storage.list(key).keys()?;
            let keys: Vec<String> =
                keys.iter().map(|key| String::from_utf8_lossy(key).into_owned()).collect();
            from.send(keys.join(" "))?;
        }
        _ => storage.delete_all()?,
    }
    Ok(())
}

fn ring(room: &Room, from: &Connection, word: &str, about: &str) -> Result<()> {
    match word {
        "alarm" => room.set_alarm(room.now() + Duration::from_millis(about.parse()?))?,
        "no-alarm" => room.clear_alarm()?,
        "alarm-fails" => room.storage().put("alarm fails", &about.parse::<u64>()?)?,
        _ => from.send(room.alarm()?.map(Timestamp::as_millis).map_or("none".into(), |at| at.to_string()))?,
    }
    Ok(())
}
