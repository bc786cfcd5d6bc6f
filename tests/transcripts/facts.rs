//! Each fact of the contract is as its transcript says, with memory that hibernates and with memory that is durable.

use std::fs;

use party_server::config::ServeConfig;
use party_testkit::transcript::{Stage, Transcript, run};
use party_testkit::world::Memory;
use party_tests::guests::{parties, target};
use party_tests::root;

/// A transcript of a fact is shorter than so many lines.
const LINES_MAX: usize = 20;

// A test for each transcript in `tests/guests/transcripts`.
include!(concat!(env!("OUT_DIR"), "/facts.rs"));

/// Plays a transcript, `FACT.party` or `FACT.ANYTHING.party`. Files that it names are components of facts.
fn play(name: &str) {
    let path = root().join(format!("tests/guests/transcripts/{name}.party"));
    let text = fs::read_to_string(&path).expect("it was there when this was built");
    assert!(text.lines().count() < LINES_MAX, "{name} has {} lines", text.lines().count());
    let transcript = Transcript::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    let fact = name.split('.').next().unwrap_or_default();
    let component = fs::read(parties().join(format!("{fact}.wasm"))).expect("it was built");
    let memories = match transcript.settings.memory {
        Some(memory) => vec![memory],
        None => vec![Memory::Hibernate, Memory::Durable],
    };
    for memory in memories {
        let mut stage =
            Stage { compile_cache: Some(target().join("party-tests/compiled")), memory, ..Stage::default() };
        // The others are about hosts without assets: what there is answers URLs that are no room.
        if fact == "a_room_reads_an_asset" {
            stage.serve =
                Some(ServeConfig { path: root().join("tests/guests/public"), single_page_app: true });
        }
        stage.parties.insert("main".into(), component.clone().into());
        let is_update = std::env::var_os("PARTY_BLESS").is_some();
        let outcome = run(&transcript, &stage, &parties(), is_update);
        if let Some(updated) = outcome.updated {
            fs::write(&path, updated).expect("the transcript can be written");
        }
        if let Some(failure) = outcome.failure {
            let details = failure.details.join("\n  ");
            panic!("{}:{}: with {memory:?}: {}\n  {details}", path.display(), failure.line, failure.what);
        }
    }
}
