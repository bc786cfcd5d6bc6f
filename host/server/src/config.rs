//! `party.toml`: how a project is served.
//!
//! Read strictly: a key that means nothing, a value of the wrong type or beyond its bounds is refused with its
//! line and what to do, because a misspelt limit that is passed over in silence is a limit that is not there.
//!
//! ```toml
//! name = "my-project"      # default: the name of the directory
//! main = "."               # the party of /party/:room: a crate, or a component that ends in .wasm
//! memory = "hibernate"     # default: variables outlive idleness and restarts; or "volatile"
//! port = 1999
//! hosts = ["chat.example.com"]   # names of hosts for which this project is asked, where there are several
//!
//! profile = "partykit"     # which generation of PartyKit clients meet; with "partyserver" there are `prefix` and `cors`, too
//!
//! [serve]
//! path = "public"          # static assets
//! singlePageApp = false    # answer navigation to unknown paths with index.html
//!
//! [parties]
//! lobby = "lobby"          # the party of /parties/lobby/:room
//!
//! [vars]
//! GREETING = "hello"       # what guests read as variables and environment
//!
//! [crons]
//! hourly = "0 * * * *"     # scheduled runs, in UTC: minute, hour, day of month, month, day of week (SUN to SAT)
//!
//! [limits]
//! message_in_bytes_max = 1048576
//!
//! [duplicate-key]          # of clients of one name (`_pk`) in a room: "both" are there, which is the default, the newer one
//! main = "replace"         # does "replace" the older one, or we "refuse" it
//!
//! [edge]                   # docs/edge.md
//! allowed_origins = ["https://example.com"]
//! trusted_proxies = ["10.0.0.0/8"]
//!
//! [http]
//! allow = ["db.internal:8080", "10.1.0.0/16"]   # what rooms may fetch from beside public addresses
//! ca_file = "ca.pem"       # certificates that fetches trust beside the system's
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use party_core::address::{NAME_BYTES_MAX, check_name};
use party_core::limits::Limits;
use party_core::outbound_policy::{ALLOW_RULES_MAX, AllowRule, OutboundPolicy};
use party_core::profile::Profile;
use party_core::room::DuplicateKeys;
use party_node::cron::{CRONS_MAX, Schedule};
pub use party_node::party::Memory;

mod edge;
mod limits;
mod parties;
pub mod problem;
pub mod routing;
mod section;
mod together;

pub use edge::EdgeConfig;
pub use limits::{LimitError, differing_limits, set_limit};
use problem::{ConfigError, Problem};
use routing::Routing;
pub use section::nearest;
use section::{Found, Section, Source};
pub use together::{Told, check_together};

use crate::edge::origins::AllowedOrigins;
use crate::edge::projects::HostName;
use crate::outbound::OutboundOptions;

/// The name of the file.
pub const FILE_NAME: &str = "party.toml";
/// The largest file that is read, in bytes.
pub const FILE_BYTES_MAX: u64 = 1 << 20;
/// The party that `/party/:room` leads to.
pub const MAIN_PARTY: &str = "main";

/// What `memory` can be.
const MEMORIES: [(&str, Memory); 3] =
    [("volatile", Memory::Volatile), ("hibernate", Memory::Hibernate), ("durable", Memory::Durable)];

/// A project as its directory describes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProjectConfig {
    /// Where it is.
    pub directory: PathBuf,
    /// The project's name, part of every room's address.
    pub name: String,
    /// The code of its parties, by name; [`MAIN_PARTY`] is among them if the project has one.
    pub parties: BTreeMap<String, PartySource>,
    /// What becomes of a room's memory.
    pub memory: Memory,
    /// How rooms are addressed, and in whose words clients are answered.
    pub routing: Routing,
    /// The port to listen on, 1 to 65,535.
    pub port: Option<u16>,
    /// The names of hosts for which it is asked, where there are several projects.
    pub hosts: Vec<HostName>,
    /// Static assets.
    pub serve: Option<ServeConfig>,
    /// What guests read as variables.
    pub vars: BTreeMap<String, String>,
    /// What the lobby of [`MAIN_PARTY`] is to run, and when.
    pub crons: Vec<Schedule>,
    /// The bounds of its rooms.
    pub limits: Limits,
    /// What becomes of clients of one name, by party; of those that are not here, both are there.
    pub duplicate_keys: BTreeMap<String, DuplicateKeys>,
    /// Whose pages may speak to its rooms; `None`: all.
    pub allowed_origins: Option<AllowedOrigins>,
    /// Who is believed on the host, and how much of it anybody gets.
    pub edge: EdgeConfig,
    /// The keys that stand there and say something of the host: `port`, and those of `[edge]`.
    pub host_keys: Vec<&'static str>,
    /// What its rooms may fetch from.
    pub http: OutboundOptions,
}

/// Where a party's code is. The path exists.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PartySource {
    /// A directory with a `Cargo.toml`, to be built.
    Crate(PathBuf),
    /// A component.
    Component(PathBuf),
}

/// Static assets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServeConfig {
    /// Their directory. It exists.
    pub path: PathBuf,
    /// Whether navigation to a path that is nothing is answered with `index.html`.
    pub single_page_app: bool,
}

impl ProjectConfig {
    /// Reads the `party.toml` of a directory. Without one, everything is as if it were empty.
    pub fn load(directory: &Path) -> Result<ProjectConfig, ConfigError> {
        let failed = |path: &Path, problem| ConfigError { path: path.into(), line: None, problem };
        match fs::metadata(directory) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => return Err(failed(directory, Problem::NotADirectory)),
            Err(error) => return Err(failed(directory, Problem::Unreadable(error))),
        }
        let path = directory.join(FILE_NAME);
        let text = read_bounded(&path).map_err(|problem| failed(&path, problem))?;
        ProjectConfig::parse(directory, &path, &text)
    }

    fn parse(directory: &Path, path: &Path, text: &str) -> Result<ProjectConfig, ConfigError> {
        let source = Source { path, text };
        let mut top = source.parse()?;
        let name = project_name(&mut top, directory)?;
        let routing = routing::read(&mut top)?;
        let profile = routing.profile;
        let parties = parties::read(&mut top, directory, &routing)?;
        let port = top.integer(together::PORT, 1, u64::from(u16::MAX))?.map(|port| port as u16);
        let hosts = hosts(&mut top)?;
        let edge::Edge { config: edge, allowed_origins, mut host_keys } = edge::read(top.section("edge")?)?;
        host_keys.extend(port.map(|_| together::PORT));
        let config = ProjectConfig {
            directory: directory.into(),
            name,
            memory: memory(&mut top)?,
            port,
            hosts,
            serve: serve(top.section("serve")?, directory)?,
            vars: vars(top.section("vars")?)?,
            crons: crons(top.section("crons")?)?,
            limits: limits::read(top.section("limits")?, profile.limits())?,
            duplicate_keys: duplicate_keys(top.section("duplicate-key")?, &parties, profile)?,
            parties,
            allowed_origins,
            edge,
            host_keys,
            routing,
            http: http(top.section("http")?, directory)?,
        };
        top.finish(&[
            "name",
            "main",
            "memory",
            "profile",
            "prefix",
            "cors",
            "port",
            "hosts",
            "serve",
            "parties",
            "vars",
            "crons",
            "limits",
            "duplicate-key",
            "edge",
            "http",
        ])?;
        Ok(config)
    }
}

/// A file that is not there reads as empty.
fn read_bounded(path: &Path) -> Result<String, Problem> {
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(String::new()),
        Err(error) => return Err(Problem::Unreadable(error)),
    };
    let mut text = String::new();
    let bytes = file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(Problem::Unreadable)? as u64;
    if bytes > FILE_BYTES_MAX {
        return Err(Problem::TooLarge { bytes: fs::metadata(path).map_or(bytes, |found| found.len()) });
    }
    Ok(text)
}

fn project_name(top: &mut Section<'_>, directory: &Path) -> Result<String, ConfigError> {
    match top.string("name")? {
        Some(Found { value, at }) => match check_name("project", &value) {
            Ok(()) => Ok(value),
            Err(error) => Err(top.error(at, Problem::BadName(error))),
        },
        None => Ok(name_of(directory)),
    }
}

/// The directory's name, made fit for a URL.
fn name_of(directory: &Path) -> String {
    let whole = fs::canonicalize(directory).unwrap_or_else(|_| directory.into());
    let name = whole.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let fit = |c: char| if matches!(c, 'a'..='z' | '0'..='9' | '_' | '-') { c } else { '-' };
    let name: String = name.chars().map(fit).take(NAME_BYTES_MAX).collect();
    let name = name.trim_matches('-');
    if name.is_empty() { "project".into() } else { name.into() }
}

fn hosts(top: &mut Section<'_>) -> Result<Vec<HostName>, ConfigError> {
    let mut hosts = Vec::new();
    let entries = top.strings("hosts")?.unwrap_or_default();
    edge::each(top, "hosts", entries, |text| {
        hosts.push(HostName::parse(text).map_err(|error| (error, error.hint()))?);
        Ok(())
    })?;
    Ok(hosts)
}

fn memory(top: &mut Section<'_>) -> Result<Memory, ConfigError> {
    let Some(Found { value, at }) = top.string("memory")? else { return Ok(Memory::default()) };
    match MEMORIES.iter().find(|(name, _)| *name == value) {
        Some((_, memory)) => Ok(*memory),
        None => {
            let nearest = nearest(&value, &MEMORIES.map(|(name, _)| name));
            Err(top.error(at, Problem::BadMemory { value, nearest }))
        }
    }
}

fn serve(section: Option<Section<'_>>, directory: &Path) -> Result<Option<ServeConfig>, ConfigError> {
    let Some(mut section) = section else { return Ok(None) };
    let path = section.string("path")?;
    let single_page_app = section.boolean("singlePageApp")?.unwrap_or(false);
    let serve = match path {
        None => Err(section.error_here(Problem::MissingKey { section: "serve", key: "path" })),
        Some(Found { value, at }) => {
            let path = directory.join(&value);
            if path.is_dir() {
                Ok(ServeConfig { path, single_page_app })
            } else {
                Err(section.error(at, Problem::NoAssets { value }))
            }
        }
    };
    // A misspelt key is the better explanation of a missing one, so it is told first.
    section.finish(&["path", "singlePageApp"])?;
    serve.map(Some)
}

fn vars(section: Option<Section<'_>>) -> Result<BTreeMap<String, String>, ConfigError> {
    let mut vars = BTreeMap::new();
    let Some(mut section) = section else { return Ok(vars) };
    for Found { value: name, at } in section.keys() {
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err(section.error(at, Problem::BadVariable { name }));
        }
        if let Some(Found { value, .. }) = section.string(&name)? {
            vars.insert(name, value);
        }
    }
    Ok(vars)
}

/// What `[duplicate-key]` says of a party.
const DUPLICATE_KEYS: [(&str, DuplicateKeys); 3] =
    [("both", DuplicateKeys::Both), ("replace", DuplicateKeys::Replace), ("refuse", DuplicateKeys::Refuse)];

fn duplicate_keys(
    section: Option<Section<'_>>,
    parties: &BTreeMap<String, PartySource>,
    profile: Profile,
) -> Result<BTreeMap<String, DuplicateKeys>, ConfigError> {
    let mut policies = BTreeMap::new();
    let Some(mut section) = section else { return Ok(policies) };
    let mut keys = section.keys();
    keys.sort_by_key(|key| key.at.start);
    for Found { value: written, at } in keys {
        let party = parties::name_in_urls(profile, &written);
        if !parties.contains_key(&party) {
            let (key, why) = ("duplicate-key".into(), "is no party of this project".into());
            let hint = "it says of a party, main or one below [parties], what becomes of clients of one name";
            return Err(section.error(at, Problem::BadEntry { key, value: written, why, hint }));
        }
        let Some(Found { value, at }) = section.string(&written)? else { continue };
        let Some((_, policy)) = DUPLICATE_KEYS.iter().find(|(name, _)| *name == value) else {
            let (key, why) = (section.full(&written), "is no policy".into());
            let hint = "write \"both\", which is the default, \"replace\" or \"refuse\"";
            return Err(section.error(at, Problem::BadEntry { key, value, why, hint }));
        };
        if policies.insert(party, *policy).is_some() {
            let (key, why) = ("duplicate-key".into(), "names a party that another line names, too".into());
            let hint = "a party may be written as in [parties] or as in URLs; write it once";
            return Err(section.error(at, Problem::BadEntry { key, value: written, why, hint }));
        }
    }
    Ok(policies)
}

fn http(section: Option<Section<'_>>, directory: &Path) -> Result<OutboundOptions, ConfigError> {
    let Some(mut section) = section else { return Ok(OutboundOptions::default()) };
    let mut policy = OutboundPolicy::default();
    for Found { value, at } in section.strings("allow")?.unwrap_or_default() {
        let rule = value
            .parse::<AllowRule>()
            .map_err(|error| section.error(at.clone(), Problem::BadAllow(error)))?;
        if policy.allow.len() == ALLOW_RULES_MAX {
            return Err(section.error(at, Problem::TooManyAllowed));
        }
        policy.allow.push(rule);
    }
    let ca_file = match section.string("ca_file")? {
        None => None,
        Some(Found { value, at }) => {
            let path = directory.join(&value);
            if !path.is_file() {
                return Err(section.error(at, Problem::NoCertificates { value }));
            }
            Some(path)
        }
    };
    section.finish(&["allow", "ca_file"])?;
    Ok(OutboundOptions { policy, ca_file })
}

fn crons(section: Option<Section<'_>>) -> Result<Vec<Schedule>, ConfigError> {
    let mut crons = Vec::new();
    let Some(mut section) = section else { return Ok(crons) };
    for Found { value: name, at } in section.keys() {
        if crons.len() == CRONS_MAX {
            return Err(section.error(at, Problem::TooManyCrons));
        }
        if let Some(Found { value, at }) = section.string(&name)? {
            let schedule = Schedule::parse(&name, &value);
            crons.push(schedule.map_err(|error| section.error(at, Problem::BadCron { name, error }))?);
        }
    }
    Ok(crons)
}

#[cfg(test)]
mod tests;
