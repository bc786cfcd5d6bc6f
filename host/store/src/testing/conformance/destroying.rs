//! The part of the suite about rooms that are destroyed.

use bytes::Bytes;
use party_core::commit::{MemoryChange, RoomCommit, RoomRecord};
use party_core::ids::{CommitSeq, Timestamp};
use party_core::storage::Visit;

use crate::store::{RoomsQuery, RoomsScope};
use crate::testing::conformance::memories::{append, changing, checkpoint, journal, kept, pattern};
use crate::testing::conformance::{Rig, putting};
use crate::testing::staging::commit_staging;
use crate::testing::workload::{put_components, room};

/// Nothing of it is left, also not over a restart, and its address is free for another.
pub fn a_room_that_is_destroyed_has_never_been(rig: &mut dyn Rig) {
    let epoch = rig.store().acquire().unwrap();
    put_components(&*rig.store(), epoch).unwrap();
    let (a, b) = (room("a"), room("b"));
    let due = RoomRecord { memory_due: Some(Timestamp(5)), ..RoomRecord::default() };
    let mut batch = vec![putting(&a, 1, &[(b"k", b"v"), (b"l", b"w")]), putting(&b, 1, &[(b"k", b"of b")])];
    batch.push(RoomCommit {
        record: RoomRecord { seq: CommitSeq(2), ..due },
        ..changing(&a, 2, checkpoint(&pattern(9_000)))
    });
    batch.push(changing(&a, 3, append(b"after")));
    commit_staging(&*rig.store(), epoch, &batch).unwrap();
    rig.store().commit(epoch, &[changing(&a, 4, MemoryChange::Destroy)]).unwrap();
    for is_restarted in [false, true] {
        if is_restarted {
            rig.restart();
        }
        assert_eq!(rig.store().summary(&a).unwrap(), None);
        assert_eq!(kept(&*rig.store(), &a), None);
        assert_eq!(journal(&*rig.store(), &a), []);
        assert_eq!(rig.store().storage(&a).get(b"k").unwrap(), None);
        assert_eq!(rig.store().storage(&b).get(b"k").unwrap(), Some(Bytes::from_static(b"of b")));
        let mut wakes = 0;
        rig.store()
            .wakes(&mut |_, _| {
                wakes += 1;
                Visit::Continue
            })
            .unwrap();
        assert_eq!(wakes, 0);
        let all = RoomsQuery { scope: RoomsScope::Everything, after: None, limit: 10 };
        let listed: Vec<String> =
            rig.store().rooms(&all).unwrap().iter().map(|(address, _)| address.room().to_owned()).collect();
        assert_eq!(listed, ["b"]);
    }
    let epoch = rig.store().acquire().unwrap();
    // Another of that name, and its end, in one batch with a third.
    let last = [
        putting(&a, 1, &[(b"k", b"second")]),
        changing(&a, 2, MemoryChange::Destroy),
        putting(&a, 1, &[(b"m", b"third")]),
    ];
    rig.store().commit(epoch, &last).unwrap();
    assert_eq!(rig.store().storage(&a).get(b"k").unwrap(), None);
    assert_eq!(rig.store().storage(&a).get(b"m").unwrap(), Some(Bytes::from_static(b"third")));
    assert_eq!(rig.store().record(&a).unwrap().map(|record| record.seq), Some(CommitSeq(1)));
}
