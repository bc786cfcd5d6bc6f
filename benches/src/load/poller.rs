//! Which of many sockets have something to say: a thin, level-triggered `epoll`.
//!
//! What must hold: a token comes back exactly as it was registered, and a wait never returns later than its bound
//! by more than the kernel's own wake-up.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll;

/// Most sockets that one wait reports; the rest are reported by the next.
const READY_MAX: usize = 256;

/// One socket that is ready.
#[derive(Clone, Copy, Debug)]
pub struct Ready {
    /// The token it was registered under.
    pub token: usize,
    /// Bytes (or the end, or an error) can be read.
    pub readable: bool,
    /// The kernel takes bytes again.
    pub writable: bool,
}

/// The set of sockets that are watched.
pub struct Poller {
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
}

impl fmt::Debug for Poller {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Poller").field("epoll", &self.epoll).finish_non_exhaustive()
    }
}

impl Poller {
    /// An empty set.
    pub fn new() -> io::Result<Poller> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        Ok(Poller { epoll, events: Vec::with_capacity(READY_MAX) })
    }

    /// Watches `socket` for bytes to read, under `token`.
    pub fn watch(&self, socket: impl AsFd, token: usize) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, socket, epoll::EventData::new_u64(token as u64), epoll::EventFlags::IN)?)
    }

    /// Chooses whether `socket` is also watched for room to write.
    pub fn watch_writable(&self, socket: impl AsFd, token: usize, wanted: bool) -> io::Result<()> {
        let mut flags = epoll::EventFlags::IN;
        flags.set(epoll::EventFlags::OUT, wanted);
        Ok(epoll::modify(&self.epoll, socket, epoll::EventData::new_u64(token as u64), flags)?)
    }

    /// Watches `socket` no longer.
    pub fn forget(&self, socket: impl AsFd) -> io::Result<()> {
        Ok(epoll::delete(&self.epoll, socket)?)
    }

    /// Waits until a socket is ready or `wait` has passed (zero returns at once; parts of a millisecond are cut off)
    /// and says how many are ready.
    pub fn wait(&mut self, wait: Duration) -> io::Result<usize> {
        self.events.clear();
        let milliseconds = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX).min(60_000);
        let timeout = Timespec { tv_sec: milliseconds / 1_000, tv_nsec: milliseconds % 1_000 * 1_000_000 };
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), Some(&timeout)) {
            Ok(_) => Ok(self.events.len()),
            Err(rustix::io::Errno::INTR) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    /// The socket at `index` below the count that the last wait returned.
    pub fn ready(&self, index: usize) -> Ready {
        let event = self.events[index];
        let flags = event.flags;
        Ready {
            token: event.data.u64() as usize,
            readable: flags
                .intersects(epoll::EventFlags::IN | epoll::EventFlags::HUP | epoll::EventFlags::ERR),
            writable: flags.contains(epoll::EventFlags::OUT),
        }
    }
}
