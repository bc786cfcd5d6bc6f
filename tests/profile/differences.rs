//! Why the columns of the table differ where they do.
//!
//! ```text
//! # id
//! A sentence or two for users: what is otherwise here, and why.
//! shown by: tests/behaviour/some.rs name_of_the_test     beside the rows that name it; perhaps several
//! ```

use std::fs;

use anyhow::{Context, Result, ensure};
use party_tests::root;

use crate::table::Original;

/// A difference that is meant.
#[derive(Debug)]
pub(crate) struct Difference {
    pub(crate) id: String,
    pub(crate) text: String,
    /// Tests that show it beside the rows: a file, and a function in it.
    pub(crate) shown_by: Vec<String>,
}

/// Reads the list of a table.
pub(crate) fn read(original: Original) -> Result<Vec<Difference>> {
    let path = match original {
        Original::PartyKit => "tests/profile/differences.txt",
        Original::PartyServer => "tests/profile/differences_partyserver.txt",
    };
    let text = fs::read_to_string(root().join(path)).context(path)?;
    let mut found: Vec<Difference> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(id) = line.strip_prefix("# ") {
            ensure!(found.iter().all(|other| other.id != id), "{id:?} is there twice");
            found.push(Difference { id: id.into(), text: String::new(), shown_by: Vec::new() });
            continue;
        }
        let last = found.last_mut().context("a difference begins with its id")?;
        match line.strip_prefix("shown by: ") {
            Some(test) => last.shown_by.push(test.into()),
            None if last.text.is_empty() => last.text = line.into(),
            None => last.text = format!("{} {line}", last.text),
        }
    }
    for Difference { id, text, .. } in &found {
        ensure!(!text.is_empty(), "{id:?} has no reason");
    }
    Ok(found)
}

/// Whether there is such a test.
pub(crate) fn check_test(shown_by: &str) -> Result<()> {
    let (path, test) = shown_by.split_once(' ').context("a file and a test")?;
    let text = fs::read_to_string(root().join(path)).with_context(|| path.to_owned())?;
    ensure!(text.contains(&format!("fn {test}(")), "{path} has no test {test}");
    Ok(())
}
