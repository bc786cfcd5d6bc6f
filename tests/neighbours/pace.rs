//! Neighbours: clients of other rooms that send at a fixed rate, whatever becomes of what they sent before.
//!
//! A message is timed from when it was due, not from when it was sent, so that one that is held up also counts for
//! those that it holds up. What its own thread waited for a processor is taken off, by the kernel's count: neighbours
//! stand for other machines, and are here only because the host is.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::FileExt;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::client::{PING, TEXT, connect, text};
use crate::house::House;

/// How long they talk before they are timed: the kernel finds a place for every thread, rooms that slept wake.
const BEFORE: Duration = Duration::from_millis(20);
/// Time between two messages of one neighbour.
const EVERY: Duration = Duration::from_millis(4);

/// How long the echoes of one group of neighbours took, shortest first.
#[derive(Clone, Debug)]
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    fn new(mut all: Vec<Duration>) -> Latencies {
        all.sort_unstable();
        Latencies(all)
    }

    /// The time that so many of a hundred stayed within, in milliseconds.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        let at = (self.0.len() * percent / 100).min(self.0.len() - 1);
        self.0[at].as_secs_f64() * 1e3
    }
}

/// What neighbours felt over a while.
pub(crate) struct Felt {
    /// Those on the worker of the room that is misused.
    pub(crate) beside: Latencies,
    /// Those on the other worker.
    pub(crate) away: Latencies,
}

/// A client of a room that is nobody's business.
pub(crate) struct Neighbour {
    socket: TcpStream,
    is_beside: bool,
}

/// The neighbours of a host, whose sockets stay open throughout; those of the two workers turn and turn about, so that
/// both are spread over the time alike.
pub(crate) fn neighbours(house: &House) -> Result<Vec<Neighbour>> {
    let open = |room: &String, is_beside| Ok(Neighbour { socket: connect(house.port(), room)?, is_beside });
    let pairs = house.beside.iter().zip(&house.away);
    pairs.flat_map(|(beside, away)| [open(beside, true), open(away, false)]).collect()
}

/// Lets all neighbours talk for so long.
pub(crate) fn talk(neighbours: &mut [Neighbour], time: Duration) -> Result<Felt> {
    let (begin, count) = (Instant::now() + EVERY, neighbours.len() as u32);
    let timed = begin + BEFORE;
    let heard: Vec<(bool, Vec<Duration>)> = thread::scope(|scope| {
        let mut threads = Vec::new();
        for (number, neighbour) in neighbours.iter_mut().enumerate() {
            let first = begin + EVERY * number as u32 / count;
            let talk = move || Ok((neighbour.is_beside, neighbour.talk(first, timed, timed + time)?));
            threads.push(scope.spawn(talk));
        }
        threads
            .into_iter()
            .map(|thread| thread.join().expect("a neighbour does not panic"))
            .collect::<Result<_>>()
    })?;
    let of = |group: bool| heard.iter().filter(move |(is_beside, _)| *is_beside == group);
    let latencies = |group| Latencies::new(of(group).flat_map(|(_, all)| all.iter().copied()).collect());
    Ok(Felt { beside: latencies(true), away: latencies(false) })
}

impl Neighbour {
    fn talk(&mut self, first: Instant, timed: Instant, end: Instant) -> Result<Vec<Duration>> {
        let (waits, mut latencies) = (Waits::open()?, Vec::new());
        let (mut due, mut number) = (first, 0);
        while due < end {
            let waited = waits.so_far()?;
            if let Some(early) = due.checked_duration_since(Instant::now()) {
                // A rate is kept in real time: there is no clock to move in a host of its own.
                thread::sleep(early);
            }
            self.echo(number)?;
            let took = due.elapsed();
            if due >= timed {
                latencies.push(took.saturating_sub(waits.so_far()? - waited));
            }
            due += EVERY;
            number += 1;
        }
        Ok(latencies)
    }

    fn echo(&mut self, number: usize) -> Result<()> {
        let number = format!("{number:08}");
        self.socket.write_all(&text(&format!("echo {number}")))?;
        let mut head = PING;
        while head == PING {
            self.socket.read_exact(&mut head)?;
        }
        let mut echo = [0; 8];
        self.socket.read_exact(&mut echo)?;
        ensure!(head == [TEXT, 8] && echo == number.as_bytes(), "{head:?} {echo:?} echoes {number}");
        Ok(())
    }
}

/// How long this thread could have run and had no processor.
struct Waits(File);

impl Waits {
    fn open() -> Result<Waits> {
        Ok(Waits(File::open("/proc/thread-self/schedstat").context("the kernel counts waits")?))
    }

    fn so_far(&self) -> Result<Duration> {
        let mut line = [0; 80];
        let bytes = self.0.read_at(&mut line, 0)?;
        // Nanoseconds on a processor, nanoseconds waiting for one, and how often: sched-stats of the kernel's documents.
        let waited = std::str::from_utf8(&line[..bytes])?.split(' ').nth(1).context("three numbers")?;
        Ok(Duration::from_nanos(waited.parse()?))
    }
}
