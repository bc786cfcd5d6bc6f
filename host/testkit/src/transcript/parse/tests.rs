//! What is a transcript and what is not.

use std::time::Duration;

use party_core::ids::Seed;

use crate::transcript::parse::{LINE_BYTES_MAX, LINES_MAX, TRANSCRIPT_BYTES_MAX};
use crate::transcript::step::{Action, Answer, Deed, Expectation, Seen, Transcript};
use crate::world::Memory;

fn action(line: &str) -> Action {
    let text = format!("> alice connect\nGET /slow -> later\n{line}");
    let transcript = Transcript::parse(&text).unwrap_or_else(|error| panic!("{line}: {error}"));
    transcript.steps.into_iter().nth(2).expect("it is a step").action
}

#[track_caller]
fn refused(text: &str, line: usize, what: &str) {
    let error = Transcript::parse(text).expect_err(text);
    assert_eq!(error.line, line, "{text}: {error}");
    assert!(error.what.contains(what), "{text}: {error}");
}

#[test]
fn settings_stand_before_the_first_step() {
    let text = "# A test.\nparty main a.wasm\nmemory durable\nlimit idle_ms 500\nvar NAME a b\ncron hourly 0 * * * *\nroom other\n\
                seed 7\n\nawake";
    let transcript = Transcript::parse(text).unwrap();
    assert_eq!(transcript.settings.memory, Some(Memory::Durable));
    assert_eq!(transcript.settings.vars, [("NAME".to_owned(), "a b".to_owned())]);
    assert_eq!(transcript.settings.crons, [("hourly".to_owned(), "0 * * * *".to_owned())]);
    assert_eq!((transcript.settings.seed, transcript.steps[0].line), (Some(7), 10));
    assert_eq!(transcript.steps[0].action, Action::Expect(Expectation::Awake("main/other".into(), true)));
    refused("crash\nmemory durable", 2, "before the first step");
    refused("memory eternal", 1, "volatile, hibernate or durable");
    refused("limit idle_ms many", 1, "a number from 0");
}

#[test]
fn rooms_are_named_with_or_without_their_party() {
    let room = |line: &str| match action(line) {
        Action::Client(_, Deed::Connect { to, query, .. }) => (to, query.map(|query| query.to_string())),
        other => panic!("{other:?}"),
    };
    assert_eq!(room("> bob connect"), ("main/lobby".into(), None));
    assert_eq!(room("> bob connect x ?a=b"), ("main/x".into(), Some("a=b".into())));
    assert_eq!(room("> bob connect other/x"), ("other/x".into(), None));
    assert_eq!(room("> bob connect ?a=${v}"), ("main/lobby".into(), Some("a=${v}".into())));
    assert_eq!(room("> bob connect host:/some/socket"), ("/some/socket".into(), None));
    assert_eq!(room("> bob connect host:/ ?a=b"), ("/".into(), Some("a=b".into())));
    refused("> bob connect host:some", 1, "is no path: it begins with /");
    refused("> bob connect host:/some?a=b", 1, "is no path: it begins with /");
    let path = |line: &str| match action(line) {
        Action::Request(request) => request.path.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(path("GET / -> 200"), "/parties/main/lobby");
    assert_eq!(path("GET /x?y -> 200"), "/parties/main/lobby/x?y");
    assert_eq!(path("GET /parties/a/b -> 200"), "/parties/a/b");
    assert_eq!(path("GET host:/index.html -> 200"), "/index.html");
}

#[test]
fn a_request_has_a_body_an_answer_and_headers_below() {
    let Action::Request(request) =
        action("PUT /x \"a -> b\" -> 201 \"c -> d\"\n  > content-type: text/plain\n  < Location: /${id}")
    else {
        panic!("it is a request")
    };
    assert_eq!(request.body.as_ref().map(ToString::to_string).as_deref(), Some("\"a -> b\""));
    assert_eq!(request.head, "PUT /x \"a -> b\"");
    assert_eq!(request.headers[0].0, "content-type");
    let Answer::Now(reply) = &request.answer else { panic!("it is answered") };
    assert_eq!((reply.to_string().as_str(), reply.headers[0].0.as_str()), ("201 \"c -> d\"", "location"));
    assert!(
        matches!(action("GET / -> soon"), Action::Request(request) if request.answer == Answer::Later("soon".into()))
    );
    refused("GET /", 1, "METHOD PATH [PAYLOAD] -> STATUS");
    refused("GET / -> 99", 1, "a number from 100 to 599");
    refused("GET x -> 200", 1, "begins with \"/\"");
    refused("GET / -> a\n  < b: c", 2, "not known here yet");
}

#[test]
fn times_have_units() {
    for (text, ms) in [("500ms", 500), ("30s", 30_000), ("2h", 7_200_000), ("3d", 259_200_000)] {
        assert_eq!(action(&format!("advance {text}")), Action::Advance(Duration::from_millis(ms)));
    }
    assert_eq!(action("crash"), Action::Crash(Duration::ZERO));
    for text in ["30", "s", "-1s", "4000d", "99999999999999999999s", "1 s"] {
        refused(&format!("advance {text}"), 1, "is no time");
    }
}

#[test]
fn what_a_client_sees_is_a_message_unless_it_is_one_of_some_words() {
    let seen = |line: &str| match action(line) {
        Action::Expect(Expectation::Received(_, seen)) => seen,
        other => panic!("{other:?}"),
    };
    assert_eq!(seen("< alice lost"), Seen::Lost);
    assert_eq!(seen("< alice close 4000 a reason").to_string(), "close 4000 a reason");
    assert!(matches!(seen("< alice lost in space"), Seen::Message(_)));
    assert!(matches!(seen("< alice \"nothing\""), Seen::Message(_)));
    assert!(matches!(seen("< alice refused 401 \"no\""), Seen::Refused(_)));
    assert!(matches!(action("< later 200 done"), Action::Expect(Expectation::Answered(..))));
}

#[test]
fn storage_is_told_by_key_or_by_how_many_there_are() {
    let stored = |line: &str| match action(line) {
        Action::Expect(Expectation::Stored(room, key, value)) => {
            (room, key.to_string(), value.map(|value| value.to_string()))
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(stored("storage a -> 1"), ("main/lobby".into(), "a".into(), Some("1".into())));
    assert_eq!(stored("storage x a -> none"), ("main/x".into(), "a".into(), None));
    assert_eq!(stored("storage \"a b\" -> 1"), ("main/lobby".into(), "a b".into(), Some("1".into())));
    assert_eq!(action("storage -> 3 keys"), Action::Expect(Expectation::Keys("main/lobby".into(), 3)));
    refused("storage", 1, "storage [ROOM] KEY");
}

#[test]
fn a_recording_says_when_and_with_which_chance_things_happened() {
    assert_eq!(action("jump 1500ms"), Action::Jump(Duration::from_millis(1_500)));
    let seed = |byte: u8| Seed([byte; 32]);
    let line = format!("draw {} {}", "0a".repeat(32), "ff".repeat(32));
    assert_eq!(action(&line), Action::Draw(vec![seed(10), seed(255)]));
    assert_eq!(action("> later cut"), Action::Leave("later".into()));
    refused("draw 0a", 1, "is no seed: 64 hexadecimal digits");
    refused("> a connect\nGET / -> b\n> b send x", 3, "b is a request");
    refused("> a connect\nGET / -> b\n> b cut it", 3, "\"it\" is too much");
}

#[test]
fn the_reason_of_a_close_may_stand_in_quotes() {
    let close = |line: &str| match action(line) {
        Action::Client(_, Deed::Close(code, reason)) => (code, reason.to_string()),
        Action::Expect(Expectation::Received(_, Seen::Close(code, reason))) => {
            (code, reason.map(|reason| reason.to_string()).unwrap_or_default())
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(close("> alice close 4000 \" x\\n\""), (4_000, " x\n".into()));
    assert_eq!(close("< alice close 4000 \"\\\"\""), (4_000, "\"".into()));
    assert_eq!(close("< alice close 1005"), (1_005, String::new()));
    refused("> a connect\n> a close 4000 \"x", 2, "is no text in quotes");
}

#[test]
fn a_group_ends_and_names_are_known() {
    let transcript = Transcript::parse("> a connect\nunordered\n  < a x\n  < a y\nend").unwrap();
    assert!(matches!(&transcript.steps[1].action, Action::Unordered(all) if all.len() == 2));
    assert_eq!((transcript.steps[1].line, transcript.steps[1].lines), (2, 4));
    refused("> a connect\nunordered\n  < a x", 2, "has no \"end\"");
    refused("end", 1, "ends nothing");
    refused("< bob hello", 1, "there is no client \"bob\" yet");
    refused("> Bob connect", 1, "is no name");
    refused("> a connect\nGET / -> a", 2, "a client and of a request");
    refused("> a conect", 1, "\"conect\" is not known, did you mean \"connect\"?: connect");
    refused("hello", 1, "\"hello\" is not known; a line begins with");
    refused("advence 5s", 1, "did you mean \"advance\"?");
    refused("sed 5", 1, "did you mean \"seed\"?");
    assert!(
        Transcript::parse("\u{feff}crash").is_ok(),
        "a mark that some editors put before a text is none of it"
    );
}

#[test]
fn a_transcript_is_bounded() {
    refused(&"#\n".repeat(LINES_MAX + 1), 1, "20001 lines; the limit is 20000");
    refused(&format!("#\n#{}", "x".repeat(LINE_BYTES_MAX)), 2, "the limit is 65536");
    refused(&"x".repeat(TRANSCRIPT_BYTES_MAX + 1), 1, "the limit is 1048576");
    refused(&format!("> a connect\n< a json {}", "[".repeat(10_000)), 2, "is no JSON");
}

#[test]
fn whatever_is_read_nothing_panics() {
    // Pieces of lines in all orders: what is hostile is seldom far from what is right.
    let pieces = [
        "> ", "< ", "a ", "connect", "?", "json {", "hex ", "\"", " -> ", "200", "${", "}", "GET /", "\n",
        "  ", "end",
    ];
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..20_000 {
        let mut text = String::from("> a connect\n");
        for _ in 0..8 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            text += pieces[(seed % pieces.len() as u64) as usize];
        }
        let _ = Transcript::parse(&text);
    }
}

#[test]
fn a_room_that_goes_on_says_who_is_there_and_which_ids_come_next() {
    let text = "continue a.room x\n  > bob session 8\n  > ann session 7\n  > r1 request 9\n  > next 10 11 12 13\n< ann hello";
    let Action::Continue(continues) = Transcript::parse(text).unwrap().steps.remove(0).action else {
        panic!("it goes on")
    };
    let order: Vec<&str> = continues.clients.values().map(String::as_str).collect();
    assert_eq!((order, continues.room.as_str()), (vec!["ann", "bob"], "main/x"));
    let next = continues.next.expect("it is said");
    assert_eq!((next.connection.0, next.request.0, next.operation.0, next.event.0), (10, 11, 12, 13));
    assert!(matches!(action("continue a.room"), Action::Continue(continues) if continues.next.is_none()));
    for (below, what) in [
        ("> ann session 7", "whoever is there needs a line: > next"),
        ("> ann session 7\n  > bob session 7", "that was said before"),
        ("> ann session 7\n  > ann session 8", "that was said before"),
        ("> ann session 0", "is not an id"),
        ("> ann session 9007199254740992", "is not an id"),
        ("> ann sits 7", "is not known: below it stands"),
        ("> next 1 2 3", "it has 3 ids"),
        ("> next 1 2 3 4\n  > next 1 2 3 4", "that was said before"),
        ("> Ann session 7", "is no name"),
    ] {
        refused_below("continue a.room", below, what);
    }
    refused("continue", 1, "continue FILE [ROOM]");
}

#[track_caller]
fn refused_below(line: &str, below: &str, what: &str) {
    let text = format!("{line}\n  {below}");
    let error = Transcript::parse(&text).expect_err(&text);
    assert!(error.what.contains(what), "{text}: {error}");
}
