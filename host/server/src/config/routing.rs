//! `profile`, `prefix` and `cors`: how rooms are addressed, and in whose words clients are answered.

use std::fmt;

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use party_core::profile::Profile;

use super::problem::{ConfigError, Problem};
use super::section::{Found, Section, nearest};
use crate::edge::exchange::is_framing;

/// The longest prefix, in bytes: more is no name for anything, and stands in every URL.
const PREFIX_BYTES_MAX: usize = 256;
/// Headers that `cors` may have; the standard knows six.
const CORS_HEADERS_MAX: usize = 16;
/// What the prefix is unless it is said.
const PREFIX: &str = "parties";

/// How rooms are addressed, and in whose words clients are answered.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Routing {
    /// In whose words.
    pub profile: Profile,
    /// What stands before the party in a URL.
    pub prefix: Prefix,
    /// What pages of other origins are told that they may.
    pub cors: Option<Cors>,
}

/// What stands before the party in a URL: some names with slashes between them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Prefix(String);

/// Headers that are put on every answer below a room's URL, and that answer OPTIONS there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cors(Vec<(HeaderName, HeaderValue)>);

impl Default for Prefix {
    fn default() -> Prefix {
        Prefix(PREFIX.into())
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Prefix {
    /// Its names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// Whether a name behind its first is this one.
    pub(super) fn holds_behind_its_beginning(&self, name: &str) -> bool {
        self.names().skip(1).any(|other| other == name)
    }

    /// Reads one. An error says why it is none.
    fn parse(text: &str) -> Result<Prefix, String> {
        if text.len() > PREFIX_BYTES_MAX {
            return Err(format!("has {} bytes; the limit is {PREFIX_BYTES_MAX}", text.len()));
        }
        let plain = |c: u8| c.is_ascii_alphanumeric() || b"-._~".contains(&c);
        for name in text.split('/') {
            if name.is_empty() {
                return Err("begins or ends with a slash, or has nothing between two".into());
            }
            if !name.bytes().all(plain) || name.bytes().all(|c| c == b'.') {
                return Err(format!("holds {name:?}, which cannot stand in a URL as it is"));
            }
        }
        // By these a guest knows a URL of the classic profile.
        let first = text.split('/').next().unwrap_or_default();
        if first == "party" || (first == PREFIX && text != PREFIX) {
            return Err(format!(
                "begins with {first:?}, which is what URLs of the profile partykit begin with"
            ));
        }
        Ok(Prefix(text.into()))
    }
}

impl Cors {
    /// What `cors = true` stands for.
    fn open_to_all() -> Cors {
        let header = |name, value| (HeaderName::from_static(name), HeaderValue::from_static(value));
        Cors(vec![
            header("access-control-allow-origin", "*"),
            header("access-control-allow-methods", "GET, POST, HEAD, OPTIONS"),
            header("access-control-allow-headers", "*"),
            header("access-control-max-age", "86400"),
        ])
    }

    /// Puts its headers in, in the place of those of the same name.
    pub(crate) fn put_in(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.0 {
            headers.insert(name, value.clone());
        }
    }
}

/// Reads the three keys.
pub(super) fn read(top: &mut Section<'_>) -> Result<Routing, ConfigError> {
    let profile = profile(top)?;
    if profile == Profile::PartyKit {
        let only_there = top.keys().into_iter().find(|key| ["prefix", "cors"].contains(&key.value.as_str()));
        if let Some(Found { value: key, at }) = only_there {
            return Err(top.error(at, Problem::OnlyOfPartyServer { key }));
        }
    }
    let prefix = match top.string("prefix")? {
        None => Prefix::default(),
        Some(Found { value, at }) => Prefix::parse(&value).map_err(|why| {
            let hint = "write names with slashes between them, as in prefix = \"api/rooms\"";
            top.error(at, Problem::BadEntry { key: "prefix".into(), value, why, hint })
        })?,
    };
    Ok(Routing { profile, prefix, cors: cors(top)? })
}

fn profile(top: &mut Section<'_>) -> Result<Profile, ConfigError> {
    let Some(Found { value, at }) = top.string("profile")? else { return Ok(Profile::default()) };
    Profile::of_name(&value).ok_or_else(|| {
        let nearest = nearest(&value, &Profile::ALL.map(Profile::name));
        top.error(at, Problem::BadProfile { value, nearest })
    })
}

fn cors(top: &mut Section<'_>) -> Result<Option<Cors>, ConfigError> {
    if !top.is_table("cors") {
        return Ok(top.boolean("cors")?.filter(|is_open| *is_open).map(|_| Cors::open_to_all()));
    }
    let Some(mut section) = top.section("cors")? else { return Ok(None) };
    let mut headers: Vec<(HeaderName, HeaderValue)> = Vec::new();
    let mut keys = section.keys();
    keys.sort_by_key(|key| key.at.start);
    for Found { value: written, at } in keys {
        let refused = |value: String, why: &str| {
            let hint = "write a header and its value: Access-Control-Allow-Origin = \"https://example.com\"";
            Problem::BadEntry { key: "cors".into(), value, why: why.into(), hint }
        };
        let name = match written.parse::<HeaderName>() {
            Ok(name) if is_framing(&name) => {
                return Err(section.error(
                    at,
                    refused(written, "says how an answer is framed, which is the host's affair"),
                ));
            }
            Ok(name) => name,
            Err(_) => return Err(section.error(at, refused(written, "is no name of a header"))),
        };
        if headers.iter().any(|(other, _)| *other == name) {
            return Err(section.error(at, refused(written, "stands there twice")));
        }
        if headers.len() == CORS_HEADERS_MAX {
            let why = format!("is one more than the {CORS_HEADERS_MAX} that there may be");
            return Err(section.error(at, refused(written, &why)));
        }
        if let Some(Found { value, at }) = section.string(&written)? {
            let value = HeaderValue::from_str(&value)
                .map_err(|_| section.error(at, refused(value, "is no value of a header")))?;
            headers.push((name, value));
        }
    }
    Ok(Some(Cors(headers)))
}
