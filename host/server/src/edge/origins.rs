//! Whose pages may speak to the rooms and to the lobby: the origins that a project allows.
//!
//! A browser lets every page open a WebSocket to every host, and send it simple requests, with the cookies that the host has
//! set; it only says in `origin` whose page it is. So the list is looked at for both, before the room is asked, and what is
//! not in it is answered with 403. Who sends none passes: no browser leaves it out of a WebSocket or of what is not GET or HEAD.
//! It does of links and of what a page embeds, such as an image, so a room must let no GET do anything for whoever it comes
//! from. Whoever is no browser can say what it likes: the list protects people from pages, and is no proof of who asks.
//!
//! Only what is listed is allowed, the host's own page as well: by the name that a client gives for the host an attacker's page
//! whose name is made to lead here would be one of the host's own.

use std::collections::BTreeSet;

use hyper::header::{HeaderMap, ORIGIN};
use party_core::http::Response;
use thiserror::Error;

/// How much of a refused origin is told, in bytes.
const TOLD_BYTES_MAX: usize = 200;
/// The ports that browsers leave out.
const DEFAULT_PORTS: [(&str, &str); 2] = [("http", "80"), ("https", "443")];
/// Who stands for the machine that the browser runs on.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// The origins that are allowed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AllowedOrigins {
    exact: BTreeSet<String>,
    below: Vec<Below>,
    loopback: bool,
}

/// All origins of this scheme and port whose host stands below a domain.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Below {
    scheme: String,
    /// With its dot: `.example.com`.
    domain: String,
    port: Option<String>,
}

/// Why a text is no origin that can be allowed. What to do is in [`OriginError::hint`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum OriginError {
    /// `*`.
    #[error("would allow all")]
    All,
    /// It does not begin with a scheme.
    #[error("does not begin with a scheme, such as https://")]
    NoScheme,
    /// Something follows the host and port.
    #[error("has more than scheme, host and port")]
    TooMuch,
    /// The host is none.
    #[error("has no host that a browser would name")]
    BadHost,
    /// A `*` that is not the whole first label.
    #[error("has a \"*\" that does not stand for subdomains")]
    BadWildcard,
    /// The port is none.
    #[error("has a port that is none")]
    BadPort,
}

impl OriginError {
    /// What to write instead.
    pub fn hint(self) -> &'static str {
        match self {
            OriginError::All => "leave allowed_origins out: then pages of all origins are allowed",
            OriginError::NoScheme => "write it as browsers do: \"https://example.com\"",
            OriginError::TooMuch => "write it without path and slash at the end: \"https://example.com\"",
            OriginError::BadHost => {
                "write names in a-z, 0-9, - and ., others as xn--…, as browsers send them"
            }
            OriginError::BadWildcard => "write \"https://*.example.com\" for all below example.com",
            OriginError::BadPort => {
                "a port is 1 to 65535; leave it out where it is the scheme's own, 443 or 80"
            }
        }
    }
}

impl AllowedOrigins {
    /// Allows one more: `https://example.com`, with `:8443` for another port than the scheme's own; all below a domain as
    /// `https://*.example.com`, which does not hold the domain itself; or `null`, which files and sandboxed frames have.
    pub fn allow(&mut self, text: &str) -> Result<(), OriginError> {
        if text == "*" {
            return Err(OriginError::All);
        }
        if text == "null" {
            self.exact.insert(text.into());
            return Ok(());
        }
        let text = text.to_ascii_lowercase();
        let (scheme, authority) = text.split_once("://").ok_or(OriginError::NoScheme)?;
        let of_scheme = |c: u8| c.is_ascii_alphanumeric() || b"+-.".contains(&c);
        if !scheme.starts_with(|c: char| c.is_ascii_lowercase()) || !scheme.bytes().all(of_scheme) {
            return Err(OriginError::NoScheme);
        }
        if authority.contains(['/', '?', '#', '@']) {
            return Err(OriginError::TooMuch);
        }
        let (host, port) = split_port(authority);
        let port = match port {
            Some(port) if !is_port(port) => return Err(OriginError::BadPort),
            Some(port) if DEFAULT_PORTS.contains(&(scheme, port)) => None,
            port => port,
        };
        if let Some(domain) = host.strip_prefix('*') {
            let labels = domain.strip_prefix('.').ok_or(OriginError::BadWildcard)?;
            if labels.contains('*') || !is_name(labels) {
                return Err(OriginError::BadWildcard);
            }
            let port = port.map(str::to_owned);
            self.below.push(Below { scheme: scheme.into(), domain: domain.into(), port });
            return Ok(());
        }
        match host {
            _ if host.contains('*') => return Err(OriginError::BadWildcard),
            _ if !is_name(host) && !is_address(host) => return Err(OriginError::BadHost),
            _ => {}
        }
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        self.exact.insert(format!("{scheme}://{host}{port}"));
        Ok(())
    }

    /// Allows those of this machine's browser, on all ports: for `dev`, which nobody else reaches. No foreign page has one.
    pub fn allow_loopback(&mut self) {
        self.loopback = true;
    }

    /// Whether an origin, as a browser sends it, is allowed.
    pub(crate) fn has(&self, origin: &str) -> bool {
        let origin = origin.to_ascii_lowercase();
        if self.exact.contains(&origin) {
            return true;
        }
        let Some((scheme, authority)) = origin.split_once("://") else { return false };
        let (host, port) = split_port(authority);
        let is_below = |below: &Below| {
            let rest = host.strip_suffix(below.domain.as_str());
            below.scheme == scheme && below.port.as_deref() == port && rest.is_some_and(is_name)
        };
        let is_loopback =
            |host: &str| LOOPBACK.contains(&host) || host.strip_suffix(".localhost").is_some_and(is_name);
        self.below.iter().any(is_below)
            || (self.loopback && ["http", "https"].contains(&scheme) && is_loopback(host))
    }

    /// Whether a request may go to a room. An error is its refusal.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), Response> {
        let mut values = headers.get_all(ORIGIN).iter();
        let Some(value) = values.next() else { return Ok(()) };
        if values.next().is_some() {
            return Err(Response::text(403, "there is more than one origin header"));
        }
        match std::str::from_utf8(value.as_bytes()) {
            Ok(origin) if self.has(origin) => Ok(()),
            _ => {
                let told = &value.as_bytes()[..value.len().min(TOLD_BYTES_MAX)];
                let text = format!(
                    "pages of the origin \"{}\" are not allowed here: allowed_origins of the project does not list it",
                    told.escape_ascii()
                );
                Err(Response::text(403, text))
            }
        }
    }
}

/// Host, and port if there is one.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

fn is_port(port: &str) -> bool {
    let is_written_once = !port.starts_with('0') && port.bytes().all(|c| c.is_ascii_digit());
    is_written_once && port.parse::<u16>().is_ok_and(|port| port > 0)
}

/// Labels between dots, none empty.
fn is_name(name: &str) -> bool {
    let of_label = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-' || c == b'_';
    name.split('.').all(|label| !label.is_empty() && label.bytes().all(of_label))
}

fn is_address(host: &str) -> bool {
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    inner.is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok())
}

#[cfg(test)]
mod tests {
    use hyper::header::{HeaderMap, HeaderValue, ORIGIN};

    use super::{AllowedOrigins, OriginError};

    fn allowed(texts: &[&str]) -> AllowedOrigins {
        let mut origins = AllowedOrigins::default();
        texts.iter().for_each(|text| origins.allow(text).unwrap_or_else(|error| panic!("{text} {error}")));
        origins
    }

    #[track_caller]
    fn check(origins: &AllowedOrigins, allowed: &[&str], refused: &[&str]) {
        allowed.iter().for_each(|origin| assert!(origins.has(origin), "{origin} is allowed"));
        refused.iter().for_each(|origin| assert!(!origins.has(origin), "{origin} is refused"));
    }

    #[test]
    fn an_origin_is_scheme_host_and_port_and_nothing_less() {
        let origins =
            allowed(&["https://Example.com", "http://a:8080", "https://b:443", "http://[::1]:5173"]);
        check(
            &origins,
            &[
                "https://example.com",
                "HTTPS://EXAMPLE.COM",
                "http://a:8080",
                "https://b",
                "http://[::1]:5173",
            ],
            &[
                "http://example.com",
                "https://example.com:8443",
                "https://example.com.evil.org",
                "https://evil-example.com",
                "https://a.example.com",
                "https://example.com/",
                "https://user@example.com",
                "http://a",
                "http://[::1]",
                "null",
                "",
            ],
        );
    }

    #[test]
    fn a_wildcard_stands_for_all_that_is_below_a_domain_and_nothing_else() {
        let origins = allowed(&["https://*.example.com", "http://*.test:81"]);
        check(
            &origins,
            &["https://a.example.com", "https://a.b-c.example.com", "http://x.test:81"],
            &[
                "https://example.com",
                "https://.example.com",
                "https://a..example.com",
                "http://a.example.com",
                "https://a.example.com:81",
                "https://evilexample.com",
                "https://evil.org/.example.com",
                "https://evil.org#.example.com",
                "https://evil.org?.example.com",
                "https://evil.org:1.example.com",
                "https://me@a.example.com",
                "http://x.test",
            ],
        );
    }

    #[test]
    fn files_and_other_schemes_are_allowed_by_name() {
        check(
            &allowed(&["null", "capacitor://localhost"]),
            &["null", "capacitor://localhost"],
            &["http://localhost"],
        );
    }

    #[test]
    fn in_dev_this_machine_is_allowed_and_nobody_who_is_called_like_it() {
        let mut origins = allowed(&["https://example.com"]);
        check(&origins, &[], &["http://localhost:1999"]);
        origins.allow_loopback();
        check(
            &origins,
            &["http://localhost:1999", "https://127.0.0.1", "http://[::1]:80", "http://a.localhost:1"],
            &[
                "http://localhost.evil.org",
                "http://evil.org:1999",
                "x://localhost",
                "http://evillocalhost",
                "null",
            ],
        );
    }

    #[test]
    fn what_is_no_origin_is_refused_with_the_reason() {
        for (text, expected) in [
            ("*", OriginError::All),
            ("example.com", OriginError::NoScheme),
            ("://a", OriginError::NoScheme),
            ("1s://a", OriginError::NoScheme),
            ("https://example.com/", OriginError::TooMuch),
            ("https://example.com/app", OriginError::TooMuch),
            ("https://me@example.com", OriginError::TooMuch),
            ("https://", OriginError::BadHost),
            ("https://bücher.example", OriginError::BadHost),
            ("https://a b", OriginError::BadHost),
            ("https://[::g]", OriginError::BadHost),
            ("https://a..b", OriginError::BadHost),
            ("https://*", OriginError::BadWildcard),
            ("https://*example.com", OriginError::BadWildcard),
            ("https://a.*.com", OriginError::BadWildcard),
            ("https://*.*.com", OriginError::BadWildcard),
            ("https://*.", OriginError::BadWildcard),
            ("https://a:0", OriginError::BadPort),
            ("https://a:99999", OriginError::BadPort),
            ("https://a:*", OriginError::BadPort),
            ("https://a:+1", OriginError::BadPort),
        ] {
            assert_eq!(AllowedOrigins::default().allow(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn a_request_without_an_origin_passes_and_one_with_two_does_not() {
        let origins = allowed(&["https://a"]);
        let mut headers = HeaderMap::new();
        assert_eq!(origins.check(&headers), Ok(()));
        headers.append(ORIGIN, HeaderValue::from_static("https://a"));
        assert_eq!(origins.check(&headers), Ok(()));
        headers.append(ORIGIN, HeaderValue::from_static("https://a"));
        assert_eq!(origins.check(&headers).map_err(|refusal| refusal.status), Err(403));
        headers.insert(ORIGIN, HeaderValue::from_bytes(&[0xff; 9_000]).expect("it is a value"));
        let refusal = origins.check(&headers).expect_err("it is none");
        assert!(refusal.status == 403 && refusal.body.len() < 1_000, "{}", refusal.body.len());
    }
}
