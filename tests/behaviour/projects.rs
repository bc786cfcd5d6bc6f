//! Two projects on one host, with parties and rooms of the same names: neither sees anything of the other.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use party_server::config::ServeConfig;
use party_store::memory::MemoryStore;
use party_testkit::client::{Client, Received};
use party_testkit::world::{Builder, Memory, Response, World};
use party_tests::guests::{Version, guest, party_path, renamed, scratch};

const MEMORIES: [Memory; 3] = [Memory::Volatile, Memory::Hibernate, Memory::Durable];
/// The host of the project beside the world's own.
const OTHER: &str = "other.world";

/// A world with the probe in two projects, the second with one more party.
fn two(seed: u64, memory: Memory) -> Builder {
    let probe = || World::new(seed).party("main", guest("test_guests")).memory(memory);
    let other = probe().var("GREETING", "theirs").party("shop", guest("test_guests"));
    probe().compile_cache(scratch("compiled")).var("GREETING", "mine").beside("other", other)
}

/// A client in the lobby of the world's own project, and one in that of the other.
async fn both(world: &World) -> Result<(Client, Client)> {
    let mine = world.connect("main", "lobby").await?;
    let theirs = world.connect("main", "lobby").header("host", OTHER).await?;
    Ok((mine, theirs))
}

async fn asks(client: &mut Client, text: &str, answer: &str) -> Result<()> {
    client.send(text).await?;
    client.expect_text(answer).await
}

/// Asks the other project.
async fn of_other(world: &World, path: &str) -> Result<Response> {
    let headers = [("host".to_owned(), OTHER.to_owned())];
    world.ask_with("GET", path, &headers, b"").await?.await
}

#[test]
fn rooms_of_the_same_name_are_two_rooms() {
    for (seed, memory) in (1..).zip(MEMORIES) {
        for workers in [1, 3] {
            two(seed, memory).workers(workers).run(async |world| -> Result<()> {
                let (mut mine, mut theirs) = both(world).await?;
                asks(&mut mine, "var GREETING", "mine").await?;
                asks(&mut theirs, "var GREETING", "theirs").await?;
                mine.send("put key mine").await?;
                asks(&mut theirs, "get key", "none").await?;
                theirs.send("put key theirs").await?;
                asks(&mut mine, "get key", "mine").await?;
                mine.send("all are here").await?;
                mine.expect_text("are here").await?;
                theirs.expect_nothing().await?;
                drop((mine, theirs));
                world.crash().await?;
                let (mut mine, mut theirs) = both(world).await?;
                asks(&mut mine, "get key", "mine").await?;
                asks(&mut theirs, "get key", "theirs").await?;
                asks(&mut theirs, "destroy", "ok").await?;
                world.settle().await;
                asks(&mut mine, "get key", "mine").await?;
                let mut theirs = world.connect("main", "lobby").header("host", OTHER).await?;
                asks(&mut theirs, "get key", "none").await
            });
        }
    }
}

#[test]
fn a_room_reaches_rooms_of_its_own_project_only() {
    for (seed, memory) in (11..).zip(MEMORIES) {
        two(seed, memory).run(async |world| -> Result<()> {
            let (mut mine, mut theirs) = both(world).await?;
            for _ in 0..3 {
                of_other(world, "/parties/main/counted/said").await?;
            }
            // The same names, called, listed and opened by both.
            asks(&mut mine, "call main counted GET /said", "200 1").await?;
            asks(&mut theirs, "call main counted GET /said", "200 4").await?;
            asks(&mut mine, "rooms main c 100", "counted").await?;
            of_other(world, "/parties/main/cellar/said").await?;
            asks(&mut theirs, "put-bytes kept 1", "ok").await?;
            asks(&mut mine, "rooms main c 100", "counted").await?;
            asks(&mut theirs, "rooms main c 100", "cellar counted").await?;
            mine.send("socket main/chamber var GREETING").await?;
            mine.expect_text("open").await?;
            mine.expect_text("heard mine").await?;
            theirs.send("socket main/chamber var GREETING").await?;
            theirs.expect_text("open").await?;
            theirs.expect_text("heard theirs").await?;
            // A party that only the other has is none, and no spelling of a name leads there.
            for (asked, answer) in [
                ("call shop x GET", "failed: there is no party shop"),
                ("rooms shop x 1", "failed: there is no party shop"),
                ("socket shop/x", "failed: there is no party shop"),
                ("call other/main x GET", "failed: party name \"other/main\" is not allowed"),
                ("call main other/main/x GET", "failed: the room id holds '/'"),
                ("rooms other/main x 1", "failed: party name \"other/main\" is not allowed"),
            ] {
                mine.send(asked).await?;
                let told = mine.next().await;
                let is_it = matches!(&told, Some(Received::Text(told)) if told.starts_with(answer));
                ensure!(is_it, "{asked}: {told:?}");
            }
            ensure!(of_other(world, "/parties/shop/x").await?.status == 200);
            ensure!(world.request("GET", "/parties/shop/x", b"").await?.status == 404);
            Ok(())
        });
    }
}

#[test]
fn a_call_that_waits_for_a_crash_stays_in_its_project() {
    two(21, Memory::Durable).run(async |world| -> Result<()> {
        let (mut mine, mut theirs) = both(world).await?;
        for client in [&mut mine, &mut theirs] {
            client.send("call main slow GET /nap?5000").await?;
            client.expect_text("200 good night").await?;
        }
        mine.send("call main slow GET /later?2000").await?;
        world.settle().await;
        world.crash().await?;
        world.advance(Duration::from_secs(20)).await;
        // Two requests and this one, and one fewer: the other's room has not heard the call, nor any attempt of it.
        ensure!(world.request("GET", "/parties/main/slow/said", b"").await?.body == "3");
        ensure!(of_other(world, "/parties/main/slow/said").await?.body == "2");
        // One sleep of each has ended.
        let mine = world.request("GET", "/parties/main/slow/resumed", b"").await?.body;
        let theirs = of_other(world, "/parties/main/slow/resumed").await?.body;
        ensure!(theirs.ends_with(" 1") && mine.ends_with(" 1"), "{mine:?} {theirs:?}");
        Ok(())
    });
}

#[test]
fn each_has_its_own_assets_for_clients_and_for_rooms() {
    let (mine, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::write(mine.path().join("words.txt"), "mine").unwrap();
    fs::write(theirs.path().join("words.txt"), "theirs").unwrap();
    fs::write(theirs.path().join("secret.txt"), "of theirs").unwrap();
    let reading = |directory: &tempfile::TempDir| {
        World::new(31)
            .party("main", party_path("a_room_reads_an_asset"))
            .serve(ServeConfig { path: directory.path().to_owned(), single_page_app: false })
    };
    let world = reading(&mine).compile_cache(scratch("compiled")).beside("other", reading(&theirs));
    world.run(async |world| -> Result<()> {
        for path in ["/words.txt", "/parties/main/room/words.txt"] {
            ensure!(world.request("GET", path, b"").await?.body == "mine", "{path}");
            ensure!(of_other(world, path).await?.body == "theirs", "{path}");
        }
        ensure!(world.request("GET", "/secret.txt", b"").await?.status == 404);
        ensure!(world.request("GET", "/parties/main/room/secret.txt", b"").await?.body == "none");
        ensure!(of_other(world, "/secret.txt").await?.body == "of theirs");
        Ok(())
    });
}

#[test]
fn each_runs_what_it_has_scheduled_in_its_own_lobby() {
    let scheduled = || World::new(41).party("main", party_path("a_scheduled_run_comes_in_its_time"));
    let other = scheduled().cron("often", "*/7 * * * *").cron("traps", "*/9 * * * *");
    let world = scheduled().compile_cache(scratch("compiled")).cron("often", "*/10 * * * *");
    world.beside("other", other).run(async |world| -> Result<()> {
        world.advance(Duration::from_secs(9 * 60)).await;
        let logs = world.take_logs();
        ensure!(logs.iter().filter(|line| line.starts_with("often (*/7")).count() == 1, "{logs:?}");
        ensure!(!logs.iter().any(|line| line.starts_with("often (*/10")), "{logs:?}");
        let dropped = world.take_complaints();
        ensure!(dropped.len() == 1 && dropped[0].contains("the turn was dropped"), "{dropped:?}");
        // What trapped in one is nothing to the other, and a run under way there holds up none here.
        world.advance(Duration::from_secs(60)).await;
        let logs = world.take_logs();
        ensure!(logs.iter().filter(|line| line.starts_with("often (*/10")).count() == 1, "{logs:?}");
        Ok(())
    });
}

/// A world whose two projects have the first version as their main party; the other has the probe, too.
fn versions(seed: u64) -> Builder {
    let first = || World::new(seed).party("main", Version::named('1').component()).memory(Memory::Durable);
    let other = first().party("probe", guest("test_guests"));
    first().compile_cache(scratch("compiled")).beside("other", other)
}

/// What the rooms `a` of both projects say of themselves: version, turns, and how they have come there.
async fn told(world: &World) -> Result<[String; 2]> {
    let mine = world.request("GET", "/parties/main/a", b"").await?.body;
    Ok([mine, of_other(world, "/parties/main/a").await?.body])
}

#[test]
fn a_version_is_deployed_and_gone_back_from_in_one_project() {
    versions(51).run(async |world| -> Result<()> {
        ensure!(told(world).await? == ["1 1 New", "1 1 New"]);
        world.upgrade("other/main", &Version::named('2').component()).await?;
        ensure!(world.standing("other/main").await.switched == 1);
        ensure!(world.standing("main").await.switched == 0);
        ensure!(told(world).await? == ["1 2 New", "2 2 New+2"]);
        let refused = world.roll_back("main").await.expect_err("it has had one version");
        ensure!(
            refused.to_string().contains("no version of world/main before this one is known"),
            "{refused}"
        );
        let refused = world.upgrade("other/shop", &[]).await.expect_err("there is none");
        ensure!(refused.to_string().contains("no party other/shop"), "{refused}");
        ensure!(refused.to_string().contains("it serves other/main, other/probe, world/main"), "{refused}");
        world.restart_host().await?;
        ensure!(told(world).await? == ["1 3 New", "2 3 New+2"]);
        world.roll_back("other/main").await?;
        ensure!(told(world).await? == ["1 4 New", "1 4 New+2+1"]);
        Ok(())
    });
}

#[test]
fn a_room_that_still_has_an_old_version_reaches_its_own_project() {
    let probe = || {
        let world = World::new(55).party("main", guest("test_guests"));
        world.limits(|limits| limits.upgrade_wait_ms = 1_000_000_000)
    };
    probe().compile_cache(scratch("compiled")).beside("other", probe()).run(async |world| -> Result<()> {
        let (_, mut theirs) = both(world).await?;
        theirs.send("sleep 100000000 later").await?;
        theirs.expect_nothing().await?;
        world.hibernate("other/main/lobby").await?;
        // The same bytes were served by both before, and are by both now.
        for party in ["other/main", "main"] {
            world.upgrade(party, &renamed(guest("test_guests"), "again")).await?;
        }
        for _ in 0..3 {
            of_other(world, "/parties/main/counted/said").await?;
        }
        asks(&mut theirs, "call main counted GET /said", "200 4").await?;
        ensure!(world.standing("other/main").await.waiting == 1, "it has the version that it was woken with");
        Ok(())
    });
}

#[test]
fn rooms_of_a_project_that_is_not_served_stay_as_they_are() {
    for (seed, is_crash) in [(61, true), (62, false)] {
        let store = Arc::new(MemoryStore::default());
        versions(seed).store(store).run(async |world| -> Result<()> {
            ensure!(told(world).await? == ["1 1 New", "1 1 New"]);
            world.upgrade("other/main", &Version::named('2').component()).await?;
            ensure!(told(world).await? == ["1 2 New", "2 2 New+2"]);
            world.hibernate("other/main/a").await?;
            let mut alice = world.connect("probe", "rings").header("host", OTHER).await?;
            alice.send("alarm 60000").await?;
            alice.expect_nothing().await?;
            drop(alice);
            world.take_complaints();
            world.set_away("other", true)?;
            if is_crash {
                world.crash().await?
            } else {
                world.restart_host().await?
            }
            let complaints = world.take_complaints();
            let is_told = |part: &str| complaints.iter().any(|line| line.contains(part));
            ensure!(is_told("rooms of this project are kept here, and it is not served"), "{complaints:?}");
            ensure!(is_told("1 of its rooms have alarms, which wait until it is"), "{complaints:?}");
            // A project that is alone has everything: whatever host is named, the other's rooms are not reached.
            ensure!(of_other(world, "/parties/main/a").await?.body == "1 3 New");
            world.advance(Duration::from_secs(600)).await;
            let complaints = world.take_complaints();
            ensure!(complaints.is_empty(), "nothing is tried again and again: {complaints:?}");
            world.set_away("other", false)?;
            world.restart_host().await?;
            // Memory, the version that was deployed and the one before are there.
            ensure!(told(world).await? == ["1 4 New", "2 3 New+2"]);
            world.roll_back("other/main").await?;
            ensure!(told(world).await? == ["1 5 New", "1 4 New+2+1"]);
            let mut alice = world.connect("probe", "rings").header("host", OTHER).await?;
            asks(&mut alice, "when", "none").await
        });
    }
}
