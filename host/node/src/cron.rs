//! Scheduled runs: which there are, when each is due, and the task that begins them.
//!
//! Times are UTC. A run is for one minute and is begun in it or after it, never before. What was missed while no host ran is not
//! made up for; what was missed while one ran that did not come to it (a machine that was suspended, a clock that was set
//! ahead) is one late run, the last that was due. No time is run for twice, also when the clock is set back; and while a run of
//! a name is under way, no other of it is begun.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use party_core::ids::Timestamp;
use party_core::lobby::{CronRun, LobbyEvent, LobbyKind, Verdict};
use thiserror::Error;

use crate::lobby::LobbyRefusal;
use crate::node::Node;
use crate::party::Party;
use crate::project::Project;

/// Scheduled runs of a project.
pub const CRONS_MAX: usize = 64;
/// The name of one, in bytes.
pub const CRON_NAME_BYTES_MAX: usize = 64;
/// Its expression, in bytes.
pub const CRON_EXPRESSION_BYTES_MAX: usize = 256;

/// The party whose lobby takes scheduled runs.
const PARTY: &str = "main";

/// Why something is no schedule.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum ScheduleError {
    /// The name is empty, too long, or holds a control character.
    #[error("the name of a scheduled run has 1 to {CRON_NAME_BYTES_MAX} bytes and no control characters")]
    Name,
    /// More than [`CRON_EXPRESSION_BYTES_MAX`].
    #[error("the expression has {bytes} bytes; the limit is {CRON_EXPRESSION_BYTES_MAX}")]
    Long {
        /// How many.
        bytes: usize,
    },
    /// Not five fields.
    #[error(
        "{expression:?} has {fields} fields; it must have five: minute, hour, day of month, month, day of week"
    )]
    Fields {
        /// The expression.
        expression: String,
        /// How many.
        fields: usize,
    },
    /// A day of the week that is a number, which means another day on PartyKit than it means on Unix.
    #[error(
        "{expression:?} has a number as the day of the week, which is not the same day everywhere; write SUN to SAT"
    )]
    DayOfWeek {
        /// The expression.
        expression: String,
    },
    /// A field means nothing; the text is the parser's.
    #[error("{expression:?} is no cron expression: {why}")]
    Bad {
        /// The expression.
        expression: String,
        /// Why.
        why: String,
    },
    /// There is no such day.
    #[error("{expression:?} never comes")]
    Never {
        /// The expression.
        expression: String,
    },
}

/// When something is to run: a name and five fields, in UTC.
#[derive(Clone)]
pub struct Schedule {
    name: String,
    expression: String,
    cron: Cron,
}

impl PartialEq for Schedule {
    fn eq(&self, other: &Schedule) -> bool {
        (&self.name, &self.expression) == (&other.name, &other.expression)
    }
}

impl Eq for Schedule {}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Schedule({:?}, {:?})", self.name, self.expression)
    }
}

impl Schedule {
    /// Reads one.
    pub fn parse(name: &str, expression: &str) -> Result<Schedule, ScheduleError> {
        if name.is_empty() || name.len() > CRON_NAME_BYTES_MAX || name.chars().any(char::is_control) {
            return Err(ScheduleError::Name);
        }
        if expression.len() > CRON_EXPRESSION_BYTES_MAX {
            return Err(ScheduleError::Long { bytes: expression.len() });
        }
        let of = || expression.to_owned();
        let fields: Vec<&str> = expression.split_ascii_whitespace().collect();
        let [_, _, _, _, day_of_week] = fields[..] else {
            return Err(ScheduleError::Fields { expression: of(), fields: fields.len() });
        };
        if has_number(day_of_week) {
            return Err(ScheduleError::DayOfWeek { expression: of() });
        }
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let bad = |error: croner::errors::CronError| ScheduleError::Bad {
            expression: of(),
            why: error.to_string(),
        };
        let cron = parser.parse(expression).map_err(bad)?;
        let schedule = Schedule { name: name.to_owned(), expression: of(), cron };
        match schedule.next_after(Timestamp(0)) {
            Some(_) => Ok(schedule),
            None => Err(ScheduleError::Never { expression: of() }),
        }
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// When it runs, as it was written.
    pub fn expression(&self) -> &str {
        &self.expression
    }

    /// The first time after this one, if there is one.
    pub fn next_after(&self, at: Timestamp) -> Option<Timestamp> {
        let next = self.cron.find_next_occurrence(&date(at)?, false).ok()?;
        u64::try_from(next.timestamp_millis()).ok().map(Timestamp)
    }

    /// The last time at or before this one, if there is one.
    fn last_until(&self, at: Timestamp) -> Option<Timestamp> {
        let last = self.cron.find_previous_occurrence(&date(at)?, true).ok()?;
        u64::try_from(last.timestamp_millis()).ok().map(Timestamp)
    }
}

/// Whether a field holds a number that is a day, rather than a step (`*/2`) or which one of a month (`MON#2`).
fn has_number(day_of_week: &str) -> bool {
    day_of_week.split([',', '-']).any(|part| part.starts_with(|c: char| c.is_ascii_digit()))
}

fn date(at: Timestamp) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis(i64::try_from(at.0).ok()?)
}

/// A time for people: `2026-11-22T19:00:00Z`.
pub fn written(at: Timestamp) -> String {
    date(at).map_or_else(|| at.to_string(), |date| date.to_rfc3339_opts(SecondsFormat::Secs, true))
}

impl Node {
    /// Who takes a project's scheduled runs now, if anybody does.
    pub fn takes_scheduled_runs(&self, project: &Project) -> Option<Arc<Party>> {
        self.party(&project.name, PARTY).filter(|party| party.handlers.has(LobbyKind::Cron.handler()))
    }

    /// Runs something of a project at once, and waits until that is over. `None`: nothing takes its scheduled runs. On a
    /// worker's thread.
    pub async fn run_scheduled(
        &self,
        project: &Project,
        run: CronRun,
    ) -> Option<Result<Verdict, LobbyRefusal>> {
        let party = self.takes_scheduled_runs(project)?;
        Some(self.ask_lobby(&party, LobbyEvent::Cron(run)).await)
    }
}

/// One schedule, and its next run.
struct Due {
    project: Arc<Project>,
    schedule: Schedule,
    at: Option<Timestamp>,
    is_under_way: Rc<Cell<bool>>,
}

/// Begins the scheduled runs of a node for as long as that lives. On one worker's thread.
pub(crate) async fn keep_time(node: Node) {
    let clock = Arc::clone(node.clock());
    let begun = clock.now();
    let due = |project: &Arc<Project>, schedule: &Schedule| {
        let at = schedule.next_after(begun);
        if let Some(at) = at {
            let (project, cron) = (&project.name, schedule.name());
            tracing::info!(project, cron, "{}: next at {}", schedule.expression(), written(at));
        }
        Due { project: Arc::clone(project), schedule: schedule.clone(), at, is_under_way: Rc::default() }
    };
    let of_project = |project: &Arc<Project>| {
        project.crons.iter().map(|schedule| due(project, schedule)).collect::<Vec<_>>()
    };
    let mut all: Vec<Due> = node.projects().iter().flat_map(of_project).collect();
    while let Some(at) = all.iter().filter_map(|one| one.at).min() {
        clock.sleep_until(at).await;
        let now = clock.now();
        for one in &mut all {
            one.look(&node, now);
        }
    }
}

impl Due {
    /// Begins the run that is due, if one is: of several that were missed the last.
    fn look(&mut self, node: &Node, now: Timestamp) {
        let Some(at) = self.at.filter(|at| *at <= now) else { return };
        let scheduled_at = self.schedule.last_until(now).map_or(at, |last| last.max(at));
        self.at = self.schedule.next_after(scheduled_at);
        let (project, cron) = (&self.project.name, self.schedule.name().to_owned());
        if node.takes_scheduled_runs(&self.project).is_none() {
            return tracing::warn!(project, cron, "the party main has no on-cron, and nothing is run");
        }
        if self.is_under_way.replace(true) {
            return tracing::warn!(
                project,
                cron,
                "the run before is not over; that of {} is left out",
                written(scheduled_at)
            );
        }
        let (node, is_under_way) = (node.clone(), Rc::clone(&self.is_under_way));
        let project = Arc::clone(&self.project);
        let run = CronRun { name: cron, expression: self.schedule.expression().to_owned(), scheduled_at };
        tokio::task::spawn_local(async move {
            let cron = run.name.clone();
            // What fails is logged where it does.
            if let Some(Err(refusal)) = node.run_scheduled(&project, run).await {
                let project = &project.name;
                tracing::error!(project, cron, "the run of {} is left out: {refusal}", written(scheduled_at));
            }
            is_under_way.set(false);
        });
    }
}

#[cfg(test)]
mod tests {
    use party_core::ids::Timestamp;

    use super::{Schedule, written};

    /// 2024-02-28T23:59:30Z, a Wednesday.
    const BEFORE: Timestamp = Timestamp(1_709_164_770_000);

    #[track_caller]
    fn next(expression: &str, expected: [&str; 2]) {
        let schedule = Schedule::parse("x", expression).unwrap();
        let first = schedule.next_after(BEFORE).unwrap();
        let second = schedule.next_after(first).unwrap();
        assert_eq!([written(first), written(second)], expected, "{expression}");
        assert_eq!(schedule.last_until(first), Some(first));
        assert_eq!(schedule.last_until(Timestamp(second.0 - 1)), Some(first));
    }

    #[test]
    fn times_are_of_utc_and_come_after_one_another() {
        next("* * * * *", ["2024-02-29T00:00:00Z", "2024-02-29T00:01:00Z"]);
        next("0 * * * *", ["2024-02-29T00:00:00Z", "2024-02-29T01:00:00Z"]);
        next("*/15 3 * * *", ["2024-02-29T03:00:00Z", "2024-02-29T03:15:00Z"]);
        next("30 4 1,15 * *", ["2024-03-01T04:30:00Z", "2024-03-15T04:30:00Z"]);
        next("0 9 * * MON-FRI", ["2024-02-29T09:00:00Z", "2024-03-01T09:00:00Z"]);
        next("0 0 29 2 *", ["2024-02-29T00:00:00Z", "2028-02-29T00:00:00Z"]);
        // A day of the month or a day of the week, as Vixie's cron has it.
        next("0 0 2 * fri", ["2024-03-01T00:00:00Z", "2024-03-02T00:00:00Z"]);
    }

    #[track_caller]
    fn refused(expression: &str, expected: &str) {
        let error = Schedule::parse("x", expression).unwrap_err().to_string();
        assert!(error.contains(expected), "{expression:?}: {error}");
    }

    #[test]
    fn what_is_no_schedule_is_refused_with_its_reason() {
        refused("", "has 0 fields; it must have five");
        refused("0 0 * * * *", "has 6 fields; it must have five");
        refused("@daily", "has 1 fields");
        for days in ["1", "1-5", "MON,2", "0"] {
            refused(&format!("0 0 * * {days}"), "write SUN to SAT");
        }
        refused("60 * * * *", "is no cron expression");
        refused("0 0 * * MUN", "is no cron expression");
        refused("0 0 30 2 *", "never comes");
        refused(&format!("{} * * * *", "0,".repeat(200)), "the limit is 256");
        for name in ["", "a\nb", &"x".repeat(65)] {
            assert!(Schedule::parse(name, "* * * * *").is_err(), "{name:?}");
        }
    }
}
