//! Which seeds are lived, and what is said of one that fails.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::log::Log;
use crate::tally::Tally;
use crate::world;

/// How many worlds are lived when nothing else is said.
pub(crate) const SEEDS: u64 = 10_000;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|error| panic!("{variable}={text} is no number: {error}")))
}

/// Lives the seeds that the environment asks for, on every core.
pub(crate) fn live_all() {
    if let Some(seed) = number("PARTY_SEED") {
        world::live(seed, Log { is_on: true });
        return;
    }
    let count = number("PARTY_SEEDS").unwrap_or(SEEDS);
    let next = AtomicU64::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let lived: Vec<Result<Tally, u64>> = std::thread::scope(|scope| {
        let live = || live_until_one_fails(&next, count);
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(live)).collect();
        threads.into_iter().map(|thread| thread.join().expect("a seed's panic is caught")).collect()
    });
    if let Some(seed) = lived.iter().filter_map(|lived| lived.as_ref().err()).min() {
        panic!(
            "seed {seed} failed; replay it with\n  \
             PARTY_SEED={seed} cargo test -p party-core --test {} every_world -- --nocapture",
            env!("CARGO_CRATE_NAME")
        );
    }
    let mut met = Tally::default();
    lived.into_iter().flatten().for_each(|tally| met.add(tally));
    if count >= SEEDS {
        met.check_all_met();
    }
}

/// What was met, or the seed that failed.
fn live_until_one_fails(next: &AtomicU64, count: u64) -> Result<Tally, u64> {
    let mut met = Tally::default();
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= count {
            return Ok(met);
        }
        match live(seed) {
            Some(tally) => met.add(tally),
            None => {
                // The others stop at the next seed; theirs may be lower, so each gives its own back.
                next.store(count, Ordering::Relaxed);
                return Err(seed);
            }
        }
    }
}

/// What a world met; `None` if it broke a promise.
pub(crate) fn live(seed: u64) -> Option<Tally> {
    catch_unwind(AssertUnwindSafe(|| world::live(seed, Log { is_on: false }))).ok()
}
