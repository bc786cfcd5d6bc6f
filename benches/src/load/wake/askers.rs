//! Many kept-alive connections that ask many rooms, each question due at its time.
//!
//! A question that finds no free connection waits, and its time runs: its latency counts from when it was due. What
//! must hold: every question is asked once and every answer taken once, with its room; nothing is asked that is not due.

use std::thread;
use std::time::{Duration, Instant};

use super::super::http::{Answer, HttpClient, RESPONSE_BYTES_MAX};
use super::super::latency::Latencies;
use super::super::poller::Poller;
use super::super::target::{Target, room_path};
use super::WakeError;
use super::pacer::{AHEAD, Pacer};

/// How long nothing may be answered before the run breaks off.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// How long the sockets are waited for at once.
const WAIT: Duration = Duration::from_millis(5);

/// How long the tool pauses when the host has no place for one more room.
const FULL_PAUSE: Duration = Duration::from_millis(100);

/// After so many refusals with no answer in between the run breaks off: a minute.
const REFUSALS_MAX: u32 = 600;

/// The pacer's token among the sockets.
const PACER: usize = usize::MAX;

/// A connection and what it waits for.
#[derive(Debug)]
struct Asker {
    http: HttpClient,
    /// The room, when the question was due, and how often the room is asked again at once.
    asked: Option<(u32, Instant, u32)>,
}

/// What came back on a connection.
enum Heard {
    /// Not yet all of an answer.
    Nothing,
    /// A number.
    Number { room: u32, due: Instant, number: u64, times: u32 },
    /// The host has no place for the room now.
    Refused { room: u32, times: u32, error: WakeError },
}

/// What to ask.
#[derive(Clone, Copy, Debug)]
pub(super) struct Questions {
    /// How many, from number 0.
    pub(super) count: u32,
    /// So many are due per second; without it as many as the connections take.
    pub(super) per_s: Option<f64>,
    /// Which room a question's number is for.
    pub(super) room: fn(number: u32, rooms: u32) -> u32,
    /// How often each room is asked, one question after the other.
    pub(super) times: fn(room: u32) -> u32,
    /// Rooms there are.
    pub(super) rooms: u32,
    /// Whether a question that is answered with 503 is asked again a little later, or breaks the run off.
    pub(super) asks_again: bool,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Answers {
    /// From when each was due to its answer; of questions that are asked at once, each from its own asking.
    pub(super) latencies: Latencies,
    /// From when each was due to its being sent.
    pub(super) send_late: Latencies,
}

/// All connections.
#[derive(Debug)]
pub(super) struct Askers {
    poller: Poller,
    askers: Vec<Asker>,
    free: Vec<usize>,
    party: String,
    run: u32,
    scratch: Vec<u8>,
}

impl Askers {
    pub(super) fn connect(
        target: &Target,
        party: &str,
        run: u32,
        connections: u32,
    ) -> Result<Askers, WakeError> {
        let poller = Poller::new()?;
        let mut askers = Vec::with_capacity(connections as usize);
        for index in 0..connections as usize {
            let http = HttpClient::connect(target)?;
            http.set_blocking(false)?;
            poller.watch(&http, index)?;
            askers.push(Asker { http, asked: None });
        }
        let free = (0..askers.len()).rev().collect();
        let scratch = vec![0; 2 * RESPONSE_BYTES_MAX];
        Ok(Askers { poller, askers, free, party: party.to_owned(), run, scratch })
    }

    /// Asks all questions and hands each answer, a number, to `take` with its room.
    pub(super) fn ask(
        &mut self,
        questions: Questions,
        mut take: impl FnMut(u32, u64),
    ) -> Result<Answers, WakeError> {
        let mut answers = Answers { latencies: Latencies::new(), send_late: Latencies::new() };
        let began = Instant::now();
        let mut pacer = match questions.per_s {
            Some(per_s) => Some(Pacer::start(began, per_s, questions.count)?),
            None => None,
        };
        if let Some(pacer) = &pacer {
            self.poller.watch(pacer, PACER)?;
        }
        let mut next = 0;
        let mut heard_at = began;
        let mut refusals = 0;
        while next < questions.count || self.free.len() < self.askers.len() {
            let mut wait = WAIT;
            while next < questions.count {
                let now = Instant::now();
                let due = match questions.per_s {
                    Some(per_s) => began + Duration::from_secs_f64(f64::from(next) / per_s),
                    None => now,
                };
                if due > now {
                    wait = if due - now > AHEAD { WAIT } else { Duration::ZERO };
                    break;
                }
                let Some(asker) = self.free.pop() else { break };
                let room = (questions.room)(next, questions.rooms);
                self.send(asker, room, due, (questions.times)(room))?;
                answers.send_late.record(due.elapsed());
                next += 1;
            }
            for index in 0..self.poller.wait(wait)? {
                let asker = self.poller.ready(index).token;
                if asker == PACER {
                    pacer.iter_mut().for_each(Pacer::hush);
                    continue;
                }
                match self.receive(asker)? {
                    Heard::Nothing => {}
                    Heard::Number { room, due, number, times } => {
                        answers.latencies.record(due.elapsed());
                        take(room, number);
                        (heard_at, refusals) = (Instant::now(), 0);
                        match times {
                            0 | 1 => self.free.push(asker),
                            times => self.send(asker, room, heard_at, times - 1)?,
                        }
                    }
                    Heard::Refused { room, times, error } => {
                        refusals += 1;
                        if !questions.asks_again || refusals > REFUSALS_MAX {
                            return Err(error);
                        }
                        thread::sleep(FULL_PAUSE);
                        heard_at = Instant::now();
                        self.send(asker, room, heard_at, times)?;
                    }
                }
            }
            let waits = self.askers.len() - self.free.len();
            if waits > 0 && heard_at.elapsed() > SILENCE_MAX {
                return Err(WakeError::Unanswered { unanswered: waits, waited_s: SILENCE_MAX.as_secs() });
            }
            if waits == 0 {
                heard_at = Instant::now();
            }
        }
        if let Some(pacer) = &pacer {
            self.poller.forget(pacer)?;
        }
        Ok(answers)
    }

    fn send(&mut self, asker: usize, room: u32, due: Instant, times: u32) -> Result<(), WakeError> {
        let path = self.path(room);
        let asker = &mut self.askers[asker];
        asker.asked = Some((room, due, times));
        Ok(asker.http.send("POST", &path)?)
    }

    fn receive(&mut self, asker: usize) -> Result<Heard, WakeError> {
        let Asker { http, asked } = &mut self.askers[asker];
        let room = asked.map_or(0, |(room, ..)| room);
        let answer = http.receive(&mut self.scratch);
        let answer = answer.map_err(|source| WakeError::Request { path: self.path(room), source })?;
        let Answer::Whole(response) = answer else { return Ok(Heard::Nothing) };
        let Some((room, due, times)) = self.askers[asker].asked.take() else { return Ok(Heard::Nothing) };
        let number = std::str::from_utf8(&response.body).ok().and_then(|text| text.trim().parse().ok());
        if let Some(number) = number.filter(|_| response.status == 200) {
            return Ok(Heard::Number { room, due, number, times });
        }
        let status = response.status;
        let body = String::from_utf8_lossy(&response.body).chars().take(80).collect();
        let error = WakeError::Answer { path: self.path(room), status, body };
        if status == 503 { Ok(Heard::Refused { room, times, error }) } else { Err(error) }
    }

    fn path(&self, room: u32) -> String {
        room_path(&self.party, &format!("wake-{:08x}-{room}", self.run))
    }
}
