//! The profiles as data: `table/` says what is asked and what comes of it, on npm's `partykit dev` and here, and
//! each row is played against both. What differs is in `differences.txt`, each with its reason; docs/partykit.md is made of
//! the two. `table/partyserver` and `differences_partyserver.txt` are the same for npm's `partyserver`, which runs on workerd.
//!
//! `PARTY_BLESS=1` writes down what comes of the steps, and the page, instead of comparing. The originals' columns are played where
//! Node.js is there, which `tests/run` says in the environment; where it is not, the table has what was measured last.

mod differences;
mod page;
mod player;
mod sides;
mod table;
mod wire;

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::sync::Mutex;

use anyhow::{Context, Result, ensure};
use party_tests::root;

use crate::player::Player;
use crate::sides::Side;
use crate::table::{Column, File, Original, Section};

/// Set by `tests/run` when Node.js and the npm packages are there.
const NODE: &str = "PARTY_TESTS_NODE";

/// Whether what is found is to be written down.
fn blesses() -> bool {
    env::var_os("PARTY_BLESS").is_some_and(|bless| bless == "1")
}

/// Plays all rows that one project serves. Gives what is not as the table says.
fn play_project(column: Column, project: &str, sections: &mut [&mut Section]) -> Result<Vec<String>> {
    let mut side = Side::serve(column, project)?;
    let (mut wrong, mut number) = (Vec::new(), 0);
    for section in sections {
        for row in section.rows.iter_mut().filter(|row| row.is_played(column)) {
            number += 1;
            let room = format!("room-{number}");
            let mut player = Player::new(&mut side, room, column, blesses());
            let found = player.play(row);
            for (step, found) in row.steps.iter_mut().zip(found) {
                if step.outcome(column) != found.as_deref() {
                    let (does, expected) = (&step.does, step.outcome(column));
                    wrong
                        .push(format!("{}: {does}\n  expected {expected:?}\n  found    {found:?}", row.name));
                    step.set_outcome(column, found);
                }
            }
        }
    }
    if !wrong.is_empty() {
        println!("{}", side.said());
    }
    Ok(wrong)
}

/// Plays a whole table against one side.
fn play(original: Original, column: Column) -> Result<()> {
    // The two sides, where they write the same files, take turns.
    static WRITING: Mutex<()> = Mutex::new(());
    let _writing = blesses().then(|| WRITING.lock());
    let mut files = table::read(original)?;
    let projects: BTreeSet<String> = sections(&files)
        .filter(|section| section.rows.iter().any(|row| row.is_played(column)))
        .map(|section| section.project.clone())
        .collect();
    let mut wrong = Vec::new();
    for project in projects {
        let all = files.iter_mut().flat_map(|file| &mut file.sections);
        let mut of_project: Vec<&mut Section> = all.filter(|section| section.project == project).collect();
        wrong.extend(play_project(column, &project, &mut of_project)?);
    }
    if blesses() {
        for file in &files {
            fs::write(&file.path, table::write(&file.sections, original))?;
        }
        println!("written down: {} outcomes", wrong.len());
        let page = page::page(original, &files, &differences::read(original)?);
        return Ok(fs::write(root().join(original.page()), page)?);
    }
    ensure!(
        wrong.is_empty(),
        "{} outcomes are not as tests/profile/table says (PARTY_BLESS=1 writes them down):\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    Ok(())
}

fn sections(files: &[File]) -> impl Iterator<Item = &Section> {
    files.iter().flat_map(|file| &file.sections)
}

#[test]
fn this_host_does_what_the_table_says() -> Result<()> {
    play(Original::PartyKit, Column::Here)
}

#[test]
fn this_host_does_what_the_table_of_partyserver_says() -> Result<()> {
    play(Original::PartyServer, Column::Here)
}

#[test]
fn partykit_does_what_the_table_says() -> Result<()> {
    play_original(Original::PartyKit)
}

#[test]
fn partyserver_does_what_the_table_says() -> Result<()> {
    play_original(Original::PartyServer)
}

fn play_original(original: Original) -> Result<()> {
    if env::var_os(NODE).is_none() {
        println!("not run: {NODE} is not set (tests/run sets it)");
        return Ok(());
    }
    play(original, Column::Original)
}

#[test]
fn every_difference_has_its_reason_and_every_reason_its_difference() -> Result<()> {
    Original::ALL.into_iter().try_for_each(check_reasons)
}

fn check_reasons(original: Original) -> Result<()> {
    let (files, known) = (table::read(original)?, differences::read(original)?);
    let mut used = BTreeSet::new();
    for row in sections(&files).flat_map(|section| &section.rows) {
        let name = &row.name;
        ensure!(
            row.later.is_some() || row.differs() != row.because.is_empty(),
            "{name:?}: the columns differ and no reason is named, or one is and they do not"
        );
        ensure!(
            row.later.is_none() || row.because.is_empty(),
            "{name:?}: what comes later differs in nothing yet"
        );
        for id in &row.because {
            ensure!(
                known.iter().any(|difference| difference.id == *id),
                "{name:?}: no difference is called {id:?}"
            );
            used.insert(id.clone());
        }
    }
    for difference in &known {
        let id = &difference.id;
        ensure!(used.contains(id), "no row shows the difference {id:?}");
        for shown in &difference.shown_by {
            differences::check_test(shown).with_context(|| format!("what shows {id:?}"))?;
        }
    }
    Ok(())
}

#[test]
fn every_file_of_the_tables_is_written_as_it_is_read() -> Result<()> {
    Original::ALL.into_iter().try_for_each(check_written)
}

fn check_written(original: Original) -> Result<()> {
    let mut names = BTreeSet::new();
    for file in table::read(original)? {
        let text = fs::read_to_string(&file.path)?;
        ensure!(
            blesses() || table::write(&file.sections, original) == text,
            "{} is written otherwise",
            file.path.display()
        );
        for row in file.sections.iter().flat_map(|section| &section.rows) {
            ensure!(names.insert(row.name.clone()), "two rows are called {:?}", row.name);
        }
    }
    Ok(())
}

#[test]
fn the_pages_are_what_the_tables_say() -> Result<()> {
    for original in Original::ALL {
        let page = page::page(original, &table::read(original)?, &differences::read(original)?);
        let path = original.page();
        let found = fs::read_to_string(root().join(path)).context(path)?;
        ensure!(blesses() || found == page, "{path} is not what the table says (PARTY_BLESS=1 writes it)");
    }
    Ok(())
}
