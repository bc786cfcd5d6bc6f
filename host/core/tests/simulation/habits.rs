//! How a simulated world behaves: drawn once per seed, so that some worlds are calm and deep and others fall apart.

use party_core::event::Handlers;
use party_core::limits::Limits;
use party_core::profile::Profile;

use crate::random::Random;

/// Likelihoods in percent, and bounds small enough to be met.
#[derive(Clone, Debug)]
pub(crate) struct Habits {
    pub(crate) steps: u64,
    /// A turn is dropped.
    pub(crate) trap: u64,
    /// A turn destroys the room, in a thousand.
    pub(crate) destroy: u64,
    /// A handler fails.
    pub(crate) fail: u64,
    /// `on-alarm` fails, beside that: seven times in a row and the alarm is given up.
    pub(crate) fail_alarm: u64,
    /// A handler goes on after its turn.
    pub(crate) pending: u64,
    /// A commit that is under way becomes durable at a step.
    pub(crate) commit: u64,
    /// At a step: the process crashes, in a hundredth of a percent.
    pub(crate) crash: u64,
    /// At a step: a commit fails, in a hundredth of a percent.
    pub(crate) commit_failure: u64,
    /// At a step: the driver saves the room if it may, in percent.
    pub(crate) save: u64,
    /// What the room has decided is carried out at once, not some steps later.
    pub(crate) carry_out: u64,
    pub(crate) handlers: Handlers,
    /// Every second world speaks the one, and every other the other.
    pub(crate) profile: Profile,
    pub(crate) limits: Limits,
}

const HANDLERS: [Handlers; 9] = [
    Handlers::ON_START,
    Handlers::ON_CONNECT,
    Handlers::ON_MESSAGE,
    Handlers::ON_CLOSE,
    Handlers::ON_ERROR,
    Handlers::ON_REQUEST,
    Handlers::ON_ALARM,
    Handlers::ON_COMPLETED,
    Handlers::ON_RESPONSE_CLOSED,
];

impl Habits {
    pub(crate) fn draw(random: &mut Random) -> Habits {
        let mut one_of = |choices: &[u64]| choices[random.below(choices.len() as u64) as usize];
        let missing_handlers = one_of(&[0, 0, 0, 25]);
        let limits = Limits {
            storage_bytes_max: one_of(&[24, 1 << 20]),
            connections_max: 4,
            auto_response_chars_max: 4,
            credit_events: 3,
            credit_bytes: 24,
            requests_waiting_max: 3,
            requests_open_max: 4,
            operations_open_max: 5,
            holds_max: 2,
            uncommitted_turns_max: one_of(&[2, 4, 64]) as u32,
            uncommitted_bytes_max: one_of(&[20, 1 << 20, 1 << 20]),
            drops_per_minute_max: one_of(&[1, 10]) as u32,
            ..Limits::default()
        };
        let mut habits = Habits {
            steps: one_of(&[40, 100, 250, 800]),
            trap: one_of(&[0, 2, 8, 20]),
            destroy: one_of(&[0, 0, 3, 10]),
            fail: one_of(&[0, 5, 15]),
            fail_alarm: one_of(&[0, 0, 0, 0, 80]),
            pending: one_of(&[10, 30, 50]),
            commit: one_of(&[5, 15, 60]),
            crash: one_of(&[0, 50, 200]),
            commit_failure: one_of(&[0, 0, 50, 150]),
            save: one_of(&[0, 3, 15]),
            carry_out: one_of(&[50, 90, 100]),
            handlers: Handlers::default(),
            profile: Profile::default(),
            limits,
        };
        for handler in HANDLERS {
            if !random.percent(missing_handlers) {
                habits.handlers = habits.handlers.with(handler);
            }
        }
        habits
    }
}
