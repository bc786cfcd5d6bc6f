//! Wakes the tool's one thread shortly before each question is due.
//!
//! `epoll` counts in milliseconds, so a thread that would send on time has to watch the clock, and at a thousand
//! questions a second does nothing else. On a machine with two cores that is half of what the server has. So a second
//! thread sleeps until each question is nearly due and writes a byte to a socket that the first one polls; that one
//! watches the clock only for the rest. What must hold: a byte too few makes a question late by no more than the first
//! thread's own wait, and none too many keeps it from sleeping.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

/// How long before a question is due the byte is written: a sleep is late by about half of it.
pub(super) const AHEAD: Duration = Duration::from_micros(120);

/// The end that is polled. Dropped, it ends the thread with its next byte.
#[derive(Debug)]
pub(super) struct Pacer {
    bell: UnixStream,
}

impl Pacer {
    /// Rings before each of `count` questions, the first of which is due at `began`.
    pub(super) fn start(began: Instant, per_s: f64, count: u32) -> io::Result<Pacer> {
        let (bell, mut rope) = UnixStream::pair()?;
        bell.set_nonblocking(true)?;
        rope.set_nonblocking(true)?;
        thread::Builder::new().name("pacer".to_owned()).spawn(move || {
            for number in 0..count {
                let at = (began + Duration::from_secs_f64(f64::from(number) / per_s))
                    .checked_sub(AHEAD)
                    .unwrap_or(began);
                thread::sleep(at.saturating_duration_since(Instant::now()));
                match rope.write(&[0]) {
                    Ok(_) => {}
                    // It has not been answered for long: one more byte would say nothing new.
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(_) => return,
                }
            }
        })?;
        Ok(Pacer { bell })
    }

    /// Takes all that has rung.
    pub(super) fn hush(&mut self) {
        let mut bytes = [0; 64];
        while self.bell.read(&mut bytes).is_ok_and(|read| read == bytes.len()) {}
    }
}

impl AsFd for Pacer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}
