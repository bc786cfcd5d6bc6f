//! How a world behaves: drawn once per seed, so that some worlds are calm and deep and others fall apart.

use std::collections::BTreeMap;

use party_core::event::Handlers;
use party_core::limits::Limits;

use crate::random::Random;

/// Likelihoods in percent, where nothing else is said.
#[derive(Clone, Debug)]
pub(crate) struct Habits {
    pub(crate) steps: u64,
    /// A turn is dropped.
    pub(crate) trap: u64,
    /// A commit that is under way becomes durable at a step.
    pub(crate) commit: u64,
    /// At a step: the process crashes, in a hundredth of a percent.
    pub(crate) crash: u64,
    /// At a step: a commit fails, in a hundredth of a percent.
    pub(crate) commit_failure: u64,
    /// At a step: the driver saves the room if it may.
    pub(crate) save: u64,
    /// A read of the disk fails, in a turn or while recorded turns are taken again.
    pub(crate) read_failure: u64,
    /// At a step: another version is deployed, in a hundredth of a percent.
    pub(crate) deploy: u64,
    /// What the room has decided is carried out at once, not some steps later.
    pub(crate) carry_out: u64,
    pub(crate) handlers: Handlers,
}

const HANDLERS: [Handlers; 10] = [
    Handlers::ON_START,
    Handlers::ON_RESUME,
    Handlers::ON_CONNECT,
    Handlers::ON_MESSAGE,
    Handlers::ON_CLOSE,
    Handlers::ON_ERROR,
    Handlers::ON_REQUEST,
    Handlers::ON_ALARM,
    Handlers::ON_COMPLETED,
    Handlers::ON_RESPONSE_CLOSED,
];

fn one_of(random: &mut Random, choices: &[u64]) -> u64 {
    choices[random.below(choices.len() as u64) as usize]
}

impl Habits {
    pub(crate) fn draw(random: &mut Random) -> Habits {
        let missing_handlers = one_of(random, &[0, 0, 0, 25]);
        let mut habits = Habits {
            steps: one_of(random, &[40, 80, 160, 400]),
            trap: one_of(random, &[0, 3, 10, 30]),
            commit: one_of(random, &[5, 15, 60]),
            crash: one_of(random, &[0, 100, 400, 800]),
            commit_failure: one_of(random, &[0, 0, 100]),
            save: one_of(random, &[0, 3, 12]),
            read_failure: one_of(random, &[0, 0, 3]),
            deploy: one_of(random, &[0, 0, 150, 500]),
            carry_out: one_of(random, &[50, 90, 100]),
            handlers: Handlers::default(),
        };
        for handler in HANDLERS {
            if !random.percent(missing_handlers) {
                habits.handlers = habits.handlers.with(handler);
            }
        }
        habits
    }
}

/// Bounds small enough to be met. The next process may have others.
pub(crate) fn draw_limits(random: &mut Random) -> Limits {
    Limits {
        storage_bytes_max: one_of(random, &[40, 1 << 20]),
        connections_max: 5,
        credit_events: 3,
        requests_waiting_max: 3,
        requests_open_max: 4,
        operations_open_max: one_of(random, &[3, 6]) as u32,
        holds_max: 2,
        events_pending_max: one_of(random, &[3, 65_536]) as u32,
        uncommitted_turns_max: one_of(random, &[2, 4, 64]) as u32,
        uncommitted_bytes_max: one_of(random, &[40, 1 << 20, 1 << 20]),
        journal_records_max: one_of(random, &[1, 4, 1_000]) as u32,
        // Far apart, so that the next process often has another that matters.
        accept_deadline_ms: one_of(random, &[30, 5_000]),
        drops_per_minute_max: one_of(random, &[1, 4, 10]) as u32,
        ..Limits::default()
    }
}

/// What the guest can read of its configuration.
pub(crate) fn draw_vars(random: &mut Random) -> BTreeMap<String, String> {
    BTreeMap::from([("colour".to_owned(), ["red", "blue"][random.below(2) as usize].to_owned())])
}
