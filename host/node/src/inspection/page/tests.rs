//! Pages that are put together of what runs and what is kept.

use party_core::address::RoomAddress;
use party_core::ids::Timestamp;
use party_store::kept::RoomSummary;

use super::{Live, RoomsQuestion, merge};
use crate::inspection::{LiveRoom, RoomState};

fn room(name: &str) -> RoomAddress {
    RoomAddress::new("p", "main", name).unwrap()
}

fn running() -> LiveRoom {
    LiveRoom {
        memory_bytes: 1,
        fuel_used: 0,
        sockets: 0,
        requests: 0,
        operations: Some(0),
        last_event: Timestamp(1),
        checkpoint_at: None,
        stays_awake: None,
        damage: None,
        waits_since: None,
    }
}

/// The rooms of a page, the first letter of what each is doing, and where to go on. `kept` and `live` are all rooms that
/// there are; each is asked for its first.
#[track_caller]
fn check(kept: &str, live: &str, after: &str, limit: usize, state: Option<RoomState>, expected: &str) {
    let after = (!after.is_empty()).then(|| room(after));
    let question = RoomsQuestion {
        project: "p".into(),
        party: None,
        prefix: String::new(),
        state,
        after: after.clone(),
        limit,
    };
    let comes = |name: &&str| after.as_ref().is_none_or(|after| room(name) > *after);
    let kept: Vec<_> = kept.split_whitespace().filter(comes).take(limit).map(room).collect();
    let kept_end = if kept.len() == limit { kept.last().cloned() } else { None };
    let kept = kept.into_iter().map(|room| (room, RoomSummary::default())).collect();
    let live: Live = live
        .split_whitespace()
        .filter(comes)
        .take(limit)
        .map(|name| (room(name), (RoomState::Awake, running())))
        .collect();
    let page = merge(&question, (kept, kept_end), live);
    let mut words: Vec<String> =
        page.rooms.iter().map(|view| format!("{}{}", view.address.room(), &view.state.name()[..1])).collect();
    words.extend(page.next.map(|next| format!("> {}", next.room())));
    assert_eq!(words.join(" "), expected);
}

#[test]
fn what_runs_and_what_is_kept_stand_in_one_order() {
    check("a b d", "b c", "", 10, None, "as ba ca ds");
    check("", "", "", 10, None, "");
    check("", "a", "", 10, None, "aa");
    check("a", "", "", 10, None, "as");
}

#[test]
fn pages_follow_each_other_whatever_is_in_which_list() {
    check("a b d e", "b c f", "", 2, None, "as ba > b");
    check("a b d e", "b c f", "b", 2, None, "ca ds es > e");
    check("a b d e", "b c f", "e", 2, None, "fa");
    check("m n", "a b c", "", 2, None, "aa ba > b");
    check("m n", "a b c", "b", 2, None, "ca ms ns > n");
    check("m n", "a b c", "n", 2, None, "");
}

#[test]
fn a_page_of_few_that_are_wanted_says_where_to_go_on() {
    check("a b c d", "d", "", 2, Some(RoomState::Awake), "> b");
    check("a b c d", "d", "b", 2, Some(RoomState::Awake), "da > d");
    check("a b c d", "d", "d", 2, Some(RoomState::Awake), "");
}

#[test]
fn states_have_names() {
    for state in RoomState::ALL {
        assert_eq!(RoomState::named(state.name()), Some(state));
    }
    assert_eq!(RoomState::named("Awake"), None);
}
