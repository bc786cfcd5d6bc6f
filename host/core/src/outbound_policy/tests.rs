//! The policy against addresses by hand, and against one that is written otherwise, over many addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{AllowRule, OutboundPolicy, not_public};

fn address(text: &str) -> IpAddr {
    text.parse().unwrap_or_else(|_| panic!("{text} is no address"))
}

fn policy(allow: &[&str]) -> OutboundPolicy {
    OutboundPolicy { allow: allow.iter().map(|entry| entry.parse().unwrap()).collect() }
}

/// Each range with its first and last address and, where those are public, the ones beside it.
#[test]
fn each_range_begins_and_ends_where_its_rfc_says() {
    for (first, last, before, after) in [
        ("0.0.0.0", "0.255.255.255", None, Some("1.0.0.0")),
        ("10.0.0.0", "10.255.255.255", Some("9.255.255.255"), Some("11.0.0.0")),
        ("100.64.0.0", "100.127.255.255", Some("100.63.255.255"), Some("100.128.0.0")),
        ("127.0.0.0", "127.255.255.255", Some("126.255.255.255"), Some("128.0.0.0")),
        ("168.63.129.16", "168.63.129.16", Some("168.63.129.15"), Some("168.63.129.17")),
        ("169.254.0.0", "169.254.255.255", Some("169.253.255.255"), Some("169.255.0.0")),
        ("172.16.0.0", "172.31.255.255", Some("172.15.255.255"), Some("172.32.0.0")),
        ("192.0.0.0", "192.0.0.255", Some("191.255.255.255"), Some("192.0.1.0")),
        ("192.0.2.0", "192.0.2.255", Some("192.0.1.255"), Some("192.0.3.0")),
        ("192.88.99.0", "192.88.99.255", Some("192.88.98.255"), Some("192.88.100.0")),
        ("192.168.0.0", "192.168.255.255", Some("192.167.255.255"), Some("192.169.0.0")),
        ("198.18.0.0", "198.19.255.255", Some("198.17.255.255"), Some("198.20.0.0")),
        ("198.51.100.0", "198.51.100.255", Some("198.51.99.255"), Some("198.51.101.0")),
        ("203.0.113.0", "203.0.113.255", Some("203.0.112.255"), Some("203.0.114.0")),
        ("224.0.0.0", "255.255.255.255", Some("223.255.255.255"), None),
        ("::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", None, None),
        ("2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", Some("2000:ffff::1"), Some("2001:200::")),
        ("2001:db8::", "2001:db8:ffff::", Some("2001:db7:ffff::"), Some("2001:db9::")),
        ("2002::", "2002:ffff::", Some("2001:ffff::"), Some("2003::")),
        ("3fff::", "3fff:fff:ffff::", Some("3ffe:ffff::"), Some("3fff:1000::")),
        ("4000::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Some("3fff:ffff::"), None),
    ] {
        for inside in [first, last] {
            assert!(not_public(address(inside)).is_some(), "{inside} is public");
        }
        for outside in [before, after].into_iter().flatten() {
            assert_eq!(not_public(address(outside)), None, "{outside}");
        }
    }
}

#[test]
fn what_people_know_is_called_by_its_name() {
    for (text, what) in [
        ("127.0.0.1", "this machine (RFC 1122)"),
        ("::1", "this machine (RFC 4291)"),
        ("::ffff:127.0.0.1", "this machine (RFC 1122)"),
        ("::127.0.0.1", "of IPv4 within IPv6, as it was once (RFC 4291)"),
        ("64:ff9b::10.0.0.1", "private (RFC 1918)"),
        ("64:ff9b:1::10.0.0.1", "of a local NAT64 (RFC 8215)"),
        ("2002:a00:1::", "of 6to4 (RFC 3056)"),
        ("2001:0:a00:1::", "of Teredo (RFC 4380)"),
        ("169.254.169.254", "link-local, where clouds keep their metadata (RFC 3927)"),
        ("fd00:ec2::254", "private (RFC 4193)"),
        ("fe80::1", "link-local (RFC 4291)"),
        ("fec0::1", "private, as it was once (RFC 3879)"),
        ("ff02::1", "multicast (RFC 4291)"),
        ("100.100.100.200", "shared by a carrier (RFC 6598)"),
        ("255.255.255.255", "reserved (RFC 1112)"),
    ] {
        assert_eq!(not_public(address(text)), Some(what), "{text}");
    }
    for text in ["1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1"] {
        assert_eq!(not_public(address(text)), None, "{text}");
    }
}

/// A stream of numbers of which each bit is as good as any (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = self.0;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^ (number >> 31)
    }

    /// One of IPv4, often near an edge: some of its last bits are all the same.
    fn v4(&mut self) -> Ipv4Addr {
        let (number, same) = (self.next(), self.next());
        let low = u32::MAX.checked_shr((same % 33) as u32).unwrap_or(0);
        let bits = number as u32 & !low | if same & 64 == 0 { 0 } else { low };
        Ipv4Addr::from_bits(bits)
    }
}

/// As the standard library's documentation has it, in other words than the table.
fn is_public_v4(v4: Ipv4Addr) -> bool {
    let [a, b, c, d] = v4.octets();
    let is_special = v4.is_private()
        || v4.is_loopback()
        || v4.is_link_local()
        || v4.is_documentation()
        || v4.is_multicast()
        || v4.is_broadcast()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19))
        || (a, b, c, d) == (168, 63, 129, 16);
    !is_special
}

fn is_public_v6(v6: Ipv6Addr) -> bool {
    let parts = v6.segments();
    if let Some(v4) = v6.to_ipv4_mapped() {
        return is_public_v4(v4);
    }
    if parts[..6] == [0x64, 0xff9b, 0, 0, 0, 0] {
        let [.., a, b, c, d] = v6.octets();
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    let is_given_out = (0x2000..0x4000).contains(&parts[0]);
    let is_special = (parts[0] == 0x2001 && (parts[1] < 0x200 || parts[1] == 0xdb8))
        || parts[0] == 0x2002
        || (parts[0] == 0x3fff && parts[1] < 0x1000);
    is_given_out && !is_special
}

#[test]
fn many_addresses_are_judged_as_one_who_reads_them_otherwise_judges() {
    let mut numbers = Numbers(1);
    let (mut public, mut not) = (0, 0);
    for _ in 0..200_000 {
        let v4 = numbers.v4();
        assert_eq!(not_public(v4.into()).is_none(), is_public_v4(v4), "{v4}");
        let [high, low] = [numbers.next(), numbers.next()];
        // Half of them in what is given out, some in what is not plain IPv6, the rest anywhere.
        let v6 = match numbers.next() % 8 {
            0..4 => {
                Ipv6Addr::from_bits(u128::from(high >> 3 | 0x2000_0000_0000_0000) << 64 | u128::from(low))
            }
            4 => Ipv6Addr::from_bits(u128::from(v4.to_bits()) | 0xffff_0000_0000),
            5 => Ipv6Addr::from_bits(u128::from(v4.to_bits()) | 0x0064_ff9b << 96),
            6 => Ipv6Addr::from_bits(u128::from(high & 0x03ff_ffff | 0x2001_0000) << 96 | u128::from(low)),
            _ => Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(low)),
        };
        assert_eq!(not_public(v6.into()).is_none(), is_public_v6(v6), "{v6}");
        *(if is_public_v6(v6) { &mut public } else { &mut not }) += 1;
        // However an address of IPv4 is dressed, it is judged as what it reaches.
        let mapped = v4.to_ipv6_mapped();
        assert_eq!(not_public(mapped.into()).is_none(), is_public_v4(v4), "{mapped}");
        // Nothing that is public is refused, whatever is allowed; and the reverse, if nothing is.
        let judged = OutboundPolicy::default().judge("example.com", 443, v6.into());
        assert_eq!(judged.is_ok(), is_public_v6(v6), "{v6}");
    }
    assert!(public > 10_000 && not > 10_000, "{public} public and {not} not");
}

#[test]
fn an_entry_allows_what_it_says_and_nothing_else() {
    let private = address("10.1.2.3");
    for (entry, host, port, is_allowed) in [
        ("db.internal", "db.internal", 80, true),
        ("DB.Internal.", "db.internal", 80, true),
        ("db.internal", "DB.internal.", 443, true),
        ("db.internal", "a.db.internal", 80, false),
        ("db.internal:8080", "db.internal", 8080, true),
        ("db.internal:8080", "db.internal", 80, false),
        ("10.1.2.3", "anything", 1, true),
        ("10.1.2.3:80", "anything", 80, true),
        ("10.1.2.3:80", "anything", 81, false),
        ("10.1.2.4", "10.1.2.3", 80, false),
        ("10.1.0.0/16", "anything", 80, true),
        ("10.1.2.3/32", "anything", 80, true),
        ("10.2.0.0/16", "anything", 80, false),
        ("0.0.0.0/0", "anything", 80, true),
        ("::/0", "anything", 80, false),
        ("other.internal", "db.internal", 80, false),
    ] {
        let judged = policy(&[entry]).judge(host, port, private);
        assert_eq!(judged.is_ok(), is_allowed, "{entry} for {host}:{port}: {judged:?}");
    }
    let v6 = address("fd00::1");
    for (entry, port, is_allowed) in [
        ("fd00::1", 80, true),
        ("[fd00::1]", 80, true),
        ("[fd00::1]:80", 80, true),
        ("[fd00::1]:80", 81, false),
        ("fd00::/8", 80, true),
        ("::/0", 80, true),
        ("fe80::/10", 80, false),
    ] {
        assert_eq!(policy(&[entry]).judge("anything", port, v6).is_ok(), is_allowed, "{entry} for {port}");
    }
    // An address of IPv4 is allowed in whatever dress it comes.
    for dressed in ["::ffff:10.1.2.3", "64:ff9b::10.1.2.3"] {
        assert_eq!(policy(&["10.0.0.0/8"]).judge("anything", 80, address(dressed)), Ok(()), "{dressed}");
    }
}

#[test]
fn what_is_no_entry_is_refused() {
    for entry in [
        "",
        " ",
        "*",
        "*.internal",
        "a b",
        "http://db.internal",
        "db.internal/",
        "db.internal:",
        "db.internal:0",
        "db.internal:65536",
        "db.internal:http",
        "db.internal:+80",
        "10.0.0.0/33",
        "10.0.0.0/",
        "10.0.0.0/+8",
        "10.0.0/8",
        "10.0.0.0/8:80",
        "10.0.0",
        "300.1.1.1",
        "fd00::/129",
        "fd00::1:80x",
        "[fd00::1",
        "[10.0.0.1]:80",
        "[]:80",
        ":80",
    ] {
        let refused = entry.parse::<AllowRule>();
        assert!(refused.is_err(), "{entry:?} is {refused:?}");
    }
    assert!("a".repeat(254).parse::<AllowRule>().is_err());
}

#[test]
fn who_is_refused_is_told_what_it_is_and_not_where() {
    let refused = OutboundPolicy::default().judge("db.internal", 5432, address("10.1.2.3")).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the address of db.internal:5432 is not public but private (RFC 1918); [http] allow in party.toml can allow it"
    );
}
