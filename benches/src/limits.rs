//! The bound that the system sets on open sockets, raised once at the start of each program.
//!
//! What must hold: only the soft limit moves, up to the hard one that the administrator set.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Allows this process, and those it starts, as many open files as the system's hard limit does.
pub fn raise_open_files() -> io::Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?)
}
