//! Who may do what: in storage, and beside that in memory, where it is looked up.

use std::collections::BTreeSet;
use std::fmt;

use party::{Error, Result, Room};

/// A grant has the key `grant/USER/ACTION/RESOURCE` in storage, and no value.
const PREFIX: &str = "grant/";
/// As many grants has a tenant at most.
const GRANTS_MAX: usize = 10_000;
const NAME_CHARS_MAX: usize = 64;
/// As action or resource of a grant, any.
const ANY: &str = "*";

/// A user, an action and a resource, in a path: `ada/read/report-7`.
#[derive(Clone)]
pub(crate) struct Grant {
    user: String,
    action: String,
    resource: String,
}

impl Grant {
    /// What may be granted: action and resource can be `*`.
    pub(crate) fn given(path: &str) -> Result<Self> {
        let name_or_any = |what, text| if text == ANY { Ok(ANY.to_owned()) } else { name(what, text) };
        let (user, action, resource) = three(path)?;
        Ok(Self {
            user: name("user", user)?,
            action: name_or_any("action", action)?,
            resource: name_or_any("resource", resource)?,
        })
    }

    /// What may be asked for.
    pub(crate) fn asked(path: &str) -> Result<Self> {
        let (user, action, resource) = three(path)?;
        Self::of(user, action, resource)
    }

    /// This user, doing this to that.
    pub(crate) fn of(user: &str, action: &str, resource: &str) -> Result<Self> {
        let (user, action) = (name("user", user)?, name("action", action)?);
        Ok(Self { user, action, resource: name("resource", resource)? })
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}/{}", self.user, self.action, self.resource)
    }
}

/// A name is the same in a URL and in storage: it needs no escapes in either.
pub(crate) fn name(what: &str, text: &str) -> Result<String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._@".contains(&byte);
    match (1..=NAME_CHARS_MAX).contains(&text.len()) && text.bytes().all(fits) {
        true => Ok(text.to_owned()),
        false => Err(bad(format!("the {what} has 1 to {NAME_CHARS_MAX} of A-Z a-z 0-9 - . _ @"))),
    }
}

fn three(path: &str) -> Result<(&str, &str, &str)> {
    let parts: Vec<&str> = path.split('/').collect();
    match parts[..] {
        [user, action, resource] => Ok((user, action, resource)),
        _ => Err(bad("it is USER/ACTION/RESOURCE")),
    }
}

fn bad(why: impl Into<String>) -> Error {
    Error::new(why).with_status(400)
}

/// The grants of a tenant.
#[derive(Default)]
pub(crate) struct Grants(BTreeSet<String>);

impl Grants {
    /// As they are stored.
    pub(crate) fn load(room: &Room) -> Result<Self> {
        let keys = room.storage().list(PREFIX).keys()?;
        let written = |key: Vec<u8>| String::from_utf8_lossy(&key[PREFIX.len()..]).into_owned();
        Ok(Self(keys.into_iter().map(written).collect()))
    }

    /// Whether it is granted, by its own name or by a `*`.
    pub(crate) fn allow(&self, asked: &Grant) -> bool {
        let Grant { user, action, resource } = asked;
        let (action, resource) = (action.as_str(), resource.as_str());
        let ways = [[action, resource], [action, ANY], [ANY, resource], [ANY, ANY]];
        ways.iter().any(|[action, resource]| self.0.contains(&format!("{user}/{action}/{resource}")))
    }

    /// All, in order, as in paths.
    pub(crate) fn all(&self) -> &BTreeSet<String> {
        &self.0
    }

    /// Grant it. Whether it is new.
    pub(crate) fn grant(&mut self, room: &Room, grant: &Grant) -> Result<bool> {
        let grant = grant.to_string();
        if self.0.contains(&grant) {
            return Ok(false);
        }
        if self.0.len() >= GRANTS_MAX {
            let why = format!("there are {GRANTS_MAX} grants, which is the limit");
            return Err(Error::new(why).with_status(507));
        }
        room.storage().put(format!("{PREFIX}{grant}"), &())?;
        Ok(self.0.insert(grant))
    }

    /// Take it back. Whether it was there.
    pub(crate) fn revoke(&mut self, room: &Room, grant: &Grant) -> Result<bool> {
        let grant = grant.to_string();
        room.storage().delete(format!("{PREFIX}{grant}"))?;
        Ok(self.0.remove(&grant))
    }
}
