//! What machine this is and what day: the edge at which the runner reads them from the system.
//!
//! What must hold: what goes into a file name has only small letters, digits and hyphens.

use std::fs;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use super::super::load::process::{ProcessError, machine_cpu_time};

/// How long a machine must be quiet to count as quiet: long enough for ticks of 10 ms to tell.
const QUIET_STEP: Duration = Duration::from_millis(500);

/// The machine, as far as it matters for comparing runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Machine {
    /// Cores that may be used.
    pub(super) cores: usize,
    /// The CPU's model as the kernel names it.
    pub(super) cpu: String,
    /// The kernel's release.
    pub(super) kernel: String,
}

impl Machine {
    /// Asks the system.
    pub(super) fn read() -> io::Result<Machine> {
        let cpu_info = fs::read_to_string("/proc/cpuinfo")?;
        let cpu = cpu_info
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
            .map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, model)| model.trim().to_owned());
        Ok(Machine {
            cores: thread::available_parallelism()?.get(),
            cpu,
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
        })
    }

    /// A name fit for a directory: cores and CPU model.
    pub(super) fn slug(&self) -> String {
        let mut slug = format!("{}-core", self.cores);
        for word in
            self.cpu.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty())
        {
            slug.push('-');
            slug.push_str(&word.to_ascii_lowercase());
        }
        slug
    }
}

/// Waits until all processes together use at most this share of one core, in percent, but no longer than `wait_max`.
pub(super) fn wait_for_quiet(percent_max: f64, wait_max: Duration) -> Result<(), ProcessError> {
    let began = Instant::now();
    while began.elapsed() < wait_max {
        let (from, used) = (Instant::now(), machine_cpu_time()?);
        thread::sleep(QUIET_STEP);
        let used = machine_cpu_time()?.saturating_sub(used);
        if 100.0 * used.as_secs_f64() <= percent_max * from.elapsed().as_secs_f64() {
            return Ok(());
        }
    }
    Ok(())
}

/// The load averages as the kernel writes them.
pub(super) fn load_average() -> io::Result<String> {
    let text = fs::read_to_string("/proc/loadavg")?;
    Ok(text.split(' ').take(3).collect::<Vec<_>>().join(" "))
}

/// The day in UTC, as YYYY-MM-DD, of a time since 1970.
pub(super) fn day_of(since_1970: Duration) -> String {
    // Howard Hinnant's civil-from-days algorithm: years begin on 1 March, so that a leap day is a year's last.
    let days = since_1970.as_secs() / 86_400 + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Machine, day_of};

    #[test]
    fn days_are_those_of_the_calendar() {
        for (seconds, day) in [
            (0, "1970-01-01"),
            (951_782_399, "2000-02-28"),
            (951_782_400, "2000-02-29"),
            (951_868_800, "2000-03-01"),
            (1_795_219_199, "2026-11-20"),
            (1_795_219_200, "2026-11-21"),
            (4_107_542_399, "2100-02-28"),
            (4_107_542_400, "2100-03-01"),
        ] {
            assert_eq!(day_of(Duration::from_secs(seconds)), day, "{seconds}");
        }
    }

    #[test]
    fn the_name_of_a_machine_is_fit_for_a_directory() {
        let machine =
            Machine { cores: 2, cpu: "AMD EPYC (TM)  7763/x".to_owned(), kernel: "6.18".to_owned() };
        assert_eq!(machine.slug(), "2-core-amd-epyc-tm-7763-x");
    }
}
