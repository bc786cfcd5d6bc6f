//! What a message to everyone costs: a room of 1,000 clients with in-memory sockets, one of which sends.
//!
//! The whole path of a host but the kernel's: the frame is read and unmasked, the guest called, the broadcast encoded
//! once, and 1,000 sockets written. The clients' own reading is not counted.

use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

#[path = "../tests/edge/clock.rs"]
mod clock;
#[path = "../../runtime/tests/runtime/guests.rs"]
#[expect(dead_code, reason = "the runtime's own tests use the rest")]
mod guests;
#[path = "../tests/edge/probe.rs"]
mod probe;
#[path = "../tests/edge/wire.rs"]
#[expect(dead_code, reason = "the edge's own tests use the rest")]
mod wire;
#[path = "../tests/edge/world.rs"]
#[expect(dead_code, reason = "the edge's own tests use the rest")]
mod world;

const CLIENTS: usize = 1_000;
const MESSAGE_BYTES: usize = 64;
/// Messages after which the clients read: what waits for them then is still far from their bound.
const READ_EVERY: u64 = 100;

fn broadcasts(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("broadcast");
    group.throughput(Throughput::Elements(CLIENTS as u64)).sample_size(10);
    group.bench_function("64 bytes to 1,000", |bencher| {
        bencher.iter_custom(|times| {
            let mut spent = Duration::ZERO;
            world::with_world(async |world| {
                let mut wires = Vec::with_capacity(CLIENTS);
                for _ in 0..CLIENTS {
                    wires.push(world.connect("/party/room").await);
                }
                let message = wire::text(&"b".repeat(MESSAGE_BYTES));
                for sent in 1..=times {
                    let begun = Instant::now();
                    wires[0].send(&message).await;
                    spent += begun.elapsed();
                    if sent % READ_EVERY == 0 || sent == times {
                        let expected = ((sent - 1) % READ_EVERY + 1) as usize * (MESSAGE_BYTES + 2);
                        for wire in &mut wires {
                            assert_eq!(wire.take().await.len(), expected, "everyone gets everything");
                        }
                    }
                }
            });
            spent
        });
    });
    group.finish();
}

criterion_group!(benches, broadcasts);
criterion_main!(benches);
