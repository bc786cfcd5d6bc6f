//! What arrives and leaves in pieces.

use std::future::IntoFuture;
use std::time::Duration;

use party::{Connection, Error, Message, Reply, Request, Response, Result, Room};

use crate::Probe;

impl Probe {
    /// An answer in pieces, by its path.
    pub(crate) fn in_pieces(path: &str, query: &str) -> Result<Option<Reply>> {
        let head = Response::status(200).with_header("content-type", "text/event-stream");
        let query = query.to_owned();
        Ok(Some(match path {
            // So many pieces, each after so many milliseconds.
            "/drip" => {
                let (pieces, ms) = query.split_once('.').unwrap_or((&query, "0"));
                let (pieces, ms): (u64, u64) = (pieces.parse()?, ms.parse()?);
                Reply::streamed(head, async move |room, mut body| {
                    for piece in 1..=pieces {
                        room.sleep(Duration::from_millis(ms)).await;
                        let written = body.write(format!("{piece} ")).await;
                        room.with(|probe: &mut Probe| probe.written = format!("{piece}: {written:?}"));
                        written?;
                    }
                    Ok(body.finish()?)
                })
            }
            // So many bytes, as fast as they are taken.
            "/pour" => {
                let bytes: usize = query.parse()?;
                Reply::streamed(head, async move |room, mut body| {
                    let mut left = bytes;
                    while left > 0 {
                        let piece = left.min(10_000);
                        let written = body.write(vec![b'x'; piece]).await;
                        left -= piece;
                        room.with(|probe: &mut Probe| probe.written = format!("{left}: {written:?}"));
                        written?;
                    }
                    Ok(body.finish()?)
                })
            }
            // Until its client goes.
            "/until-gone" => Reply::streamed(head, async move |room, body| {
                body.gone().await;
                room.with(|probe: &mut Probe| probe.written = "gone".to_owned());
                Ok(())
            }),
            "/break-off" => Reply::streamed(head, async move |room, mut body| {
                body.write("half").await?;
                room.sleep(Duration::from_secs(1)).await;
                Err(Error::new("told to fail"))
            }),
            _ => return Ok(None),
        }))
    }
}

impl Probe {
    /// What becomes of a body that is read in pieces, by the path.
    pub(crate) fn uploaded(request: &mut Request, query: &str) -> Result<Option<Reply>> {
        let path = request.path_in_room().to_owned();
        if !path.ends_with("upload") {
            return Ok(None);
        }
        let waited = request.body_waits();
        let mut body = request.reader();
        Ok(Some(match path.as_str() {
            // How many bytes there are, each piece some milliseconds after the one before.
            "/upload" => {
                let ms: u64 = if query.is_empty() { 0 } else { query.parse()? };
                Reply::later(async move |room| {
                    let mut bytes = 0;
                    while let Some(piece) = body.next().await {
                        match piece {
                            Ok(piece) => bytes += piece.len(),
                            Err(error) => {
                                room.with(|probe: &mut Probe| probe.written = format!("{bytes}: {error}"));
                                return Err(error.into());
                            }
                        }
                        room.with(|probe: &mut Probe| probe.written = bytes.to_string());
                        if ms > 0 {
                            room.sleep(Duration::from_millis(ms)).await;
                        }
                    }
                    Ok(Response::text(format!("{bytes} bytes, waited: {waited}")))
                })
            }
            // Each piece is given back as it comes.
            "/echo-upload" => Reply::streamed(Response::status(200), async move |_, mut answer| {
                while let Some(piece) = body.next().await {
                    answer.write(piece?).await?;
                }
                Ok(answer.finish()?)
            }),
            // One piece is enough.
            "/sip-upload" => Reply::later(async move |_| {
                let piece = body.next().await.transpose()?.unwrap_or_default();
                Ok(Response::text(format!("{} bytes are enough", piece.len())))
            }),
            "/refuse-upload" => Response::text("not here").with_status(403).into(),
            _ => return Ok(None),
        }))
    }
}

/// `METHOD URL`: says each piece of what it is answered, and how it ends.
pub(crate) fn fetch_in_pieces(room: &Room, from: &Connection, about: &str) {
    let (method, url) = about.split_once(' ').unwrap_or(("GET", about));
    let (fetch, from) = (room.fetch(url).method(method), *from);
    room.spawn(async move |_| {
        let mut answer = match fetch.streamed().await {
            Ok(answer) => answer,
            Err(error) => return Ok::<(), Error>(from.send(format!("failed: {error}"))?),
        };
        from.send(format!("head {}", answer.status))?;
        while let Some(piece) = answer.body.next().await {
            match piece {
                Ok(piece) => from.send(format!("piece {}", String::from_utf8_lossy(&piece)))?,
                Err(error) => return Ok(from.send(format!("broke: {error}"))?),
            }
        }
        Ok(from.send("end")?)
    });
}

/// `party/room` or a URL, and what to say there first: then it sends on what comes, and says how it ends.
pub(crate) fn open_socket(room: &Room, from: &Connection, about: &str) {
    let (target, first) = about.split_once(' ').unwrap_or((about, ""));
    let connect = match target.split_once("://") {
        Some(_) => room.connect(target).into_future(),
        None => {
            let (party, way) = target.split_once('/').unwrap_or(("main", target));
            let (id, path) = way.split_at(way.find(['/', '?']).unwrap_or(way.len()));
            room.connect_to(party, id).path(path).into_future()
        }
    };
    let (from, first) = (*from, first.to_owned());
    room.spawn(async move |room| {
        let mut socket = match connect.await {
            Ok(socket) => socket,
            Err(error) => return Ok::<(), Error>(from.send(format!("failed: {error}"))?),
        };
        from.send("open")?;
        if !first.is_empty() {
            socket.send(first).await?;
        }
        loop {
            match socket.next().await {
                Ok(Message::Text(text)) if text == "hang up" => socket.close(4001, "as told")?,
                Ok(message) => {
                    room.with(|probe: &mut Probe| probe.slept += 1);
                    from.send(format!("heard {}", message.as_text().unwrap_or("bytes")))?;
                }
                Err(closed) => {
                    room.with(|probe: &mut Probe| probe.written = format!("over: {closed}"));
                    return Ok(from.send(format!("over: {closed}"))?);
                }
            }
        }
    });
}

/// `ROOM COUNT BYTES`: says so many messages of so many bytes through one socket to another room, which says each again, and takes nothing
/// of that before it has said all. Then it tells how many have come.
pub(crate) fn say_all_first(room: &Room, from: &Connection, about: &str) -> Result<()> {
    let [id, count, bytes] = about.split(' ').collect::<Vec<_>>()[..] else {
        return Err(Error::new("ROOM COUNT BYTES"));
    };
    let (count, bytes) = (count.parse::<u32>()?, bytes.parse()?);
    let (connect, from) = (room.connect_to("main", id).into_future(), *from);
    room.spawn(async move |_| {
        let mut socket = connect.await?;
        for _ in 0..count {
            socket.send(format!("echo {}", "x".repeat(bytes))).await?;
        }
        let mut whole = 0;
        for _ in 0..count {
            let came = socket.next().await.map_err(|closed| Error::new(closed.to_string()))?;
            whole += u32::from(came.as_text().is_some_and(|text| text.len() == bytes));
        }
        Ok::<(), Error>(from.send(format!("{whole} came back"))?)
    });
    Ok(())
}
