//! Where a host listens: an address, or a name that stands for one or several.
//!
//! A name is resolved once, at the start. All addresses that it stands for are listened on: a browser that is told
//! `localhost` takes the first of two that answers, and must not find another server there. One that this machine does
//! not have (IPv6 where there is none) is left out, as long as there is another.

use std::fmt;
use std::net::{IpAddr, SocketAddr, TcpListener, ToSocketAddrs};
use std::str::FromStr;

use anyhow::Result;
use party_server::edge::listener::{ListenError, listen};
use thiserror::Error;

use crate::problem::usage;

/// The longest name, in bytes, as in DNS.
const NAME_BYTES_MAX: usize = 253;
/// Addresses that one name may stand for; those beyond are not listened on.
const ADDRESSES_MAX: usize = 16;
const HINT: &str = "give an address of this machine: 127.0.0.1 for this machine only, 0.0.0.0 for everyone; or a name of \
                    it, such as localhost";

/// What is given with `--host`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum HostName {
    Address(IpAddr),
    /// Not resolved yet.
    Name(String),
}

/// Why a text can be no host.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub(crate) enum HostNameError {
    #[error("a port does not belong here; give it with --port")]
    Port,
    #[error(
        "give an address such as 127.0.0.1, or a name such as localhost: 1 to {NAME_BYTES_MAX} of a-z, 0-9, -, _ and ."
    )]
    Name,
}

impl FromStr for HostName {
    type Err = HostNameError;

    fn from_str(text: &str) -> Result<HostName, HostNameError> {
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        if let Ok(address) = bare.parse() {
            return Ok(HostName::Address(address));
        }
        let of_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let is_name = |name: &str| (1..=NAME_BYTES_MAX).contains(&name.len()) && name.chars().all(of_name);
        match text.rsplit_once(':') {
            Some((_, port)) if port.parse::<u16>().is_ok() => Err(HostNameError::Port),
            None if is_name(text) => Ok(HostName::Name(text.into())),
            Some(_) | None => Err(HostNameError::Name),
        }
    }
}

impl HostName {
    /// Listens on all that it stands for.
    pub(crate) fn listen(&self, port: u16) -> Result<(Listening, Vec<TcpListener>)> {
        let (name, listeners) = match self {
            HostName::Address(address) => (None, vec![listen(SocketAddr::new(*address, port))?]),
            HostName::Name(name) => (Some(name.clone()), listen_on_all(name, port)?),
        };
        let addresses = listeners.iter().map(TcpListener::local_addr).collect::<Result<_, _>>()?;
        Ok((Listening { name, addresses, is_over_tls: false }, listeners))
    }
}

fn listen_on_all(name: &str, port: u16) -> Result<Vec<TcpListener>> {
    let found = (name, port).to_socket_addrs().map_err(|error| {
        // The resolver's own words, without the system's "failed to lookup address information".
        let why = error.to_string();
        let why = why.rsplit(": ").next().unwrap_or_default();
        usage(format!("--host {name} has no address: {why}"), HINT)
    })?;
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in found {
        if !addresses.contains(&address) && addresses.len() < ADDRESSES_MAX {
            addresses.push(address);
        }
    }
    let (mut listeners, mut missing): (Vec<TcpListener>, _) = (Vec::new(), None);
    for mut address in addresses {
        if let Some(first) = listeners.first() {
            // With port 0 the system has chosen one for the first.
            address.set_port(first.local_addr()?.port());
        }
        match listen(address) {
            Ok(listener) => listeners.push(listener),
            Err(error @ ListenError::Other { .. }) => {
                tracing::debug!("{name} also stands for an address that is left out: {error}");
                missing.get_or_insert(error);
            }
            Err(error @ (ListenError::InUse { .. } | ListenError::NotAllowed { .. })) => {
                return Err(error.into());
            }
        }
    }
    match (listeners.is_empty(), missing) {
        (false, _) => Ok(listeners),
        (true, Some(error)) => Err(error.into()),
        (true, None) => Err(usage(format!("--host {name} has no address"), HINT)),
    }
}

/// Where a host listens. Prints as URLs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Listening {
    /// What it was given, if that was no address.
    name: Option<String>,
    /// At least one.
    addresses: Vec<SocketAddr>,
    /// TLS is spoken there.
    is_over_tls: bool,
}

impl Listening {
    /// The same, where TLS is spoken.
    pub(crate) fn over_tls(self) -> Listening {
        Listening { is_over_tls: true, ..self }
    }

    /// Whether TLS is spoken there.
    pub(crate) fn is_over_tls(&self) -> bool {
        self.is_over_tls
    }

    /// Host and port for somebody on this machine.
    pub(crate) fn reachable(&self) -> String {
        let Some(first) = self.addresses.first() else { return String::new() };
        match &self.name {
            Some(name) => format!("{name}:{}", first.port()),
            None if first.ip().is_unspecified() => format!("127.0.0.1:{}", first.port()),
            None => first.to_string(),
        }
    }
}

impl Listening {
    /// Host and port for somebody who knows it by this name.
    pub(crate) fn reachable_as(&self, name: &str) -> String {
        let port = self.addresses.first().map_or(0, SocketAddr::port);
        format!("{name}:{port}")
    }

    /// Host and port of a project that is asked for by its label, for somebody on this machine where that can be.
    pub(crate) fn reachable_below(&self, label: &str) -> String {
        let is_local = |address: &SocketAddr| address.ip().is_unspecified() || address.ip().is_loopback();
        let domain = match &self.name {
            Some(name) => name,
            None if self.addresses.iter().any(is_local) => "localhost",
            None => "DOMAIN",
        };
        self.reachable_as(&format!("{label}.{domain}"))
    }
}

impl fmt::Display for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses: Vec<_> = self.addresses.iter().map(ToString::to_string).collect();
        let scheme = if self.is_over_tls { "https" } else { "http" };
        match &self.name {
            Some(_) => write!(f, "{scheme}://{} ({})", self.reachable(), addresses.join(", ")),
            None => write!(f, "{scheme}://{}", addresses.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{HostName, HostNameError, Listening};

    #[test]
    fn addresses_and_names_are_told_apart_and_other_texts_refused() {
        let address = |text: &str| Ok(HostName::Address(text.parse().expect("it is one")));
        let name = |text: &str| Ok(HostName::Name(text.into()));
        let cases = [
            ("127.0.0.1", address("127.0.0.1")),
            ("::", address("::")),
            ("[::1]", address("::1")),
            ("localhost", name("localhost")),
            ("my_host.example.com.", name("my_host.example.com.")),
            ("localhost:80", Err(HostNameError::Port)),
            ("[::1]:80", Err(HostNameError::Port)),
            ("http://localhost", Err(HostNameError::Name)),
            ("", Err(HostNameError::Name)),
            ("my host", Err(HostNameError::Name)),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse::<HostName>(), expected, "{text:?}");
        }
        assert_eq!("x".repeat(254).parse::<HostName>(), Err(HostNameError::Name));
    }

    #[test]
    fn a_name_is_listened_on_at_all_its_addresses_on_one_port() {
        let (listening, listeners) = HostName::Name("localhost".into()).listen(0).expect("it resolves");
        assert_eq!(listening.addresses.len(), listeners.len());
        let port = listening.addresses[0].port();
        assert!(listening.addresses.iter().all(|one| one.ip().is_loopback() && one.port() == port));
        assert!(listening.to_string().starts_with(&format!("http://localhost:{port} (")), "{listening}");
        let again = HostName::Name("localhost".into()).listen(port).expect_err("it is in use");
        assert!(again.to_string().contains("is in use\nhint: "), "{again}");
    }

    #[test]
    fn what_is_told_can_be_opened_on_this_machine() {
        let listening = |address: &str| {
            let addresses = vec![address.parse().expect("one")];
            Listening { name: None, addresses, is_over_tls: false }
        };
        assert_eq!(listening("0.0.0.0:1999").to_string(), "http://0.0.0.0:1999");
        assert_eq!(listening("0.0.0.0:1999").over_tls().to_string(), "https://0.0.0.0:1999");
        assert_eq!(listening("0.0.0.0:1999").reachable(), "127.0.0.1:1999");
        assert_eq!(listening("[::1]:1999").reachable(), "[::1]:1999");
        assert_eq!(listening("0.0.0.0:80").reachable_below("chat"), "chat.localhost:80");
        assert_eq!(listening("127.0.0.1:80").reachable_below("chat"), "chat.localhost:80");
        assert_eq!(listening("192.0.2.7:80").reachable_below("chat"), "chat.DOMAIN:80");
        assert_eq!(listening("192.0.2.7:80").reachable_as("chat.example"), "chat.example:80");
    }
}
