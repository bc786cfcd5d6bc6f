//! What a transcript costs whose component has been compiled before: in a process that goes on, and as a person waits for
//! it, with the process that `party-host test` is.

use std::fs;
use std::path::Path;

use criterion::{Criterion, criterion_group, criterion_main};
use party_testkit::transcript::{Stage, Transcript, run};
use party_tests::guests::{guest, guest_path, scratch};
use party_tests::host::{party_host, temporary};
use party_tests::program::{BOUND, Program};

/// The counter's own transcript: HTTP and WebSocket, a crash, another room.
const TRANSCRIPT: &str = include_str!("../../examples/counter/tests/counter.party");

fn transcripts(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("transcript");
    group.sample_size(20);
    let transcript = Transcript::parse(TRANSCRIPT).expect("it is one");
    let mut stage = Stage { compile_cache: Some(scratch("compiled")), ..Stage::default() };
    stage.parties.insert("main".into(), guest("counter").into());
    group.bench_function("load and play", |bencher| {
        bencher.iter(|| {
            let outcome = run(&transcript, &stage, Path::new(""), false);
            assert_eq!(outcome.failure, None);
        });
    });
    let dir = temporary().expect("the system has a place");
    let settings = format!("name = \"counter\"\nmain = {:?}\n", guest_path("counter"));
    fs::write(dir.path().join("party.toml"), settings).expect("it is written");
    fs::write(dir.path().join("count.party"), TRANSCRIPT).expect("it is written");
    group.bench_function("party-host test", |bencher| {
        bencher.iter(|| {
            let ended = Program::run(party_host().current_dir(dir.path()).arg("test"), BOUND);
            assert_eq!(ended.expect("it runs").code, Some(0));
        });
    });
    group.finish();
}

criterion_group!(benches, transcripts);
criterion_main!(benches);
