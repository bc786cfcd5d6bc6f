//! From a journal to a transcript: whatever happens to a durable room, what is saved of it is a test that passes, and that
//! a party with a bug does not pass.
//!
//! Rooms of several parties live through random events. What their journals hold is saved as a transcript
//! (`party_testkit::transcript::recorded`) and played. A room that is recorded from its beginning on is repeated wholly:
//! every message, every answer, every drawn number and every time in them, and nothing else. So is one whose journal begins
//! with a checkpoint: its clients are where they were then.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use party_core::ids::CommitSeq;
use party_core::profile::Profile;
use party_node::transfer::RecordedRoom;
use party_server::config::routing::Routing;
use party_store::testing::chance::Chance;
use party_testkit::client::Client;
use party_testkit::transcript::recorded::{Saved, Saving, save};
use party_testkit::transcript::{Outcome, Stage, Transcript, run};
use party_testkit::world::{Answer, Builder, Memory, World};
use party_tests::guests::{Version, guest, party_path, scratch};

/// Lives in one run of the test, of each kind of room.
fn lives() -> u64 {
    if std::env::var_os("PARTY_LONG").is_some() { 400 } else { 12 }
}

/// Steps of one life.
const STEPS: u64 = 90;
/// Clients at a time.
const CLIENTS_MAX: usize = 4;
const DAY_MS: u64 = 86_400_000;
const START_FILE: &str = "start.room";

/// Texts that are easily read as something else.
const TEXTS: [&str; 26] = [
    "hello",
    "",
    " ",
    " x ",
    "\"",
    "\\",
    "json {\"a\": 1}",
    "json",
    "hex 00",
    "close 1000",
    "close\u{a0}1000",
    "lost",
    "nothing",
    "refused 401",
    "${x}",
    "$${x}",
    "${",
    "200 ok",
    "a -> b",
    "x ->",
    "-> x",
    "# no comment",
    "two\nlines\r\n",
    "\u{85}\u{2028}\0\u{7f}",
    "ä 漢 🎉",
    "end",
];

/// What a room is, and what is said to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Probe,
    Dice,
    Counter,
    Chat,
    Workflow,
}

const KINDS: [Kind; 5] = [Kind::Probe, Kind::Dice, Kind::Counter, Kind::Chat, Kind::Workflow];

impl Kind {
    fn component(self) -> Vec<u8> {
        guest(match self {
            Kind::Probe | Kind::Dice => "test_guests",
            Kind::Counter => "counter",
            Kind::Chat => "chat",
            Kind::Workflow => "workflow",
        })
    }

    fn room(self) -> &'static str {
        match self {
            Kind::Dice => "main/dice",
            Kind::Probe | Kind::Counter | Kind::Chat | Kind::Workflow => "main/lobby",
        }
    }

    fn world(self, seed: u64) -> Builder {
        let world = World::new(seed).compile_cache(scratch("compiled")).party("main", self.component());
        let profile = Profile::ALL[(seed / 2 % 2) as usize];
        let world = world.routing(Routing { profile, ..Routing::default() });
        world.memory(Memory::Durable).var("GREETING", "good  day").var("DAY_SECONDS", "20")
    }

    fn word(self, chance: &mut Chance) -> Vec<u8> {
        let (text, ms, n) = (TEXTS[chance.index(TEXTS.len())], chance.below(3_000), chance.below(4));
        let word = match self {
            Kind::Probe => match chance.below(24) {
                0..3 => format!("echo {text}"),
                3..6 => format!("all {text}"),
                6 => format!("others {text}"),
                7 => "who".into(),
                8 => "key".into(),
                9 => "now".into(),
                10 => "random".into(),
                11 => format!("remember {text}"),
                12 => "recall".into(),
                13..15 => format!("sleep {ms} {text}"),
                15 => format!("alarm {ms}"),
                16 => format!("put key{n} {text}"),
                17 => format!("get key{n}"),
                18 => "list key".into(),
                19 => format!("fail {text}"),
                20 if chance.one_in(3) => "trap".into(),
                21 if chance.one_in(2) => format!("close 400{n} {text}"),
                22 => return vec![0, 255, u8::try_from(n).unwrap_or_default()],
                _ => format!("tagged blue {text}"),
            },
            Kind::Dice => match chance.below(20) {
                0..3 => format!("roll nap {ms} {}", 1 + n),
                3 => format!("roll alarm {ms}"),
                4..6 => "roll all".into(),
                6 => "roll attach".into(),
                7 => format!("roll later {ms}"),
                8 => "roll fail".into(),
                9 if chance.one_in(5) => "roll trap".into(),
                _ => "roll dice".into(),
            },
            Kind::Counter => if chance.one_in(3) { "-" } else { "+" }.into(),
            Kind::Chat => match chance.below(5) {
                0 => format!("{{\"name\": {}}}", serde_json::Value::from(text)),
                1 => "\"typing\"".into(),
                _ => format!("{{\"say\": {}}}", serde_json::Value::from(text)),
            },
            Kind::Workflow => match chance.below(3) {
                0 => format!("{{\"order\": {}}}", serde_json::Value::from(text)),
                _ => format!("{{\"pay\": {n}}}"),
            },
        };
        word.into_bytes()
    }

    fn request(self, chance: &mut Chance) -> (&'static str, String, Vec<u8>) {
        let (text, ms, n) = (TEXTS[chance.index(TEXTS.len())], chance.below(3_000), chance.below(4));
        let body = if chance.one_in(4) { vec![0xff, 0, b'x'] } else { text.as_bytes().to_vec() };
        let path = match self {
            Kind::Probe => match chance.below(13) {
                0 => "/said".into(),
                1 => "/".into(),
                2 => "?a=b".into(),
                3..5 => "/body".into(),
                5 => "/header?x-words".into(),
                6 => format!("/later?{ms}"),
                7 => "/fail?oh%20no".into(),
                8 => "/teapot".into(),
                9 if chance.one_in(3) => "/trap".into(),
                10 => "/count".into(),
                11 => format!("/nap?{ms}"),
                _ => "/large?100".into(),
            },
            Kind::Dice => match chance.below(2) {
                0 => "/roll?asked".into(),
                _ => format!("/roll-later?{ms}"),
            },
            Kind::Counter | Kind::Chat => String::new(),
            Kind::Workflow => match chance.below(2) {
                0 => String::new(),
                _ => format!("/{n}/pay"),
            },
        };
        let method = if chance.one_in(3) { "GET" } else { "POST" };
        (method, path, if method == "GET" { Vec::new() } else { body })
    }
}

struct Life<'a> {
    world: &'a World,
    kind: Kind,
    chance: Chance,
    clients: VecDeque<Client>,
    came: u64,
}

impl Life<'_> {
    async fn step(&mut self) -> Result<()> {
        match self.chance.below(20) {
            0..2 if self.clients.len() < CLIENTS_MAX => self.connect().await?,
            2 => {
                let Some(mut client) = self.clients.pop_front() else { return Ok(()) };
                // It may have been closed.
                let _ = match self.chance.below(4) {
                    0 => client.close(4_001, TEXTS[self.chance.index(16)]).await,
                    1 => client.close(1_005, "").await,
                    2 => client.close(1_000, "").await,
                    _ => {
                        client.cut().await;
                        Ok(())
                    }
                };
            }
            3..7 => {
                let (method, path, body) = self.kind.request(&mut self.chance);
                let path = format!("/parties/{}{path}", self.kind.room());
                let headers = [("x-words".to_owned(), "a: b ${c}".to_owned())];
                let answer = self.world.ask_with(method, &path, &headers, &body).await?;
                if self.chance.one_in(2) {
                    self.world.advance(Duration::from_secs(4)).await;
                }
                let _ = answer.await;
            }
            7..11 => self.world.advance(Duration::from_millis(self.chance.below(2_000))).await,
            _ if self.clients.is_empty() => self.connect().await?,
            _ => {
                let (word, at) = (self.kind.word(&mut self.chance), self.chance.index(self.clients.len()));
                let client = &mut self.clients[at];
                // It may have been closed.
                let _ = match String::from_utf8(word) {
                    Ok(text) => client.send(&text).await,
                    Err(bytes) => client.send_binary(bytes.as_bytes()).await,
                };
            }
        }
        Ok(())
    }

    async fn connect(&mut self) -> Result<()> {
        self.came += 1;
        let query = match self.chance.below(6) {
            0 => String::new(),
            1 => format!("?_pk=client-{}&tag=blue", self.came),
            2 => "?_pk=Same%20Key".into(),
            3 if self.kind == Kind::Probe => "?reject=401".into(),
            4 if self.kind == Kind::Probe => format!("?_pk=w{}&wait=500", self.came),
            5 if self.kind == Kind::Probe && self.chance.one_in(3) => "?close=4005".into(),
            _ => format!("?_pk=c{}", self.came % 5),
        };
        let path = format!("{}{query}", self.kind.room());
        if let Answer::Connected(client) =
            self.world.knock(&path, &[("user-agent", "none ${at} all"), ("cookie", "a=b; c=d")]).await?
        {
            self.clients.push_back(client);
        }
        Ok(())
    }
}

/// What a room has recorded that lived so.
fn recorded(kind: Kind, seed: u64, from_start: bool) -> Result<RecordedRoom> {
    let world = kind.world(seed).limits(|limits| {
        if from_start {
            (limits.checkpoint_interval_ms, limits.idle_ms) = (DAY_MS, DAY_MS);
        }
        limits.drops_per_minute_max = 1_000;
    });
    world.block_on(async |world: &World| {
        let chance = Chance::new(seed);
        let mut life = Life { world, kind, chance, clients: VecDeque::new(), came: 0 };
        for _ in 0..STEPS {
            life.step().await?;
        }
        if !from_start {
            // What is recorded from here on begins with a checkpoint, which knows clients, sleeps and alarms.
            world.advance(Duration::from_secs(120)).await;
            world.fork(kind.room(), "main/copy").await?;
            for _ in 0..STEPS {
                life.step().await?;
            }
        }
        // Whatever is under way comes first. And a room that has slept has recorded nothing since.
        world.settle().await;
        if !from_start && seed % 2 == 1 {
            // What follows is recorded of a room that was made again.
            world.crash().await?;
            life.clients.clear();
            life.connect().await?;
            life.step().await?;
        }
        for _ in 0..2 {
            // The first may be saved at once, with all before it.
            world.request("GET", &format!("/parties/{}", kind.room()), b"").await?;
        }
        world.recorded(kind.room()).await
    })
}

fn saved(recorded: RecordedRoom) -> Result<Saved> {
    let until = CommitSeq(u64::MAX);
    let saving = Saving { start_file: START_FILE.into(), until, compile_cache: Some(scratch("compiled")) };
    Ok(save(recorded, &saving)?)
}

fn played(saved: &Saved, text: &str, component: &[u8]) -> Result<Outcome> {
    let mut stage = Stage { compile_cache: Some(scratch("compiled")), ..Stage::default() };
    stage.parties.insert("main".into(), component.into());
    if let Some(start) = &saved.start {
        stage.files.insert(START_FILE.into(), Arc::from(&**start));
    }
    Ok(run(&Transcript::parse(text)?, &stage, Path::new("nowhere"), false))
}

#[test]
fn a_room_that_is_recorded_from_its_beginning_is_repeated_wholly() -> Result<()> {
    for kind in KINDS {
        for seed in 0..lives() {
            let context = || format!("{kind:?}, seed {seed}");
            let saved = saved(recorded(kind, seed, true).with_context(context)?).with_context(context)?;
            ensure!(saved.start.is_none(), "{kind:?}, seed {seed}: it began as a new room");
            ensure!(
                saved.failure.is_none() && saved.differing == 0,
                "{kind:?}, seed {seed}: {:?}, {} lines differ in\n{}",
                saved.failure,
                saved.differing,
                saved.text
            );
            let outcome = played(&saved, &saved.text, &kind.component())?;
            ensure!(outcome.failure.is_none(), "{kind:?}, seed {seed}: {outcome:?} in\n{}", saved.text);
        }
    }
    Ok(())
}

#[test]
fn a_room_that_is_recorded_from_a_checkpoint_on_is_repeated_wholly() -> Result<()> {
    for kind in KINDS {
        let (mut seated, mut lines) = (0, 0);
        for seed in 0..lives() {
            let context = || format!("{kind:?}, seed {seed}");
            let saved = saved(recorded(kind, seed, false).with_context(context)?).with_context(context)?;
            ensure!(saved.start.is_some(), "{kind:?}, seed {seed}: it did not begin as a new room");
            ensure!(
                saved.failure.is_none() && saved.differing == 0,
                "{kind:?}, seed {seed}: {:?}, {} lines differ in\n{}",
                saved.failure,
                saved.differing,
                saved.text
            );
            let outcome = played(&saved, &saved.text, &kind.component())?;
            ensure!(outcome.failure.is_none(), "{kind:?}, seed {seed}: {outcome:?} in\n{}", saved.text);
            lines += saved.text.lines().filter(|line| line.starts_with('<') || line.contains(" -> ")).count();
            seated += saved.text.lines().filter(|line| line.contains(" session ")).count();
        }
        println!("{kind:?}: {} rooms repeated wholly, {seated} clients in them, {lines} lines", lives());
        ensure!(seated > 0 && lines > 0, "{kind:?}: somebody was there, and heard something");
    }
    Ok(())
}

#[test]
fn whoever_waits_at_a_checkpoint_is_answered_in_its_play() -> Result<()> {
    let recorded = Kind::Probe.world(6).block_on(async |world: &World| {
        let mut alice = world.connect("main", "lobby").query("_pk=alice").await?;
        alice.send("remember a thing").await?;
        alice.send("sleep 2000 slept").await?;
        alice.send("alarm 1000").await?;
        // One is not let in before its handler has ended, the other is let in before.
        let Answer::Nothing(bob) = world.knock("main/lobby?_pk=bob&wait=3000", &[]).await? else {
            anyhow::bail!("bob waits")
        };
        world.advance(Duration::from_millis(500)).await;
        let Answer::Nothing(carol) = world.knock("main/lobby?_pk=carol&wait=9000", &[]).await? else {
            anyhow::bail!("carol waits")
        };
        let asked = world.ask("GET", "/parties/main/lobby/later?2500", b"").await?;
        world.fork("main/lobby", "main/copy").await?;
        world.advance(Duration::from_secs(12)).await;
        ensure!(asked.await?.body == "later", "it was answered");
        let (bob, carol) = (bob.answer().await?, carol.answer().await?);
        ensure!(matches!((bob, carol), (Answer::Connected(_), Answer::Connected(_))), "they were let in");
        alice.send("recall").await?;
        alice.send("who").await?;
        world.recorded("main/lobby").await
    })?;
    let saved = saved(recorded)?;
    ensure!((&saved.failure, saved.differing) == (&None, 0), "{saved:?}");
    for line in [
        "continue start.room",
        "  > alice session ",
        "  > bob session ",
        "  > carol session ",
        "  > r1 request ",
        "  > next ",
    ] {
        ensure!(saved.text.contains(&format!("\n{line}")), "{line:?} is not in\n{}", saved.text);
    }
    for line in ["< r1 200 later", "< alice slept at 1767225602000", "< alice a thing"] {
        ensure!(saved.text.contains(&format!("\n{line}\n")), "{line:?} is not in\n{}", saved.text);
    }
    // Without its seat nobody is there, and who is not there can be in none.
    let alone: String = saved
        .text
        .lines()
        .filter(|line| !line.contains("alice session"))
        .fold(String::new(), |text, line| text + line + "\n");
    ensure!(Transcript::parse(&alone).is_err(), "alice is nobody's name");
    let other = saved.text.replace("> bob session ", "> bob session 9");
    let failure = played(&saved, &other, &Kind::Probe.component())?.failure.context("nobody sits there")?;
    ensure!(failure.what.contains("the room has no session 9"), "{failure:?}");
    Ok(())
}

/// What is saved of a planted party that is as it should be, and how that ends where it has its bug.
async fn lived(world: &World, steps: &[&str]) -> Result<()> {
    let mut clients: std::collections::BTreeMap<&str, Client> = std::collections::BTreeMap::new();
    for step in steps {
        match *step.splitn(3, ' ').collect::<Vec<_>>() {
            ["POST", body] => drop(world.request("POST", "/parties/main/lobby", body.as_bytes()).await?),
            ["wait", seconds] => world.advance(Duration::from_secs(seconds.parse()?)).await,
            [name, "connect"] => {
                let client = world.connect("main", "lobby").query(&format!("_pk={name}")).await?;
                clients.insert(name, client);
            }
            [name, "cut"] => clients.remove(name).context("it is there")?.cut().await,
            [name, "send", text] => clients.get_mut(name).context("it is there")?.send(text).await?,
            _ => anyhow::bail!("{step} is no step"),
        }
    }
    Ok(())
}

#[test]
fn what_is_recorded_of_a_party_fails_with_a_bug_at_the_line_that_shows_it() -> Result<()> {
    let letters =
        ["POST a", "POST b", "POST c", "POST d", "POST e", "POST f", "POST g", "POST h", "POST i", "POST j"];
    let cases: [(&str, &[&str], &str); 4] = [
        ("ghost_in_presence", &["ann connect", "bob connect", "bob cut"], "< ann ann"),
        ("wrong_order", &letters, "POST / j -> 200 a b c d e f g h i j"),
        (
            "timer_lost_on_reconnect",
            &["ann connect", "ann send go", "wait 4", "ann cut", "wait 2", "ann connect", "wait 4"],
            "< ann time is up",
        ),
        ("trap_on_empty_message", &["ann connect", "ann send hi", "ann send "], "< ann say something"),
    ];
    for (name, steps, shows) in cases {
        let component = std::fs::read(party_path(name))?;
        let world = World::new(3).compile_cache(scratch("compiled")).party("main", &component[..]);
        let recorded =
            world.memory(Memory::Durable).var("MENDED", "yes").block_on(async |world: &World| {
                lived(world, steps).await?;
                world.recorded("main/lobby").await
            })?;
        let saved = saved(recorded)?;
        ensure!((&saved.failure, saved.differing) == (&None, 0), "{name}: {saved:?}");
        let text = saved.text.replace("var MENDED yes\n", "# Here it has its bug.\n");
        let failure = played(&saved, &text, &component)?.failure;
        let line = failure.as_ref().and_then(|failure| text.lines().nth(failure.line - 1));
        ensure!(line == Some(shows), "{name}: {failure:?}, {line:?} in\n{text}");
    }
    Ok(())
}

#[test]
fn another_version_of_a_party_fails_at_its_first_other_answer() -> Result<()> {
    let world = World::new(4).compile_cache(scratch("compiled"));
    let world = world.party("main", Version::named('1').component()).memory(Memory::Durable);
    let recorded = world.block_on(async |world: &World| {
        for _ in 0..3 {
            world.request("GET", "/parties/main/lobby", b"").await?;
        }
        world.recorded("main/lobby").await
    })?;
    let saved = saved(recorded)?;
    ensure!(played(&saved, &saved.text, &Version::named('1').component())?.failure.is_none());
    let failure = played(&saved, &saved.text, &Version::named('2').component())?.failure;
    let failure = failure.context("it is another")?;
    ensure!(saved.text.lines().nth(failure.line - 1) == Some("GET / -> 200 1 1 New"), "{failure:?}");
    Ok(())
}

#[test]
fn what_no_transcript_can_hold_is_refused_with_what_can_be_saved() -> Result<()> {
    let world = Kind::Probe.world(5);
    let recorded = world.block_on(async |world: &World| {
        let mut client = world.connect("main", "lobby").await?;
        client.send("said").await?;
        client.send(&format!("ignore {}", "x".repeat(70_000))).await?;
        world.recorded("main/lobby").await
    })?;
    let saving = |until| Saving {
        start_file: START_FILE.into(),
        until: CommitSeq(until),
        compile_cache: Some(scratch("compiled")),
    };
    let error = save(recorded.clone(), &saving(u64::MAX)).map(drop).expect_err("a line is too long");
    let told = error.to_string();
    ensure!(told.contains("commit 4 ") && told.ends_with("--until 3"), "{told}");
    let saved = save(recorded, &saving(3))?;
    ensure!(saved.failure.is_none() && saved.text.ends_with("> c1 send said\n< c1 1\n"), "{}", saved.text);
    Ok(())
}
