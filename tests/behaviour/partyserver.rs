//! The profile of partyserver where its table (`tests/profile`) does not reach: in rooms that are recorded and made again, between
//! rooms, and in tests.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use party_core::ids::CommitSeq;
use party_core::profile::Profile;
use party_server::config::routing::Routing;
use party_testkit::transcript::recorded::{Saving, save};
use party_testkit::transcript::{Stage, Transcript, run};
use party_testkit::world::{Answer, Memory, World};
use party_tests::guests::{guest, guest_path, party_path, scratch};

/// What a client is told whose `on-connect` has failed with "words".
const SETUP_FAILED: &str = "Uncaught exception during session setup";

fn partyserver() -> Routing {
    Routing { profile: Profile::PartyServer, ..Routing::default() }
}

#[test]
fn what_is_recorded_says_whose_words_it_is_in() -> Result<()> {
    let world = World::new(1).compile_cache(scratch("compiled")).party("main", guest("test_guests"));
    let recorded = world.routing(partyserver()).memory(Memory::Durable).block_on(async |world: &World| {
        let mut alice = world.connect("main", "lobby").query("_pk=alice").await?;
        let mut bob = world.connect("main", "lobby").query("_pk=bob&fail=words").await?;
        bob.expect_text("{\"error\":\"Error: words\"}").await?;
        ensure!(bob.expect_close(1011).await? == SETUP_FAILED);
        // The room is made again of its journal, under the same profile.
        world.crash().await?;
        let mut carol = world.connect("main", "lobby").query("_pk=carol&fail=again").await?;
        carol.expect_text("{\"error\":\"Error: again\"}").await?;
        ensure!(alice.send("echo gone").await.is_err() || alice.expect_text("gone").await.is_err());
        world.request("GET", "/parties/main/lobby", b"").await?;
        world.recorded("main/lobby").await
    })?;
    let (start_file, until) = ("start.room".into(), CommitSeq(u64::MAX));
    let saved = save(recorded, &Saving { start_file, until, compile_cache: Some(scratch("compiled")) })?;
    ensure!((&saved.failure, saved.differing) == (&None, 0), "{saved:?}");
    ensure!(saved.text.contains("\nprofile partyserver\n"), "it is not said in\n{}", saved.text);
    ensure!(saved.text.contains(SETUP_FAILED), "it is not told in\n{}", saved.text);
    let mut stage = Stage { compile_cache: Some(scratch("compiled")), ..Stage::default() };
    stage.parties.insert("main".into(), guest("test_guests").into());
    let start = saved.start.as_ref().context("it goes on from a checkpoint")?;
    stage.files.insert("start.room".into(), Arc::from(&**start));
    let played = |text: &str| -> Result<_> {
        Ok(run(&Transcript::parse(text)?, &stage, Path::new("nowhere"), false).failure)
    };
    ensure!(played(&saved.text)?.is_none(), "it is repeated: {:?}\n{}", played(&saved.text)?, saved.text);
    // In the words of the other one it is another story.
    let otherwise = saved.text.replace("\nprofile partyserver\n", "\n");
    played(&otherwise)?.context("it is not what the classic profile says")?;
    Ok(())
}

/// A project with a `party.toml`, served from there.
fn project(directory: &Path, settings: &str, other: &str) -> Result<()> {
    let parties = format!(
        "main = {:?}\n{settings}[parties]\n{other} = {:?}\n",
        guest_path("test_guests"),
        guest_path("test_guests")
    );
    Ok(fs::write(directory.join("party.toml"), parties)?)
}

#[test]
fn tests_and_rooms_name_rooms_in_one_way_whatever_the_prefix_is() -> Result<()> {
    let dir = tempfile::tempdir()?;
    project(dir.path(), "profile = \"partyserver\"\nprefix = \"api/v1\"\n", "OtherRooms")?;
    World::new(1).compile_cache(scratch("compiled")).project(dir.path()).run(
        async |world: &World| -> Result<()> {
            let mut alice = world.connect("other-rooms", "lobby").query("_pk=alice").await?;
            alice.send("key").await?;
            alice.expect_text("alice").await?;
            let by_test = world.request("GET", "/parties/other-rooms/lobby/later?0", b"").await?;
            let by_client = world.request("GET", "/api/v1/other-rooms/lobby/later?0", b"").await?;
            ensure!((by_test.status, &by_test.body) == (200, &by_client.body), "{by_test:?} {by_client:?}");
            ensure!(by_test.body == "later", "the path in the room is found: {by_test:?}");
            let short = world.request("GET", "/party/lobby", b"").await?;
            ensure!((short.status, &*short.body) == (404, "Not Found"), "{short:?}");
            Ok(())
        },
    );
    Ok(())
}

#[test]
fn a_room_that_goes_on_with_the_other_profile_is_the_same_room() -> Result<()> {
    let dir = tempfile::tempdir()?;
    for memory in [Memory::Hibernate, Memory::Durable] {
        let store = Arc::new(party_store::memory::MemoryStore::default());
        for (turn, (settings, told)) in [
            ("profile = \"partyserver\"\n", "{\"error\":\"Error: words\"}"),
            ("", "words"),
            ("profile = \"partyserver\"\n", "{\"error\":\"Error: words\"}"),
        ]
        .into_iter()
        .enumerate()
        {
            project(dir.path(), settings, "other")?;
            let world = World::new(1).compile_cache(scratch("compiled")).project(dir.path()).memory(memory);
            world.store(store.clone()).block_on(async |world: &World| {
                let mut alice = world.connect("main", "lobby").await?;
                alice.send("get thing").await?;
                alice.expect_text(if turn == 0 { "none" } else { "kept" }).await?;
                alice.send("put thing kept").await?;
                let mut bob = world.connect("main", "lobby").query("fail=words").await?;
                if told.starts_with('{') {
                    bob.expect_text(told).await?;
                    ensure!(bob.expect_close(1011).await? == SETUP_FAILED);
                } else {
                    ensure!(bob.expect_close(1011).await? == told);
                }
                world.advance(Duration::from_secs(15)).await;
                Ok(())
            })?;
        }
    }
    Ok(())
}

/// Whoever is in charge finds out why rooms are not where they were.
#[test]
fn a_party_that_is_called_otherwise_in_the_other_profile_leaves_its_rooms_and_that_is_told() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let store = Arc::new(party_store::memory::MemoryStore::default());
    let told = "rooms of this party are kept here, and it is not served";
    for (settings, name, is_told) in
        [("profile = \"partyserver\"\n", "other-rooms", false), ("", "other_rooms", true)]
    {
        project(dir.path(), settings, "other_rooms")?;
        let world = World::new(1).compile_cache(scratch("compiled")).project(dir.path());
        world.store(store.clone()).block_on(async |world: &World| {
            let complaints = world.take_complaints();
            ensure!(complaints.iter().any(|line| line.contains(told)) == is_told, "{complaints:?}");
            let mut alice = world.connect(name, "lobby").await?;
            alice.send("get thing").await?;
            alice.expect_text("none").await?;
            alice.send("put thing kept").await?;
            alice.send("get thing").await?;
            alice.expect_text("kept").await
        })?;
    }
    Ok(())
}

#[test]
fn a_socket_outside_of_rooms_that_fails_is_told_no_more_than_partyserver_tells() {
    let outside = party_path("a_socket_outside_of_rooms_has_an_instance");
    let world = World::new(1).compile_cache(scratch("compiled")).party("main", outside);
    world.routing(partyserver()).run(async |world: &World| -> Result<()> {
        let Answer::Refused(status, body) = world.connect_outside("/fails").knock().await? else {
            bail!("it was let in")
        };
        ensure!((status, &*body) == (500, "Internal Server Error"), "{status} {body}");
        world.take_complaints();
        Ok(())
    });
}
