//! Every id has a type of its own, so that one cannot stand for another.
//!
//! Ids that cross the contract stay below 2^53: JavaScript counts no further. They are never used twice in the
//! life of a room; how that survives a restart is told at [`crate::commit::RoomRecord::ids_reserved`] and [`IdBlock`].

use std::fmt;

/// The bound on ids that cross the contract: 2^53, the end of JavaScript's exact integers.
pub const ID_MAX: u64 = 1 << 53;

/// The bound on the ids of a room that goes on elsewhere, so that it has 2^40 left: a thousand a second for 34 years. Blocks
/// of ids ([`IdBlock`]) end here, too, so that no room is kept from moving by how often its host was started.
pub const MOVED_ID_MAX: u64 = ID_MAX - (1 << 40);

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// One delivery of one event to a guest.
    EventId
}
id! {
    /// One client's socket, from its first byte to its last.
    ConnectionId
}
id! {
    /// One HTTP request, until it has been answered.
    RequestId
}
id! {
    /// Something started that completes later.
    OperationId
}
id! {
    /// One direction of bytes that arrive or leave in pieces, or a socket that the room has opened: the number of the operation
    /// that has opened it, or one of the same row.
    StreamId
}
id! {
    /// The number of a room's commit: the first is 1, each is one more than the one before, 0 is "none yet".
    CommitSeq
}
id! {
    /// The number of an ownership of the store. Every opening takes the next one; a commit that carries an older
    /// one is refused, so that a stale owner can do no harm.
    Epoch
}
id! {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    Timestamp
}

impl CommitSeq {
    /// The number of the commit after this one.
    pub fn next(self) -> CommitSeq {
        CommitSeq(self.0 + 1)
    }
}

impl Timestamp {
    /// The end of time: later than every other.
    pub const NEVER: Timestamp = Timestamp(u64::MAX);

    /// This time and so many milliseconds.
    pub fn after_ms(self, ms: u64) -> Timestamp {
        Timestamp(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this time, 0 if it is not earlier.
    pub fn since_ms(self, earlier: Timestamp) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Ids for a room that is made again of its checkpoint. No other room that is made of it has the same, because every
/// process has an epoch of its own and counts the rooms that it makes: so nothing need be written before the first of these
/// ids is seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IdBlock {
    first: u64,
}

impl IdBlock {
    /// How many ids it has.
    pub const IDS: u64 = 1 << 14;
    /// How many blocks an epoch has: at 100 rooms a second, those of two days.
    pub const BLOCKS: u64 = 1 << 24;

    /// The block of this number in an epoch. There is none after [`IdBlock::BLOCKS`], and none beyond [`MOVED_ID_MAX`]: in
    /// epochs from 2^15 - 4 on.
    pub fn of(epoch: Epoch, number: u64) -> Option<IdBlock> {
        let epoch_ids = Self::IDS * Self::BLOCKS;
        let is_there = number < Self::BLOCKS && epoch.0 < MOVED_ID_MAX / epoch_ids;
        is_there.then(|| IdBlock { first: epoch.0 * epoch_ids + number * Self::IDS })
    }

    /// Its first id.
    pub fn first(self) -> u64 {
        self.first
    }

    /// The first id that is not of it any more.
    pub fn end(self) -> u64 {
        self.first + Self::IDS
    }
}

/// The ids that a room gives out next, one of each kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NextIds {
    /// To the next client that asks to be let in.
    pub connection: ConnectionId,
    /// To the next HTTP request.
    pub request: RequestId,
    /// To the next operation that the guest starts.
    pub operation: OperationId,
    /// To the next event that the guest is called with.
    pub event: EventId,
}

/// One life of a room since a fresh start: 128 random bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Incarnation(pub u128);

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// What a turn's chance is drawn from: 256 bits that nobody outside the host knows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Seed(pub [u8; 32]);

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(..)")
    }
}
