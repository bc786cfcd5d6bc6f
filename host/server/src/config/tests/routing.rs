//! `profile`, `prefix` and `cors`, and what they make of the names of parties.

use hyper::header::HeaderMap;
use party_core::limits::Limits;
use party_core::profile::Profile;
use party_core::room::DuplicateKeys;

use super::{check_error, project};

fn names(text: &str) -> Vec<String> {
    project(text).1.unwrap().parties.into_keys().collect()
}

/// What a request below a room is answered with beside its own headers.
fn headers(text: &str) -> Vec<String> {
    let mut headers = HeaderMap::new();
    let config = project(&format!("profile = \"partyserver\"\n{text}")).1.unwrap();
    if let Some(cors) = config.routing.cors {
        cors.put_in(&mut headers);
    }
    let mut told: Vec<String> =
        headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    told.sort();
    told
}

#[test]
fn a_profile_brings_its_limits_unless_they_are_said() {
    let config = project("").1.unwrap();
    assert_eq!((config.routing.profile, config.limits), (Profile::PartyKit, Limits::default()));
    let config = project("profile = \"partykit\"").1.unwrap();
    assert_eq!(config.routing.profile, Profile::PartyKit);
    let config = project("profile = \"partyserver\"\n[limits]\nvalue_bytes_max = 5").1.unwrap();
    let expected = Limits { message_in_bytes_max: 32 << 20, value_bytes_max: 5, ..Limits::default() };
    assert_eq!((config.routing.profile, config.limits), (Profile::PartyServer, expected));
    check_error(
        "profile = \"partyservr\"",
        "party.toml:1: \"profile\" is \"partyservr\"; it must be \"partykit\" or \"partyserver\"\n\
         hint: did you mean \"partyserver\"?",
    );
    check_error(
        "profile = \"x\"",
        "party.toml:1: \"profile\" is \"x\"; it must be \"partykit\" or \"partyserver\"\n\
         hint: leave it out for \"partykit\", the classic one, or write \"partyserver\" for the later",
    );
    check_error(
        "profile = 5",
        "party.toml:1: \"profile\" must be a string, not an integer\nhint: write it in double quotes",
    );
}

#[test]
fn what_only_partyserver_has_is_refused_without_it() {
    for (text, key, line) in [
        ("prefix = \"rooms\"", "prefix", 1),
        ("profile = \"partykit\"\ncors = true", "cors", 2),
        ("\n[cors]\nX-Own = \"1\"", "cors", 2),
    ] {
        check_error(
            text,
            &format!(
                "party.toml:{line}: \"{key}\" is there only with the profile \"partyserver\"\n\
                 hint: write profile = \"partyserver\" (docs/partyserver.md), or leave it out"
            ),
        );
    }
}

#[test]
fn names_of_parties_may_be_those_of_bindings() {
    let text = "profile = \"partyserver\"\nmain = \"app\"\n[parties]\n\
                MyAgent = \"app\"\nALL_CAPS = \"app\"\nsnake_case = \"app\"\nchat = \"app\"\n\
                [duplicate-key]\nMyAgent = \"refuse\"\nall-caps = \"replace\"\n";
    let config = project(text).1.unwrap();
    let parties: Vec<_> = config.parties.keys().map(String::as_str).collect();
    assert_eq!(parties, ["all-caps", "chat", "main", "my-agent", "snake-case"]);
    let policies = [("all-caps", DuplicateKeys::Replace), ("my-agent", DuplicateKeys::Refuse)];
    let policies = policies.map(|(name, policy)| (name.to_owned(), policy));
    assert_eq!(config.duplicate_keys, policies.into());
    check_error(
        "profile = \"partyserver\"\n[parties]\nMyAgent = \"app\"\n\
         [duplicate-key]\nMyAgent = \"refuse\"\nmy-agent = \"both\"",
        "party.toml:6: \"duplicate-key\" holds \"my-agent\", which names a party that another line names, too\n\
         hint: a party may be written as in [parties] or as in URLs; write it once",
    );
    assert_eq!(names("[parties]\nsnake_case = \"app\""), ["snake_case"]);
    check_error(
        "profile = \"partyserver\"\n[parties]\nmyAgent = \"app\"\nMyAgent = \"app\"",
        "party.toml:4: [parties] names \"myAgent\" and \"MyAgent\", which are both \"my-agent\" in URLs\n\
         hint: give one of them another name",
    );
    check_error(
        "profile = \"partyserver\"\n[parties]\nMAIN = \"app\"",
        "party.toml:3: [parties] names a party \"main\", which is the party that the key \"main\" names\n\
         hint: write main = \"path\" at the top of the file instead",
    );
    check_error(
        "profile = \"partyserver\"\n[parties]\n\"My Agent\" = \"app\"",
        "party.toml:3: party name \"my -agent\" is not allowed: use 1 to 64 of a-z, 0-9, _ and -\n\
         hint: the name stands in URLs, as in /parties/chat/my-room",
    );
}

#[test]
fn a_prefix_is_names_between_slashes() {
    for prefix in ["parties", "rooms", "api/v1", "A.b/~c/_d-e"] {
        let config = project(&format!("profile = \"partyserver\"\nprefix = \"{prefix}\"")).1.unwrap();
        assert_eq!(config.routing.prefix.to_string(), prefix);
    }
    let hint = "hint: write names with slashes between them, as in prefix = \"api/rooms\"";
    let slash = "begins or ends with a slash, or has nothing between two";
    let long = "x".repeat(257);
    let classic =
        |first| format!("begins with {first:?}, which is what URLs of the profile partykit begin with");
    for (prefix, why) in [
        ("", slash.to_owned()),
        ("/api", slash.to_owned()),
        ("api/", slash.to_owned()),
        ("a//b", slash.to_owned()),
        ("a/..", "holds \"..\", which cannot stand in a URL as it is".to_owned()),
        ("a b", "holds \"a b\", which cannot stand in a URL as it is".to_owned()),
        ("é", "holds \"é\", which cannot stand in a URL as it is".to_owned()),
        ("party", classic("party")),
        ("party/v1", classic("party")),
        ("parties/v1", classic("parties")),
        (&long, "has 257 bytes; the limit is 256".to_owned()),
    ] {
        let text = format!("profile = \"partyserver\"\nprefix = \"{prefix}\"");
        check_error(&text, &format!("party.toml:2: \"prefix\" holds {prefix:?}, which {why}\n{hint}"));
    }
    check_error(
        "profile = \"partyserver\"\nprefix = \"api/chat\"\n[parties]\nChat = \"app\"",
        "party.toml:4: \"parties\" holds \"Chat\", which is a part of the prefix api/chat\n\
         hint: call one of them otherwise: in a URL nobody could tell where the party begins",
    );
    check_error(
        "profile = \"partyserver\"\nprefix = \"api/main\"\nmain = \"app\"",
        "party.toml:3: \"prefix\" holds \"main\", which is a part of the prefix api/main\n\
         hint: call one of them otherwise: in a URL nobody could tell where the party begins",
    );
    assert_eq!(names("profile = \"partyserver\"\nprefix = \"chat/v1\"\n[parties]\nchat = \"app\""), ["chat"]);
}

#[test]
fn cors_is_partyservers_own_or_a_table_of_headers() {
    assert!(headers("").is_empty() && headers("cors = false").is_empty() && headers("[cors]").is_empty());
    assert_eq!(
        headers("cors = true"),
        [
            "access-control-allow-headers: *",
            "access-control-allow-methods: GET, POST, HEAD, OPTIONS",
            "access-control-allow-origin: *",
            "access-control-max-age: 86400",
        ]
    );
    let own = ["access-control-allow-origin: https://a.example", "x-own: 1"];
    assert_eq!(headers("cors = { Access-Control-Allow-Origin = \"https://a.example\", X-Own = \"1\" }"), own);
    assert_eq!(headers("[cors]\naccess-control-allow-origin = \"https://a.example\"\nx-own = \"1\""), own);
    let refused = |entry: &str, told: &str| {
        let text = format!("profile = \"partyserver\"\n[cors]\n{entry}");
        let hint =
            "hint: write a header and its value: Access-Control-Allow-Origin = \"https://example.com\"";
        check_error(&text, &format!("party.toml:3: \"cors\" holds {told}\n{hint}"));
    };
    refused("\"a b\" = \"1\"", "\"a b\", which is no name of a header");
    refused("x = \"a\\nb\"", "\"a\\nb\", which is no value of a header");
    refused(
        "Content-Length = \"1\"",
        "\"Content-Length\", which says how an answer is framed, which is the host's affair",
    );
    check_error(
        "profile = \"partyserver\"\n[cors]\nX = \"1\"\nx = \"2\"",
        "party.toml:4: \"cors\" holds \"x\", which stands there twice\n\
         hint: write a header and its value: Access-Control-Allow-Origin = \"https://example.com\"",
    );
    let many: String = (0..17).map(|n| format!("x-{n:02} = \"1\"\n")).collect();
    check_error(
        &format!("profile = \"partyserver\"\n[cors]\n{many}"),
        "party.toml:19: \"cors\" holds \"x-16\", which is one more than the 16 that there may be\n\
         hint: write a header and its value: Access-Control-Allow-Origin = \"https://example.com\"",
    );
    check_error(
        "profile = \"partyserver\"\ncors = \"*\"",
        "party.toml:2: \"cors\" must be true or false, not a string\nhint: write one of them, without quotes",
    );
    check_error(
        "profile = \"partyserver\"\ncors = { x = 1 }",
        "party.toml:2: \"cors.x\" must be a string, not an integer\nhint: write it in double quotes",
    );
}
