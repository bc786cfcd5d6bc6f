//! Chains of proxies, true ones and made-up ones.

use std::net::IpAddr;

use hyper::header::{HeaderMap, HeaderName, HeaderValue};

use super::{Peer, TrustError, TrustedProxies};

/// Trusts 10.0.0.0/8 and fd00::/8.
fn proxies() -> TrustedProxies {
    let mut proxies = TrustedProxies::default();
    for network in ["10.0.0.0/8", "fd00::/8"] {
        proxies.trust(network).unwrap();
    }
    proxies
}

fn peer(address: &str) -> Peer {
    Peer { address: address.parse::<IpAddr>().unwrap().to_canonical(), is_secure: false }
}

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let pair = |(name, value): &(&'static str, &'static str)| {
        (HeaderName::from_static(name), HeaderValue::from_static(value))
    };
    let mut headers = HeaderMap::new();
    pairs.iter().map(pair).for_each(|(name, value)| {
        headers.append(name, value);
    });
    headers
}

#[track_caller]
fn check(
    proxies: &TrustedProxies,
    from: &str,
    pairs: &[(&'static str, &'static str)],
    expected: &str,
    is_secure: bool,
) {
    let client = proxies.client(peer(from), &headers(pairs));
    assert_eq!(
        (client.address.to_string().as_str(), client.is_secure),
        (expected, is_secure),
        "{from} {pairs:?}"
    );
}

#[test]
fn the_client_is_the_first_from_the_end_that_is_no_proxy() {
    let proxies = proxies();
    let check = |from: &str, value: &'static str, expected: &str| {
        check(&proxies, from, &[("x-forwarded-for", value)], expected, false);
    };
    check("10.0.0.1", "192.0.2.7", "192.0.2.7");
    check("10.0.0.1", "192.0.2.7, 10.2.0.1", "192.0.2.7");
    // What the client has written itself stands before, and is not believed.
    check("10.0.0.1", "127.0.0.1, 10.9.9.9, 192.0.2.7, 10.2.0.1", "192.0.2.7");
    check("10.0.0.1", "fd00::5, 2001:db8::1", "2001:db8::1");
    check("fd00::1", "2001:db8::1, fd00::5", "2001:db8::1");
    // Of whom nobody has asked before.
    check("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3");
    check("10.0.0.1", "", "10.0.0.1");
    // Somebody hides who it was, or writes nonsense.
    check("10.0.0.1", "192.0.2.7, unknown", "10.0.0.1");
    check("10.0.0.1", "192.0.2.7, ???, 10.0.0.2", "10.0.0.2");
    // With ports, and IPv4 written as IPv6.
    check("10.0.0.1", "192.0.2.7:443", "192.0.2.7");
    check("10.0.0.1", "[2001:db8::1]:443, [fd00::1]", "2001:db8::1");
    check("::ffff:10.0.0.1", "::ffff:192.0.2.7", "192.0.2.7");
    // Nobody who is not listed is believed.
    check("192.0.2.1", "203.0.113.5", "192.0.2.1");
    check("11.0.0.1", "203.0.113.5", "11.0.0.1");
}

#[test]
fn many_lines_are_one_list() {
    let lines = [
        ("x-forwarded-for", "1.1.1.1"),
        ("x-forwarded-for", "192.0.2.7, 10.0.0.3"),
        ("x-forwarded-for", "10.0.0.2"),
    ];
    check(&proxies(), "10.0.0.1", &lines, "192.0.2.7", false);
}

#[test]
fn the_scheme_is_what_the_proxy_of_the_client_says() {
    let proxies = proxies();
    let one = |proto: &'static str| [("x-forwarded-for", "192.0.2.7"), ("x-forwarded-proto", proto)];
    check(&proxies, "10.0.0.1", &one("https"), "192.0.2.7", true);
    check(&proxies, "10.0.0.1", &one("HTTPS"), "192.0.2.7", true);
    check(&proxies, "10.0.0.1", &one("http"), "192.0.2.7", false);
    check(&proxies, "10.0.0.1", &one("gopher"), "192.0.2.7", false);
    check(&proxies, "192.0.2.1", &one("https"), "192.0.2.1", false);
    // Whoever was asked by the client says so first; what stands before that the client has written.
    let two = [("x-forwarded-for", "192.0.2.7, 10.0.0.2"), ("x-forwarded-proto", "http, https, http")];
    check(&proxies, "10.0.0.1", &two, "192.0.2.7", true);
    let two = [("x-forwarded-for", "192.0.2.7, 10.0.0.2"), ("x-forwarded-proto", "https")];
    check(&proxies, "10.0.0.1", &two, "192.0.2.7", true);
}

#[test]
fn forwarded_is_read_instead_if_that_is_said_and_only_then() {
    let mut proxies = proxies();
    let both = [("x-forwarded-for", "192.0.2.7"), ("forwarded", "for=192.0.2.8;proto=https")];
    check(&proxies, "10.0.0.1", &both, "192.0.2.7", false);
    proxies.read_address_from("Forwarded").unwrap();
    check(&proxies, "10.0.0.1", &both, "192.0.2.8", true);
    for (value, expected, is_secure) in [
        ("for=1.1.1.1, for=192.0.2.43, For=\"10.0.0.4:80\"", "192.0.2.43", false),
        ("for=\"[2001:db8:cafe::17]:4711\";proto=https;by=10.0.0.1", "2001:db8:cafe::17", true),
        ("for=192.0.2.9, for=_hidden", "10.0.0.1", false),
        ("for=192.0.2.9;proto=https, by=10.0.0.4", "10.0.0.1", false),
        // A client cannot hide a comma from us that the proxy has set.
        ("for=\"1.1.1.1, for=192.0.2.9", "192.0.2.9", false),
        ("for=\"1.1.1.1\\, for=\"[2001:db8::1]\"", "2001:db8::1", false),
        ("host=\"a,b;for=1.1.1.1\";for=192.0.2.9", "192.0.2.9", false),
        ("host=\"a\\\",for=1.1.1.1\";for=192.0.2.9", "192.0.2.9", false),
    ] {
        check(&proxies, "10.0.0.1", &[("forwarded", value)], expected, is_secure);
    }
}

#[test]
fn a_header_that_holds_one_address_can_say_it() {
    let mut proxies = proxies();
    proxies.read_address_from("CF-Connecting-IP").unwrap();
    let pairs =
        [("x-forwarded-for", "1.1.1.1"), ("cf-connecting-ip", "192.0.2.7"), ("x-forwarded-proto", "https")];
    check(&proxies, "10.0.0.1", &pairs, "192.0.2.7", true);
}

/// What a room sees of these headers.
fn seen(proxies: &TrustedProxies, from: &str, pairs: &[(&'static str, &'static str)]) -> (Vec<String>, bool) {
    let (peer, mut headers) = (peer(from), headers(pairs));
    let client = proxies.client(peer, &headers);
    let is_stripped = proxies.vouch(peer, client, &mut headers);
    let mut seen: Vec<_> =
        headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    seen.sort();
    (seen, is_stripped)
}

#[test]
fn a_room_sees_of_proxies_headers_only_what_is_believed() {
    let mut proxies = proxies();
    proxies.trust_header("cf-ipcountry").unwrap();
    proxies.trust_header("x-real-ip").unwrap();
    let pairs = [
        ("cf-ipcountry", "NO"),
        ("cookie", "a=1"),
        ("forwarded", "for=1.1.1.1"),
        ("x-forwarded-for", "192.0.2.7"),
        ("x-forwarded-host", "evil"),
        ("x-forwarded-proto", "https"),
        ("x-real-ip", "192.0.2.7"),
    ];
    let believed = [
        "cf-ipcountry: NO",
        "cookie: a=1",
        "x-forwarded-for: 192.0.2.7",
        "x-forwarded-proto: https",
        "x-real-ip: 192.0.2.7",
    ];
    assert_eq!(seen(&proxies, "10.0.0.1", &pairs), (believed.map(String::from).into(), false));
    let of_anybody = ["cookie: a=1", "x-forwarded-for: 192.0.2.1", "x-forwarded-proto: http"];
    assert_eq!(seen(&proxies, "192.0.2.1", &pairs), (of_anybody.map(String::from).into(), true));
}

#[test]
fn without_a_word_of_proxies_nobody_is_believed_and_nothing_is_added() {
    let pairs = [("x-forwarded-for", "192.0.2.7"), ("accept", "*/*")];
    assert_eq!(seen(&TrustedProxies::default(), "127.0.0.1", &pairs), (vec!["accept: */*".into()], true));
    let mut told = TrustedProxies::default();
    told.tell_rooms();
    let expected = ["x-forwarded-for: 127.0.0.1".to_owned(), "x-forwarded-proto: http".into()];
    assert_eq!(seen(&told, "127.0.0.1", &[]), (expected.into(), false));
}

#[test]
fn what_cannot_be_trusted_is_refused_with_the_reason() {
    for (text, expected) in [
        ("", TrustError::NoNetwork),
        ("10.0.0.0/33", TrustError::NoNetwork),
        ("10.0.0", TrustError::NoNetwork),
        ("localhost", TrustError::NoNetwork),
        ("0.0.0.0/0", TrustError::Everybody),
        ("::/0", TrustError::Everybody),
    ] {
        assert_eq!(TrustedProxies::default().trust(text), Err(expected), "{text}");
    }
    for (text, expected) in [
        ("", TrustError::NoHeader),
        ("a b", TrustError::NoHeader),
        ("Host", TrustError::OfTheHost),
        ("sec-websocket-key", TrustError::OfTheHost),
        ("x-forwarded-for", TrustError::OfTheHost),
    ] {
        assert_eq!(TrustedProxies::default().trust_header(text), Err(expected), "{text}");
    }
    assert_eq!(TrustedProxies::default().read_address_from("host"), Err(TrustError::OfTheHost));
}

/// Whatever a client writes before what its proxy appends, it stays who it is.
#[test]
fn nothing_that_a_client_writes_changes_who_it_is() {
    const PIECES: [&str; 14] = [
        "1.1.1.1", "10.0.0.5", ",", ", ", "\"", "\\", ";", "for=", "unknown", "[::1]", "[", "fd00::1", ":80",
        " ",
    ];
    for seed in 1..=2_000_u64 {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut written = String::new();
        for _ in 0..(seed % 9) {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            written.push_str(PIECES[(state >> 33) as usize % PIECES.len()]);
        }
        let mut headers = HeaderMap::new();
        // A proxy appends to the line, or adds one.
        match seed % 2 {
            0 => {
                headers.append("x-forwarded-for", format!("{written}, 192.0.2.7, 10.0.0.2").parse().unwrap())
            }
            _ => {
                headers.append("x-forwarded-for", written.parse().unwrap());
                headers.append("x-forwarded-for", "192.0.2.7, 10.0.0.2".parse().unwrap())
            }
        };
        headers.insert("forwarded", format!("{written}, for=192.0.2.7, for=\"10.0.0.2\"").parse().unwrap());
        for header in ["x-forwarded-for", "forwarded"] {
            let mut proxies = proxies();
            proxies.read_address_from(header).unwrap();
            let client = proxies.client(peer("10.0.0.1"), &headers);
            assert_eq!(client.address, peer("192.0.2.7").address, "seed {seed}: {headers:?}");
        }
    }
}
