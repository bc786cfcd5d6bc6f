//! What it costs to wake a room that sleeps: many rooms are each asked once, when each question is due.
//!
//! ```text
//! prepare ─► all sleep ─► ask each once, at a rate ─► all sleep again
//! each room is counted up to 1, 2 or 3    its number must go on from there
//! ```
//!
//! A room's number is a variable of the guest and nowhere in its storage, and neighbours have different ones, so an
//! answer is right only if it comes from the room's own memory. Latency counts from when a question was due. What must
//! hold: at the beginning of the measurement every room sleeps, which the host itself is asked at its admin socket, and
//! afterwards it must have counted as many wakes; without the socket the tool waits and believes.

mod askers;
mod pacer;

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use self::askers::{Answers, Askers, Questions};
use super::admin::{AdminError, AdminFigures, AdminSocket};
use super::http::RequestError;
use super::latency::LatencySummary;
use super::process::{ProcessError, ServerProcess};
use super::sample::Sample;
use super::target::Target;

/// How long all rooms may take to fall asleep.
const ASLEEP_WAIT: Duration = Duration::from_secs(120);

/// How often the host is asked whether they do.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// A prime above every number of rooms: its multiples name each room once, in no order.
const STRIDE: u64 = 4_294_967_311;

/// What to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WakeSettings {
    /// The party that counts in a variable.
    pub party: String,
    /// Rooms, at least 1.
    pub rooms: u32,
    /// How many of them are woken, at most all.
    pub wakes: u32,
    /// Questions due per second, above 0.
    pub per_s: f64,
    /// Connections, at least 1, with one question in flight each.
    pub connections: u32,
    /// Time to fall asleep where the host cannot be asked.
    pub asleep_after: Duration,
    /// Rooms made per second; without it as many as the connections take. Making a room waits for no commit, its falling
    /// asleep does: a host that makes more than it saves has all its places taken, and the tool waits for some.
    pub made_per_s: Option<f64>,
    /// Whether the rooms are made, or were by an earlier run of this number.
    pub prepares: bool,
    /// Names the rooms.
    pub run: u32,
}

/// What was seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WakeReport {
    /// What was done.
    pub settings: WakeSettings,
    /// Seconds that making the rooms took, until all slept.
    pub prepared_s: f64,
    /// Seconds in which they were woken.
    pub window_s: f64,
    /// From when each question was due to its answer.
    pub latency: LatencySummary,
    /// From when each question was due to its being sent.
    pub send_late: LatencySummary,
    /// Answers that were not the number after the room's last.
    pub forgot: u64,
    /// What the host counted from before the first question until all slept again; absent if it was not asked.
    pub counted: Option<Counted>,
    /// CPU time of the server per wake within the window, in microseconds; absent without its process.
    pub server_cpu_us_per_wake: Option<f64>,
    /// Share of one core that this tool used, in percent.
    pub own_cpu_percent: f64,
    /// What all other processes used meanwhile, in percent of one core; absent without the server's process.
    pub others_cpu_percent: Option<f64>,
}

/// What a host counted in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// Rooms woken.
    pub wakes: u64,
    /// Rooms' commits.
    pub commits: u64,
    /// Memories saved.
    pub checkpoints: u64,
}

impl WakeReport {
    /// Whether every room slept, was woken, and knew its number.
    pub fn is_whole(&self) -> bool {
        let woken = self.counted.is_none_or(|counted| counted.wakes == u64::from(self.settings.wakes));
        self.forgot == 0 && woken
    }
}

/// Why a run could not be finished.
#[derive(Debug, thiserror::Error)]
pub enum WakeError {
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
    /// Questions were not answered.
    #[error("{unanswered} questions were not answered in {waited_s} s")]
    Unanswered {
        /// How many.
        unanswered: usize,
        /// For how long.
        waited_s: u64,
    },
    /// Rooms did not fall asleep.
    #[error(
        "{awake} rooms are still awake after {waited_s} s with nothing to do; does the host let them sleep?"
    )]
    Awake {
        /// How many.
        awake: u64,
        /// For how long.
        waited_s: u64,
    },
    /// The host's figures cannot be read.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// The server's process cannot be measured.
    #[error("cannot measure the server's process")]
    Process(#[from] ProcessError),
}

/// Makes the rooms, wakes them, reports. `server` is the process whose CPU time is charged.
pub fn run(
    target: &Target,
    settings: &WakeSettings,
    server: Option<ServerProcess>,
    admin: Option<&AdminSocket>,
) -> Result<WakeReport, WakeError> {
    let mut askers = Askers::connect(target, &settings.party, settings.run, settings.connections)?;
    let mut forgot = 0;
    let began = Instant::now();
    if settings.prepares {
        prepare(&mut askers, settings, &mut forgot)?;
    }
    let before = all_asleep(admin, settings.asleep_after)?;
    let prepared_s = began.elapsed().as_secs_f64();
    let opened = Sample::take(server)?;
    let questions = Questions {
        count: settings.wakes,
        per_s: Some(settings.per_s),
        room: in_no_order,
        times: |_| 1,
        rooms: settings.rooms,
        asks_again: false,
    };
    let Answers { latencies, send_late } =
        askers.ask(questions, |room, number| forgot += u64::from(number != counted_up_to(room) + 1))?;
    let usage = opened.until(&Sample::take(server)?);
    let after = all_asleep(admin, Duration::ZERO)?;
    Ok(WakeReport {
        settings: settings.clone(),
        prepared_s,
        window_s: usage.wall.as_secs_f64(),
        latency: latencies.summary(),
        send_late: send_late.summary(),
        forgot,
        counted: before.zip(after).map(|(before, after)| Counted {
            wakes: after.wakes - before.wakes,
            commits: after.commits - before.commits,
            checkpoints: after.checkpoints - before.checkpoints,
        }),
        server_cpu_us_per_wake: usage.server_cpu_us_per(u64::from(settings.wakes)),
        own_cpu_percent: usage.own_cpu_percent(),
        others_cpu_percent: usage.others_cpu_percent(),
    })
}

/// Counts each room up to its own number.
fn prepare(askers: &mut Askers, settings: &WakeSettings, forgot: &mut u64) -> Result<(), WakeError> {
    let questions = Questions {
        count: settings.rooms,
        per_s: settings.made_per_s,
        room: in_no_order,
        times: |room| counted_up_to(room) as u32,
        rooms: settings.rooms,
        // A host that makes more rooms than it can save refuses some for a while.
        asks_again: true,
    };
    // A number above the room's own is of a room that was there before.
    askers.ask(questions, |room, number| *forgot += u64::from(number > counted_up_to(room)))?;
    Ok(())
}

/// What a room is counted up to before it sleeps: 1, 2 or 3.
fn counted_up_to(room: u32) -> u64 {
    1 + u64::from(room % 3)
}

fn in_no_order(number: u32, rooms: u32) -> u32 {
    (u64::from(number) * (STRIDE % u64::from(rooms)) % u64::from(rooms)) as u32
}

/// Waits until no room is awake, and reads the host's figures then; where the host cannot be asked, waits as told.
pub(super) fn all_asleep(
    admin: Option<&AdminSocket>,
    otherwise: Duration,
) -> Result<Option<AdminFigures>, WakeError> {
    let Some(admin) = admin else {
        thread::sleep(otherwise);
        return Ok(None);
    };
    let began = Instant::now();
    loop {
        let figures = admin.figures()?;
        if figures.awake == 0 {
            return Ok(Some(figures));
        }
        if began.elapsed() > ASLEEP_WAIT {
            return Err(WakeError::Awake { awake: figures.awake, waited_s: ASLEEP_WAIT.as_secs() });
        }
        thread::sleep(LOOK_AGAIN);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::in_no_order;

    #[test]
    fn each_room_comes_once_and_not_in_order() {
        for rooms in [1, 2, 3, 1_000, 65_536, 20_001] {
            let order: Vec<u32> = (0..rooms).map(|number| in_no_order(number, rooms)).collect();
            let all: BTreeSet<u32> = order.iter().copied().collect();
            assert_eq!((all.len(), all.last()), (rooms as usize, Some(&(rooms - 1))));
            assert!(rooms < 1_000 || !order.is_sorted());
        }
    }
}
