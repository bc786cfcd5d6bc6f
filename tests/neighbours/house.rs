//! The host that is measured: the real one, in a process of its own, with two workers; which room lives where, how
//! much memory it takes, when it is at rest.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use party_tests::guests::guest_path;
use party_tests::host::{Host, temporary};
use party_tests::program::BOUND;
use tempfile::TempDir;

use crate::client::{Received, connect, receive, text};
use crate::scene::HOSTILE;

/// Neighbours on each worker.
pub(crate) const NEIGHBOURS: usize = 4;
/// Messages by which a room's worker is found.
const MESSAGES_TO_FIND: usize = 40;
/// Rooms among which neighbours are looked for.
const ROOMS_MAX: usize = 64;
/// The host is at rest when it has used less than this part of a processor over this time.
const REST: f64 = 0.1;
const REST_OVER: Duration = Duration::from_millis(10);

/// The host, and where the rooms live.
pub(crate) struct House {
    host: Host,
    /// Rooms on the hostile room's worker.
    pub(crate) beside: Vec<String>,
    /// Rooms on the other one.
    pub(crate) away: Vec<String>,
    _project: TempDir,
}

/// Memory of the host's process, in MiB.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Memory {
    /// What it has now.
    pub(crate) resident: u64,
    /// The most that it has had since [`House::forget_peak`].
    pub(crate) peak: u64,
}

impl House {
    /// A host of the probe with these lines under `[limits]`.
    pub(crate) fn open(limits: &str) -> Result<House> {
        let project = temporary()?;
        let main = guest_path("test_guests");
        // Else a room is suspended for a minute before it has misbehaved for a second.
        let limits = format!("drops_per_minute_max = 1_000_000\n{limits}");
        let settings = format!("name = \"neighbours\"\nmain = {main:?}\n[limits]\n{limits}");
        fs::write(project.path().join("party.toml"), settings)?;
        let data = project.path().join("data");
        let host = Host::serve_with(project.path(), &data, &["--workers", "2"])?;
        let mut house = House { host, beside: Vec::new(), away: Vec::new(), _project: project };
        house.place()?;
        Ok(house)
    }

    pub(crate) fn port(&self) -> u16 {
        self.host.port
    }

    /// Finds neighbours on both workers.
    fn place(&mut self) -> Result<()> {
        let hostile = self.worker_of(HOSTILE)?;
        for number in 0..ROOMS_MAX {
            if self.beside.len() == NEIGHBOURS && self.away.len() == NEIGHBOURS {
                return Ok(());
            }
            let room = format!("neighbour-{number}");
            let group = if self.worker_of(&room)? == hostile { &mut self.beside } else { &mut self.away };
            if group.len() < NEIGHBOURS {
                group.push(room);
            }
        }
        anyhow::bail!("{ROOMS_MAX} rooms are not spread over both workers")
    }

    /// The worker on which a room lives: the one that works when its messages come. Where rooms are placed is the
    /// host's affair, so this is seen and not computed.
    fn worker_of(&self, room: &str) -> Result<String> {
        let mut socket = connect(self.port(), room)?;
        let word = text("echo here");
        self.rest()?;
        let before = self.worked()?;
        for _ in 0..MESSAGES_TO_FIND {
            socket.write_all(&word)?;
            ensure!(receive(&mut socket)? == Received::Message(b"here".to_vec()), "an echo");
        }
        let after = self.worked()?;
        let worked = |name: &String| after.get(name).copied().unwrap_or_default() - before[name];
        let workers = before.keys().filter(|name| name.starts_with("worker-"));
        let busiest = workers.max_by_key(|name| worked(name)).context("there are workers")?;
        Ok(busiest.clone())
    }

    fn threads(&self) -> Result<Vec<PathBuf>> {
        let threads = fs::read_dir(format!("/proc/{}/task", self.host.program.id()))?;
        Ok(threads.map(|thread| thread.map(|thread| thread.path())).collect::<Result<_, _>>()?)
    }

    /// How long each thread has run, by its name, in nanoseconds.
    fn worked(&self) -> Result<BTreeMap<String, u64>> {
        let mut worked = BTreeMap::new();
        for task in self.threads()? {
            // A thread may end while it is looked at.
            let (Ok(name), Ok(schedule)) =
                (fs::read_to_string(task.join("comm")), fs::read_to_string(task.join("schedstat")))
            else {
                continue;
            };
            let ran: u64 = schedule.split(' ').next().unwrap_or_default().parse().context("schedstat")?;
            *worked.entry(name.trim().to_owned()).or_default() += ran;
        }
        Ok(worked)
    }

    /// Waits until the host has nothing to do.
    pub(crate) fn rest(&self) -> Result<()> {
        let (begun, over) = (Instant::now(), REST_OVER.as_nanos() as f64);
        let sum = |worked: BTreeMap<String, u64>| worked.values().sum::<u64>();
        let mut before = sum(self.worked()?);
        while begun.elapsed() < BOUND {
            thread::sleep(REST_OVER);
            let now = sum(self.worked()?);
            if (now.saturating_sub(before) as f64) < over * REST {
                return Ok(());
            }
            before = now;
        }
        anyhow::bail!("the host does not come to rest\n{}", self.host.program.said())
    }

    /// How often it has said something.
    pub(crate) fn said(&self, words: &str) -> usize {
        self.host.program.said().matches(words).count()
    }

    /// From now on the peak is counted anew.
    pub(crate) fn forget_peak(&self) -> Result<()> {
        // 5: "resets the peak resident set size", proc(5).
        Ok(fs::write(format!("/proc/{}/clear_refs", self.host.program.id()), "5")?)
    }

    pub(crate) fn memory(&self) -> Result<Memory> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.host.program.id()))?;
        let find = |key: &str| -> Result<u64> {
            let line = status.lines().find(|line| line.starts_with(key)).context("proc(5) has it")?;
            Ok(line.split_whitespace().nth(1).unwrap_or_default().parse::<u64>()? >> 10)
        };
        Ok(Memory { resident: find("VmRSS:")?, peak: find("VmHWM:")? })
    }
}
