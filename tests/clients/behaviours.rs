//! Everything that PartySocket does, row by row: `partysocket.txt` says what it is, programs in `tests/npm` try it, and a row
//! that none tries fails, as one does that stands in no table.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use party_tests::guests::guest_path;
use party_tests::host::temporary;
use party_tests::root;

use crate::{CHROMIUM, NODE, run, wish};

/// The table.
const TABLE: &str = "tests/clients/partysocket.txt";

/// The names of the rows that each program tries.
fn table() -> Result<BTreeMap<String, Vec<String>>> {
    let text = fs::read_to_string(root().join(TABLE)).context(TABLE)?;
    let mut programs: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut rows = None;
    for line in text.lines().map(str::trim_end) {
        if let Some(program) = line.strip_prefix("## ") {
            rows = Some(programs.entry(program.into()).or_default());
        } else if let (Some(rows), false) = (&mut rows, line.is_empty() || line.starts_with("# ")) {
            let (name, fact) = line.split_once(": ").with_context(|| format!("{TABLE}: {line:?}"))?;
            ensure!(!fact.is_empty() && !name.contains(' '), "{TABLE}: {line:?}");
            rows.push(name.into());
        }
    }
    Ok(programs)
}

/// The probe as two parties, and a page that loads PartySocket.
fn project() -> Result<tempfile::TempDir> {
    let (dir, probe) = (temporary()?, guest_path("test_guests"));
    let public = dir.path().join("public");
    let settings = format!(
        "name = \"probe\"\nmain = {probe:?}\n[parties]\nother = {probe:?}\n[serve]\npath = \"public\"\n"
    );
    fs::write(dir.path().join("party.toml"), settings)?;
    fs::create_dir_all(public.join("partysocket"))?;
    fs::copy(root().join("tests/clients/page/index.html"), public.join("index.html"))?;
    let package = root().join("tests/npm/node_modules/partysocket/dist");
    for file in ["index.js", "ws.js"] {
        fs::copy(package.join(file), public.join("partysocket").join(file)).context(file)?;
    }
    Ok(dir)
}

/// Runs a program and holds what it has tried against the table.
fn try_rows(program: &str, chromium: Option<&OsString>) -> Result<()> {
    let wanted = table()?.remove(program).with_context(|| format!("{TABLE} has no {program}"))?;
    let mut tried: BTreeMap<String, String> = BTreeMap::new();
    run(program, project()?.path(), &[], chromium, &mut |line| {
        if let Some((name, outcome)) = line.strip_prefix("row ").and_then(|row| row.split_once(' ')) {
            let before = tried.insert(name.into(), outcome.into());
            ensure!(before.is_none(), "{name} is tried twice");
        }
        Ok(())
    })?;
    let mut wrong: Vec<String> = Vec::new();
    for name in &wanted {
        match tried.remove(name).as_deref() {
            Some("passed") => println!("{name}: passed"),
            Some(failed) => wrong.push(format!("{name}: {failed}")),
            None => wrong.push(format!("{name}: no test tries it")),
        }
    }
    wrong.extend(tried.keys().map(|name| format!("{name}: it stands in no table")));
    ensure!(wrong.is_empty(), "{program}:\n{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn each_behaviour_of_partysocket() -> Result<()> {
    match wish(NODE) {
        Some(_) => try_rows("partysocket/behaviours.js", None),
        None => Ok(()),
    }
}

#[test]
fn the_hosts_heartbeat() -> Result<()> {
    match wish(NODE) {
        Some(_) => try_rows("partysocket/heartbeat.js", None),
        None => Ok(()),
    }
}

#[test]
fn each_behaviour_of_partysocket_in_a_browser() -> Result<()> {
    match wish(CHROMIUM) {
        Some(chromium) => try_rows("browser/partysocket.js", Some(&chromium)),
        None => Ok(()),
    }
}

/// Where no program is run, a row without a test is found all the same.
#[test]
fn every_row_stands_once_in_the_table_and_in_a_program() -> Result<()> {
    let npm = root().join("tests/npm");
    let mut programs = String::new();
    for place in ["partysocket", "partysocket/behaviours", "browser"] {
        for file in fs::read_dir(npm.join(place))? {
            let path = file?.path();
            if path.is_file() {
                programs.push_str(&fs::read_to_string(path)?);
            }
        }
    }
    let table = table()?;
    for program in table.keys() {
        ensure!(Path::new(&npm).join(program).is_file(), "{TABLE}: there is no {program}");
    }
    let tried = programs.lines().filter_map(|line| line.strip_prefix("  \"")?.split_once("\": "));
    for (name, _) in tried {
        ensure!(table.values().flatten().any(|row| row == name), "{name}: it stands in no table");
    }
    for name in table.values().flatten() {
        let found = programs.matches(&format!("\"{name}\"")).count();
        ensure!(found == 1, "{name}: {found} programs try it");
    }
    let rows: usize = table.values().map(Vec::len).sum();
    ensure!(rows > 100, "the table has been read: {rows} rows");
    Ok(())
}
