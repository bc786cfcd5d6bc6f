//! What a request can ask for, by its path below the room.

use std::io::{Read, stdin};
use std::time::Duration;

use party::{Error, Reply, Request, Response, Result, Room};

use crate::Probe;

/// So many words, each unlike all others.
fn treasure(words: u64) -> impl Iterator<Item = u8> {
    let word =
        |n: u64| (n ^ (n << 29)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23).wrapping_mul(n | 1);
    (0..words).flat_map(move |n| word(n).to_le_bytes())
}

impl Probe {
    /// Answers a request.
    pub(crate) fn answer(&mut self, room: &Room, mut request: Request) -> Result<Reply> {
        let query = request.query().unwrap_or_default().to_owned();
        if let Some(reply) = Probe::in_pieces(request.path_in_room(), &query)? {
            return Ok(reply);
        }
        if let Some(reply) = Probe::uploaded(&mut request, &query)? {
            return Ok(reply);
        }
        Ok(match request.path_in_room() {
            "" | "/" => Response::text("probe").into(),
            "/said" => Response::text(self.said.to_string()).into(),
            "/written" => Response::text(self.written.clone()).into(),
            "/started" => Response::text(format!("{:?}", self.started)).into(),
            // Told where it is, then of its clients; and how many sleeps have ended.
            "/resumed" => {
                let (resumed, closes, slept) = (self.resumed, self.closes, self.slept);
                Response::text(format!("{resumed:?} {closes} {slept}")).into()
            }
            "/nap" => {
                let ms = query.parse()?;
                room.spawn(async move |room| {
                    room.sleep(Duration::from_millis(ms)).await;
                    room.with(|probe: &mut Probe| probe.slept += 1);
                });
                Response::text("good night").into()
            }
            "/alarm" => {
                room.set_alarm(room.now() + Duration::from_millis(query.parse()?))?;
                Response::text("set").into()
            }
            "/request" => Response::text(format!("{} {}", request.method, request.uri)).into(),
            "/header" => {
                let value = request.header(&query).unwrap_or_default().to_vec();
                Response::bytes("application/octet-stream", value).into()
            }
            "/body" => Response::bytes("application/octet-stream", request.body.clone()).into(),
            "/large" => Response::bytes("application/octet-stream", vec![b'x'; query.parse()?]).into(),
            // So many MiB more that the room keeps, all zero: large in memory, and small wherever it is packed.
            "/hoard" => {
                self.hoard.resize(self.hoard.len() + (query.parse::<usize>()? << 20), 0);
                Response::text("kept").into()
            }
            "/hoarded" => {
                let (mib, has_others) = (self.hoard.len() >> 20, self.hoard.iter().any(|byte| *byte != 0));
                Response::text(format!("{} {mib} {has_others}", self.said)).into()
            }
            // So many MiB that the room keeps instead, of which nothing can be packed; and what they are, if they are whole.
            "/treasure" => {
                self.hoard = Vec::with_capacity(query.parse::<usize>()? << 20);
                self.hoard.extend(treasure(query.parse::<u64>()? << 17));
                Response::text("kept").into()
            }
            "/treasured" => {
                // Compared as it is made: there may be no memory for another.
                let is_whole = treasure(self.hoard.len() as u64 / 8).eq(self.hoard.iter().copied());
                Response::text(format!("{} {} {is_whole}", self.said, self.hoard.len() >> 20)).into()
            }
            // One more, in memory and in storage, which agree.
            "/add" => {
                self.added += 1;
                let stored: u64 = room.storage().get("added")?.unwrap_or(0);
                if stored + 1 != self.added {
                    return Err(Error::new(format!("{stored} are stored, and this is {}", self.added)));
                }
                room.storage().put("added", &self.added)?;
                Response::text(self.added.to_string()).into()
            }
            "/later" => {
                let ms = query.parse()?;
                Reply::later(async move |room| {
                    room.sleep(Duration::from_millis(ms)).await;
                    Ok(Response::text("later"))
                })
            }
            // From then on it holds a handle that a fresh instance has not: it cannot be captured.
            "/input" => {
                let bytes = stdin().read_to_end(&mut Vec::new())?;
                Response::text(bytes.to_string()).into()
            }
            "/never" => Reply::later(async |_| std::future::pending().await),
            "/fail" => return Err(Error::new(query)),
            "/teapot" => return Err(Error::new("short and stout").with_status(418)),
            "/trap" => panic!("the request was told to trap"),
            "/get" => {
                let value = room.storage().get_bytes(&query)?;
                match value {
                    Some(value) => Response::bytes("text/plain", value).into(),
                    None => Response::text("none").with_status(404).into(),
                }
            }
            "/put" => {
                room.storage().put_bytes(&query, &request.body)?;
                Response::text("stored").into()
            }
            "/count" => {
                let count = room.storage().get::<u64>("count")?.unwrap_or(0) + 1;
                room.storage().put("count", &count)?;
                Response::text(count.to_string()).into()
            }
            "/enter" => Response::text(self.enter(room, None, &query.replace('.', " "))?).into(),
            "/roll" => Response::text(self.roll(room, &query)?).into(),
            "/roll-later" => {
                let ms = query.parse()?;
                Reply::later(async move |room| {
                    room.sleep(Duration::from_millis(ms)).await;
                    let rolled = room.with(|probe: &mut Probe| probe.roll(&room, "later"));
                    Ok(Response::text(rolled?))
                })
            }
            // To and fro between two rooms, so many times.
            "/chain" => {
                let left: u64 = query.parse()?;
                let other = if room.id() == "a" { "b" } else { "a" };
                Reply::later(async move |room| {
                    let Some(next) = left.checked_sub(1) else { return Ok(Response::text("end")) };
                    let answer = room.call("main", other).path(&format!("/chain?{next}")).await?;
                    Ok(Response::text(format!("{left} {}", answer.body_text()?)).with_status(answer.status))
                })
            }
            "/ledger" => Response::text(self.ledger(room)?).into(),
            "/misread" => Response::text(room.storage().get::<String>(&query)?.unwrap_or_default()).into(),
            "/json" => Response::json(&request.json::<Vec<u64>>()?)?.into(),
            "/send-all" => {
                let sent = room.broadcast(vec![b'x'; query.parse()?])?;
                Response::text(sent.to_string()).into()
            }
            path => return Err(Error::new(format!("unknown path {path:?}")).with_status(404)),
        })
    }
}
