//! How fast each client address is, for all addresses that have lately come.
//!
//! A bucket that nobody has taken from for a second is full, as if it had never been. So the table has two halves, and forgets
//! the older one every second, with nothing lost. A flood from more addresses than a half holds makes it forget earlier: then
//! some get more than their rate, and the table does not grow.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

use party_node::clock::Ticks;

use super::rates::Bucket;

/// Addresses in one half of the table.
const ADDRESSES_MAX: usize = 32_768;
/// How long a bucket needs to be full again, at most.
const FULL_AFTER_MS: u64 = 1_000;

/// The addresses that have lately come, and the bucket of each.
#[derive(Debug)]
pub(crate) struct Addresses {
    per_second: u64,
    halves: Mutex<Halves>,
}

#[derive(Debug, Default)]
struct Halves {
    newer: HashMap<IpAddr, Bucket>,
    older: HashMap<IpAddr, Bucket>,
    /// When the newer half was begun.
    since: Ticks,
}

impl Addresses {
    /// `None` if they may be as fast as they like.
    pub(crate) fn new(per_second: u64) -> Option<Addresses> {
        (per_second > 0).then(|| Addresses { per_second, halves: Mutex::default() })
    }

    /// How much each may take in a second.
    pub(crate) fn per_second(&self) -> u64 {
        self.per_second
    }

    /// Takes one for an address; else says how many milliseconds it must wait.
    pub(crate) fn take(&self, address: IpAddr, now: Ticks) -> Result<(), u64> {
        let address = whose(address);
        // Whoever has panicked has left whole buckets.
        let mut halves = self.halves.lock().unwrap_or_else(PoisonError::into_inner);
        let Halves { newer, older, since } = &mut *halves;
        let is_full = newer.len() >= ADDRESSES_MAX && !newer.contains_key(&address);
        if is_full || now.0.saturating_sub(since.0) >= FULL_AFTER_MS {
            *older = std::mem::take(newer);
            *since = now;
        }
        let per_second = self.per_second;
        let kept = || older.remove(&address).unwrap_or_else(|| Bucket::new(per_second, now));
        newer.entry(address).or_insert_with(kept).take(now, 1)
    }
}

/// Who is told apart. Whoever has one IPv6 address has its /64.
fn whose(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::net::{IpAddr, Ipv4Addr};

    use party_node::clock::Ticks;

    use super::{ADDRESSES_MAX, Addresses};
    use crate::edge::rates::Bucket;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("it is an address")
    }

    #[test]
    fn each_address_has_its_own_rate_and_a_64_is_one() {
        let addresses = Addresses::new(1).expect("there is a rate");
        let take = |text: &str| addresses.take(address(text), Ticks(0)).is_ok();
        assert!(take("192.0.2.1") && take("192.0.2.2") && take("2001:db8::1") && take("2001:db8:0:1::1"));
        assert!(!take("192.0.2.1") && !take("::ffff:192.0.2.1") && !take("2001:db8::ffff:1"));
        assert!(addresses.take(address("192.0.2.1"), Ticks(1_000)).is_ok());
        assert!(Addresses::new(0).is_none());
    }

    /// Against a table that forgets nothing.
    #[test]
    fn what_is_forgotten_makes_no_difference() {
        for seed in 1..=200_u64 {
            let mut state = seed;
            let mut draw = |bound: u64| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) % bound
            };
            let per_second = 1 + draw(5);
            let addresses = Addresses::new(per_second).expect("there is a rate");
            let (mut all, mut now): (HashMap<u32, Bucket>, u64) = (HashMap::new(), draw(5_000));
            for step in 0..500 {
                now += draw(300);
                let who = draw(4) as u32;
                let bucket = all.entry(who).or_insert_with(|| Bucket::new(per_second, Ticks(now)));
                let expected = bucket.take(Ticks(now), 1);
                let found = addresses.take(Ipv4Addr::from_bits(who).into(), Ticks(now));
                assert_eq!(found, expected, "seed {seed}, step {step}, {who} at {now}");
            }
        }
    }

    #[test]
    fn a_flood_of_addresses_does_not_make_the_table_grow() {
        let addresses = Addresses::new(1).expect("there is a rate");
        for number in 0..(3 * ADDRESSES_MAX as u32 + 5) {
            assert!(addresses.take(Ipv4Addr::from_bits(number).into(), Ticks(0)).is_ok());
        }
        let halves = addresses.halves.lock().expect("nobody has panicked");
        assert_eq!((halves.newer.len(), halves.older.len()), (5, ADDRESSES_MAX));
    }
}
