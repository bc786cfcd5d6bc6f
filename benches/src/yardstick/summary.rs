//! The run as a page: what was measured on what, the table, and what holds.
//!
//! What must hold: the page says all that a reader needs to doubt it (machine, day, load, rounds, disturbance), and
//! nothing in it is a path of the machine.

use std::fmt::{self, Write};

use super::arguments::CandidateName;
use super::conditions::{Condition, of_the_host, of_the_yardstick};
use super::machine::Machine;
use super::results::{FIGURES, Results};

/// What is said above the table.
#[derive(Clone, Debug)]
pub(super) struct Circumstances {
    /// The day.
    pub(super) date: String,
    /// The machine.
    pub(super) machine: Machine,
    /// Load averages before and after the run.
    pub(super) load_averages: [String; 2],
    /// Rounds.
    pub(super) rounds: u32,
    /// Seconds measured of each scenario that lasts.
    pub(super) window_s: f64,
}

/// The page, in Markdown.
pub(super) fn page(
    circumstances: &Circumstances,
    results: &Results,
    candidates: &[CandidateName],
    skipped: &[String],
) -> String {
    let mut page = String::new();
    // Writing to a string does not fail.
    let _ = write_page(&mut page, circumstances, results, candidates, skipped);
    page
}

fn write_page(
    page: &mut String,
    circumstances: &Circumstances,
    results: &Results,
    candidates: &[CandidateName],
    skipped: &[String],
) -> fmt::Result {
    let Circumstances { date, machine, load_averages: [before, after], rounds, window_s } = circumstances;
    writeln!(page, "# Yardstick, {date}\n")?;
    writeln!(
        page,
        "{} cores, {}, Linux {}; {rounds} rounds of {window_s} s, interleaved; each measurement with a fresh \
         server on core 0 and the load tool on core 1, over loopback, 64-byte messages.",
        machine.cores, machine.cpu, machine.kernel
    )?;
    writeln!(page, "Load averages before: {before}; after: {after}. {}\n", disturbance(results))?;
    for reason in skipped {
        writeln!(page, "Not measured: {reason}.\n")?;
    }
    write_table(page, results, candidates)?;
    writeln!(
        page,
        "\nMedians over rounds; in parentheses the median of the ratios to native within each round.\n"
    )?;
    write_conditions(page, "The yardstick counts only if", &of_the_yardstick(results))?;
    if candidates.contains(&CandidateName::Host) {
        write_conditions(page, "What party-host is to reach", &of_the_host(results))?;
    }
    let failed = failures(results);
    writeln!(page, "## Messages and increments\n")?;
    if failed.is_empty() {
        writeln!(
            page,
            "In {} measurements nothing was lost, duplicated, reordered, altered or miscounted.",
            results.records.len()
        )?;
    }
    for failure in failed {
        writeln!(page, "- FAILED: {failure}")?;
    }
    Ok(())
}

fn write_table(page: &mut String, results: &Results, candidates: &[CandidateName]) -> fmt::Result {
    write!(page, "| |")?;
    for candidate in candidates {
        write!(page, " {} |", candidate.as_str())?;
    }
    writeln!(page, "\n|---|{}", "---:|".repeat(candidates.len()))?;
    for figure in FIGURES {
        if candidates.iter().all(|candidate| results.median(figure, *candidate).is_none()) {
            continue;
        }
        write!(page, "| {} |", figure.label)?;
        for candidate in candidates {
            match results.median(figure, *candidate) {
                None => write!(page, " - |")?,
                Some(median) => {
                    write!(page, " {median:.*}", figure.digits)?;
                    let ratio = results.ratio(figure, *candidate, CandidateName::Native);
                    match ratio.filter(|_| *candidate != CandidateName::Native) {
                        Some(ratio) => write!(page, " ({ratio:.2}) |")?,
                        None => write!(page, " |")?,
                    }
                }
            }
        }
        writeln!(page)?;
    }
    Ok(())
}

fn write_conditions(page: &mut String, title: &str, conditions: &[Condition]) -> fmt::Result {
    writeln!(page, "## {title}\n")?;
    for condition in conditions {
        writeln!(page, "- {}", condition.line())?;
    }
    writeln!(page)
}

/// How busy other processes were.
fn disturbance(results: &Results) -> String {
    let mut shares: Vec<f64> =
        results.records.iter().filter_map(|record| record.report.others_cpu_percent()).collect();
    shares.sort_by(f64::total_cmp);
    match (shares.get(shares.len() / 2), shares.last()) {
        (Some(middle), Some(most)) => format!(
            "Other processes used {middle:.0} % of a core meanwhile (median over measurements; at most {most:.0} %)."
        ),
        _ => "How busy other processes were was not measured.".to_owned(),
    }
}

/// The measurements in which a server did wrong.
pub(super) fn failures(results: &Results) -> Vec<String> {
    results
        .records
        .iter()
        .filter(|record| !record.report.passed())
        .map(|record| {
            let lines = record.report.lines().join("; ");
            format!("{}, {}, round {}: {lines}", record.candidate, record.scenario, record.round)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::load::scenario::Report;
    use super::super::arguments::CandidateName;
    use super::super::machine::Machine;
    use super::super::results::Results;
    use super::super::results::tests::counted;
    use super::{Circumstances, page};

    #[test]
    fn the_page_holds_figures_ratios_and_failures() {
        let (native, host) = (CandidateName::Native, CandidateName::Host);
        let mut wrong = counted(host, 16, 0, 10_000.0);
        if let Report::Counter(report) = &mut wrong.report {
            report.repeated = 3;
        }
        let results = Results {
            records: vec![counted(native, 1, 0, 2_000.0), counted(native, 16, 0, 20_000.0), wrong],
        };
        let circumstances = Circumstances {
            date: "2026-11-21".to_owned(),
            machine: Machine { cores: 2, cpu: "CPU".to_owned(), kernel: "6.18".to_owned() },
            load_averages: ["0.1 0.2 0.3".to_owned(), "0.4 0.5 0.6".to_owned()],
            rounds: 1,
            window_s: 4.0,
        };
        let page = page(&circumstances, &results, &[native, host], &["ws: node is not there".to_owned()]);
        for expected in [
            "# Yardstick, 2026-11-21",
            "Not measured: ws: node is not there.",
            "| counter x16, increments/s | 20000 | 10000 (0.50) |",
            "| counter x1, increments/s | 2000 | - |",
            "- holds: native's durable increments, 16 clients to 1: 10.00, at least 5 wanted",
            "- FAILS: durable increments by 16 clients, party-host to native: 0.50, at least 0.9 wanted",
            "- not measured: CPU per echo, ws to native, at least 1.5 wanted",
            "- FAILED: party-host, counter-16, round 0:",
            "3 answers repeated",
        ] {
            assert!(page.contains(expected), "no {expected:?} in\n{page}");
        }
    }
}
