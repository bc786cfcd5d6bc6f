//! Ids are reserved in large steps by the commits that a room writes anyway, always well ahead of their use.

use std::sync::Arc;

use party_core::address::RoomAddress;
use party_core::commit::{IDS_RESERVED_STEP, RoomRecord};
use party_core::event::{Handlers, TurnEnd};
use party_core::http::Request;
use party_core::ids::{Incarnation, OperationId, Seed, Timestamp};
use party_core::limits::Limits;
use party_core::room::{Action, Moment, Room, RoomConfig};

use crate::disk::Disk;

fn room(record: Option<RoomRecord>) -> Room {
    let config = RoomConfig {
        address: Arc::new(RoomAddress::new("project", "party", "room").expect("it is well formed")),
        limits: Arc::new(Limits::default()),
        handlers: Handlers::ON_REQUEST,
        vars: Arc::default(),
        durable: None,
        storage: Arc::new(Disk::default()),
    };
    Room::new(Arc::new(config), record)
}

/// One turn that uses up so many ids and commits. Gives back the last of them and the record.
fn use_ids(room: &mut Room, count: u64) -> (OperationId, RoomRecord) {
    let (method, uri) = ("GET".into(), "http://host/".into());
    let request = Request { method, uri, headers: Vec::new(), body: Default::default() };
    room.request(request, Timestamp(0)).expect("there is a place");
    let moment = Moment { now: Timestamp(0), seed: Seed([0; 32]), incarnation: Incarnation(1) };
    let mut turn = room.begin_turn(moment).expect("a request waits");
    let mut last = OperationId(0);
    for _ in 0..count {
        last = turn.sleep(1).expect("none is open");
        assert!(turn.cancel(last));
    }
    turn.put("key".into(), "value".into()).expect("it fits");
    room.end_turn(turn, TurnEnd::Done);
    let record = room.take_actions().into_iter().find_map(|action| match action {
        Action::Commit(commit) => Some(commit.record),
        Action::Output(_) | Action::DropInstance | Action::Report(_) => None,
    });
    let record = record.expect("the turn wrote");
    room.committed(record.seq);
    room.take_actions();
    (last, record)
}

#[test]
fn a_reservation_covers_half_a_step_more_than_was_used_and_moves_in_steps() {
    let mut room = room(None);
    let (_, first) = use_ids(&mut room, 1);
    assert_eq!(first.ids_reserved, IDS_RESERVED_STEP + 2, "ids 1 were used, so 2 is the next");
    let (last, second) = use_ids(&mut room, IDS_RESERVED_STEP / 2 - 1);
    assert_eq!(last.0, IDS_RESERVED_STEP / 2);
    assert_eq!(second.ids_reserved, first.ids_reserved, "half a step is still free");
    let (last, third) = use_ids(&mut room, 2);
    assert_eq!(third.ids_reserved, last.0 + 1 + IDS_RESERVED_STEP);
}

#[test]
fn the_next_life_begins_where_the_reservation_ends() {
    let (_, record) = use_ids(&mut room(None), 1);
    let (last, next) = use_ids(&mut room(Some(record)), 1);
    assert_eq!(last.0, record.ids_reserved);
    assert_eq!(next.ids_reserved, record.ids_reserved + 1 + IDS_RESERVED_STEP);
}
