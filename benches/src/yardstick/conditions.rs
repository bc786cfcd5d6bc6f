//! What must be true of a run: first of the yardstick itself, then of party-host.
//!
//! What must hold: what was not measured is never taken for reached.

use super::arguments::CandidateName;
use super::results::{
    BROADCAST_CPU, CONNECTION_MEMORY, COUNTER_ONE_P50, COUNTER_ONE_RATE, COUNTER_SIXTEEN_P50,
    COUNTER_SIXTEEN_RATE, DURABLE_ONE_P50, DURABLE_ONE_RATE, DURABLE_SIXTEEN_P50, DURABLE_SIXTEEN_RATE,
    ECHO_CPU, NEW_ROOM, NEW_ROOMS_AT_ONCE, ROOM_MEMORY, Results,
};

/// A bound and what was found.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Condition {
    /// What is compared.
    pub(super) what: &'static str,
    /// What was found; `None` if it was not measured.
    pub(super) found: Option<f64>,
    /// The bound.
    pub(super) bound: Bound,
}

/// On which side of a number a figure must be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Bound {
    /// Not below.
    AtLeast(f64),
    /// Not above.
    AtMost(f64),
}

impl Condition {
    /// Whether it holds; `None` if it was not measured.
    pub(super) fn holds(&self) -> Option<bool> {
        self.found.map(|found| match self.bound {
            Bound::AtLeast(bound) => found >= bound,
            Bound::AtMost(bound) => found <= bound,
        })
    }

    /// One line for a person.
    pub(super) fn line(&self) -> String {
        let bound = match self.bound {
            Bound::AtLeast(bound) => format!("at least {bound}"),
            Bound::AtMost(bound) => format!("at most {bound}"),
        };
        match (self.holds(), self.found) {
            (Some(true), Some(found)) => format!("holds: {}: {found:.2}, {bound} wanted", self.what),
            (Some(false), Some(found)) => format!("FAILS: {}: {found:.2}, {bound} wanted", self.what),
            _ => format!("not measured: {}, {bound} wanted", self.what),
        }
    }
}

/// Whether the yardstick is fast enough to count: npm's ws, a fair and common server, must cost clearly more, and
/// group commit must be at work.
pub(super) fn of_the_yardstick(results: &Results) -> Vec<Condition> {
    let (native, ws) = (CandidateName::Native, CandidateName::Ws);
    vec![
        Condition {
            what: "CPU per echo, ws to native",
            found: results.ratio(&ECHO_CPU, ws, native),
            bound: Bound::AtLeast(1.5),
        },
        Condition {
            what: "CPU per broadcast delivery, ws to native",
            found: results.ratio(&BROADCAST_CPU, ws, native),
            bound: Bound::AtLeast(9.0),
        },
        Condition {
            what: "native's durable increments, 16 clients to 1",
            found: results.ratio_between((&COUNTER_SIXTEEN_RATE, native), (&COUNTER_ONE_RATE, native)),
            bound: Bound::AtLeast(5.0),
        },
    ]
}

/// What party-host is to reach.
pub(super) fn of_the_host(results: &Results) -> Vec<Condition> {
    let (host, native) = (CandidateName::Host, CandidateName::Native);
    vec![
        Condition {
            what: "CPU per broadcast delivery, party-host to native",
            found: results.ratio(&BROADCAST_CPU, host, native),
            bound: Bound::AtMost(1.15),
        },
        Condition {
            what: "CPU per echo, party-host to native",
            found: results.ratio(&ECHO_CPU, host, native),
            bound: Bound::AtMost(1.3),
        },
        Condition {
            what: "durable increments by 16 clients, party-host to native",
            found: results.ratio(&COUNTER_SIXTEEN_RATE, host, native),
            bound: Bound::AtLeast(0.9),
        },
        // Both pay for the same flush, so what the one takes longer is what recording costs.
        Condition {
            what: "party-host, increments by 1 client, of a durable variable to of a stored number",
            found: results.ratio_between((&DURABLE_ONE_RATE, host), (&COUNTER_ONE_RATE, host)),
            bound: Bound::AtLeast(0.8),
        },
        Condition {
            what: "party-host, increments by 16 clients, of a durable variable to of a stored number",
            found: results.ratio_between((&DURABLE_SIXTEEN_RATE, host), (&COUNTER_SIXTEEN_RATE, host)),
            bound: Bound::AtLeast(0.8),
        },
        Condition {
            what: "party-host, ms by which the p50 by 1 client is above that of a stored number",
            found: results.excess(host, &DURABLE_ONE_P50, &COUNTER_ONE_P50),
            bound: Bound::AtMost(2.0),
        },
        Condition {
            what: "party-host, ms by which the p50 by 16 clients is above that of a stored number",
            found: results.excess(host, &DURABLE_SIXTEEN_P50, &COUNTER_SIXTEEN_P50),
            bound: Bound::AtMost(2.0),
        },
        Condition {
            what: "party-host, GET of a new room, p50 ms",
            found: results.median(&NEW_ROOM, host),
            bound: Bound::AtMost(0.3),
        },
        Condition {
            what: "party-host, 100 new rooms at once, p50 ms",
            found: results.median(&NEW_ROOMS_AT_ONCE, host),
            bound: Bound::AtMost(10.0),
        },
        Condition {
            what: "party-host, KiB per awake room",
            found: results.median(&ROOM_MEMORY, host),
            bound: Bound::AtMost(64.0),
        },
        Condition {
            what: "party-host, KiB per idle connection",
            found: results.median(&CONNECTION_MEMORY, host),
            bound: Bound::AtMost(12.0),
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::super::arguments::CandidateName;
    use super::super::results::Results;
    use super::super::results::tests::counted;
    use super::{of_the_host, of_the_yardstick};

    #[test]
    fn what_was_not_measured_holds_nowhere() {
        let none = Results::default();
        for condition in of_the_yardstick(&none).iter().chain(&of_the_host(&none)) {
            assert_eq!(condition.holds(), None);
            assert!(condition.line().starts_with("not measured"), "{}", condition.line());
        }
    }

    #[test]
    fn group_commit_is_seen_in_the_rates() {
        let native = CandidateName::Native;
        for (sixteen, holds) in [(4_999.0, false), (5_000.0, true)] {
            let records = vec![counted(native, 1, 0, 1_000.0), counted(native, 16, 0, sixteen)];
            assert_eq!(of_the_yardstick(&Results { records })[2].holds(), Some(holds));
        }
    }
}
