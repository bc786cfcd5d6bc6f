//! Questions as they come, and what is no question.

use hyper::Method;
use party_core::address::RoomAddress;
use party_node::inspection::{RoomState, RoomsQuestion};

use super::{PartyName, Question, encode};

fn parse(method: &Method, target: &str) -> Result<Question, String> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Question::parse(method, path, query, &["mine".into()]).map_err(|error| error.to_string())
}

fn room(project: &str, party: &str, room: &str) -> RoomAddress {
    RoomAddress::new(project, party, room).unwrap()
}

#[test]
fn questions_are_read_with_their_defaults() {
    let rooms = RoomsQuestion {
        project: "mine".into(),
        party: None,
        prefix: String::new(),
        state: None,
        after: None,
        limit: 100,
    };
    let get = |target| parse(&Method::GET, target).unwrap();
    assert_eq!(get("/"), Question::Host);
    assert_eq!(get("/metrics"), Question::Metrics);
    assert_eq!(get("/rooms"), Question::Rooms(rooms.clone()));
    let all = "/rooms?party=main&prefix=a%26b&state=asleep&after=main/x%20y&limit=1000";
    let expected = RoomsQuestion {
        party: Some("main".into()),
        prefix: "a&b".into(),
        state: Some(RoomState::Asleep),
        after: Some(room("mine", "main", "x y")),
        limit: 1000,
        ..rooms
    };
    assert_eq!(get(all), Question::Rooms(expected));
    assert_eq!(get("/room?room=main/lobby"), Question::Room(room("mine", "main", "lobby")));
    assert_eq!(get("/export?room=other/main/lobby"), Question::Export(room("other", "main", "lobby")));
    let main = |project: &str| PartyName { project: project.into(), party: "main".into() };
    assert_eq!(get("/versions?party=main"), Question::Versions(main("mine")));
    let deploy = parse(&Method::POST, "/deploy?party=main&project=other").unwrap();
    assert_eq!(deploy, Question::Deploy(main("other")));
    let fork = parse(&Method::POST, "/fork?room=main/a&to=main/b").unwrap();
    let (from, to) = (room("mine", "main", "a"), room("mine", "main", "b"));
    assert_eq!(fork, Question::Fork { from, to });
}

#[test]
fn what_is_not_understood_is_said() {
    let long = format!("/{}", "x".repeat(10_000));
    let cases = [
        (Method::GET, "/nothing", "there is nothing at \"/nothing\""),
        (Method::GET, long.as_str(), "there is nothing at \"/xxx"),
        (Method::POST, "/rooms", "/rooms takes GET"),
        (Method::GET, "/deploy?party=main", "/deploy takes POST"),
        (Method::POST, "/deploy", "the field \"party\" is missing"),
        (Method::POST, "/rollback?party=A", "party name \"A\" is not allowed"),
        (Method::POST, "/versions?party=main", "/versions takes GET"),
        (Method::GET, "/fork?room=a/b&to=c/d", "/fork takes POST"),
        (Method::GET, "/import?room=a/b", "/import takes POST"),
        (Method::GET, "/?room=a/b", "there is no field \"room\" here"),
        (Method::GET, "/room?room=a/b&x", "there is no field \"x\" here"),
        (Method::GET, "/room?room=a/b&room=a/c", "the field \"room\" is there twice"),
        (Method::GET, "/room", "the field \"room\" is missing"),
        (Method::POST, "/fork?room=a/b", "the field \"to\" is missing"),
        (Method::GET, "/room?room=lobby", "room is \"lobby\"; it must be PARTY/ROOM"),
        (Method::GET, "/room?room=a/b/c/d", "room is \"a/b/c/d\"; it must be PARTY/ROOM"),
        (Method::GET, "/room?room=A/b", "party name \"A\" is not allowed"),
        (Method::GET, "/room?room=a/", "the room id is empty"),
        (Method::GET, "/room?room=a/%00", "the room id holds '\\0'"),
        (Method::GET, "/room?room=a/%ff", "the query is \"a/\u{fffd}\"; it must be UTF-8"),
        (Method::GET, "/rooms?state=tired", "state is \"tired\"; it must be awake"),
        (Method::GET, "/rooms?limit=0", "limit is \"0\"; it must be 1 to 1000"),
        (Method::GET, "/rooms?limit=1001", "limit is \"1001\""),
        (Method::GET, "/rooms?limit=-1", "limit is \"-1\""),
        (Method::GET, "/rooms?project=..", "project name \"..\" is not allowed"),
        (Method::GET, "/rooms?after=x", "room is \"x\""),
    ];
    for (method, target, expected) in cases {
        let error = parse(&method, target).unwrap_err();
        assert!(error.starts_with(expected), "{target}: {error:?}");
        assert!(error.len() < 200, "{target}: {error:?}");
    }
}

#[test]
fn of_several_projects_one_is_to_be_named() {
    let projects = ["mine".to_owned(), "other".to_owned()];
    let parse = |method: &Method, path: &str, query: &str| {
        Question::parse(method, path, query, &projects).map_err(|error| error.to_string())
    };
    let named = parse(&Method::GET, "/room", "room=other/main/a").unwrap();
    assert_eq!(named, Question::Room(room("other", "main", "a")));
    let Question::Rooms(rooms) = parse(&Method::GET, "/rooms", "project=other&after=main/a").unwrap() else {
        panic!("they are asked for")
    };
    assert_eq!((rooms.project.as_str(), rooms.after), ("other", Some(room("other", "main", "a"))));
    let several = "there are several projects here, mine, other: ";
    for (method, path, query, expected) in [
        (Method::GET, "/room", "room=main/a", "name the room as PROJECT/PARTY/ROOM, for example mine/main/a"),
        (Method::POST, "/fork", "room=mine/main/a&to=main/b", "name the room as PROJECT/PARTY/ROOM"),
        (Method::GET, "/rooms", "party=main", "name one as project="),
        (Method::POST, "/deploy", "party=main", "name one as project="),
    ] {
        let error = parse(&method, path, query).unwrap_err();
        assert!(error.starts_with(&format!("{several}{expected}")), "{path}: {error}");
    }
}

#[test]
fn what_is_encoded_is_read_again() {
    for name in ["lobby", "a b&c=d%41", "éß", "[]&;"] {
        let question = parse(&Method::GET, &format!("/room?room={}", encode(&format!("main/{name}"))));
        assert_eq!(question, Ok(Question::Room(room("mine", "main", name))));
    }
}
