//! Ids are reserved in large steps by the commits that a room writes anyway, always well ahead of their use.

use std::sync::Arc;

use bytes::Bytes;
use party_core::address::RoomAddress;
use party_core::checkpoint::Checkpoint;
use party_core::commit::{CheckpointBytes, ComponentDigest, IDS_LEFT_MIN, IDS_RESERVED_STEP, RoomRecord};
use party_core::event::{Handlers, TurnEnd};
use party_core::http::Request;
use party_core::ids::{Epoch, IdBlock, Incarnation, MOVED_ID_MAX, OperationId, Seed, Timestamp};
use party_core::limits::Limits;
use party_core::room::{Action, Moment, Purpose, Room, RoomConfig};

use crate::disk::Disk;

fn config(durable: Option<ComponentDigest>) -> Arc<RoomConfig> {
    Arc::new(RoomConfig {
        address: Arc::new(RoomAddress::new("project", "party", "room").expect("it is well formed")),
        limits: Arc::new(Limits::default()),
        handlers: Handlers::ON_REQUEST,
        vars: Arc::default(),
        duplicate_keys: Default::default(),
        profile: Default::default(),
        durable,
        storage: Arc::new(Disk::default()),
    })
}

fn room(record: Option<RoomRecord>) -> Room {
    Room::new(config(None), record)
}

/// One turn that uses up so many ids, and commits if it is to write something. Gives back the last of them and the record.
fn turn(room: &mut Room, count: u64, writes: bool) -> (OperationId, Option<RoomRecord>) {
    let (method, uri) = ("GET".into(), "http://host/".into());
    let request = Request { method, uri, headers: Vec::new(), body: Default::default(), body_waits: false };
    room.request(request, Timestamp(0)).expect("there is a place");
    let moment = Moment { now: Timestamp(0), seed: Seed([0; 32]), incarnation: Incarnation(1) };
    let mut turn = room.begin_turn(moment).expect("a request waits");
    let mut last = OperationId(0);
    for _ in 0..count {
        last = turn.sleep(1).expect("none is open");
        assert!(turn.cancel(last));
    }
    if writes {
        turn.put("key".into(), "value".into()).expect("it fits");
    }
    room.end_turn(turn, TurnEnd::Done);
    (last, committed(room))
}

/// The commit that the room asks for, if it does, becomes durable.
fn committed(room: &mut Room) -> Option<RoomRecord> {
    let record = room.take_actions().into_iter().find_map(|action| match action {
        Action::Commit(commit) => Some(commit.record),
        Action::Output(_) | Action::DropInstance | Action::Report(_) => None,
    })?;
    room.committed(record.seq);
    room.take_actions();
    Some(record)
}

fn use_ids(room: &mut Room, count: u64) -> (OperationId, RoomRecord) {
    let (last, record) = turn(room, count, true);
    (last, record.expect("the turn wrote"))
}

/// The record and the checkpoint of a room that sleeps.
fn asleep(mut room: Room) -> (RoomRecord, Checkpoint) {
    let captured = room.captured(ComponentDigest([1; 32]), Bytes::from("image"));
    let bytes = captured.encode().unwrap();
    assert!(room.save(&captured, Purpose::Sleep, CheckpointBytes::Inline(bytes.clone())));
    let record = committed(&mut room).expect("a checkpoint is a commit");
    assert!(room.is_asleep());
    (record, Checkpoint::decode(&bytes).expect("it was encoded"))
}

/// The room that is made again of them, and whether it has to reserve ids first.
fn restored(record: RoomRecord, checkpoint: Checkpoint, ids: Option<IdBlock>) -> (Room, bool) {
    let config = Arc::clone(room(None).config());
    let mut room = Room::restored(config, record, checkpoint, ids).expect("storage has not moved");
    let reserves = committed(&mut room).is_some();
    room.woken();
    (room, reserves)
}

fn block(epoch: u64, number: u64) -> IdBlock {
    IdBlock::of(Epoch(epoch), number).expect("there is one")
}

#[test]
fn a_reservation_covers_more_than_was_used_and_moves_in_steps() {
    let mut room = room(None);
    let (_, first) = use_ids(&mut room, 1);
    assert_eq!(first.ids_reserved, IDS_RESERVED_STEP + 2, "ids 1 were used, so 2 is the next");
    let (last, second) = use_ids(&mut room, IDS_RESERVED_STEP - IDS_LEFT_MIN);
    assert_eq!(last.0, IDS_RESERVED_STEP - IDS_LEFT_MIN + 1);
    assert_eq!(second.ids_reserved, first.ids_reserved, "enough are still free");
    let (last, third) = use_ids(&mut room, 1);
    assert_eq!(third.ids_reserved, last.0 + 1 + IDS_RESERVED_STEP);
}

#[test]
fn the_next_life_begins_where_the_reservation_ends() {
    let (_, record) = use_ids(&mut room(None), 1);
    let (last, next) = use_ids(&mut room(Some(record)), 1);
    assert_eq!(last.0, record.ids_reserved);
    assert_eq!(next.ids_reserved, record.ids_reserved + 1 + IDS_RESERVED_STEP);
}

#[test]
fn a_room_that_is_made_again_with_ids_of_its_own_commits_nothing_before_it_is_seen() {
    let mut room = room(None);
    use_ids(&mut room, 1);
    let (record, checkpoint) = asleep(room);
    for number in [0, 1, 7] {
        let (mut room, reserves) = restored(record, checkpoint.clone(), Some(block(1, number)));
        assert!(!reserves);
        let (last, committed) = turn(&mut room, 3, false);
        assert_eq!(last.0, block(1, number).first() + 2);
        assert_eq!(committed, None);
        // The life after this one begins behind it.
        let (record, checkpoint) = asleep(room);
        assert_eq!(record.ids_reserved, block(1, number).end());
        assert!(!restored(record, checkpoint.clone(), Some(block(1, number + 1))).1);
        assert!(!restored(record, checkpoint, Some(block(2, 0))).1);
    }
}

#[test]
fn ids_that_a_life_before_may_have_had_are_not_taken() {
    let mut room = room(None);
    use_ids(&mut room, 1);
    let (record, checkpoint) = asleep(room);
    let (room, _) = restored(record, checkpoint, Some(block(3, 5)));
    let (record, checkpoint) = asleep(room);
    for ids in [None, Some(block(3, 5)), Some(block(2, 9))] {
        let (mut room, reserves) = restored(record, checkpoint.clone(), ids);
        assert!(reserves);
        assert_eq!(turn(&mut room, 1, false).0.0, record.ids_reserved);
    }
}

#[test]
fn whoever_has_used_up_a_block_reserves_more_before_the_next_begins() {
    let mut room = room(None);
    use_ids(&mut room, 1);
    let (record, checkpoint) = asleep(room);
    let (mut room, _) = restored(record, checkpoint, Some(block(1, 0)));
    assert_eq!(turn(&mut room, IdBlock::IDS - IDS_LEFT_MIN, false).1, None);
    let (last, record) = turn(&mut room, 1, false);
    let record = record.expect("few are left");
    assert!(last.0 < block(1, 0).end());
    assert_eq!(record.ids_reserved, last.0 + 1 + IDS_RESERVED_STEP);
    assert_eq!(turn(&mut room, IdBlock::IDS, false).1, None, "those are enough for long");
}

#[test]
fn blocks_do_not_overlap_and_end_where_a_room_can_still_move() {
    assert_eq!(block(1, 0).end(), block(1, 1).first());
    assert_eq!(block(1, IdBlock::BLOCKS - 1).end(), block(2, 0).first());
    assert_eq!(IdBlock::of(Epoch(1), IdBlock::BLOCKS), None);
    // Once a room that had slept in the second half of all epochs could not be copied.
    let epochs = MOVED_ID_MAX / (IdBlock::IDS * IdBlock::BLOCKS);
    assert_eq!(block(epochs - 1, IdBlock::BLOCKS - 1).end(), MOVED_ID_MAX);
    assert_eq!(IdBlock::of(Epoch(epochs), 0), None);
}

/// Between two turns it is given another block, and nothing is written: not even if that could not be.
#[test]
fn a_room_that_uses_a_block_up_goes_on_with_another_and_no_commit() {
    let mut first = room(None);
    use_ids(&mut first, 1);
    let (record, checkpoint) = asleep(first);
    let (mut room, reserves) = restored(record, checkpoint, IdBlock::of(Epoch(3), 0));
    assert!(!reserves);
    let (mut last, mut blocks) = (OperationId(0), 1);
    for _ in 0..100 {
        if room.wants_ids() {
            room.go_on_with_ids(IdBlock::of(Epoch(3), blocks));
            assert!(!room.wants_ids(), "it has a whole block");
            blocks += 1;
        }
        let (id, record) = turn(&mut room, 1_000, false);
        assert!(record.is_none(), "block {blocks}");
        assert!(id > last, "{id} after {last}");
        last = id;
    }
    assert!((10..15).contains(&blocks), "{blocks}");
}

/// It took a block away each time, and did not use it.
#[test]
fn a_durable_room_wants_no_block() {
    let mut first = room(None);
    use_ids(&mut first, 1);
    let (record, checkpoint) = asleep(first);
    for (durable, wants) in [(None, true), (Some(ComponentDigest([1; 32])), false)] {
        let room = Room::restored(config(durable), record, checkpoint.clone(), None);
        let mut room = room.expect("its storage has not moved");
        committed(&mut room);
        room.woken();
        // Soon only those are left that a commit would add to.
        turn(&mut room, IDS_RESERVED_STEP - 2 * IDS_LEFT_MIN + 1_000, false);
        assert_eq!(room.wants_ids(), wants, "{durable:?}");
    }
}
