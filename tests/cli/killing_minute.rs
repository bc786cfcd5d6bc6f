//! The README's minute in which one kills the host: its lines are typed into a shell, one by one, as a person does it, and
//! what they say is there.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use party_tests::host::{free_port, party_host, temporary};
use party_tests::program::{BOUND, BUILD_BOUND, Program};
use party_tests::root;

/// The heading of the README's section.
const SECTION: &str = "## The minute in which you kill the host\n";

/// One line of the section: what is typed, and what it says will happen.
struct Line {
    typed: String,
    said: String,
}

fn lines(readme: &str) -> Result<Vec<Line>> {
    let (_, section) = readme.split_once(SECTION).context("the README has the section")?;
    let (_, block) = section.split_once("```sh\n").context("the section has a block")?;
    let (block, _) = block.split_once("```").context("the block has an end")?;
    let line = |line: &str| {
        let (typed, said) = line.split_once(" # ").context("every line says what will happen")?;
        Ok(Line { typed: typed.trim().to_owned(), said: said.trim().to_owned() })
    };
    block.lines().map(line).collect()
}

#[test]
fn the_minute_in_which_the_host_is_killed_goes_as_the_readme_says() -> Result<()> {
    let (data, port) = (temporary()?, free_port());
    let lines = lines(&std::fs::read_to_string(root().join("README.md"))?)?;
    let program = party_host();
    let program = std::path::Path::new(program.get_program());
    let folder = program.parent().context("it is in a folder")?;
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap_or_default());
    let mut shell = Program::start(Command::new("sh").current_dir(root()).env("PATH", path))?;

    // The port may be in use on this machine, and the folder holds a person's own orders: nothing else is changed.
    let serve =
        format!("serve examples/workflow --port {port} --data '{}' --host 127.0.0.1", data.path().display());
    let (mut serves, mut curls, mut kills) = (0, 0, 0);
    for Line { typed, said } in &lines {
        let line = typed.replace("serve examples/workflow", &serve).replace(":1999/", &format!(":{port}/"));
        shell.say(&line)?;
        match typed.split(' ').next().unwrap_or_default() {
            "party-host" => {
                serves += 1;
                ensure!(said.contains("wait for \"serving\""), "{said}");
                shell.wait_for(&format!("serving workflow on http://127.0.0.1:{port}"), BUILD_BOUND)?;
            }
            "curl" => {
                curls += 1;
                let line = shell.wait_for(said, BOUND)?;
                ensure!(line == *said, "{typed}: {line:?}, and the README says {said:?}");
            }
            "kill" if typed.contains("-9") => kills += 1,
            "kill" => drop(shell.wait_for(said, BOUND)?),
            "sleep" => {}
            other => anyhow::bail!("the README types {other}, which this test does not know"),
        }
    }
    ensure!((serves, curls, kills) == (3, 3, 2), "{serves} hosts, {curls} requests, {kills} kills");
    shell.say("wait; exit 0")?;
    let ended = shell.end(BOUND)?;
    ensure!(ended.code == Some(0) && !ended.err.contains("panicked"), "{ended:?}");
    Ok(())
}
