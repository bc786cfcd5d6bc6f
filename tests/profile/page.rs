//! docs/partykit.md and docs/partyserver.md, each made of a table and its list of differences.

use std::fmt::Write;

use crate::differences::Difference;
use crate::table::{File, Original, Row, Section, Step};

impl Original {
    /// Where its page is.
    pub(crate) fn page(self) -> &'static str {
        match self {
            Original::PartyKit => "docs/partykit.md",
            Original::PartyServer => "docs/partyserver.md",
        }
    }

    fn head(self) -> &'static str {
        match self {
            Original::PartyKit => include_str!("page/head.md"),
            Original::PartyServer => include_str!("page/partyserver.md"),
        }
    }

    /// What is not here yet, and what rows mean that are played on one side.
    fn not_yet(self) -> &'static str {
        match self {
            Original::PartyKit => include_str!("page/not_yet.txt"),
            Original::PartyServer => "",
        }
    }

    /// What people call it.
    fn name(self) -> &'static str {
        match self {
            Original::PartyKit => "PartyKit",
            Original::PartyServer => "partyserver",
        }
    }
}

/// What stands where this host does as PartyKit does.
const SAME: &str = "the same";

/// The whole page.
pub(crate) fn page(original: Original, files: &[File], differences: &[Difference]) -> String {
    let mut page = original.head().to_owned();
    page += "\n## What is otherwise here\n\n";
    for Difference { id, text, .. } in differences {
        line(&mut page, &format!("- <a id=\"{id}\"></a>**{id}**: {text}"));
    }
    page += original.not_yet();
    for section in files.iter().flat_map(|file| &file.sections) {
        line(&mut page, &format!("\n## {}\n", section.heading));
        for text in &section.text {
            line(&mut page, text);
        }
        table(&mut page, original, section);
    }
    page
}

fn table(page: &mut String, original: Original, section: &Section) {
    line(page, &format!("\n| what | {} | here |\n|---|---|---|", original.name()));
    for row in &section.rows {
        let steps = |outcome: fn(&Step) -> Option<&str>| -> String {
            let of_step = |step: &Step| match outcome(step) {
                Some(outcome) => format!("{} → {}", code(&step.does), code(outcome)),
                None => code(&step.does),
            };
            row.steps.iter().map(of_step).collect::<Vec<_>>().join("<br>")
        };
        let there = steps(|step| step.original.as_deref());
        line(page, &format!("| {} | {there} | {} |", row.name, here(row)));
    }
}

/// What is otherwise here, and why.
fn here(row: &Row) -> String {
    if let Some(later) = &row.later {
        return format!("not yet: {later}");
    }
    if !row.differs() {
        return SAME.into();
    }
    let differing = row.steps.iter().filter(|step| step.original != step.here);
    let mut cells: Vec<String> = differing
        .map(|step| format!("{} → {}", code(&step.does), code(step.here.as_deref().unwrap_or_default())))
        .collect();
    let links = row.because.iter().map(|id| format!("[{id}](#{id})"));
    cells.push(links.collect::<Vec<_>>().join(", "));
    cells.join("<br>")
}

/// Some words as code in a cell.
fn code(text: &str) -> String {
    format!("`{}`", text.replace('|', "\\|").replace('`', "'"))
}

fn line(page: &mut String, text: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(page, "{text}");
}
