//! Good and bad `party.toml`s.

use std::fs;
use std::path::Path;

use party_core::limits::Limits;
use party_core::room::DuplicateKeys;

use crate::edge::origins::AllowedOrigins;
use crate::edge::proxies::TrustedProxies;

mod routing;

use super::{EdgeConfig, FILE_NAME, Memory, PartySource, ProjectConfig};

/// A project directory: a `party.toml`, a crate `app`, a component `ready.wasm` and a directory `public`.
fn project(text: &str) -> (tempfile::TempDir, Result<ProjectConfig, String>) {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::write(at(FILE_NAME), text).unwrap();
    fs::create_dir(at("app")).unwrap();
    fs::write(at("app/Cargo.toml"), "").unwrap();
    fs::write(at("ready.wasm"), "").unwrap();
    fs::create_dir(at("public")).unwrap();
    let config = ProjectConfig::load(directory.path());
    (directory, config.map_err(|error| error.to_string()))
}

fn check_error(text: &str, expected: &str) {
    let (directory, config) = project(text);
    let error = config.expect_err(text);
    let told = error.replace(&format!("{}/", directory.path().display()), "");
    assert_eq!(told, expected, "for {text:?}");
}

#[test]
fn a_whole_file_is_read() {
    let (directory, config) = project(
        "name = \"tic-tac\"\nmain = \"app\"\nmemory = \"volatile\"\nport = 8_080\n\
         [serve]\npath = \"public\"\nsinglePageApp = true\n\
         [parties]\nlobby = \"ready.wasm\"\n\
         [vars]\nGREETING = \"hello\"\n\
         [crons]\nnightly = \"0 3 * * *\"\n\
         [limits]\nmessage_in_bytes_max = 0x2000000\ntags_max = 0\n",
    );
    let config = config.unwrap();
    let at = |name: &str| directory.path().join(name);
    assert_eq!(config.name, "tic-tac");
    assert_eq!(config.parties["main"], PartySource::Crate(at("app")));
    assert_eq!(config.parties["lobby"], PartySource::Component(at("ready.wasm")));
    assert_eq!((config.memory, config.port), (Memory::Volatile, Some(8_080)));
    let serve = config.serve.unwrap();
    assert_eq!((serve.path, serve.single_page_app), (at("public"), true));
    assert_eq!(config.vars["GREETING"], "hello");
    let crons: Vec<_> = config.crons.iter().map(|cron| (cron.name(), cron.expression())).collect();
    assert_eq!(crons, [("nightly", "0 3 * * *")]);
    let expected = Limits { message_in_bytes_max: 32 << 20, tags_max: 0, ..Limits::default() };
    assert_eq!(config.limits, expected);
}

#[test]
fn without_a_file_everything_has_its_default() {
    let outer = tempfile::tempdir().unwrap();
    let directory = outer.path().join("My App!");
    fs::create_dir(&directory).unwrap();
    let config = ProjectConfig::load(&directory).unwrap();
    assert_eq!(config.name, "my-app");
    assert!(config.parties.is_empty());
    assert_eq!(config.limits, Limits::default());
    fs::write(directory.join("Cargo.toml"), "").unwrap();
    let config = ProjectConfig::load(&directory).unwrap();
    assert_eq!(config.parties["main"], PartySource::Crate(directory));
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_known_one() {
    check_error("prot = 1999", "party.toml:1: unknown key \"prot\"\nhint: did you mean \"port\"?");
    check_error(
        "port = 1\n\n[limits]\nmessage_in_max = 5\n",
        "party.toml:4: unknown key \"limits.message_in_max\"\nhint: did you mean \"message_in_bytes_max\"?",
    );
    check_error(
        "[serve]\npath = \"public\"\nsinglePageApplication = true",
        "party.toml:3: unknown key \"serve.singlePageApplication\"\nhint: did you mean \"singlePageApp\"?",
    );
    check_error(
        "[serve]\nxyz = 1",
        "party.toml:2: unknown key \"serve.xyz\"\nhint: known here: path, singlePageApp",
    );
}

#[test]
fn the_first_unknown_key_of_the_file_is_told() {
    check_error(
        "zoo = 1\nprot = 2",
        "party.toml:1: unknown key \"zoo\"\nhint: known here: name, main, memory, profile, prefix, cors, port, hosts, serve, parties, vars, crons, limits, duplicate-key, edge, http",
    );
}

#[test]
fn a_wrong_type_says_what_was_expected() {
    check_error(
        "port = \"1999\"",
        "party.toml:1: \"port\" must be an integer, not a string\nhint: write it in digits, without quotes",
    );
    check_error(
        "name = 5",
        "party.toml:1: \"name\" must be a string, not an integer\nhint: write it in double quotes",
    );
    check_error(
        "serve = \"public\"",
        "party.toml:1: \"serve\" must be a table, not a string\nhint: write it as [section], with its keys on lines of their own",
    );
    check_error(
        "[vars]\nDEBUG = true",
        "party.toml:2: \"vars.DEBUG\" must be a string, not true or false\nhint: write it in double quotes",
    );
    check_error(
        "[serve]\npath = \"public\"\nsinglePageApp = 1.5",
        "party.toml:3: \"serve.singlePageApp\" must be true or false, not a float\n\
         hint: write one of them, without quotes",
    );
}

#[test]
fn a_number_beyond_its_bounds_is_refused_with_both() {
    check_error(
        "port = 65536",
        "party.toml:1: \"port\" is 65536; it must be between 1 and 65535\nhint: leave it out for the default",
    );
    check_error(
        "port = 0",
        "party.toml:1: \"port\" is 0; it must be between 1 and 65535\nhint: leave it out for the default",
    );
    check_error(
        "limits.message_in_bytes_max = 33554433",
        "party.toml:1: \"limits.message_in_bytes_max\" is 33554433; it must be between 1 and 33554432\n\
         hint: docs/limits.md says what it bounds; leave it out for the default",
    );
    check_error(
        "limits.tags_max = -1",
        "party.toml:1: \"limits.tags_max\" is -1; it must be between 0 and 1000\n\
         hint: docs/limits.md says what it bounds; leave it out for the default",
    );
    check_error(
        "limits.tags_max = 99999999999999999999999999",
        "party.toml:1: \"limits.tags_max\" is 99999999999999999999999999; it must be between 0 and 1000\n\
         hint: docs/limits.md says what it bounds; leave it out for the default",
    );
}

#[test]
fn memory_is_one_of_three() {
    for (name, memory) in
        [("volatile", Memory::Volatile), ("hibernate", Memory::Hibernate), ("durable", Memory::Durable)]
    {
        let (_directory, config) = project(&format!("memory = {name:?}"));
        assert_eq!(config.unwrap().memory, memory);
    }
    for (value, meant) in [
        ("hibernat", "hibernate"),
        ("Durable", "durable"),
        ("hibernation", "hibernate"),
        ("volatil", "volatile"),
    ] {
        check_error(
            &format!("memory = {value:?}"),
            &format!(
                "party.toml:1: \"memory\" is {value:?}; it must be \"volatile\", \"hibernate\" or \"durable\"\n\
                 hint: did you mean {meant:?}?"
            ),
        );
    }
    check_error(
        "memory = \"forever\"",
        "party.toml:1: \"memory\" is \"forever\"; it must be \"volatile\", \"hibernate\" or \"durable\"\n\
         hint: write \"hibernate\", which is the default, \"durable\" if kill -9 must take nothing, or \"volatile\"",
    );
}

#[test]
fn the_edge_is_read_and_what_cannot_stand_there_refused_with_its_line() {
    let (_directory, config) = project(
        "[edge]\nallowed_origins = [\"https://a\", \"null\"]\ntrusted_proxies = [\"10.0.0.0/8\", \"::1\"]\n\
         trusted_headers = [\"cf-ipcountry\"]\nclient_address_header = \"forwarded\"\n",
    );
    let ProjectConfig { edge, allowed_origins, host_keys, .. } = config.unwrap();
    let (mut origins, mut proxies) = (AllowedOrigins::default(), TrustedProxies::default());
    origins.allow("https://a").unwrap();
    origins.allow("null").unwrap();
    proxies.trust("10.0.0.0/8").unwrap();
    proxies.trust("::1").unwrap();
    proxies.trust_header("cf-ipcountry").unwrap();
    proxies.read_address_from("forwarded").unwrap();
    assert_eq!((allowed_origins, edge.proxies), (Some(origins), proxies));
    let keys = ["trusted_proxies", "trusted_headers", "client_address_header"];
    assert!(
        keys.iter().all(|key| host_keys.contains(key)) && !host_keys.contains(&"allowed_origins"),
        "{host_keys:?}"
    );
    assert_eq!(project("").1.unwrap().edge, EdgeConfig::default());
    check_error(
        "[edge]\nallowed_origins = [\n  \"https://a\",\n  \"https://b/\",\n]",
        "party.toml:4: \"edge.allowed_origins\" holds \"https://b/\", which has more than scheme, host and port\n\
         hint: write it without path and slash at the end: \"https://example.com\"",
    );
    check_error(
        "[edge]\ntrusted_proxies = [\"nginx\"]",
        "party.toml:2: \"edge.trusted_proxies\" holds \"nginx\", which is no network and no address\n\
         hint: write \"10.0.0.0/8\", \"192.0.2.7\" or \"2001:db8::/32\"",
    );
    check_error(
        "[edge]\ntrusted_headers = [\"host\"]",
        "party.toml:2: \"edge.trusted_headers\" holds \"host\", which is a header that the host goes by itself\n\
         hint: leave it out: what the host has found out of the client stands in x-forwarded-for and x-forwarded-proto",
    );
    check_error(
        "[edge]\nallowed_origins = \"https://a\"",
        "party.toml:2: \"edge.allowed_origins\" must be an array of strings, not a string\n\
         hint: write it in brackets, each in double quotes: [\"…\", \"…\"]",
    );
    check_error(
        "[edge]\nallowed_origins = [\n1]",
        "party.toml:3: \"edge.allowed_origins\" must be an array of strings, not an integer\n\
         hint: write it in brackets, each in double quotes: [\"…\", \"…\"]",
    );
    check_error(
        "[edge]\nallowed_origin = []",
        "party.toml:2: unknown key \"edge.allowed_origin\"\nhint: did you mean \"allowed_origins\"?",
    );
}

#[test]
fn the_names_of_hosts_are_read_as_clients_give_them() {
    let (_directory, config) =
        project("hosts = [\"Chat.Example.\", \"localhost\", \"192.0.2.7\", \"[2001:DB8::7]\", \"::1\"]");
    let hosts = config.unwrap().hosts;
    let hosts: Vec<_> = hosts.iter().map(crate::edge::projects::HostName::as_str).collect();
    assert_eq!(hosts, ["chat.example", "localhost", "192.0.2.7", "[2001:db8::7]", "[::1]"]);
    let refused = [
        ("https://chat.example", "has more than the name of a host\nhint: write the name alone"),
        ("chat.example/", "has more than the name of a host"),
        ("chat.example:80", "has a port\nhint: leave it out"),
        ("*.example", "has a \"*\"\nhint: list each name; the project's own name"),
        ("", "is no name that a client would give\nhint: write a name in a-z"),
        ("chat..example", "is no name"),
        ("bücher.example", "is no name"),
        (&"x".repeat(254), "is no name"),
    ];
    for (host, why) in refused {
        let error = project(&format!("\nhosts = [\"a\", {host:?}]")).1.unwrap_err();
        let expected = format!("party.toml:2: \"hosts\" holds {host:?}, which {why}");
        assert!(error.contains(&expected), "{error}");
    }
}

#[test]
fn names_are_checked() {
    check_error(
        "name = \"Tic Tac\"",
        "party.toml:1: project name \"Tic Tac\" is not allowed: use 1 to 64 of a-z, 0-9, _ and -\n\
         hint: the name stands in URLs, as in /parties/chat/my-room",
    );
    check_error(
        "[parties]\nMain = \"app\"",
        "party.toml:2: party name \"Main\" is not allowed: use 1 to 64 of a-z, 0-9, _ and -\n\
         hint: the name stands in URLs, as in /parties/chat/my-room",
    );
    check_error(
        "[parties]\nmain = \"app\"",
        "party.toml:2: [parties] names a party \"main\", which is the party that the key \"main\" names\n\
         hint: write main = \"path\" at the top of the file instead",
    );
    check_error(
        "[vars]\n\"A=B\" = \"c\"",
        "party.toml:2: [vars] names a variable \"A=B\"; a name must not be empty and not hold \"=\" or a zero byte\n\
         hint: use letters, digits and _",
    );
}

#[test]
fn code_and_assets_must_be_there() {
    let hint = "hint: give a directory with a Cargo.toml, or a component: a file that ends in .wasm";
    check_error(
        "main = \"nowhere\"",
        &format!("party.toml:1: \"main\" is \"nowhere\", which is not there\n{hint}"),
    );
    check_error(
        "[parties]\nx = \"public\"",
        &format!(
            "party.toml:2: \"parties.x\" is \"public\", which is a directory without a Cargo.toml\n{hint}"
        ),
    );
    check_error(
        "main = \"party.toml\"",
        &format!(
            "party.toml:1: \"main\" is \"party.toml\", which is a file that does not end in .wasm\n{hint}"
        ),
    );
    check_error(
        "[serve]\npath = \"dist\"",
        "party.toml:2: \"serve.path\" is \"dist\", which is no directory\n\
         hint: it is taken from the directory of the party.toml on",
    );
    check_error(
        "port = 1\n[serve]\n",
        "party.toml:2: [serve] lacks the key \"path\"\nhint: write path = … below [serve]",
    );
}

#[test]
fn text_that_is_not_toml_is_refused_with_its_line() {
    let (_directory, config) = project("port = 1\nmain = \n");
    let error = config.unwrap_err();
    assert!(error.contains("party.toml:2: "), "{error}");
    let (_directory, config) = project("port = 1\nport = 2\n");
    let error = config.unwrap_err();
    assert!(error.contains("party.toml:2: duplicate key"), "{error}");
}

#[test]
fn a_file_that_is_too_large_or_not_text_is_refused() {
    let (_directory, config) = project(&" ".repeat((1 << 20) + 1));
    assert!(config.unwrap_err().contains("the file is 1048577 bytes; the limit is 1048576"));
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join(FILE_NAME), [0xff, 0xfe]).unwrap();
    let error = ProjectConfig::load(directory.path()).unwrap_err();
    assert!(
        error.to_string().contains("it cannot be read\nhint: it must be a file of UTF-8 text"),
        "{error}"
    );
}

#[test]
fn a_project_that_is_no_directory_is_refused() {
    let error = ProjectConfig::load(Path::new("/dev/null")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "/dev/null: it is not a directory\nhint: give the directory of a project, or a component: a file that ends in .wasm"
    );
    assert!(ProjectConfig::load(Path::new("/nowhere/at/all")).is_err());
}

#[test]
fn what_rooms_may_fetch_from_is_read() {
    let (directory, config) = project(
        "[http]\nallow = [\"db.internal:8080\", \"10.1.0.0/16\",\n \"[fd00::1]:443\"]\nca_file = \"ready.wasm\"\n",
    );
    let http = config.unwrap().http;
    let rules = ["db.internal:8080", "10.1.0.0/16", "[fd00::1]:443"].map(|rule| rule.parse().unwrap());
    assert_eq!(http.policy.allow, rules);
    assert_eq!(http.ca_file, Some(directory.path().join("ready.wasm")));
    let none = project("[http]\n").1.unwrap().http;
    assert_eq!((none.policy.allow.len(), none.ca_file), (0, None));
}

#[test]
fn what_allows_nothing_is_refused() {
    check_error(
        "[http]\nallow = [\n\"10.0.0.0/8\",\n\"*\"]",
        "party.toml:4: \"*\" is not allowed in this way: say HOST, HOST:PORT, an address (with [ ] around IPv6 before a port) or \
         ADDRESS/BITS\nhint: as in allow = [\"db.internal:8080\", \"10.1.0.0/16\", \"[fd00::1]:443\"]",
    );
    check_error(
        "[http]\nallow = \"localhost\"",
        "party.toml:2: \"http.allow\" must be an array of strings, not a string\nhint: write it in brackets, each in double quotes: [\"…\", \"…\"]",
    );
    check_error(
        "[http]\nallow = [1]",
        "party.toml:2: \"http.allow\" must be an array of strings, not an integer\nhint: write it in brackets, each in double quotes: [\"…\", \"…\"]",
    );
    check_error(
        "[http]\nca_file = \"nowhere.pem\"",
        "party.toml:2: \"http.ca_file\" is \"nowhere.pem\", which is no file\n\
         hint: it is taken from the directory of the party.toml on",
    );
    check_error(
        "[http]\nalow = []",
        "party.toml:2: unknown key \"http.alow\"\nhint: did you mean \"allow\"?",
    );
    let many = vec!["\"localhost\""; 1_001].join(",");
    check_error(
        &format!("[http]\nallow = [{many}]"),
        "party.toml:2: \"http.allow\" has more than 1000 entries\nhint: ADDRESS/BITS says many at once: 10.1.0.0/16",
    );
}

#[test]
fn scheduled_runs_must_have_a_time() {
    check_error(
        "[crons]\nnightly = \"0 3 * *\"\n",
        "party.toml:2: \"crons.nightly\": \"0 3 * *\" has 4 fields; it must have five: minute, hour, day of month, month, day \
         of week\nhint: write minute, hour, day of month, month and day of week, in UTC: \"0 3 * * MON\"",
    );
    let many: String = (0..65).map(|number| format!("c{number:02} = \"* * * * *\"\n")).collect();
    check_error(
        &format!("[crons]\n{many}"),
        "party.toml:66: there are more than 64 scheduled runs\nhint: let one run do the work of several",
    );
}

#[test]
fn what_becomes_of_clients_of_one_name_is_said_by_party() {
    let outer = tempfile::tempdir().unwrap();
    fs::write(outer.path().join("Cargo.toml"), "").unwrap();
    let load = |policies: &str| {
        fs::write(outer.path().join("party.toml"), format!("[duplicate-key]\n{policies}")).unwrap();
        ProjectConfig::load(outer.path()).map(|config| config.duplicate_keys)
    };
    assert!(load("").unwrap().is_empty());
    for (word, policy) in [
        ("both", DuplicateKeys::Both),
        ("replace", DuplicateKeys::Replace),
        ("refuse", DuplicateKeys::Refuse),
    ] {
        let found = load(&format!("main = \"{word}\"")).unwrap();
        assert_eq!(found, [("main".to_owned(), policy)].into());
    }
    let told = |policies: &str| {
        let told = load(policies).unwrap_err().to_string();
        told.replace(&format!("{}/", outer.path().display()), "")
    };
    assert_eq!(
        told("chat = \"both\""),
        "party.toml:2: \"duplicate-key\" holds \"chat\", which is no party of this project\n\
         hint: it says of a party, main or one below [parties], what becomes of clients of one name"
    );
    assert_eq!(
        told("main = \"newest\""),
        "party.toml:2: \"duplicate-key.main\" holds \"newest\", which is no policy\n\
         hint: write \"both\", which is the default, \"replace\" or \"refuse\""
    );
}
