//! Where the host may send requests of its rooms: to public addresses, and to what whoever runs it has allowed.
//!
//! Guests are hostile, and stand in a network that trusts its own: a cloud's metadata service gives whoever asks its keys. So an
//! address is judged, not a name or a URL: whoever carries a request out resolves the name, judges each address that it has
//! found, dials one that may be, and does all of that again for each redirect. What is judged is what is dialled; there is no
//! second look at the name in between, which could find something else.
//!
//! What is not known to be public is not: of IPv6 only what has been given out for that, 2000::/3. Addresses that hold one of
//! IPv4 are judged as that one where they reach it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use thiserror::Error;

/// Rules in one `[http] allow`.
pub const ALLOW_RULES_MAX: usize = 1_000;
/// The longest name in one, in bytes (RFC 1035, 2.3.4, as it is written).
const NAME_BYTES_MAX: usize = 253;

/// Addresses that begin with the same bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Range {
    first: IpAddr,
    bits: u8,
}

impl Range {
    const fn v4(first: [u8; 4], bits: u8) -> Range {
        let [a, b, c, d] = first;
        Range { first: IpAddr::V4(Ipv4Addr::new(a, b, c, d)), bits }
    }

    const fn v6(first: [u16; 3], bits: u8) -> Range {
        let [a, b, c] = first;
        Range { first: IpAddr::V6(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0)), bits }
    }

    /// Whether an address is in it.
    pub fn holds(&self, address: IpAddr) -> bool {
        match (self.first, address) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                let differing = first.to_bits() ^ address.to_bits();
                differing.checked_shr(32 - u32::from(self.bits)).unwrap_or(0) == 0
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                let differing = first.to_bits() ^ address.to_bits();
                differing.checked_shr(128 - u32::from(self.bits)).unwrap_or(0) == 0
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// What is not public, what it is, and who says so: IANA's registries of special addresses (RFC 6890), multicast, what is
/// reserved, and one public address behind which a cloud keeps its secrets.
const NOT_PUBLIC: [(Range, &str); 31] = [
    (Range::v4([0, 0, 0, 0], 8), "of this very network (RFC 1122)"),
    (Range::v4([10, 0, 0, 0], 8), "private (RFC 1918)"),
    (Range::v4([100, 64, 0, 0], 10), "shared by a carrier (RFC 6598)"),
    (Range::v4([127, 0, 0, 0], 8), "this machine (RFC 1122)"),
    (Range::v4([168, 63, 129, 16], 32), "a cloud's own (Azure)"),
    (Range::v4([169, 254, 0, 0], 16), "link-local, where clouds keep their metadata (RFC 3927)"),
    (Range::v4([172, 16, 0, 0], 12), "private (RFC 1918)"),
    (Range::v4([192, 0, 0, 0], 24), "kept for protocols (RFC 6890)"),
    (Range::v4([192, 0, 2, 0], 24), "for documentation (RFC 5737)"),
    (Range::v4([192, 88, 99, 0], 24), "a relay of 6to4 (RFC 7526)"),
    (Range::v4([192, 168, 0, 0], 16), "private (RFC 1918)"),
    (Range::v4([198, 18, 0, 0], 15), "for measurements (RFC 2544)"),
    (Range::v4([198, 51, 100, 0], 24), "for documentation (RFC 5737)"),
    (Range::v4([203, 0, 113, 0], 24), "for documentation (RFC 5737)"),
    (Range::v4([224, 0, 0, 0], 4), "multicast (RFC 5771)"),
    (Range::v4([240, 0, 0, 0], 4), "reserved (RFC 1112)"),
    (Range { first: IpAddr::V6(Ipv6Addr::UNSPECIFIED), bits: 128 }, "no address (RFC 4291)"),
    (Range { first: IpAddr::V6(Ipv6Addr::LOCALHOST), bits: 128 }, "this machine (RFC 4291)"),
    (
        Range { first: IpAddr::V6(Ipv6Addr::UNSPECIFIED), bits: 96 },
        "of IPv4 within IPv6, as it was once (RFC 4291)",
    ),
    (Range::v6([0x64, 0xff9b, 1], 48), "of a local NAT64 (RFC 8215)"),
    (Range::v6([0x100, 0, 0], 64), "to be discarded (RFC 6666)"),
    (Range::v6([0x2001, 0, 0], 32), "of Teredo (RFC 4380)"),
    (Range::v6([0x2001, 0, 0], 23), "kept for protocols (RFC 2928)"),
    (Range::v6([0x2001, 0xdb8, 0], 32), "for documentation (RFC 3849)"),
    (Range::v6([0x2002, 0, 0], 16), "of 6to4 (RFC 3056)"),
    (Range::v6([0x3fff, 0, 0], 20), "for documentation (RFC 9637)"),
    (Range::v6([0x5f00, 0, 0], 16), "of segment routing (RFC 9602)"),
    (Range::v6([0xfc00, 0, 0], 7), "private (RFC 4193)"),
    (Range::v6([0xfe80, 0, 0], 10), "link-local (RFC 4291)"),
    (Range::v6([0xfec0, 0, 0], 10), "private, as it was once (RFC 3879)"),
    (Range::v6([0xff00, 0, 0], 8), "multicast (RFC 4291)"),
];

/// What has been given out to be public (IANA, "IPv6 Global Unicast Address Space").
const PUBLIC_V6: Range = Range::v6([0x2000, 0, 0], 3);
/// IPv6 that NAT64 translates to IPv4 (RFC 6052): the last 32 bits are the address.
const NAT64: Range = Range::v6([0x64, 0xff9b, 0], 96);

/// Why an address is not public, if it is not.
pub fn not_public(address: IpAddr) -> Option<&'static str> {
    let address = reached(address);
    if let Some((_, what)) = NOT_PUBLIC.iter().find(|(range, _)| range.holds(address)) {
        return Some(what);
    }
    let is_given_out = address.is_ipv4() || PUBLIC_V6.holds(address);
    (!is_given_out).then_some("not given out (RFC 4291)")
}

/// The address that is reached by this one: of IPv4 where IPv6 says it (RFC 4291, 2.5.5.2), or a NAT64 is told it.
fn reached(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    if NAT64.holds(address) {
        return Ipv4Addr::from_bits(v6.to_bits() as u32).into();
    }
    v6.to_ipv4_mapped().map_or(address, IpAddr::V4)
}

/// What whoever runs the host allows beside public addresses: one entry of `[http] allow`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AllowRule {
    what: Allowed,
    /// Any, if none is said.
    port: Option<u16>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Allowed {
    /// Whatever addresses it has.
    Name(String),
    Addresses(Range),
}

/// Why an entry of `[http] allow` cannot be understood.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error(
    "{entry:?} is not allowed in this way: say HOST, HOST:PORT, an address (with [ ] around IPv6 before a port) or ADDRESS/BITS"
)]
pub struct BadRule {
    /// The entry.
    pub entry: String,
}

impl FromStr for AllowRule {
    type Err = BadRule;

    fn from_str(entry: &str) -> Result<AllowRule, BadRule> {
        let bad = || BadRule { entry: entry.to_owned() };
        let rule = |what, port| Ok(AllowRule { what, port });
        let one = |address: IpAddr| Allowed::Addresses(Range { first: address, bits: width(address) });
        if let Some((first, bits)) = entry.split_once('/') {
            let first: IpAddr = first.parse().map_err(|_| bad())?;
            let bits = number(bits).filter(|bits| *bits <= u16::from(width(first))).ok_or_else(bad)?;
            return rule(Allowed::Addresses(Range { first, bits: bits as u8 }), None);
        }
        if let Ok(address) = entry.parse() {
            return rule(one(address), None);
        }
        if let Some((address, behind)) = entry.strip_prefix('[').and_then(|entry| entry.split_once(']')) {
            let address: Ipv6Addr = address.parse().map_err(|_| bad())?;
            let port = match behind {
                "" => None,
                behind => Some(behind.strip_prefix(':').and_then(port).ok_or_else(bad)?),
            };
            return rule(one(address.into()), port);
        }
        let (host, port) = match entry.rsplit_once(':') {
            Some((host, digits)) => (host, Some(port(digits).ok_or_else(bad)?)),
            None => (entry, None),
        };
        if let Ok(address) = host.parse::<Ipv4Addr>() {
            return rule(one(address.into()), port);
        }
        let name = plain_name(host);
        let is_name = !name.is_empty()
            && name.len() <= NAME_BYTES_MAX
            && name.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_.".contains(&c))
            // Else a slip in an address would be a name that nobody has.
            && !name.bytes().all(|c| c.is_ascii_digit() || c == b'.');
        if is_name { rule(Allowed::Name(name), port) } else { Err(bad()) }
    }
}

/// Digits and nothing else.
fn number(text: &str) -> Option<u16> {
    let is_number = !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

fn port(text: &str) -> Option<u16> {
    number(text).filter(|port| *port > 0)
}

const fn width(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// Names are the same however they are written, and with the dot at their end.
fn plain_name(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// Why nothing is sent to an address. It does not say which that is: a guest need not learn how the network of its host is made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RefusedAddress {
    /// As the URL has it.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// What its address is.
    pub what: &'static str,
}

impl fmt::Display for RefusedAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RefusedAddress { host, port, what } = self;
        write!(
            f,
            "the address of {host}:{port} is not public but {what}; [http] allow in party.toml can allow it"
        )
    }
}

/// Where requests of rooms may go.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct OutboundPolicy {
    /// What is allowed beside public addresses, at most [`ALLOW_RULES_MAX`].
    pub allow: Vec<AllowRule>,
}

impl OutboundPolicy {
    /// Whether a request to a host of this name, or written so, may go to this address, which it has.
    pub fn judge(&self, host: &str, port: u16, address: IpAddr) -> Result<(), RefusedAddress> {
        let Some(what) = not_public(address) else { return Ok(()) };
        let name = plain_name(host);
        let allows = |rule: &AllowRule| {
            let is_meant = match &rule.what {
                Allowed::Name(allowed) => *allowed == name,
                Allowed::Addresses(range) => range.holds(address) || range.holds(reached(address)),
            };
            is_meant && rule.port.is_none_or(|allowed| allowed == port)
        };
        if self.allow.iter().any(allows) {
            return Ok(());
        }
        Err(RefusedAddress { host: host.to_owned(), port, what })
    }
}

#[cfg(test)]
mod tests;
