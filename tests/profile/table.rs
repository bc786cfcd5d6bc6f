//! The table as a text: sections of rows, each row some steps and what comes of each, on PartyKit and here.
//!
//! ```text
//! ## Section            what the page has as a heading
//! Lines of text.
//! project: classic      what is served (see `sides.rs`)
//!
//! # the name of a row, which is a fact
//! because: difference   if the columns differ: which of `differences.txt` it is, perhaps several
//! later: thing          if nothing is there yet here: what; such a row is played on PartyKit alone
//! GET /party/ROOM       a step (see `player.rs`)
//!   = 200 …             what comes of it, the same in both columns
//! a reads
//!   partykit: nothing   or not the same
//!   here: close 4000 "bye"
//! ```

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use party_tests::root;

/// The files of the table, in the order of the page.
const FILES: [&str; 9] =
    ["routing", "requests", "sockets", "lifecycle", "restarts", "limits", "assets", "lobby", "javascript"];

/// Whom a row is played against.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Column {
    PartyKit,
    Here,
}

/// One step and what comes of it; a step of which nothing is to be seen has no outcome.
#[derive(Clone, Debug, Default)]
pub(crate) struct Step {
    pub(crate) does: String,
    pub(crate) partykit: Option<String>,
    pub(crate) here: Option<String>,
}

impl Step {
    /// What comes of it.
    pub(crate) fn outcome(&self, column: Column) -> Option<&str> {
        match column {
            Column::PartyKit => self.partykit.as_deref(),
            Column::Here => self.here.as_deref(),
        }
    }

    /// Says what comes of it.
    pub(crate) fn set_outcome(&mut self, column: Column, outcome: Option<String>) {
        match column {
            Column::PartyKit => self.partykit = outcome,
            Column::Here => self.here = outcome,
        }
    }
}

/// One fact.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) because: Vec<String>,
    pub(crate) later: Option<String>,
    pub(crate) steps: Vec<Step>,
}

impl Row {
    /// Whether the columns differ.
    pub(crate) fn differs(&self) -> bool {
        self.steps.iter().any(|step| step.partykit != step.here)
    }

    /// Whether it is played there.
    pub(crate) fn is_played(&self, column: Column) -> bool {
        column == Column::PartyKit || self.later.is_none()
    }
}

/// Facts about one thing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Section {
    pub(crate) heading: String,
    pub(crate) text: Vec<String>,
    pub(crate) project: String,
    pub(crate) rows: Vec<Row>,
}

/// A file of the table.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) path: PathBuf,
    pub(crate) sections: Vec<Section>,
}

/// Reads the whole table.
pub(crate) fn read() -> Result<Vec<File>> {
    let read = |name| {
        let path = root().join("tests/profile/table").join(format!("{name}.txt"));
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let sections = parse(&text).with_context(|| path.display().to_string())?;
        Ok(File { path, sections })
    };
    FILES.into_iter().map(read).collect()
}

/// Reads one file.
pub(crate) fn parse(text: &str) -> Result<Vec<Section>> {
    let mut sections: Vec<Section> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        take(&mut sections, line).with_context(|| format!("line {}: {line}", number + 1))?;
    }
    Ok(sections)
}

fn take(sections: &mut Vec<Section>, line: &str) -> Result<()> {
    if line.is_empty() {
        return Ok(());
    }
    if let Some(heading) = line.strip_prefix("## ") {
        sections.push(Section { heading: heading.into(), ..Section::default() });
        return Ok(());
    }
    let section = sections.last_mut().context("a section comes first")?;
    if let Some(name) = line.strip_prefix("# ") {
        section.rows.push(Row { name: name.into(), ..Row::default() });
        return Ok(());
    }
    let Some(row) = section.rows.last_mut() else {
        match line.strip_prefix("project: ") {
            Some(project) => section.project = project.into(),
            None => section.text.push(line.into()),
        }
        return Ok(());
    };
    if let Some(because) = line.strip_prefix("because: ") {
        row.because = because.split(", ").map(str::to_owned).collect();
    } else if let Some(later) = line.strip_prefix("later: ") {
        row.later = Some(later.into());
    } else if let Some(outcome) = line.strip_prefix("  ") {
        let step = row.steps.last_mut().context("a step comes before what comes of it")?;
        let (whose, outcome) = outcome.split_once(' ').context("a column and an outcome")?;
        let outcome = Some(outcome.to_owned());
        match whose {
            "=" => (step.partykit, step.here) = (outcome.clone(), outcome),
            "partykit:" => step.partykit = outcome,
            "here:" => step.here = outcome,
            _ => bail!("no column is called {whose:?}"),
        }
    } else {
        ensure!(!line.starts_with(' '), "a step begins at the margin");
        row.steps.push(Step { does: line.into(), ..Step::default() });
    }
    Ok(())
}

/// Writes one file, as [`parse`] reads it.
pub(crate) fn write(sections: &[Section]) -> String {
    let mut text = String::new();
    for section in sections {
        let gap = if text.is_empty() { "" } else { "\n" };
        let mut lines = vec![format!("{gap}## {}", section.heading)];
        lines.extend(section.text.iter().cloned());
        lines.push(format!("project: {}", section.project));
        for row in &section.rows {
            lines.push(format!("\n# {}", row.name));
            if !row.because.is_empty() {
                lines.push(format!("because: {}", row.because.join(", ")));
            }
            lines.extend(row.later.iter().map(|later| format!("later: {later}")));
            for step in &row.steps {
                lines.push(step.does.clone());
                match (&step.partykit, &step.here) {
                    (Some(partykit), Some(here)) if partykit == here => lines.push(format!("  = {here}")),
                    (partykit, here) => {
                        lines.extend(partykit.iter().map(|outcome| format!("  partykit: {outcome}")));
                        lines.extend(here.iter().map(|outcome| format!("  here: {outcome}")));
                    }
                }
            }
        }
        for line in lines {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{line}");
        }
    }
    text
}
