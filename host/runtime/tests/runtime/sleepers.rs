//! Rooms that the Rust SDK makes, asleep between any two turns, with a twin that never sleeps: plain variables, tasks
//! in the middle of an await, standard output. Bit by bit the same.
//!
//! `PARTY_SEED=42` tries only that seed, `PARTY_LONG=1` a hundred times as many.

use std::sync::{Arc, LazyLock};

use party_core::event::TurnEnd;
use party_core::http::Request;
use party_core::ids::ConnectionId;
use party_core::limits::Limits;
use party_core::message::Message;
use party_runtime::component::Component;
use party_runtime::engine::{Engine, EngineOptions};
use party_tests::guests::guest;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::fuzz::{Trying, seeds};
use crate::room::{ENGINE, TestRoom, block_on, vars};

static PROBE: LazyLock<Component> = LazyLock::new(|| loaded(&ENGINE, "test_guests"));

fn loaded(engine: &Engine, name: &str) -> Component {
    engine.load(&guest(name), &vars(), &Arc::new(Limits::default())).unwrap_or_else(|error| panic!("{error}"))
}

fn probe() -> TestRoom {
    TestRoom::new(PROBE.clone(), Limits::default())
}

#[test]
fn rooms_of_the_sdk_can_sleep() {
    for name in ["counter", "chat", "workflow", "yardstick", "test_guests"] {
        assert_eq!(loaded(&ENGINE, name).capturable(), Ok(()), "{name}");
    }
}

#[test]
fn a_counter_sleeps_in_a_few_hundred_bytes() {
    let mut room = TestRoom::new(loaded(&ENGINE, "counter"), Limits::default());
    block_on(async {
        let client = room.connect().await;
        for _ in 0..20 {
            room.message(client, Message::text("+")).await;
        }
        room.nap().await;
        room.message(client, Message::text("+")).await;
    });
    assert_eq!(room.sent().last().map(String::as_str), Some("0"));
    let encoded = room.capture().unwrap().encode().unwrap();
    assert!(encoded.len() < 512, "{} bytes", encoded.len());
}

#[test]
fn a_sleep_goes_on_in_the_middle_of_its_await() {
    let mut room = probe();
    block_on(async {
        let client = room.connect().await;
        room.message(client, Message::text("sleep 60000 good morning")).await;
        room.nap().await;
        room.advance(59_999).await;
        assert_eq!(room.sent(), [""; 0]);
        room.nap().await;
        room.advance(1).await;
        assert_eq!(room.sent(), ["good morning at 1700000060123"]);
        // A task that was cancelled after a nap is not there after the next.
        room.message(client, Message::text("sleep 1000 never")).await;
        room.nap().await;
        room.message(client, Message::text("drop-sleep")).await;
        room.nap().await;
        room.advance(2_000).await;
    });
    assert_eq!(room.sent()[1..], ["true"]);
}

#[test]
fn what_is_printed_after_a_nap_is_logged() {
    let mut room = probe();
    block_on(async {
        let client = room.connect().await;
        for word in ["print one", "print two", "print three"] {
            assert_eq!(room.end_of(client, word).await, TurnEnd::Done);
            room.nap().await;
        }
    });
    assert_eq!(room.logged(), ["one", "two", "three"]);
}

#[test]
fn another_process_goes_on_in_the_middle_of_an_await() {
    let elsewhere = Engine::new(EngineOptions { rooms_awake_max: 4, compile_cache: None }).unwrap();
    let other = loaded(&elsewhere, "test_guests");
    let mut room = probe();
    block_on(async {
        let client = room.connect().await;
        room.message(client, Message::text("sleep 5000 moved")).await;
        room.message(client, Message::text("echo still here")).await;
        room.move_to(&other).await;
        room.advance(5_000).await;
        room.message(client, Message::text("said")).await;
    });
    assert_eq!(room.sent(), ["still here", "moved at 1700000005123", "3"]);
}

/// Something that happens to a room.
#[derive(Debug)]
enum Happening {
    Connect,
    Close(usize),
    Say(usize, String),
    Binary(usize, usize),
    Ask,
    Advance(u64),
}

fn draw(rng: &mut ChaCha12Rng) -> Happening {
    let mut below = |bound: u32| rng.next_u32() % bound;
    let (who, n, text) = (below(4) as usize, below(20), below(1_000));
    let word = match below(24) {
        0 | 1 => return Happening::Connect,
        2 => return Happening::Close(who),
        3 => return Happening::Binary(who, text as usize * 17),
        4 => return Happening::Ask,
        5 | 6 => return Happening::Advance(u64::from(below(3_000))),
        7 => format!("echo {text}"),
        8 => "said".into(),
        9 | 10 => format!("sleep {} n{text} {}", below(5_000), "z".repeat(text as usize)),
        11 => "drop-sleep".into(),
        12 => format!("put key{n} value{text}"),
        13 => format!("get key{n}"),
        14 => "list key".into(),
        15 => format!("print {text}"),
        16 => format!("log {text}"),
        17 => "random".into(),
        18 => format!("remember {text}"),
        19 => format!("all {text}"),
        20 => format!("alarm {}", below(4_000)),
        21 => "clock".into(),
        22 => format!("fail {text}"),
        _ => "who".into(),
    };
    Happening::Say(who, word)
}

async fn happen(room: &mut TestRoom, clients: &mut Vec<ConnectionId>, happening: &Happening) {
    let client = |who: &usize| clients.get(who % clients.len().max(1)).copied();
    match happening {
        Happening::Connect => {
            if clients.len() < 8 {
                clients.push(room.connect().await);
            }
        }
        Happening::Close(who) => {
            if let Some(client) = client(who) {
                clients.retain(|one| *one != client);
                room.close(client).await;
            }
        }
        Happening::Say(who, word) => {
            if let Some(client) = client(who) {
                room.message(client, Message::text(word.as_str())).await;
            }
        }
        Happening::Binary(who, bytes) => {
            if let Some(client) = client(who) {
                room.message(client, Message::Binary(vec![7; *bytes].into())).await;
            }
        }
        Happening::Ask => {
            let (method, uri) = ("GET".into(), "http://host/parties/party/room".into());
            room.request(Request {
                method,
                uri,
                headers: Vec::new(),
                body: Default::default(),
                body_waits: false,
            })
            .await;
        }
        Happening::Advance(ms) => room.advance(*ms).await,
    }
}

#[test]
fn a_room_that_sleeps_is_its_twin_that_never_did() {
    let mut naps = 0;
    for seed in seeds(20) {
        let _trying = Trying(seed);
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        let (mut sleeper, mut twin) = (probe(), probe());
        let (mut of_sleeper, mut of_twin) = (Vec::new(), Vec::new());
        block_on(async {
            for _ in 0..150 {
                let happening = draw(&mut rng);
                happen(&mut sleeper, &mut of_sleeper, &happening).await;
                happen(&mut twin, &mut of_twin, &happening).await;
                if rng.next_u32().is_multiple_of(3) && sleeper.is_awake() {
                    sleeper.nap().await;
                    naps += 1;
                    assert_eq!(sleeper.capture(), twin.capture(), "after {happening:?}");
                }
            }
        });
        assert_eq!(sleeper.logs, twin.logs);
        assert_eq!(sleeper.outputs, twin.outputs);
        assert_eq!(sleeper.ends, twin.ends);
    }
    assert!(naps > 30, "{naps}");
}
