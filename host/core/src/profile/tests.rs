//! What each profile says.

use super::{NANOID_CHARS, NANOID_LETTERS, Profile, client_key};
use crate::event::{Failure, Output};
use crate::http::Response;
use crate::ids::{ConnectionId, Incarnation};
use crate::limits::Limits;
use crate::message::{CloseFrame, Message};

const HERE: ConnectionId = ConnectionId(7);

fn failure(message: &str, stack: Option<&str>) -> Failure {
    Failure { message: message.into(), stack: stack.map(str::to_owned), status: None }
}

fn close(reason: &str) -> Output {
    Output::Close(HERE, Some(CloseFrame::new(1011, reason)))
}

fn said(text: &str) -> Output {
    Output::Send(HERE, Message::text(text.to_owned()))
}

#[test]
fn partykit_tells_the_message_of_a_failure_and_partyserver_its_stack() {
    let failure = failure("no \"bread\"", Some("Error: no \"bread\"\n\tat shop"));
    let classic = Profile::PartyKit;
    assert_eq!(classic.request_failed(&failure), Response::text(500, "no \"bread\""));
    assert_eq!(classic.connect_failed(HERE, &failure), [close("no \"bread\"")]);
    assert_eq!(classic.lobby_failed(&failure), Response::text(401, "no \"bread\""));
    let later = Profile::PartyServer;
    assert_eq!(later.request_failed(&failure), Response::text(500, "Error: no \"bread\"\n\tat shop"));
    let frame = r#"{"error":"Error: no \"bread\"\n\tat shop"}"#;
    let closed = close("Uncaught exception during session setup");
    assert_eq!(later.connect_failed(HERE, &failure), [said(frame), closed]);
    let (lobby, fetch) = (later.lobby_failed(&failure), later.fetch_failed(&failure));
    assert_eq!((lobby.status, &lobby.body[..]), (500, &b"Internal Server Error"[..]));
    assert_eq!((lobby.headers.len(), lobby), (0, fetch));
}

#[test]
fn the_stack_of_the_hosts_own_failure_is_for_the_log() {
    let own = failure("", Some("wasm trap: unreachable"));
    for profile in Profile::ALL {
        let told = profile.request_failed(&own);
        assert_eq!(told, Response::text(500, "Uncaught exception when making a request"), "{profile:?}");
    }
    let frame = r#"{"error":"Uncaught exception when connecting"}"#;
    assert_eq!(Profile::PartyServer.connect_failed(HERE, &own)[0], said(frame));
}

#[test]
fn a_start_that_fails_for_a_client_is_500_or_a_socket_that_says_so() {
    let failure = failure("words", None);
    let rejected = Output::Reject(HERE, Response::text(500, "words"));
    assert_eq!(Profile::PartyKit.start_failed(HERE, false, &failure), [rejected]);
    assert_eq!(Profile::PartyKit.start_failed(HERE, true, &failure), [close("words")]);
    let told = [said(r#"{"error":"Error: words"}"#), close("Uncaught exception during session setup")];
    assert_eq!(Profile::PartyServer.start_failed(HERE, true, &failure), told);
    let [told, closed] = told;
    assert_eq!(
        Profile::PartyServer.start_failed(HERE, false, &failure),
        [Output::Accept(HERE), told, closed]
    );
}

#[test]
fn ids_of_clients_are_what_the_generation_makes() {
    let classic = Profile::PartyKit.client_id(Incarnation(u128::MAX));
    assert_eq!(classic, "ffffffff-ffff-4fff-bfff-ffffffffffff");
    let later = Profile::PartyServer.client_id(Incarnation(0x1234_5678_9abc_def0_1234_5678_9abc_def0));
    assert_eq!(later.len(), NANOID_CHARS);
    assert!(later.bytes().all(|letter| NANOID_LETTERS.contains(&letter)), "{later}");
    assert_ne!(later, Profile::PartyServer.client_id(Incarnation(1)));
    // Every letter is there once.
    let mut letters = NANOID_LETTERS.to_vec();
    letters.sort_unstable();
    letters.dedup();
    assert_eq!(letters.len(), 64);
}

#[test]
fn control_characters_are_escaped_as_json_has_them() {
    let told = Profile::PartyServer.connect_failed(HERE, &failure("\u{1}\u{8}\u{c}\r\\é\u{7f}", None));
    assert_eq!(told[0], said("{\"error\":\"Error: \\u0001\\b\\f\\r\\\\é\u{7f}\"}"));
}

#[test]
fn a_failure_is_answered_with_a_status_if_it_names_one() {
    for (status, answered) in [(Some(418), 418), (Some(600), 500), (Some(101), 500), (None, 500)] {
        let failure = Failure { status, ..failure("words", None) };
        for profile in Profile::ALL {
            let told =
                if profile == Profile::PartyServer && answered == 500 { "Error: words" } else { "words" };
            assert_eq!(profile.request_failed(&failure), Response::text(answered, told), "{profile:?}");
        }
    }
}

#[test]
fn the_defaults_of_rooms_are_those_of_the_classic_profile() {
    assert_eq!(Profile::default().limits(), Limits::default());
    let later = Profile::PartyServer.limits();
    assert_eq!((later.message_in_bytes_max, later.value_bytes_max), (32 << 20, 2 << 20));
    for profile in Profile::ALL {
        assert_eq!(Profile::of_name(profile.name()), Some(profile));
    }
    assert_eq!(Profile::of_name("party"), None);
}

#[test]
fn the_key_of_the_client_is_the_first_one_and_decoded() {
    assert_eq!(client_key(Some("_pk=abc")).as_deref(), Some("abc"));
    assert_eq!(client_key(Some("a=1&_pk=x%20y+z&_pk=2")).as_deref(), Some("x y z"));
    assert_eq!(client_key(Some("%5Fpk=%C3%A9")).as_deref(), Some("é"));
    for query in [None, Some(""), Some("_pk="), Some("_pk"), Some("pk=1"), Some("_pk=&_pk=2")] {
        assert_eq!(client_key(query), None, "{query:?}");
    }
}
