//! Every misdeed that is tried, with what bounds it and how it shows that it was done.

use anyhow::Result;

use crate::client::{BINARY, frame, text};
use crate::scene::{self, Scene};
use crate::trial::RATIO_MAX;

/// A misdeed.
pub(crate) struct Misdeed {
    /// What it is called in docs/neighbours.md.
    pub(crate) name: &'static str,
    /// Does it until the scene is over.
    pub(crate) commit: fn(&Scene) -> Result<()>,
    /// Words of the host's log that it leads to. None where the clients see by themselves that it was done: by an
    /// answer, or by the code that they are closed with.
    pub(crate) said: Option<&'static str>,
    /// How many times longer neighbours may wait, at most; less than that.
    pub(crate) ratio_max: f64,
    /// By how much the host's memory may grow for it, in MiB: what its bounds allow, and [`MARGIN_MIB`].
    pub(crate) growth_mib_max: u64,
}

/// What buffers, allocators and the kernel's rounding may take beside what is counted, in MiB.
const MARGIN_MIB: u64 = 48;

/// Of a host whose turns may run for 100 ms.
pub(crate) const LOOPS_TO_THE_DEADLINE: Misdeed = Misdeed {
    name: "guest loops to its deadline",
    commit: |scene| scene::told(scene, "loop"),
    said: Some("ms of CPU (limits.turn_deadline_ms)"),
    ratio_max: RATIO_MAX,
    growth_mib_max: MARGIN_MIB,
};

/// All others.
pub(crate) const MISDEEDS: [Misdeed; 19] = [
    Misdeed {
        name: "guest loops to the end of its fuel",
        commit: |scene| scene::told(scene, "loop"),
        said: Some("fuel (limits.turn_fuel_max)"),
        ratio_max: RATIO_MAX,
        growth_mib_max: MARGIN_MIB,
    },
    Misdeed {
        name: "guest allocates without end",
        commit: |scene| scene::told(scene, "allocate"),
        said: Some("the turn was dropped: the guest trapped"),
        // limits.memory_bytes_max
        ratio_max: RATIO_MAX,
        growth_mib_max: 128 + MARGIN_MIB,
    },
    Misdeed {
        name: "guest traps",
        commit: |scene| scene::told(scene, "trap"),
        said: Some("the turn was dropped: the guest trapped"),
        ratio_max: RATIO_MAX,
        growth_mib_max: MARGIN_MIB,
    },
    Misdeed {
        name: "guest recurses without end",
        commit: |scene| scene::told(scene, "recurse"),
        said: Some("the turn was dropped: the guest trapped"),
        ratio_max: RATIO_MAX,
        growth_mib_max: MARGIN_MIB,
    },
    Misdeed {
        name: "guest exits",
        commit: |scene| scene::told(scene, "exit"),
        said: Some("the guest called exit("),
        ratio_max: RATIO_MAX,
        growth_mib_max: MARGIN_MIB,
    },
    Misdeed {
        name: "guest blocks",
        commit: |scene| scene::told(scene, "block"),
        said: Some("the guest waited for a clock inside a turn"),
        ratio_max: RATIO_MAX,
        growth_mib_max: MARGIN_MIB,
    },
    Misdeed {
        name: "guest floods with small messages",
        commit: |scene| scene::told_to_flood(scene, "flood 10"),
        said: Some("the handler failed: the turn cannot send"),
        ratio_max: RATIO_MAX,
        growth_mib_max: MARGIN_MIB,
    },
    Misdeed {
        name: "guest floods with large messages",
        commit: |scene| scene::told_to_flood(scene, "flood 60000"),
        said: Some("the handler failed: the turn cannot send"),
        // limits.turn_output_bytes_max
        ratio_max: RATIO_MAX,
        growth_mib_max: 64 + MARGIN_MIB,
    },
    Misdeed {
        name: "guest floods the log",
        commit: |scene| scene::told(scene, "flood-log 10000"),
        said: Some("more lines in one turn left out"),
        ratio_max: RATIO_MAX,
        growth_mib_max: MARGIN_MIB,
    },
    Misdeed {
        name: "guest floods its storage",
        commit: |scene| scene::told(scene, "flood-storage"),
        said: Some("the handler failed: the turn cannot write"),
        // limits.uncommitted_bytes_max, as much again on its way to the disk
        ratio_max: RATIO_MAX,
        growth_mib_max: 2 * 64 + MARGIN_MIB,
    },
    Misdeed {
        name: "guest never answers requests",
        commit: scene::never_answered,
        said: None,
        ratio_max: RATIO_MAX,
        growth_mib_max: MARGIN_MIB,
    },
    Misdeed {
        name: "client floods with small messages",
        commit: |scene| scene::pour(scene, &text("echo this").repeat(1_000), "this"),
        said: None,
        ratio_max: RATIO_MAX,
        growth_mib_max: MARGIN_MIB,
    },
    Misdeed {
        name: "client floods with large messages",
        commit: |scene| scene::pour(scene, &[large_ignored(), text("echo this")].concat(), "this"),
        said: None,
        ratio_max: RATIO_MAX,
        growth_mib_max: MARGIN_MIB,
    },
    Misdeed {
        name: "client never reads",
        commit: scene::never_read,
        said: Some("closed with 1013"),
        ratio_max: RATIO_MAX,
        growth_mib_max: MARGIN_MIB,
    },
    Misdeed {
        name: "client sends broken frames",
        // A reserved bit is set.
        commit: |scene| scene::broken(scene, &[0xc1, 0x80, 0, 0, 0, 0], 1002),
        said: None,
        ratio_max: RATIO_MAX,
        growth_mib_max: MARGIN_MIB,
    },
    Misdeed {
        name: "client sends too large messages",
        commit: |scene| scene::broken(scene, &frame(BINARY, &[0; (1 << 20) + 1]), 1009),
        said: None,
        ratio_max: RATIO_MAX,
        growth_mib_max: MARGIN_MIB,
    },
    Misdeed {
        name: "clients come and go",
        commit: |scene| scene::come_and_go(scene, |_| scene::HOSTILE.into()),
        said: None,
        ratio_max: RATIO_MAX,
        growth_mib_max: MARGIN_MIB,
    },
    Misdeed {
        name: "clients never end their requests",
        commit: scene::half_open,
        said: None,
        ratio_max: RATIO_MAX,
        growth_mib_max: MARGIN_MIB,
    },
    Misdeed {
        name: "clients ask for ever new rooms",
        commit: |scene| scene::come_and_go(scene, |number| format!("{}-{number}", scene.name())),
        said: None,
        // 64 KiB for each room that has not gone to sleep yet.
        ratio_max: RATIO_MAX,
        growth_mib_max: 64 + MARGIN_MIB,
    },
];

/// The largest message, which the guest does not answer.
fn large_ignored() -> Vec<u8> {
    text(&format!("ignore {}", "x".repeat((1 << 20) - "ignore ".len())))
}
