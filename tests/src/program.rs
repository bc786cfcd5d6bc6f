//! A program as a process of its own. What it says is kept line by line, and nothing waits for it without a bound.
//!
//! It gets a process group of its own, so that what it has started ends with it when a test fails.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, waitid};

/// How long a test waits for one thing that takes moments on an idle machine.
pub const BOUND: Duration = Duration::from_secs(60);
/// How long a test waits for what compiles.
pub const BUILD_BOUND: Duration = Duration::from_secs(600);

/// Standard output or standard error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// A running program. Dropping it kills it.
pub struct Program {
    name: String,
    group: Pid,
    stdin: Option<ChildStdin>,
    shared: Arc<Shared>,
    out_at: usize,
    err_at: usize,
}

/// How a program has ended, and all it has said.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; none if a signal has ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    out: Vec<String>,
    err: Vec<String>,
    streams_ended: u8,
    status: Option<ExitStatus>,
}

impl State {
    fn lines(&mut self, stream: Stream) -> &mut Vec<String> {
        match stream {
            Stream::Out => &mut self.out,
            Stream::Err => &mut self.err,
        }
    }

    fn has_ended(&self) -> bool {
        self.status.is_some() && self.streams_ended == 2
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `look` finds something; `None` when the bound has passed.
    fn wait<T>(&self, bound: Duration, mut look: impl FnMut(&mut State) -> Option<T>) -> Option<T> {
        let end = Instant::now() + bound;
        let mut state = self.state();
        loop {
            if let Some(found) = look(&mut state) {
                return Some(found);
            }
            let left = end.checked_duration_since(Instant::now())?;
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Program {
    /// Starts a program.
    pub fn start(command: &mut Command) -> Result<Program> {
        let name = command.get_program().to_string_lossy().into_owned();
        let name = name.rsplit('/').next().unwrap_or_default().to_owned();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn().with_context(|| format!("{name} cannot be started"))?;
        let group = Pid::from_child(&child);
        let shared = Arc::new(Shared::default());
        let (stdin, out, err) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        keep(out.context("it is piped")?, Stream::Out, &shared);
        keep(err.context("it is piped")?, Stream::Err, &shared);
        reap(child, group, &shared);
        Ok(Program { name, group, stdin, shared, out_at: 0, err_at: 0 })
    }

    /// Runs a program to its end.
    pub fn run(command: &mut Command, bound: Duration) -> Result<Ended> {
        let mut program = Program::start(command)?;
        program.stdin = None;
        program.end(bound)
    }

    /// Writes a line to its standard input.
    pub fn say(&mut self, line: &str) -> Result<()> {
        let stdin = self.stdin.as_mut().context("standard input is open")?;
        writeln!(stdin, "{line}").with_context(|| format!("{} does not listen", self.name))
    }

    /// Sends it a signal, unless it has ended.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        // Under this lock the process is not reaped, so its number is its own.
        let state = self.shared.state();
        if state.status.is_none() {
            rustix::process::kill_process(self.group, signal)?;
        }
        Ok(())
    }

    /// Ends it, and all that it has started, with SIGKILL, and waits until it has ended.
    pub fn end_all(&mut self) -> Result<Ended> {
        // The group may have gone already, with all that was in it.
        let _ = rustix::process::kill_process_group(self.group, Signal::KILL);
        self.end(BOUND)
    }

    /// Its process id.
    pub fn id(&self) -> i32 {
        self.group.as_raw_nonzero().get()
    }

    /// Whether it runs.
    pub fn is_running(&self) -> bool {
        self.shared.state().status.is_none()
    }

    /// The next line of standard output; `None` when there are no more.
    pub fn next_line(&mut self, bound: Duration) -> Result<Option<String>> {
        let at = self.out_at;
        let found = self.shared.wait(bound, |state| match state.out.get(at) {
            Some(line) => Some(Some(line.clone())),
            None => state.has_ended().then_some(None),
        });
        self.out_at += 1;
        found.with_context(|| format!("{} says nothing for {bound:?}\n{}", self.name, self.said()))
    }

    /// Waits for the next line, on either stream, that holds `part`, and passes over those before it.
    pub fn wait_for(&mut self, part: &str, bound: Duration) -> Result<String> {
        let mut at = [(Stream::Out, self.out_at), (Stream::Err, self.err_at)];
        let found = self.shared.wait(bound, |state| {
            for (stream, at) in &mut at {
                let lines = state.lines(*stream);
                if let Some(found) = lines[*at..].iter().position(|line| line.contains(part)) {
                    return Some(Some((*stream, *at + found, lines[*at + found].clone())));
                }
            }
            state.has_ended().then_some(None)
        });
        match found {
            Some(Some((Stream::Out, at, line))) => {
                self.out_at = at + 1;
                Ok(line)
            }
            Some(Some((Stream::Err, at, line))) => {
                self.err_at = at + 1;
                Ok(line)
            }
            Some(None) => bail!("{} has ended and did not say {part:?}\n{}", self.name, self.said()),
            None => bail!("{} does not say {part:?} within {bound:?}\n{}", self.name, self.said()),
        }
    }

    /// Waits until one line, on either stream, is such: what it has said before counts too.
    pub fn wait_until_said(&self, mut is_it: impl FnMut(&str) -> bool, bound: Duration) -> Result<()> {
        let found = self.shared.wait(bound, |state| {
            let is_said = state.out.iter().chain(&state.err).any(|line| is_it(line));
            (is_said || state.has_ended()).then_some(is_said)
        });
        match found {
            Some(true) => Ok(()),
            _ => bail!("{} does not say it within {bound:?}\n{}", self.name, self.said()),
        }
    }

    /// Waits until it has ended.
    pub fn end(&mut self, bound: Duration) -> Result<Ended> {
        let ended = self.shared.wait(bound, |state| {
            let status = state.status.filter(|_| state.has_ended())?;
            let text = |lines: &[String]| lines.iter().map(|line| format!("{line}\n")).collect();
            Some(Ended { code: status.code(), out: text(&state.out), err: text(&state.err) })
        });
        ended.with_context(|| format!("{} does not end within {bound:?}\n{}", self.name, self.said()))
    }

    /// All it has said, for the message of a failure.
    pub fn said(&self) -> String {
        let state = self.shared.state();
        let mark = |mark: &str, lines: &[String]| -> String {
            lines.iter().map(|line| format!("  {} {mark} {line}\n", self.name)).collect()
        };
        mark(">", &state.out) + &mark("!", &state.err)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // The group may have gone already, with all that was in it.
        let _ = rustix::process::kill_process_group(self.group, Signal::KILL);
        // Wait, so that what it holds (a port, a lock) is free for the next.
        self.shared.wait(BOUND, |state| state.status.map(drop));
    }
}

fn keep(stream: impl Read + Send + 'static, which: Stream, shared: &Arc<Shared>) {
    let shared = Arc::clone(shared);
    thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        while stream.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
            let text = String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned();
            shared.state().lines(which).push(text);
            shared.changed.notify_all();
            line.clear();
        }
        shared.state().streams_ended += 1;
        shared.changed.notify_all();
    });
}

fn reap(mut child: Child, pid: Pid, shared: &Arc<Shared>) {
    let shared = Arc::clone(shared);
    thread::spawn(move || {
        let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while matches!(waitid(WaitId::Pid(pid), ended), Err(Errno::INTR)) {}
        // It has ended and is reaped under the lock: whoever holds it can signal the process while `status` is none.
        let mut state = shared.state();
        state.status = child.wait().ok();
        drop(state);
        shared.changed.notify_all();
    });
}
