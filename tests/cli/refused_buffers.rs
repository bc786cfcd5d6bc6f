//! A system that gives a host no more memory while the host has large rooms to put to sleep, to wake and to make again: it goes
//! on, whatever is left and wherever that runs out, and no room has lost anything when there is memory again.
//!
//! The limit is the kernel's on the host's data (`RLIMIT_DATA`), set while the host runs. Before it was asked, a refused buffer
//! was the end of the process, with all its rooms. What is left is different each time, so that each of the buffers that
//! follow from a room's memory (what differs, its packed form, the checkpoint, what is read back) is the one that is
//! refused.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use party_tests::guests::guest_path;
use party_tests::host::{Host, party_host, temporary};
use party_tests::http::{Answer, request};
use party_tests::program::{BOUND, Program};
use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};

/// What a room keeps that cannot be packed, in MiB.
const TREASURE_MIB: u64 = 24;
/// What the host may still have, in MiB: what is small (8), and then enough for the first buffer, the second, and so on.
const LEFT_MIB: [u64; 6] = [12, 24, 40, 60, 84, 108];

/// A host, and how often its room has been spoken to.
struct Squeezed {
    host: Host,
    data: tempfile::TempDir,
    _project: tempfile::TempDir,
    said: u64,
}

impl Squeezed {
    fn start(memory: &str) -> Result<Squeezed> {
        let (project, data) = (temporary()?, temporary()?);
        let component = guest_path("test_guests");
        let settings = format!(
            "name = \"large\"\nmain = {component:?}\nmemory = \"{memory}\"\n\
             [limits]\nidle_ms = 100\naccept_deadline_ms = 200\n"
        );
        fs::write(project.path().join("party.toml"), settings)?;
        let host = Host::serve(project.path(), data.path())?;
        Ok(Squeezed { host, data, _project: project, said: 0 })
    }

    /// From now on the host gets so many MiB more of the system; `None`: as much as there is.
    fn allow(&self, more_mib: Option<u64>) -> Result<()> {
        let id = self.host.program.id();
        let status = fs::read_to_string(format!("/proc/{id}/status"))?;
        let has = status.lines().find_map(|line| line.strip_prefix("VmData:")).context("the kernel tells")?;
        let has_kib: u64 = has.trim().trim_end_matches(" kB").parse()?;
        let current = more_mib.map(|more| (has_kib << 10) + (more << 20));
        prlimit(Pid::from_raw(id), Resource::Data, Rlimit { current, maximum: None })?;
        Ok(())
    }

    fn get(&self, room: &str, what: &str) -> Result<Answer> {
        let answer = request(self.host.port, "GET", &format!("/parties/main/{room}/{what}"));
        answer.with_context(|| self.host.program.said())
    }

    /// The room has all that it was told to keep, and has heard all that was answered.
    fn has_all(&mut self) -> Result<()> {
        self.said += 1;
        let answer = self.get("lobby", "treasured")?;
        let expected = format!("{} {TREASURE_MIB} true", self.said);
        ensure!(
            (answer.status, &answer.body) == (200, &expected),
            "{answer:?}, not {expected}\n{}",
            self.host.program.said()
        );
        Ok(())
    }

    /// As people see it: `awake`, `asleep` and so on.
    fn state(&self) -> Result<String> {
        let told = Program::run(party_host().args(["rooms", "--data"]).arg(self.data.path()), BOUND)?;
        ensure!(told.code == Some(0), "{told:?}\n{}", self.host.program.said());
        let line = told.out.lines().find(|line| line.contains("main/lobby")).context("it is listed")?;
        Ok(line.to_owned())
    }

    /// Waits until the room sleeps.
    fn sleeps(&self) -> Result<()> {
        let end = Instant::now() + BOUND;
        while !self.state()?.contains("asleep") {
            if Instant::now() > end {
                bail!("it does not fall asleep: {}\n{}", self.state()?, self.host.program.said());
            }
        }
        Ok(())
    }

    /// Asks for it while there is little memory: it answers rightly, or says that there is none.
    fn answers_or_waits(&mut self) -> Result<bool> {
        let answer = self.get("lobby", "treasured")?;
        if answer.status == 200 {
            self.said += 1;
            let expected = format!("{} {TREASURE_MIB} true", self.said);
            ensure!(answer.body == expected, "{answer:?}, not {expected}");
            return Ok(true);
        }
        ensure!(
            answer.status == 503
                && ["no memory left", "os error 12"].iter().any(|why| answer.body.contains(why)),
            "{answer:?}\n{}",
            self.host.program.said()
        );
        Ok(false)
    }

    /// Others go on meanwhile, or wait as well, and the host says of nobody that he is damaged.
    fn goes_on(&self) -> Result<()> {
        let small = self.get("small", "said")?;
        ensure!([200, 503].contains(&small.status), "{small:?}\n{}", self.host.program.said());
        let said = self.host.program.said();
        let is_bad = |word: &&str| said.contains(*word);
        let bad =
            ["damaged", "lost", "afresh", "panicked", "error of the host"].iter().find(|word| is_bad(word));
        ensure!(bad.is_none(), "{bad:?}\n{said}");
        Ok(())
    }
}

#[test]
fn a_room_that_cannot_be_saved_for_want_of_memory_stays_awake_and_sleeps_when_there_is_some() -> Result<()> {
    for memory in ["hibernate", "durable"] {
        let mut world = Squeezed::start(memory)?;
        ensure!(world.get("small", "said")?.status == 200);
        let mut refused = 0;
        for left in LEFT_MIB {
            // It changes, and is to be saved when it comes to rest.
            ensure!(world.get("lobby", &format!("treasure?{TREASURE_MIB}"))?.status == 200);
            world.said += 1;
            world.allow(Some(left))?;
            let pause = Instant::now() + Duration::from_millis(300);
            while Instant::now() < pause {
                world.goes_on()?;
            }
            refused += u32::from(!world.state()?.contains("asleep"));
            world.answers_or_waits()?;
            world.allow(None)?;
            world.has_all()?;
            world.sleeps()?;
        }
        ensure!(refused >= 4, "{memory}: only {refused} times it was refused memory");
        ensure!(world.host.program.said().contains("stays awake: it cannot be saved now"), "that is said");
        world.host.kill()?;
        world.host.start()?;
        world.has_all()?;
        world.host.stop(Signal::TERM)?;
    }
    Ok(())
}

#[test]
fn a_room_that_cannot_be_read_for_want_of_memory_waits_and_is_as_it_was_when_there_is_some() -> Result<()> {
    for (memory, is_killed) in [("hibernate", false), ("durable", true)] {
        let mut world = Squeezed::start(memory)?;
        ensure!(world.get("small", "said")?.status == 200);
        ensure!(world.get("lobby", &format!("treasure?{TREASURE_MIB}"))?.status == 200);
        world.said += 1;
        world.sleeps()?;
        let mut refused = 0;
        for left in LEFT_MIB {
            if is_killed {
                // A turn more than its checkpoint knows.
                world.has_all()?;
            }
            world.host.kill()?;
            world.host.start()?;
            world.allow(Some(left))?;
            refused += u32::from(!world.answers_or_waits()?);
            world.goes_on()?;
            world.allow(None)?;
            world.has_all()?;
            world.sleeps()?;
        }
        ensure!(refused >= 3, "{memory}: only {refused} times it was refused memory");
        world.host.stop(Signal::TERM)?;
    }
    Ok(())
}
