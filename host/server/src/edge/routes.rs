//! What a path leads to. Nothing else splits a path.
//!
//! PartyKit's tables, as measured on npm `partykit` 0.0.115 and `partyserver` 0.5.10: segments are compared as they stand,
//! never decoded; an empty room is no room; what stands behind the room belongs to the guest.

use party_core::address::RoomAddress;
use party_core::http::Response;
use party_core::profile;

use crate::config::MAIN_PARTY;
use crate::config::routing::Routing;

/// What a path leads to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Route {
    /// A room of a party that is there.
    Room(RoomAddress),
    /// This answer.
    Refused(Response),
    /// No room: an asset, or nothing.
    Elsewhere,
}

/// Finds out. `has_party` says which parties there are.
pub(crate) fn route(
    project: &str,
    path: &str,
    routing: &Routing,
    has_party: impl FnOnce(&str) -> bool,
) -> Route {
    let Some((party, room)) = party_and_room(path, routing) else { return Route::Elsewhere };
    if party.is_empty() {
        return Route::Refused(profile::failed(profile::NO_PARTY));
    }
    if !has_party(party) {
        return Route::Refused(routing.profile.party_not_found(party));
    }
    if let Some(reason) = ambiguous(path) {
        return Route::Refused(Response::text(400, reason));
    }
    match RoomAddress::new(project, party, room) {
        Ok(address) => Route::Room(address),
        Err(error) => Route::Refused(Response::text(400, error.to_string())),
    }
}

/// The segments that name them. The room is not empty.
fn party_and_room<'p>(path: &'p str, routing: &Routing) -> Option<(&'p str, &'p str)> {
    let Routing { profile, prefix, cors: _ } = routing;
    let skips_empty = profile.skips_empty_segments();
    let mut segments =
        path.strip_prefix('/')?.split('/').filter(|segment| !skips_empty || !segment.is_empty());
    let mut names = prefix.names();
    let first = segments.next()?;
    let party = if first == "party" && profile.has_short_form() {
        MAIN_PARTY
    } else {
        let is_prefix = names.next() == Some(first) && names.all(|name| segments.next() == Some(name));
        is_prefix.then(|| segments.next())??
    };
    segments.next().filter(|room| !room.is_empty()).map(|room| (party, room))
}

/// What a URL parser reads differently from what stands there. Browsers never send it; a guest that parses its
/// URL would find another room in it than the host did.
fn ambiguous(path: &str) -> Option<&'static str> {
    if path.contains('\\') {
        return Some("the path holds a backslash");
    }
    if path.split('/').any(is_dot_segment) {
        return Some("the path holds a segment that is only dots");
    }
    None
}

/// `.` or `..`, with dots that may be percent-encoded (WHATWG URL, 4.1).
fn is_dot_segment(segment: &str) -> bool {
    let mut rest = segment;
    let mut dots = 0;
    while !rest.is_empty() {
        let dot =
            rest.strip_prefix('.').or_else(|| rest.strip_prefix("%2e")).or_else(|| rest.strip_prefix("%2E"));
        match dot {
            Some(after) if dots < 2 => {
                rest = after;
                dots += 1;
            }
            _ => return false,
        }
    }
    dots > 0
}

#[cfg(test)]
mod tests {
    use party_core::profile::Profile;

    use super::{Route, Routing, route};

    fn look(path: &str) -> Route {
        look_with(path, &Routing::default())
    }

    fn look_with(path: &str, routing: &Routing) -> Route {
        route("demo", path, routing, |party| party == "main" || party == "chat")
    }

    #[track_caller]
    fn check_room(path: &str, party: &str, room: &str) {
        let Route::Room(address) = look(path) else { panic!("{path}: {:?}", look(path)) };
        assert_eq!((address.project(), address.party(), address.room()), ("demo", party, room), "{path}");
    }

    #[track_caller]
    fn check_refused(path: &str, status: u16, body: &str) {
        let Route::Refused(response) = look(path) else { panic!("{path}: {:?}", look(path)) };
        assert_eq!((response.status, &response.body[..]), (status, body.as_bytes()), "{path}");
    }

    #[test]
    fn rooms_are_found() {
        check_room("/party/lobby", "main", "lobby");
        check_room("/party/lobby/", "main", "lobby");
        check_room("/party/lobby/a/b", "main", "lobby");
        check_room("/party/lobby//b", "main", "lobby");
        check_room("/parties/main/lobby", "main", "lobby");
        check_room("/parties/chat/a%20b%2Fc", "chat", "a%20b%2Fc");
        check_room("/parties/chat/%zz", "chat", "%zz");
        check_room("/parties/chat/Ü", "chat", "Ü");
        check_room("/parties/chat/...", "chat", "...");
        check_room("/parties/chat/room=1;x", "chat", "room=1;x");
        check_room("/party/party", "main", "party");
    }

    #[test]
    fn the_id_of_a_room_is_as_long_as_it_stands_in_the_url() {
        let encoded = |letters: usize| format!("/party/{}", "%C3%BC".repeat(letters));
        check_room(&encoded(170), "main", &"%C3%BC".repeat(170));
        check_refused(&encoded(171), 400, "the room id is 1026 bytes; the limit is 1024");
        check_room(&format!("/party/{}", "\u{fc}".repeat(512)), "main", &"\u{fc}".repeat(512));
    }

    #[test]
    fn what_is_no_room_is_elsewhere() {
        for path in [
            "",
            "/",
            "*",
            "/party",
            "/party/",
            "/parties",
            "/parties/",
            "/parties/main",
            "/parties/main/",
            "/parties//",
            "/Party/room",
            "/partyx/room",
            "//party/room",
            "/index.html",
            "/parties.html",
        ] {
            assert_eq!(look(path), Route::Elsewhere, "{path}");
        }
    }

    #[test]
    fn an_unknown_party_is_told_by_name() {
        check_refused("/parties/nope/room", 404, "Party nope not found");
        check_refused("/parties/Chat/room", 404, "Party Chat not found");
        check_refused("/parties/chat%20/room", 404, "Party chat%20 not found");
        check_refused("/parties//room", 500, "No party found in request url");
    }

    #[test]
    fn partyserver_looks_at_what_is_between_slashes_and_knows_no_short_form() {
        let routing = Routing { profile: Profile::PartyServer, ..Routing::default() };
        for path in ["/parties/chat/r", "/parties/chat/r/", "/parties//chat///r/x", "//parties/chat/r"] {
            let Route::Room(address) = look_with(path, &routing) else { panic!("{path}") };
            assert_eq!((address.party(), address.room()), ("chat", "r"), "{path}");
        }
        for path in
            ["", "/", "*", "parties/chat/r", "/party/r", "/party/chat/r", "/parties/chat", "/parties/chat//"]
        {
            assert_eq!(look_with(path, &routing), Route::Elsewhere, "{path}");
        }
        let Route::Refused(refused) = look_with("/parties//nope/r", &routing) else {
            panic!("it is no party")
        };
        assert_eq!((refused.status, &refused.body[..]), (400, &b"Invalid request"[..]));
        let Route::Refused(refused) = look_with("/parties/chat/..", &routing) else {
            panic!("it is no room")
        };
        assert_eq!(refused.status, 400);
    }

    #[test]
    fn odd_rooms_are_refused_with_the_reason() {
        let long = format!("/party/{}", "x".repeat(1_025));
        check_refused(&long, 400, "the room id is 1025 bytes; the limit is 1024");
        for path in ["/party/.", "/party/..", "/party/.%2E", "/party/room/../other", "/party/%2e%2e/x"] {
            check_refused(path, 400, "the path holds a segment that is only dots");
        }
        check_refused("/party/a\\b", 400, "the path holds a backslash");
        check_refused("/party/a\u{85}b", 400, "the room id holds '\\u{85}', which is not allowed");
        check_room(&format!("/party/{}", "x".repeat(1_024)), "main", &"x".repeat(1_024));
    }
}
