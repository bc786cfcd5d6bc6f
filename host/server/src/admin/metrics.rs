//! Figures in Prometheus' text format (version 0.0.4).
//!
//! Written by hand: they are read from the workers at the moment of the question, so a crate's registry of atomics would
//! be a second copy, and what is left of the format is a line per figure.

use std::fmt::Write as _;

use party_node::inspection::{NodeFigures, ProjectFigures, RoomState};

/// The figures as text.
pub(super) fn text(figures: &NodeFigures) -> String {
    let mut text = Text(String::new());
    text.head("party_rooms", "gauge", "Rooms in the host's memory, by state.");
    for (state, count) in RoomState::ALL.iter().zip(figures.rooms) {
        text.line("party_rooms", &[("state", state.name())], count);
    }
    let single = [
        ("party_sockets", "gauge", "Clients of all rooms.", figures.sockets),
        ("party_sockets_outside", "gauge", "Sockets outside of rooms.", figures.sockets_outside),
        ("party_requests_open", "gauge", "Requests without an answer.", figures.requests),
        ("party_memory_bytes", "gauge", "Linear memory of all instances.", figures.memory_bytes),
        ("party_commits_total", "counter", "Commits of rooms that are durable.", figures.counted.commits),
        ("party_wakes_total", "counter", "Rooms that were woken where they were.", figures.counted.wakes),
        ("party_checkpoints_total", "counter", "Checkpoints that were made.", figures.counted.checkpoints),
        (
            "party_dropped_turns_total",
            "counter",
            "Turns that were dropped: a trap, no fuel, past the deadline.",
            figures.counted.dropped_turns,
        ),
    ];
    for (name, kind, help, value) in single {
        text.head(name, kind, help);
        text.line(name, &[], value);
    }
    let name = "party_capture_failures_total";
    text.head(name, "counter", "Memories that could not be captured, by reason.");
    for (reason, count) in &figures.counted.not_captured {
        text.line(name, &[("reason", reason)], *count);
    }
    let of_projects: [(&str, &str, fn(&ProjectFigures) -> u64); 3] = [
        ("party_project_rooms", "Rooms in the host's memory, by project.", |figures| figures.rooms),
        ("party_project_sockets", "Clients of all rooms, by project.", |figures| figures.sockets),
        ("party_project_memory_bytes", "Linear memory of all instances, by project.", |figures| {
            figures.memory_bytes
        }),
    ];
    for (name, help, value) in of_projects {
        text.head(name, "gauge", help);
        for (project, figures) in &figures.projects {
            text.line(name, &[("project", project)], value(figures));
        }
    }
    text.0
}

struct Text(String);

impl Text {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}").expect("a string takes everything");
    }

    /// Labels are our own words and names of projects, so nothing in them needs an escape.
    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: u64) {
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        writeln!(self.0, "{name}{labels} {value}").expect("a string takes everything");
    }
}

#[cfg(test)]
mod tests {
    use party_node::inspection::{NodeFigures, ProjectFigures};

    use super::text;

    #[test]
    fn every_figure_has_its_help_its_type_and_its_value() {
        let mut figures = NodeFigures {
            rooms: [1, 2, 3, 4, 5, 6, 7],
            sockets: 7,
            sockets_outside: 6,
            ..NodeFigures::default()
        };
        figures.counted.commits = 8;
        figures.counted.not_captured.insert("handles", 9);
        for (project, rooms) in [("chat", 10), ("shop", 11)] {
            figures.projects.insert(project.into(), ProjectFigures { rooms, sockets: 12, memory_bytes: 13 });
        }
        let text = text(&figures);
        for line in [
            "# TYPE party_rooms gauge",
            "party_rooms{state=\"awake\"} 1",
            "party_rooms{state=\"stored\"} 5",
            "party_rooms{state=\"damaged\"} 6",
            "party_sockets 7",
            "party_sockets_outside 6",
            "# TYPE party_commits_total counter",
            "party_commits_total 8",
            "party_capture_failures_total{reason=\"handles\"} 9",
            "party_project_rooms{project=\"chat\"} 10",
            "party_project_rooms{project=\"shop\"} 11",
            "party_project_sockets{project=\"shop\"} 12",
            "party_project_memory_bytes{project=\"shop\"} 13",
        ] {
            assert!(text.lines().any(|one| one == line), "{line:?} is not in\n{text}");
        }
        let names = |start: &str| text.lines().filter(|line| line.starts_with(start)).count();
        assert_eq!((names("# HELP "), names("# TYPE ")), (13, 13));
    }
}
