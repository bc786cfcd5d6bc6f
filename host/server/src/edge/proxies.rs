//! Who the client is behind proxies, and which headers are believed.
//!
//! A proxy says in headers for whom it asks, and so can everybody else. So these headers are believed of the peers that are listed,
//! and of nobody else; the rest of what a proxy adds is believed by name only (`trusted_headers`). What is not believed a room
//! never sees, so that no party can take it for true. Each proxy appends the address that it was asked from, so the list is read
//! from its end: as long as who appended is listed, the address before is true; the first that is not listed is the client.
//! Reading from the beginning, as is often done, would believe what the client wrote.
//!
//! Only one header is looked at for that, because a proxy that writes one lets the others through as they come.

use std::net::IpAddr;

use hyper::header::{FORWARDED, HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;
use thiserror::Error;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// What proxies say of the client. A room sees of these what the host has found out, and what is trusted by name.
const OF_PROXIES: [HeaderName; 7] = [
    FORWARDED,
    FORWARDED_FOR,
    FORWARDED_PROTO,
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-port"),
    HeaderName::from_static("x-forwarded-prefix"),
    HeaderName::from_static("x-real-ip"),
];
/// What no proxy has a say in, because the host itself goes by it.
const OF_THE_HOST: [&str; 10] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "origin",
    "te",
    "transfer-encoding",
    "upgrade",
    "x-forwarded-for",
    "x-forwarded-proto",
];

/// The peers that are believed, and what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrustedProxies {
    /// None if nothing is said of proxies: then rooms are not told who the client is.
    networks: Option<Vec<IpNet>>,
    /// Where they say for whom they ask.
    address_header: HeaderName,
    /// What else is believed of them.
    headers: Vec<HeaderName>,
}

/// Why something cannot be trusted. What to do is in [`TrustError::hint`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum TrustError {
    /// Neither a network nor an address.
    #[error("is no network and no address")]
    NoNetwork,
    /// A network that is everybody.
    #[error("is everybody, and everybody could say who they are")]
    Everybody,
    /// No name of a header.
    #[error("is no name of a header")]
    NoHeader,
    /// The host goes by it.
    #[error("is a header that the host goes by itself")]
    OfTheHost,
}

impl TrustError {
    /// What to write instead.
    pub fn hint(self) -> &'static str {
        match self {
            TrustError::NoNetwork => "write \"10.0.0.0/8\", \"192.0.2.7\" or \"2001:db8::/32\"",
            TrustError::Everybody => "list the networks that your proxies ask from",
            TrustError::NoHeader => "write it as in \"cf-ipcountry\"",
            TrustError::OfTheHost => {
                "leave it out: what the host has found out of the client stands in x-forwarded-for and x-forwarded-proto"
            }
        }
    }
}

/// Whoever is at the other end of a connection, and how.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Peer {
    /// An IPv4 address is always written as such.
    pub(crate) address: IpAddr,
    /// Over TLS.
    pub(crate) is_secure: bool,
}

impl Default for TrustedProxies {
    fn default() -> TrustedProxies {
        TrustedProxies { networks: None, address_header: FORWARDED_FOR, headers: Vec::new() }
    }
}

/// One part of what is said of proxies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProxyPart {
    /// Whose networks are believed.
    Networks,
    /// Where they say for whom they ask.
    AddressHeader,
    /// What else is believed of them.
    Headers,
}

impl TrustedProxies {
    /// Whether another says the same in this part.
    pub fn agrees_on(&self, part: ProxyPart, other: &TrustedProxies) -> bool {
        match part {
            ProxyPart::Networks => self.networks == other.networks,
            ProxyPart::AddressHeader => self.address_header == other.address_header,
            ProxyPart::Headers => self.headers == other.headers,
        }
    }

    /// Rooms are told who the client is, whether there are proxies or not.
    pub fn tell_rooms(&mut self) {
        self.networks.get_or_insert_default();
    }

    /// Believes the peers of one more network: `10.0.0.0/8`, or one address.
    pub fn trust(&mut self, text: &str) -> Result<(), TrustError> {
        let network = match text.parse::<IpAddr>() {
            Ok(address) => IpNet::from(address.to_canonical()),
            Err(_) => text.parse::<IpNet>().map_err(|_| TrustError::NoNetwork)?.trunc(),
        };
        if network.prefix_len() == 0 {
            return Err(TrustError::Everybody);
        }
        self.networks.get_or_insert_default().push(network);
        Ok(())
    }

    /// Believes one more header of those peers, and of nobody else.
    pub fn trust_header(&mut self, name: &str) -> Result<(), TrustError> {
        let header = name.parse::<HeaderName>().map_err(|_| TrustError::NoHeader)?;
        if OF_THE_HOST.contains(&header.as_str()) || header.as_str().starts_with("sec-websocket-") {
            return Err(TrustError::OfTheHost);
        }
        self.headers.push(header);
        Ok(())
    }

    /// Takes another header than `x-forwarded-for` for what says who the client is: `forwarded` (RFC 7239), or one that
    /// holds an address and nothing else, such as `cf-connecting-ip`.
    pub fn read_address_from(&mut self, name: &str) -> Result<(), TrustError> {
        let header = name.parse::<HeaderName>().map_err(|_| TrustError::NoHeader)?;
        if OF_THE_HOST.contains(&header.as_str()) && header != FORWARDED_FOR {
            return Err(TrustError::OfTheHost);
        }
        self.address_header = header;
        Ok(())
    }

    /// Whether somebody is a proxy that is believed.
    pub(crate) fn has(&self, address: IpAddr) -> bool {
        self.networks.iter().flatten().any(|network| network.contains(&address))
    }

    /// Who asks.
    pub(crate) fn client(&self, peer: Peer, headers: &HeaderMap) -> Peer {
        if !self.has(peer.address) {
            return peer;
        }
        let values: Vec<&str> = texts(headers, &self.address_header).collect();
        let mut client = peer;
        // How many have appended something that is believed.
        let mut hops = 0;
        let is_forwarded = self.address_header == FORWARDED;
        let of_one = if is_forwarded { quoted_elements } else { list };
        for element in values.iter().rev().flat_map(|value| of_one(value).into_iter().rev()) {
            let (address, is_secure) = match is_forwarded {
                true => (parameter(element, "for"), parameter(element, "proto").and_then(is_secure)),
                false => (Some(element), proto_from_end(headers, hops)),
            };
            if let Some(is_secure) = is_secure {
                client.is_secure = is_secure;
            }
            // One that hides whom it was asked by is the last that is known.
            let Some(address) = address.and_then(host_of) else { break };
            client.address = address;
            hops += 1;
            if !self.has(address) {
                break;
            }
        }
        client
    }

    /// Leaves to a room what is believed, and tells it who the client is if that is wanted. Whether something was taken away
    /// that only a proxy says.
    pub(crate) fn vouch(&self, peer: Peer, client: Peer, headers: &mut HeaderMap) -> bool {
        let is_trusted = self.has(peer.address);
        let mut is_stripped = false;
        for name in OF_PROXIES.iter().filter(|name| !(is_trusted && self.headers.contains(name))) {
            is_stripped |= headers.remove(name).is_some();
        }
        if !is_trusted {
            self.headers.iter().for_each(|name| is_stripped |= headers.remove(name).is_some());
        }
        if self.networks.is_some() {
            if let Ok(address) = HeaderValue::try_from(client.address.to_string()) {
                headers.insert(FORWARDED_FOR, address);
            }
            let proto = if client.is_secure { "https" } else { "http" };
            headers.insert(FORWARDED_PROTO, HeaderValue::from_static(proto));
        }
        is_stripped && !is_trusted
    }
}

/// The values of a header that are text.
fn texts<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers.get_all(name).into_iter().filter_map(|value| std::str::from_utf8(value.as_bytes()).ok())
}

/// The elements of `forwarded` (RFC 7239, 4), in order. A quote that a client has opened and left would hide what its proxy
/// has appended; then no quote counts.
fn quoted_elements(value: &str) -> Vec<&str> {
    split_unquoted(value, ',').unwrap_or_else(|| list(value))
}

/// What stands between commas, in order.
fn list(value: &str) -> Vec<&str> {
    value.split(',').map(str::trim).filter(|part| !part.is_empty()).collect()
}

/// What stands between separators that are in no quotes; `None` if a quote has no end.
fn split_unquoted(value: &str, separator: char) -> Option<Vec<&str>> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let mut parts = Vec::new();
    for part in value.split(|c: char| {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            _ => return c == separator && !is_quoted,
        }
        false
    }) {
        parts.push(part.trim());
    }
    (!is_quoted).then_some(parts)
}

/// One parameter of an element of `forwarded` (RFC 7239, 4), without its quotes.
fn parameter<'a>(element: &'a str, name: &str) -> Option<&'a str> {
    let pairs = split_unquoted(element, ';').unwrap_or_default();
    let mut pairs = pairs.into_iter().filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(key, _)| key.eq_ignore_ascii_case(name))?;
    Some(value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value))
}

/// What the proxy says that stands so many from the end: each appends one, or there is only one.
fn proto_from_end(headers: &HeaderMap, hops: usize) -> Option<bool> {
    let values: Vec<&str> = texts(headers, &FORWARDED_PROTO).flat_map(list).collect();
    let index = values.len().checked_sub(1)?.saturating_sub(hops);
    is_secure(values[index])
}

fn is_secure(proto: &str) -> Option<bool> {
    match proto {
        _ if proto.eq_ignore_ascii_case("https") || proto.eq_ignore_ascii_case("wss") => Some(true),
        _ if proto.eq_ignore_ascii_case("http") || proto.eq_ignore_ascii_case("ws") => Some(false),
        _ => None,
    }
}

/// An address, with a port or without.
fn host_of(text: &str) -> Option<IpAddr> {
    if let Some(inner) = text.strip_prefix('[') {
        let (address, port) = inner.split_once(']')?;
        let is_port = port.is_empty() || port.starts_with(':');
        return address.parse::<IpAddr>().ok().filter(|_| is_port).map(|address| address.to_canonical());
    }
    let is_address = |text: &str| text.parse::<IpAddr>().ok().map(|address| address.to_canonical());
    is_address(text).or_else(|| text.split_once(':').and_then(|(address, _)| is_address(address)))
}

#[cfg(test)]
mod tests;
