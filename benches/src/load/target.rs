//! Where the server under load listens, and the paths of its rooms.
//!
//! What must hold: an address is resolved once, before anything is measured, and is a loopback address unless the
//! caller said that it may be another: a load tool pointed at a stranger's server by a typing error does harm.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

/// Why an address cannot be driven.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The scheme is neither `http` nor `ws`, or there is none.
    #[error("target {0:?} does not begin with http:// or ws://")]
    Scheme(String),
    /// There is more than a host and a port.
    #[error("target {0:?} has a path; give only scheme, host and port")]
    Path(String),
    /// The name does not resolve.
    #[error("target {authority:?} does not resolve")]
    Resolve {
        /// Host and port as given.
        authority: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// The name resolves to no address at all.
    #[error("target {0:?} resolves to no address")]
    NoAddress(String),
    /// The address is not this machine's own.
    #[error("target {0} is not a loopback address")]
    Remote(SocketAddr),
}

/// A server to drive: its address and the name it is called by in `Host` headers.
#[derive(Clone, Debug)]
pub struct Target {
    address: SocketAddr,
    authority: String,
}

impl Target {
    /// Reads `http://host:port` (or `ws://`); the port defaults to 80. Refuses addresses beyond loopback unless
    /// `remote_allowed`.
    pub fn parse(text: &str, remote_allowed: bool) -> Result<Target, TargetError> {
        let rest = text
            .strip_prefix("http://")
            .or_else(|| text.strip_prefix("ws://"))
            .ok_or_else(|| TargetError::Scheme(text.to_owned()))?;
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.is_empty() || authority.contains(['/', '?', '#', '@']) {
            return Err(TargetError::Path(text.to_owned()));
        }
        let with_port = if authority.rsplit(':').next().is_some_and(|port| port.parse::<u16>().is_ok()) {
            authority.to_owned()
        } else {
            format!("{authority}:80")
        };
        let address = with_port
            .to_socket_addrs()
            .map_err(|source| TargetError::Resolve { authority: authority.to_owned(), source })?
            .next()
            .ok_or_else(|| TargetError::NoAddress(authority.to_owned()))?;
        if !remote_allowed && !address.ip().is_loopback() {
            return Err(TargetError::Remote(address));
        }
        Ok(Target { address, authority: authority.to_owned() })
    }

    /// The server on this machine at `port`.
    pub fn loopback(port: u16) -> Target {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        Target { address, authority: address.to_string() }
    }

    /// The address to connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What goes into the `Host` header.
    pub fn authority(&self) -> &str {
        &self.authority
    }
}

/// The path of a room, as PartyKit spells it. Both names must already be fit for a URL.
pub fn room_path(party: &str, room: &str) -> String {
    format!("/parties/{party}/{room}")
}

#[cfg(test)]
mod tests {
    use super::{Target, TargetError};

    #[test]
    fn both_schemes_and_a_final_slash_are_understood() {
        for text in ["http://127.0.0.1:1999", "ws://127.0.0.1:1999/"] {
            let target = Target::parse(text, false).unwrap();
            assert_eq!(target.address().port(), 1999);
            assert_eq!(target.authority(), "127.0.0.1:1999");
        }
        assert_eq!(Target::parse("http://127.0.0.1", false).unwrap().address().port(), 80);
    }

    #[test]
    fn an_address_of_another_machine_needs_leave() {
        assert!(matches!(Target::parse("http://192.0.2.1:80", false), Err(TargetError::Remote(_))));
        assert!(Target::parse("http://192.0.2.1:80", true).is_ok());
    }

    #[test]
    fn anything_but_scheme_host_and_port_is_refused() {
        assert!(matches!(Target::parse("127.0.0.1:1999", false), Err(TargetError::Scheme(_))));
        assert!(matches!(Target::parse("http://127.0.0.1:1999/parties", false), Err(TargetError::Path(_))));
        assert!(matches!(Target::parse("http://", false), Err(TargetError::Path(_))));
    }
}
