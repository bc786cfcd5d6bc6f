//! The part of the suite about what is kept of rooms' memories: checkpoints, journals, components.

use std::sync::Arc;

use bytes::Bytes;
use party_core::address::RoomAddress;
use party_core::commit::{
    CheckpointBytes, ComponentDigest, JournalRecord, KvChanges, MemoryChange, NewCheckpoint, RoomCommit,
    StagedCheckpoint,
};
use party_core::ids::{CommitSeq, Epoch};

use crate::kept::{
    CHECKPOINT_INLINE_BYTES_MAX, CheckpointSummary, JOURNAL_RECORD_BYTES_MAX, JournalEntry, JournalSize,
    KeepError, KeptCheckpoint, RoomSummary,
};
use crate::store::{CommitError, Refusal, RoomsQuery, RoomsScope, Store};
use crate::testing::conformance::{Rig, commit_of};
use crate::testing::model::Model;
use crate::testing::workload::{LARGE_COMPONENT, SMALL_COMPONENT, address, put_components, room};

/// A commit that does nothing but change what is kept of the room's memory.
pub fn changing(address: &Arc<RoomAddress>, seq: u64, change: MemoryChange) -> RoomCommit {
    RoomCommit { memory: Some(Box::new(change)), ..commit_of(address, seq, None, KvChanges::default()) }
}

/// A checkpoint of the small component that a commit carries itself.
pub fn checkpoint(bytes: &[u8]) -> MemoryChange {
    let bytes = CheckpointBytes::Inline(Bytes::copy_from_slice(bytes));
    MemoryChange::Checkpoint(NewCheckpoint { component: SMALL_COMPONENT, bytes })
}

/// A checkpoint of the small component that was staged.
pub fn staged(staged: StagedCheckpoint) -> MemoryChange {
    let bytes = CheckpointBytes::Staged(staged);
    MemoryChange::Checkpoint(NewCheckpoint { component: SMALL_COMPONENT, bytes })
}

/// A record of the small component.
pub fn record(bytes: &[u8]) -> JournalRecord {
    JournalRecord { component: SMALL_COMPONENT, bytes: Bytes::copy_from_slice(bytes) }
}

pub(super) fn append(bytes: &[u8]) -> MemoryChange {
    MemoryChange::Append(record(bytes))
}

fn begun(rig: &dyn Rig) -> Epoch {
    let epoch = rig.store().acquire().unwrap();
    put_components(&*rig.store(), epoch).unwrap();
    epoch
}

/// Bytes that no two places of share.
pub fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes as u64).map(|index| (index.wrapping_mul(0x9E37_79B9) >> 13) as u8).collect()
}

fn refusal(result: Result<(), CommitError>) -> Refusal {
    match result {
        Err(CommitError::Refused { refusal, .. }) => refusal,
        other => panic!("it was not refused: {other:?}"),
    }
}

pub(super) fn kept(store: &dyn Store, address: &RoomAddress) -> Option<(u64, Bytes)> {
    let kept = store.checkpoint(address).unwrap();
    kept.map(|KeptCheckpoint { seq, bytes, .. }| (seq.0, bytes))
}

pub(super) fn journal(store: &dyn Store, address: &RoomAddress) -> Vec<(u64, Bytes)> {
    let entries = store.journal(address).unwrap();
    entries.into_iter().map(|JournalEntry { seq, bytes }| (seq.0, bytes)).collect()
}

/// Small and larger ones replace each other; other commits leave them alone, and so does a restart.
pub fn a_checkpoint_is_kept_with_its_commit(rig: &mut dyn Rig) {
    let mut epoch = begun(rig);
    let (a, b) = (room("a"), room("b"));
    let mut model = Model::default();
    let sizes = [0, 1, 4_000, 4_001, CHECKPOINT_INLINE_BYTES_MAX, 12_000, 500, 8_000, 0];
    for (seq, bytes) in (0..).map(|round| 2 * round + 1).zip(sizes) {
        let batch = [
            changing(&a, seq, checkpoint(&pattern(bytes))),
            changing(&b, seq, checkpoint(&pattern(bytes + 1)[1..])),
        ];
        rig.store().commit(epoch, &batch).unwrap();
        model.apply(&batch);
        model.compare(&*rig.store()).unwrap();
        let batch = [&a, &b].map(|address| commit_of(address, seq + 1, None, KvChanges::default()));
        rig.store().commit(epoch, &batch).unwrap();
        model.apply(&batch);
        rig.restart();
        epoch = rig.store().acquire().unwrap();
        model.compare(&*rig.store()).unwrap();
    }
    let forget = [changing(&a, 2 * sizes.len() as u64 + 1, MemoryChange::Forget { then: None })];
    rig.store().commit(epoch, &forget).unwrap();
    model.apply(&forget);
    model.compare(&*rig.store()).unwrap();
    assert_eq!(rig.store().checkpoint(&room("c")).unwrap(), None, "a room that never was has none");
}

/// Bytes that were staged are seen once a commit has taken them, and only one may.
pub fn a_staged_checkpoint_is_taken_by_one_commit(rig: &mut dyn Rig) {
    const BYTES: usize = 1_500_000;
    let epoch = begun(rig);
    let (a, b) = (room("a"), room("b"));
    let bytes = pattern(BYTES);
    let ahead = rig.store().stage_checkpoint(epoch, &a, &bytes).unwrap();
    assert_eq!(ahead.bytes, BYTES as u64);
    assert_eq!(rig.store().summary(&a).unwrap(), None);
    let elsewhere = rig.store().commit(epoch, &[changing(&b, 1, staged(ahead))]);
    assert_eq!(refusal(elsewhere), Refusal::NotStaged { id: ahead.id });
    rig.store().commit(epoch, &[changing(&a, 1, staged(ahead))]).unwrap();
    assert_eq!(kept(&*rig.store(), &a), Some((1, bytes.clone().into())));
    let again = rig.store().commit(epoch, &[changing(&a, 2, staged(ahead))]);
    assert_eq!(refusal(again), Refusal::NotStaged { id: ahead.id });
    rig.store().unstage_checkpoint(ahead);
    rig.restart();
    let epoch = rig.store().acquire().unwrap();
    assert_eq!(kept(&*rig.store(), &a), Some((1, bytes.into())), "one that was taken is not given up");
    rig.store().commit(epoch, &[changing(&a, 2, checkpoint(b"small"))]).unwrap();
    assert_eq!(kept(&*rig.store(), &a), Some((2, Bytes::from_static(b"small"))));
    let empty = rig.store().stage_checkpoint(epoch, &a, b"").unwrap();
    rig.store().commit(epoch, &[changing(&a, 3, staged(empty))]).unwrap();
    assert_eq!(kept(&*rig.store(), &a), Some((3, Bytes::new())));
}

/// What is staged stands for itself: neither a later nor an earlier staging of the same room takes it away. Once it did, and
/// the commit that came for it failed with all others of its batch.
pub fn what_is_staged_stands_for_itself(rig: &mut dyn Rig) {
    let epoch = begun(rig);
    let (a, b) = (room("a"), room("b"));
    let first = rig.store().stage_checkpoint(epoch, &a, b"first").unwrap();
    let others = rig.store().stage_checkpoint(epoch, &b, b"of b").unwrap();
    let second = rig.store().stage_checkpoint(epoch, &a, b"second").unwrap();
    let third = rig.store().stage_checkpoint(epoch, &a, b"third").unwrap();
    rig.store().commit(epoch, &[changing(&a, 1, staged(first))]).unwrap();
    rig.store().unstage_checkpoint(second);
    assert_eq!(kept(&*rig.store(), &a), Some((1, Bytes::from_static(b"first"))));
    let batch = [changing(&a, 2, staged(third)), changing(&b, 1, staged(others))];
    rig.store().commit(epoch, &batch).unwrap();
    rig.store().unstage_checkpoint(third);
    assert_eq!(kept(&*rig.store(), &a), Some((2, Bytes::from_static(b"third"))));
    assert_eq!(kept(&*rig.store(), &b), Some((1, Bytes::from_static(b"of b"))));
    // Of two in one batch the later counts; the other is gone with it.
    let fourth = rig.store().stage_checkpoint(epoch, &a, b"fourth").unwrap();
    let fifth = rig.store().stage_checkpoint(epoch, &a, b"fifth").unwrap();
    let batch = [changing(&a, 3, staged(fifth)), changing(&a, 4, staged(fourth))];
    rig.store().commit(epoch, &batch).unwrap();
    assert_eq!(kept(&*rig.store(), &a), Some((4, Bytes::from_static(b"fourth"))));
    let gone = rig.store().commit(epoch, &[changing(&a, 5, staged(fifth))]);
    assert_eq!(refusal(gone), Refusal::NotStaged { id: fifth.id });
}

/// What was staged and not taken is refused afterwards, and harms nothing.
pub fn what_was_staged_is_gone_when_it_is_given_up_or_the_store_has_another_owner(rig: &mut dyn Rig) {
    let epoch = begun(rig);
    let a = room("a");
    let unstaged = rig.store().stage_checkpoint(epoch, &a, b"first").unwrap();
    rig.store().unstage_checkpoint(unstaged);
    let gone = rig.store().commit(epoch, &[changing(&a, 1, staged(unstaged))]);
    assert_eq!(refusal(gone), Refusal::NotStaged { id: unstaged.id });
    let before = rig.store().stage_checkpoint(epoch, &a, b"second").unwrap();
    let epoch = rig.store().acquire().unwrap();
    let gone = rig.store().commit(epoch, &[changing(&a, 1, staged(before))]);
    assert_eq!(refusal(gone), Refusal::NotStaged { id: before.id });
    let lost = rig.store().stage_checkpoint(epoch, &a, b"third").unwrap();
    rig.restart();
    let epoch = rig.store().acquire().unwrap();
    let gone = rig.store().commit(epoch, &[changing(&a, 1, staged(lost))]);
    assert_eq!(refusal(gone), Refusal::NotStaged { id: lost.id });
    rig.store().commit(epoch, &[commit_of(&a, 1, None, KvChanges::default())]).unwrap();
    assert_eq!(kept(&*rig.store(), &a), None);
}

/// Records are read in order of their commits; a checkpoint covers those before it, a room's own only.
pub fn the_journal_holds_what_came_after_the_checkpoint(rig: &mut dyn Rig) {
    let epoch = begun(rig);
    let (a, b) = (room("a"), room("b"));
    for seq in 1..=10 {
        let bytes = pattern(seq as usize * 1_000);
        let batch = [changing(&b, seq, append(&bytes)), changing(&a, seq, append(&bytes[1..]))];
        rig.store().commit(epoch, &batch).unwrap();
    }
    let sizes = |store: &dyn Store, address: &RoomAddress| -> Vec<(u64, usize)> {
        journal(store, address).into_iter().map(|(seq, bytes)| (seq, bytes.len())).collect()
    };
    let all_of_a: Vec<(u64, usize)> = (1..=10).map(|seq| (seq, seq as usize * 1_000 - 1)).collect();
    assert_eq!(sizes(&*rig.store(), &a), all_of_a);
    let journal_size = rig.store().summary(&a).unwrap().unwrap().journal;
    assert_eq!(journal_size, JournalSize { records: 10, bytes: 55_000 - 10 });
    rig.store().commit(epoch, &[changing(&b, 11, checkpoint(b"b"))]).unwrap();
    rig.store().commit(epoch, &[changing(&b, 12, append(b"after"))]).unwrap();
    rig.restart();
    let epoch = rig.store().acquire().unwrap();
    assert_eq!(sizes(&*rig.store(), &a), all_of_a);
    assert_eq!(journal(&*rig.store(), &b), [(12, Bytes::from_static(b"after"))]);
    let then = Some(record(b"anew"));
    rig.store().commit(epoch, &[changing(&b, 13, MemoryChange::Forget { then })]).unwrap();
    assert_eq!(journal(&*rig.store(), &b), [(13, Bytes::from_static(b"anew"))]);
    assert_eq!(kept(&*rig.store(), &b), None);
    rig.store().commit(epoch, &[commit_of(&b, 14, None, KvChanges::default())]).unwrap();
    rig.store().commit(epoch, &[changing(&b, 15, MemoryChange::Forget { then: None })]).unwrap();
    rig.restart();
    assert_eq!(journal(&*rig.store(), &b), []);
    assert_eq!(rig.store().summary(&b).unwrap().unwrap().component, None);
    assert_eq!(sizes(&*rig.store(), &a), all_of_a);
}

/// They take effect in their order.
pub fn a_batch_may_change_a_memory_several_times(rig: &mut dyn Rig) {
    let epoch = begun(rig);
    let a = room("a");
    let then = Some(record(b"4"));
    let rounds = [
        vec![append(b"1"), checkpoint(&pattern(9_000)), append(b"3"), append(b"4")],
        vec![checkpoint(b"5"), checkpoint(&pattern(5_000)), append(b"7")],
        vec![append(b"8"), MemoryChange::Forget { then }, append(b"10")],
        vec![MemoryChange::Forget { then: None }, append(b"12"), checkpoint(b"13")],
    ];
    let (mut model, mut seq) = (Model::default(), 0);
    for changes in rounds {
        let batch: Vec<RoomCommit> = changes
            .into_iter()
            .map(|change| {
                seq += 1;
                changing(&a, seq, change)
            })
            .collect();
        rig.store().commit(epoch, &batch).unwrap();
        model.apply(&batch);
        model.compare(&*rig.store()).unwrap();
    }
    rig.restart();
    model.compare(&*rig.store()).unwrap();
}

/// A checkpoint or a journal keeps its component; nobody's is let go of when it is asked for.
pub fn a_component_is_kept_while_a_room_needs_it(rig: &mut dyn Rig) {
    let epoch = begun(rig);
    let (a, b) = (room("a"), room("b"));
    let large = rig.store().component(LARGE_COMPONENT).unwrap().unwrap();
    assert!(large.len() > 8_000 && large.starts_with(b"a large component"));
    let of_large = JournalRecord { component: LARGE_COMPONENT, bytes: Bytes::from_static(b"1") };
    let batch = [changing(&a, 1, checkpoint(b"a")), changing(&b, 1, MemoryChange::Append(of_large))];
    rig.store().commit(epoch, &batch).unwrap();
    assert_eq!(rig.store().reclaim_components(epoch, &[]), Ok(0));
    rig.restart();
    let epoch = rig.store().acquire().unwrap();
    // Another version of the small component: a moves on to it, b forgets.
    let next = ComponentDigest([0xc3; 32]);
    rig.store().put_component(epoch, next, b"next").unwrap();
    rig.store().put_component(epoch, next, b"next").unwrap();
    let bytes = CheckpointBytes::Inline(Bytes::from_static(b"a2"));
    let moved = MemoryChange::Checkpoint(NewCheckpoint { component: next, bytes });
    let batch = [changing(&a, 2, moved), changing(&b, 2, MemoryChange::Forget { then: None })];
    rig.store().commit(epoch, &batch).unwrap();
    assert_eq!(rig.store().reclaim_components(epoch, &[LARGE_COMPONENT]), Ok(1));
    assert_eq!(rig.store().component(SMALL_COMPONENT).unwrap(), None);
    assert_eq!(rig.store().component(LARGE_COMPONENT).unwrap(), Some(large));
    assert_eq!(rig.store().reclaim_components(epoch, &[]), Ok(1));
    rig.restart();
    assert_eq!(rig.store().component(LARGE_COMPONENT).unwrap(), None);
    assert_eq!(rig.store().component(next).unwrap(), Some(Bytes::from_static(b"next")));
    let epoch = rig.store().acquire().unwrap();
    put_components(&*rig.store(), epoch).unwrap();
    assert!(rig.store().component(SMALL_COMPONENT).unwrap().is_some(), "it can come back");
}

/// A journal goes on with the component that it began with, and none can be needed that is not there.
pub fn a_memory_belongs_to_one_component_that_is_there(rig: &mut dyn Rig) {
    let epoch = begun(rig);
    let a = room("a");
    let of = |component, bytes| JournalRecord { component, bytes: Bytes::copy_from_slice(bytes) };
    let unknown = ComponentDigest([9; 32]);
    let first = MemoryChange::Append(of(unknown, b"1"));
    let refused = rig.store().commit(epoch, &[changing(&a, 1, first)]);
    assert_eq!(refusal(refused), Refusal::UnknownComponent { component: unknown });
    assert_eq!(rig.store().summary(&a).unwrap(), None);
    let batch = [changing(&a, 1, checkpoint(b"a")), changing(&a, 2, append(b"2"))];
    rig.store().commit(epoch, &batch).unwrap();
    let other = MemoryChange::Append(of(LARGE_COMPONENT, b"3"));
    let refused = rig.store().commit(epoch, &[changing(&a, 3, other)]);
    let expected = Refusal::OtherComponent { expected: SMALL_COMPONENT, found: LARGE_COMPONENT };
    assert_eq!(refusal(refused), expected);
    let then = Some(of(LARGE_COMPONENT, b"3"));
    rig.store().commit(epoch, &[changing(&a, 3, MemoryChange::Forget { then })]).unwrap();
    assert_eq!(rig.store().summary(&a).unwrap().unwrap().component, Some(LARGE_COMPONENT));
    assert_eq!(journal(&*rig.store(), &a), [(3, Bytes::from_static(b"3"))]);
}

/// Each bound is said with its value, and nothing is written beyond it.
pub fn what_is_too_large_is_refused(rig: &mut dyn Rig) {
    let epoch = begun(rig);
    let a = room("a");
    let inline = vec![0; CHECKPOINT_INLINE_BYTES_MAX + 1];
    let refused = rig.store().commit(epoch, &[changing(&a, 1, checkpoint(&inline))]);
    let (bytes, bytes_max) = (inline.len() as u64, CHECKPOINT_INLINE_BYTES_MAX as u64);
    let what = "checkpoint inside a commit";
    assert_eq!(refusal(refused), Refusal::TooLarge { what, bytes, bytes_max });
    let refused =
        rig.store().commit(epoch, &[changing(&a, 1, append(&vec![0; JOURNAL_RECORD_BYTES_MAX + 1]))]);
    assert!(matches!(refusal(refused), Refusal::TooLarge { what: "journal record", .. }));
    assert_eq!(rig.store().summary(&a).unwrap(), None);
}

/// Staging and components are the owner's, as commits are.
pub fn an_older_owner_puts_nothing_aside(rig: &mut dyn Rig) {
    let held = begun(rig);
    let current = rig.store().acquire().unwrap();
    let stale = KeepError::Stale { held, current };
    assert_eq!(rig.store().stage_checkpoint(held, &room("a"), b"a"), Err(stale.clone()));
    let digest = ComponentDigest([9; 32]);
    assert_eq!(rig.store().put_component(held, digest, b"a"), Err(stale.clone()));
    assert_eq!(rig.store().put_component(held, SMALL_COMPONENT, b"a"), Err(stale.clone()));
    assert_eq!(rig.store().reclaim_components(held, &[]), Err(stale));
    assert_eq!(rig.store().component(digest).unwrap(), None);
    assert!(rig.store().component(SMALL_COMPONENT).unwrap().is_some());
}

/// A list says which rooms sleep, without reading their checkpoints.
pub fn rooms_are_listed_with_what_is_kept_of_them(rig: &mut dyn Rig) {
    let epoch = begun(rig);
    let rooms = [room("a"), room("b"), address("p", "other", "a"), address("q", "main", "a")];
    let batch: Vec<RoomCommit> =
        rooms.iter().map(|address| changing(address, 1, checkpoint(&pattern(5_000)))).collect();
    rig.store().commit(epoch, &batch).unwrap();
    rig.store().commit(epoch, &[changing(&rooms[1], 2, append(b"12"))]).unwrap();
    let forget = MemoryChange::Forget { then: None };
    rig.store().commit(epoch, &[changing(&rooms[2], 2, forget)]).unwrap();
    rig.restart();
    let list = |scope, after: Option<&RoomAddress>, limit| {
        let query = RoomsQuery { scope, after, limit };
        rig.store().rooms(&query).unwrap()
    };
    let addresses = |listed: Vec<(RoomAddress, RoomSummary)>| -> Vec<RoomAddress> {
        listed.into_iter().map(|(address, _)| address).collect()
    };
    let all = list(RoomsScope::Everything, None, 100);
    let checkpoint = Some(CheckpointSummary { seq: CommitSeq(1), bytes: 5_000 });
    assert_eq!(
        all.iter().map(|(_, room)| room.checkpoint).collect::<Vec<_>>(),
        [checkpoint, checkpoint, None, checkpoint]
    );
    assert_eq!(all[1].1.journal, JournalSize { records: 1, bytes: 2 });
    assert_eq!(all[1].1.record.seq, CommitSeq(2));
    assert!(addresses(all).iter().eq(rooms.iter().map(|address| &**address)));
    assert_eq!(addresses(list(RoomsScope::Everything, Some(&rooms[1]), 1)), [(*rooms[2]).clone()]);
    assert_eq!(list(RoomsScope::Project("p"), Some(&rooms[0]), 100).len(), 2);
    assert_eq!(list(RoomsScope::Project(""), None, 100).len(), 0);
    let scope = RoomsScope::Party { project: "p", party: "main", prefix: "b" };
    assert_eq!(addresses(list(scope, None, 100)), [(*rooms[1]).clone()]);
}
