//! `party-host check`: what is sound, what is not, and what to do next.

use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};
use party_tests::guests::guest_path;
use party_tests::host::{Host, party_host, temporary};
use party_tests::http::request;
use party_tests::program::{BOUND, Ended, Program};
use rustix::process::Signal;

fn check(data: &Path) -> Result<Ended> {
    Program::run(party_host().arg("check").arg("--data").arg(data), BOUND)
}

#[test]
fn a_store_is_checked_while_no_host_runs() -> Result<()> {
    let data = temporary()?;
    let data = data.path();
    let none = check(data)?;
    ensure!(none.code == Some(2) && none.err.contains("there are no rooms in"), "{none:?}");

    let mut host = Host::serve(&guest_path("counter"), data)?;
    for room in ["a", "b", "c"] {
        ensure!(request(host.port, "POST", &format!("/parties/main/{room}"))?.status == 200);
    }
    let refused = check(data)?;
    ensure!(refused.code == Some(2) && refused.err.contains("a host runs on"), "{refused:?}");
    host.stop(Signal::TERM)?;
    let sound = check(data)?;
    ensure!(sound.code == Some(0) && sound.out.contains("sound: 3 rooms"), "{sound:?}");
    ensure!(sound.err.contains("checking "), "it says what it does: {sound:?}");

    // The list of the file's own pages, which all rooms share.
    let path = data.join("rooms.store");
    let kept = fs::read(&path)?;
    let mut damaged = kept.clone();
    damaged[64..512].fill(0xa5);
    fs::write(&path, &damaged)?;
    let refused = check(data)?;
    ensure!(refused.code == Some(1), "{refused:?}");
    ensure!(refused.err.contains("damaged") && refused.err.contains("bring back"), "{refused:?}");
    ensure!(fs::read(&path)? == damaged, "nothing is changed");

    // An older copy than what was acknowledged.
    fs::write(&path, &kept)?;
    ensure!(check(data)?.code == Some(0), "the copy is sound");
    Ok(())
}
