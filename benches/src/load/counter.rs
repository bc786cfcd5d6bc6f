//! Durable increments of one room's number over HTTP, by several clients with one request in flight each.
//!
//! A POST answers only once the increment is durable, with the number it made, as decimal text; a GET reads it. What
//! must hold: no two answers are the same, each client sees its answers rise, and at the end the number has grown by
//! exactly as many increments as were acknowledged. A server that acknowledges first and writes later cannot be told
//! from an honest one here: that takes a `kill -9`, which is another test's work.

use std::collections::HashSet;
use std::io;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::http::{Answer, HttpClient, RESPONSE_BYTES_MAX, RequestError, Response};
use super::latency::{Latencies, LatencySummary};
use super::poller::Poller;
use super::process::{ProcessError, ServerProcess};
use super::sample::Sample;
use super::target::{Target, room_path};

/// What to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CounterSettings {
    /// The party that counts.
    pub party: String,
    /// Clients, at least 1, with one increment in flight each.
    pub clients: u32,
    /// Time before measuring begins.
    pub warm_up: Duration,
    /// Time that is measured.
    pub window: Duration,
    /// Ask for no more increments than this in all, warm-up included.
    pub increments_max: Option<u64>,
    /// Names the room, so that each run counts in one of its own.
    pub run: u32,
}

/// What was seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CounterReport {
    /// What was done.
    pub settings: CounterSettings,
    /// Seconds measured.
    pub window_s: f64,
    /// Increments acknowledged per second of the window.
    pub increments_per_s: f64,
    /// CPU time of the server per increment, in microseconds; absent without the server's process.
    pub server_cpu_us_per_increment: Option<f64>,
    /// Share of one core that this tool used, in percent.
    pub own_cpu_percent: f64,
    /// What all other processes used meanwhile, in percent of one core; absent without the server's process.
    pub others_cpu_percent: Option<f64>,
    /// From request to answer, for requests sent in the window.
    pub latency: LatencySummary,
    /// The number before the first increment.
    pub value_before: u64,
    /// The number after the last.
    pub value_after: u64,
    /// Increments acknowledged in all.
    pub acknowledged: u64,
    /// Answers that some client had got before.
    pub repeated: u64,
    /// Answers that were not above the same client's last.
    pub receded: u64,
}

impl CounterReport {
    /// Whether the number is the sum of what was acknowledged and no answer came twice.
    pub fn is_whole(&self) -> bool {
        self.value_before + self.acknowledged == self.value_after && self.repeated == 0 && self.receded == 0
    }
}

/// Why a run could not be finished.
#[derive(Debug, thiserror::Error)]
pub enum CounterError {
    /// The system failed.
    #[error("cannot connect or wait")]
    Io(#[from] io::Error),
    /// A request got no answer.
    #[error("a request at {path} got no answer")]
    Request {
        /// What was asked for.
        path: String,
        /// Why.
        source: RequestError,
    },
    /// The answer is not a number.
    #[error("the answer at {path} is not 200 with a decimal number: {status}, {body:?}")]
    Answer {
        /// What was asked for.
        path: String,
        /// The status.
        status: u16,
        /// The beginning of the body.
        body: String,
    },
    /// Increments were still unanswered long after the window.
    #[error("{unanswered} increments were not answered in {waited_s} s")]
    Unanswered {
        /// How many.
        unanswered: usize,
        /// For how long.
        waited_s: u64,
    },
    /// The server's process cannot be measured.
    #[error("cannot measure the server's process")]
    Process(#[from] ProcessError),
}

/// How long the last increments may take.
const LAST_ANSWERS_WAIT: Duration = Duration::from_secs(15);

#[derive(Debug)]
struct Client {
    http: HttpClient,
    /// When its request was sent; `None` with none in flight.
    asked: Option<Instant>,
    last_answer: u64,
}

#[derive(Debug)]
struct Run<'a> {
    settings: &'a CounterSettings,
    path: String,
    poller: Poller,
    clients: Vec<Client>,
    asked: u64,
    acknowledged: u64,
    acknowledged_in_window: u64,
    answers: HashSet<u64>,
    repeated: u64,
    receded: u64,
    latencies: Latencies,
    window: Option<Sample>,
    scratch: Vec<u8>,
}

/// Runs the load and reports. `server` is the process whose CPU time is charged.
pub fn run(
    target: &Target,
    settings: &CounterSettings,
    server: Option<ServerProcess>,
) -> Result<CounterReport, CounterError> {
    let path = room_path(&settings.party, &format!("count-{:08x}", settings.run));
    let mut scratch = vec![0; 2 * RESPONSE_BYTES_MAX];
    let mut reader = HttpClient::connect(target)?;
    let value_before = read_value(&mut reader, &path, &mut scratch)?;
    let mut run = Run::connect(target, settings, path.clone())?;
    let (opened, closed) = run.drive(server)?;
    let value_after = read_value(&mut reader, &path, &mut scratch)?;
    let usage = opened.until(&closed);
    Ok(CounterReport {
        settings: settings.clone(),
        window_s: usage.wall.as_secs_f64(),
        increments_per_s: usage.per_second(run.acknowledged_in_window),
        server_cpu_us_per_increment: usage.server_cpu_us_per(run.acknowledged_in_window),
        own_cpu_percent: usage.own_cpu_percent(),
        others_cpu_percent: usage.others_cpu_percent(),
        latency: run.latencies.summary(),
        value_before,
        value_after,
        acknowledged: run.acknowledged,
        repeated: run.repeated,
        receded: run.receded,
    })
}

impl<'a> Run<'a> {
    fn connect(
        target: &Target,
        settings: &'a CounterSettings,
        path: String,
    ) -> Result<Run<'a>, CounterError> {
        let poller = Poller::new()?;
        let mut clients = Vec::with_capacity(settings.clients as usize);
        for index in 0..settings.clients as usize {
            let http = HttpClient::connect(target)?;
            http.set_blocking(false)?;
            poller.watch(&http, index)?;
            clients.push(Client { http, asked: None, last_answer: 0 });
        }
        Ok(Run {
            settings,
            path,
            poller,
            clients,
            asked: 0,
            acknowledged: 0,
            acknowledged_in_window: 0,
            answers: HashSet::new(),
            repeated: 0,
            receded: 0,
            latencies: Latencies::new(),
            window: None,
            scratch: vec![0; 2 * RESPONSE_BYTES_MAX],
        })
    }

    fn drive(&mut self, server: Option<ServerProcess>) -> Result<(Sample, Sample), CounterError> {
        let started = Instant::now();
        for client in 0..self.clients.len() {
            self.ask(client)?;
        }
        let opened = loop {
            if started.elapsed() >= self.settings.warm_up {
                break Sample::take(server)?;
            }
            self.step(true)?;
        };
        self.window = Some(opened);
        while opened.at.elapsed() < self.settings.window && self.unanswered() > 0 {
            self.step(true)?;
        }
        let closed = Sample::take(server)?;
        self.window = None;
        while self.unanswered() > 0 {
            if closed.at.elapsed() > LAST_ANSWERS_WAIT {
                let waited_s = LAST_ANSWERS_WAIT.as_secs();
                return Err(CounterError::Unanswered { unanswered: self.unanswered(), waited_s });
            }
            self.step(false)?;
        }
        Ok((opened, closed))
    }

    /// Waits for answers, takes them, and asks again if `asking`.
    fn step(&mut self, asking: bool) -> Result<(), CounterError> {
        for index in 0..self.poller.wait(Duration::from_millis(5))? {
            let client = self.poller.ready(index).token;
            let answer = self.clients[client].http.receive(&mut self.scratch);
            let answer =
                answer.map_err(|source| CounterError::Request { path: self.path.clone(), source })?;
            if let Answer::Whole(response) = answer {
                self.take(client, &response)?;
                if asking {
                    self.ask(client)?;
                }
            }
        }
        Ok(())
    }

    fn ask(&mut self, client: usize) -> Result<(), CounterError> {
        if self.settings.increments_max.is_none_or(|max| self.asked < max) {
            self.asked += 1;
            self.clients[client].asked = Some(Instant::now());
            self.clients[client].http.send("POST", &self.path)?;
        }
        Ok(())
    }

    fn take(&mut self, client: usize, response: &Response) -> Result<(), CounterError> {
        let value = number(response, &self.path)?;
        let client = &mut self.clients[client];
        self.acknowledged += 1;
        if !self.answers.insert(value) {
            self.repeated += 1;
        }
        if value <= client.last_answer {
            self.receded += 1;
        }
        client.last_answer = value;
        if let (Some(asked), Some(opened)) = (client.asked.take(), self.window) {
            self.acknowledged_in_window += 1;
            if asked >= opened.at {
                self.latencies.record(asked.elapsed());
            }
        }
        Ok(())
    }

    fn unanswered(&self) -> usize {
        self.clients.iter().filter(|client| client.asked.is_some()).count()
    }
}

fn read_value(reader: &mut HttpClient, path: &str, scratch: &mut [u8]) -> Result<u64, CounterError> {
    let response = reader
        .request("GET", path, scratch)
        .map_err(|source| CounterError::Request { path: path.to_owned(), source })?;
    number(&response, path)
}

fn number(response: &Response, path: &str) -> Result<u64, CounterError> {
    std::str::from_utf8(&response.body)
        .ok()
        .and_then(|text| text.trim().parse::<u64>().ok())
        .filter(|_| response.status == 200)
        .ok_or_else(|| CounterError::Answer {
            path: path.to_owned(),
            status: response.status,
            body: String::from_utf8_lossy(&response.body).chars().take(80).collect(),
        })
}
