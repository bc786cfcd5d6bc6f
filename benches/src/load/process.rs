//! What the server's process costs, as the kernel counts it: CPU time and resident memory.
//!
//! Some servers are several processes (a launcher and what it launches), so a process stands for itself and all its
//! descendants. CPU time comes from `/proc/<pid>/stat` (user and system time of all threads, in ticks of usually
//! 10 ms: measure for seconds), memory from `/proc/<pid>/smaps_rollup`, which unlike `statm` is exact.
//!
//! What must hold: a process that is gone is an error, never a zero.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::time::Duration;

/// Why a process cannot be measured.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// It is not there, or not ours to read.
    #[error("cannot read {path}")]
    Read {
        /// The file of `/proc`.
        path: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The kernel's file does not look as documented.
    #[error("{path} does not look as proc(5) says: {line:?}")]
    Format {
        /// The file of `/proc`.
        path: String,
        /// The line that is not understood.
        line: String,
    },
}

/// A process and its descendants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerProcess {
    pid: u32,
}

impl ServerProcess {
    /// The process with this id; it is looked up at each measurement.
    pub fn new(pid: u32) -> ServerProcess {
        ServerProcess { pid }
    }

    /// CPU time used so far by all threads of the process and of its descendants.
    pub fn cpu_time(&self) -> Result<Duration, ProcessError> {
        let ticks_per_second = rustix::param::clock_ticks_per_second();
        let tree = self.tree()?;
        let ticks: u64 = tree.iter().map(|stat| stat.cpu_ticks).sum();
        Ok(Duration::from_nanos(ticks * (1_000_000_000 / ticks_per_second)))
    }

    /// Resident memory of the process and of its descendants, in bytes. Pages that they share count for each.
    pub fn resident_bytes(&self) -> Result<u64, ProcessError> {
        self.tree()?.iter().map(|stat| resident_bytes(stat.pid)).sum()
    }

    fn tree(&self) -> Result<Vec<Stat>, ProcessError> {
        let mut tree = vec![Stat::read(self.pid)?];
        let mut children: BTreeMap<u32, Vec<Stat>> = BTreeMap::new();
        for pid in all_pids()? {
            // A process may end while the list is walked; only the one asked for must be there.
            if let Ok(stat) = Stat::read(pid) {
                children.entry(stat.parent).or_default().push(stat);
            }
        }
        let mut visited = 0;
        while let Some(parent) = tree.get(visited).map(|stat| stat.pid) {
            tree.extend(children.remove(&parent).unwrap_or_default());
            visited += 1;
        }
        Ok(tree)
    }
}

/// CPU time used so far by this process itself.
pub fn own_cpu_time() -> Result<Duration, ProcessError> {
    let ticks_per_second = rustix::param::clock_ticks_per_second();
    let stat = Stat::read(std::process::id())?;
    Ok(Duration::from_nanos(stat.cpu_ticks * (1_000_000_000 / ticks_per_second)))
}

/// CPU time that all processes on all cores have used so far, with what the hypervisor took away.
pub fn machine_cpu_time() -> Result<Duration, ProcessError> {
    let path = "/proc/stat";
    let text = read(path)?;
    let line = text.lines().next().unwrap_or_default();
    let format = || ProcessError::Format { path: path.to_owned(), line: line.to_owned() };
    let fields = line.strip_prefix("cpu ").ok_or_else(format)?;
    let ticks = fields
        .split_whitespace()
        .map(str::parse::<u64>)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| format())?;
    // user, nice, system, idle, iowait, irq, softirq, steal; what guests use is part of user.
    let [user, nice, system, _, _, irq, softirq, steal, ..] = *ticks else {
        return Err(format());
    };
    let busy = user + nice + system + irq + softirq + steal;
    let ticks_per_second = rustix::param::clock_ticks_per_second();
    Ok(Duration::from_nanos(busy * (1_000_000_000 / ticks_per_second)))
}

/// The few fields of `/proc/<pid>/stat` that count here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    pid: u32,
    parent: u32,
    cpu_ticks: u64,
}

impl Stat {
    fn read(pid: u32) -> Result<Stat, ProcessError> {
        let path = format!("/proc/{pid}/stat");
        let line = read(&path)?;
        Stat::parse(pid, &line).ok_or(ProcessError::Format { path, line })
    }

    /// The name in the second field is in parentheses and may itself hold spaces and parentheses.
    fn parse(pid: u32, line: &str) -> Option<Stat> {
        let (_, after_name) = line.rsplit_once(')')?;
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        // Counted from the third field of proc(5): state, ppid (4), …, utime (14), stime (15).
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        Some(Stat { pid, parent: number(4)? as u32, cpu_ticks: number(14)? + number(15)? })
    }
}

fn resident_bytes(pid: u32) -> Result<u64, ProcessError> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = read(&path)?;
    text.lines()
        .find_map(|line| line.strip_prefix("Rss:")?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok())
        .map(|kibibytes| kibibytes * 1_024)
        .ok_or_else(|| ProcessError::Format {
            path,
            line: text.lines().next().unwrap_or_default().to_owned(),
        })
}

fn all_pids() -> Result<Vec<u32>, ProcessError> {
    let list = || -> io::Result<Vec<u32>> {
        let mut pids = Vec::new();
        for entry in fs::read_dir("/proc")? {
            pids.extend(entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()));
        }
        Ok(pids)
    };
    list().map_err(|source| ProcessError::Read { path: "/proc".to_owned(), source })
}

fn read(path: &str) -> Result<String, ProcessError> {
    fs::read_to_string(path).map_err(|source| ProcessError::Read { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::{ProcessError, ServerProcess, Stat, machine_cpu_time, own_cpu_time};

    #[test]
    fn a_name_with_parentheses_and_spaces_does_not_confuse_the_fields() {
        let line = "42 (a) b (c) S 7 42 42 0 -1 4194304 100 0 0 0 150 25 0 0 20 0 1 0 100 0 0";
        assert_eq!(Stat::parse(42, line), Some(Stat { pid: 42, parent: 7, cpu_ticks: 175 }));
        assert_eq!(Stat::parse(42, "42 (short) S 7"), None);
    }

    #[test]
    fn memory_of_a_child_counts_for_its_parent() {
        let own = ServerProcess::new(std::process::id());
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        // The child answers once it runs its own program, so its memory is its own by then.
        use std::io::{Read, Write};
        let mut pipe = child.stdin.take().unwrap();
        pipe.write_all(b"x").unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        assert!(own.tree().unwrap().iter().any(|stat| stat.pid == child.id()));
        assert!(ServerProcess::new(child.id()).resident_bytes().unwrap() > 100_000);
        drop(pipe);
        child.wait().unwrap();
    }

    #[test]
    fn the_machine_has_used_at_least_what_this_process_has() {
        let own = own_cpu_time().unwrap();
        assert!(machine_cpu_time().unwrap() >= own);
    }

    #[test]
    fn a_process_that_is_gone_is_an_error() {
        let mut child = Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        let gone = ServerProcess::new(child.id());
        assert!(matches!(gone.cpu_time(), Err(ProcessError::Read { .. })));
        assert!(matches!(gone.resident_bytes(), Err(ProcessError::Read { .. })));
    }
}
