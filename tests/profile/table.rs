//! The tables as texts: sections of rows, each row some steps and what comes of each, on an original and here. There is a table
//! for each profile, beside the original that it is of.
//!
//! ```text
//! ## Section            what the page has as a heading
//! Lines of text.
//! project: classic      what is served (see `sides.rs`)
//!
//! # the name of a row, which is a fact
//! because: difference   if the columns differ: which of `differences.txt` it is, perhaps several
//! later: thing          if nothing is there yet here: what; such a row is played on the original alone
//! GET /party/ROOM       a step (see `player.rs`)
//!   = 200 …             what comes of it, the same in both columns
//! a reads
//!   partykit: nothing   or not the same; in the other table it is `partyserver:`
//!   here: close 4000 "bye"
//! ```

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use party_tests::root;

/// What this host is held against.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Original {
    /// npm's `partykit dev`.
    PartyKit,
    /// npm's `partyserver` on workerd.
    PartyServer,
}

impl Original {
    pub(crate) const ALL: [Original; 2] = [Original::PartyKit, Original::PartyServer];

    /// As the table calls its column.
    fn word(self) -> &'static str {
        match self {
            Original::PartyKit => "partykit",
            Original::PartyServer => "partyserver",
        }
    }

    /// The files of its table, in the order of the page.
    fn files(self) -> &'static [&'static str] {
        match self {
            Original::PartyKit => &[
                "routing",
                "requests",
                "sockets",
                "lifecycle",
                "restarts",
                "limits",
                "assets",
                "lobby",
                "javascript",
            ],
            Original::PartyServer => &[
                "partyserver/routing",
                "partyserver/requests",
                "partyserver/cors",
                "partyserver/sockets",
                "partyserver/lifecycle",
                "partyserver/limits",
                "partyserver/hooks",
            ],
        }
    }
}

/// Whom a row is played against.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Column {
    Original,
    Here,
}

/// One step and what comes of it; a step of which nothing is to be seen has no outcome.
#[derive(Clone, Debug, Default)]
pub(crate) struct Step {
    pub(crate) does: String,
    pub(crate) original: Option<String>,
    pub(crate) here: Option<String>,
}

impl Step {
    /// What comes of it.
    pub(crate) fn outcome(&self, column: Column) -> Option<&str> {
        match column {
            Column::Original => self.original.as_deref(),
            Column::Here => self.here.as_deref(),
        }
    }

    /// Says what comes of it.
    pub(crate) fn set_outcome(&mut self, column: Column, outcome: Option<String>) {
        match column {
            Column::Original => self.original = outcome,
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
        self.steps.iter().any(|step| step.original != step.here)
    }

    /// Whether it is played there.
    pub(crate) fn is_played(&self, column: Column) -> bool {
        column == Column::Original || self.later.is_none()
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

/// Reads a whole table.
pub(crate) fn read(original: Original) -> Result<Vec<File>> {
    let read = |name: &&str| {
        let path = root().join("tests/profile/table").join(format!("{name}.txt"));
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let sections = parse(&text, original).with_context(|| path.display().to_string())?;
        Ok(File { path, sections })
    };
    original.files().iter().map(read).collect()
}

/// Reads one file.
pub(crate) fn parse(text: &str, original: Original) -> Result<Vec<Section>> {
    let mut sections: Vec<Section> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        take(&mut sections, line, original).with_context(|| format!("line {}: {line}", number + 1))?;
    }
    Ok(sections)
}

fn take(sections: &mut Vec<Section>, line: &str, original: Original) -> Result<()> {
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
            "=" => (step.original, step.here) = (outcome.clone(), outcome),
            "here:" => step.here = outcome,
            whose if whose.strip_suffix(':') == Some(original.word()) => step.original = outcome,
            _ => bail!("no column is called {whose:?}"),
        }
    } else {
        ensure!(!line.starts_with(' '), "a step begins at the margin");
        row.steps.push(Step { does: line.into(), ..Step::default() });
    }
    Ok(())
}

/// Writes one file, as [`parse`] reads it.
pub(crate) fn write(sections: &[Section], original: Original) -> String {
    let word = original.word();
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
                match (&step.original, &step.here) {
                    (Some(original), Some(here)) if original == here => lines.push(format!("  = {here}")),
                    (original, here) => {
                        lines.extend(original.iter().map(|outcome| format!("  {word}: {outcome}")));
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
