//! What a host says of its own rooms: the figures at its admin socket that tell whether rooms sleep.
//!
//! ```text
//! GET /metrics over the Unix socket admin.sock in the host's data directory, Prometheus text
//! ```
//!
//! A client cannot tell a room that sleeps from one that is awake; that is the point of sleeping. So a scenario that
//! measures waking asks here. What must hold: a figure that the host does not give is an error, never a zero.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

/// How long an answer may take.
const ANSWER_WAIT: Duration = Duration::from_secs(15);

/// Longest answer that is read.
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// Why a host's figures cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The socket cannot be asked.
    #[error("cannot ask the admin socket {path}")]
    Ask {
        /// Where it is.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// The answer lacks a figure.
    #[error("the admin socket gives no whole number for {name}")]
    Figure {
        /// The figure.
        name: &'static str,
    },
}

/// The figures of one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdminFigures {
    /// Rooms that have an instance, or are about to.
    pub awake: u64,
    /// Rooms woken since the host started.
    pub wakes: u64,
    /// Rooms' commits since the host started.
    pub commits: u64,
    /// Memories saved since the host started.
    pub checkpoints: u64,
}

/// A host's admin socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminSocket {
    path: PathBuf,
}

impl AdminSocket {
    /// The socket at `path`; it is opened anew for each question.
    pub fn new(path: PathBuf) -> AdminSocket {
        AdminSocket { path }
    }

    /// Asks once.
    pub fn figures(&self) -> Result<AdminFigures, AdminError> {
        let text =
            self.ask().map_err(|source| AdminError::Ask { path: self.path.display().to_string(), source })?;
        read_figures(&text)
    }

    fn ask(&self) -> io::Result<String> {
        let mut stream = UnixStream::connect(&self.path)?;
        stream.set_read_timeout(Some(ANSWER_WAIT))?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.take(ANSWER_BYTES_MAX).read_to_string(&mut text)?;
        Ok(text)
    }
}

fn read_figures(text: &str) -> Result<AdminFigures, AdminError> {
    let figure = |name: &'static str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse::<u64>().ok())
            .ok_or(AdminError::Figure { name })
    };
    Ok(AdminFigures {
        awake: figure("party_rooms{state=\"awake\"}")? + figure("party_rooms{state=\"starting\"}")?,
        wakes: figure("party_wakes_total")?,
        commits: figure("party_commits_total")?,
        checkpoints: figure("party_checkpoints_total")?,
    })
}

#[cfg(test)]
mod tests {
    use super::{AdminError, AdminFigures, read_figures};

    const TEXT: &str = "HTTP/1.1 200 OK\r\n\r\n# TYPE party_rooms gauge\nparty_rooms{state=\"awake\"} 2\n\
                        party_rooms{state=\"starting\"} 1\nparty_commits_total 30\nparty_wakes_total 4\n\
                        party_checkpoints_total 5\n";

    #[test]
    fn figures_are_read_by_their_whole_names() {
        let figures = AdminFigures { awake: 3, wakes: 4, commits: 30, checkpoints: 5 };
        assert_eq!(read_figures(TEXT).unwrap(), figures);
    }

    #[test]
    fn a_figure_that_is_not_there_is_an_error() {
        let text = TEXT.replace("party_wakes_total", "party_wakes_total_of_old");
        assert!(matches!(read_figures(&text), Err(AdminError::Figure { name: "party_wakes_total" })));
    }
}
