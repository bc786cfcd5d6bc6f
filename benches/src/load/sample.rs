//! What the clocks said at the two ends of a measured window.
//!
//! What must hold: wall clock and CPU clocks are read together, so that a share of a core is a share of the same
//! time.

use std::time::{Duration, Instant};

use super::process::{ProcessError, ServerProcess, machine_cpu_time, own_cpu_time};

/// The clocks at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Wall clock.
    pub at: Instant,
    server_cpu: Option<Duration>,
    own_cpu: Duration,
    machine_cpu: Duration,
}

impl Sample {
    /// Reads the clocks now; the server's if its process is known.
    pub fn take(server: Option<ServerProcess>) -> Result<Sample, ProcessError> {
        let server_cpu = server.map(|process| process.cpu_time()).transpose()?;
        Ok(Sample {
            at: Instant::now(),
            server_cpu,
            own_cpu: own_cpu_time()?,
            machine_cpu: machine_cpu_time()?,
        })
    }

    /// What was used from this moment to `later`.
    pub fn until(&self, later: &Sample) -> Usage {
        let server_cpu =
            later.server_cpu.zip(self.server_cpu).map(|(later, earlier)| later.saturating_sub(earlier));
        Usage {
            wall: later.at - self.at,
            server_cpu,
            own_cpu: later.own_cpu.saturating_sub(self.own_cpu),
            machine_cpu: later.machine_cpu.saturating_sub(self.machine_cpu),
        }
    }
}

/// What a window took.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Wall clock time.
    pub wall: Duration,
    server_cpu: Option<Duration>,
    own_cpu: Duration,
    machine_cpu: Duration,
}

impl Usage {
    /// So many per second of the window.
    pub fn per_second(&self, count: u64) -> f64 {
        count as f64 / self.wall.as_secs_f64()
    }

    /// The server's CPU time for each of so many, in microseconds; `None` if it is not known or there were none.
    pub fn server_cpu_us_per(&self, count: u64) -> Option<f64> {
        self.server_cpu.filter(|_| count > 0).map(|cpu| cpu.as_secs_f64() * 1e6 / count as f64)
    }

    /// The server's share of one core, in percent.
    pub fn server_cpu_percent(&self) -> Option<f64> {
        self.server_cpu.map(|cpu| self.percent(cpu))
    }

    /// This tool's share of one core, in percent.
    pub fn own_cpu_percent(&self) -> f64 {
        self.percent(self.own_cpu)
    }

    /// What all other processes used, in percent of one core; `None` without the server's process.
    pub fn others_cpu_percent(&self) -> Option<f64> {
        self.server_cpu.map(|server| self.percent(self.machine_cpu.saturating_sub(server + self.own_cpu)))
    }

    fn percent(&self, cpu: Duration) -> f64 {
        100.0 * cpu.as_secs_f64() / self.wall.as_secs_f64()
    }
}
