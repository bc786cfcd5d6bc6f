//! `[edge]`: who may come to a host, who is believed, and how much of it anybody gets. All but `allowed_origins` is for the
//! whole host, whatever projects it has.

use std::fmt::Display;

use super::problem::{ConfigError, Problem};
use super::section::{Found, Section};
use crate::edge::origins::AllowedOrigins;
use crate::edge::proxies::{ProxyPart, TrustedProxies};
use crate::edge::rates::Rates;

/// One bound that can be set.
pub(super) struct Setting {
    pub(super) name: &'static str,
    pub(super) min: u64,
    pub(super) max: u64,
    set: fn(&mut EdgeConfig, u64),
    pub(super) get: fn(&EdgeConfig) -> u64,
}

/// Every number of the section. What is left out has no bound. With less than a KiB in a second no WebSocket could live.
pub(super) const SETTINGS: [Setting; 5] = [
    Setting {
        name: "messages_per_second_max",
        min: 1,
        max: 1_000_000,
        set: |config, value| config.rates.messages_per_second_max = value,
        get: |config| config.rates.messages_per_second_max,
    },
    Setting {
        name: "bytes_per_second_max",
        min: 1 << 10,
        max: 1 << 40,
        set: |config, value| config.rates.bytes_per_second_max = value,
        get: |config| config.rates.bytes_per_second_max,
    },
    Setting {
        name: "requests_per_second_max",
        min: 1,
        max: 1_000_000,
        set: |config, value| config.rates.requests_per_second_max = value,
        get: |config| config.rates.requests_per_second_max,
    },
    Setting {
        name: "connects_per_second_max",
        min: 1,
        max: 1_000_000,
        set: |config, value| config.rates.connects_per_second_max = value,
        get: |config| config.rates.connects_per_second_max,
    },
    Setting {
        name: "rooms_max",
        min: 1,
        max: 1_000_000_000,
        set: |config, value| config.rooms_max = Some(value),
        get: |config| config.rooms_max.unwrap_or_default(),
    },
];

/// The key that is the project's own.
const OF_THE_PROJECT: &str = "allowed_origins";
const NETWORKS: &str = "trusted_proxies";
const HEADERS: &str = "trusted_headers";
const ADDRESS_HEADER: &str = "client_address_header";
/// The keys that are no numbers.
const KEYS: [&str; 4] = [OF_THE_PROJECT, NETWORKS, HEADERS, ADDRESS_HEADER];

/// What about proxies a key says, if it is one about them.
pub(super) fn proxy_part(key: &str) -> Option<ProxyPart> {
    match key {
        NETWORKS => Some(ProxyPart::Networks),
        HEADERS => Some(ProxyPart::Headers),
        ADDRESS_HEADER => Some(ProxyPart::AddressHeader),
        _ => None,
    }
}

/// What `[edge]` says of the host.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct EdgeConfig {
    /// Which peers are believed that they ask for others.
    pub proxies: TrustedProxies,
    /// How fast clients may be.
    pub rates: Rates,
    /// Rooms that there may be; `None`: as many as are asked for.
    pub rooms_max: Option<u64>,
}

/// What the section says.
#[derive(Default)]
pub(super) struct Edge {
    pub(super) config: EdgeConfig,
    pub(super) allowed_origins: Option<AllowedOrigins>,
    /// The keys about the host that stand there.
    pub(super) host_keys: Vec<&'static str>,
}

/// Reads the section.
pub(super) fn read(section: Option<Section<'_>>) -> Result<Edge, ConfigError> {
    let mut edge = Edge::default();
    let Some(mut section) = section else { return Ok(edge) };
    let known: Vec<_> = KEYS.into_iter().chain(SETTINGS.iter().map(|setting| setting.name)).collect();
    let said = section.keys();
    let is_said = |key: &&str| *key != OF_THE_PROJECT && said.iter().any(|one| one.value == *key);
    edge.host_keys = known.iter().copied().filter(is_said).collect();
    if let Some(entries) = section.strings(OF_THE_PROJECT)? {
        let mut origins = AllowedOrigins::default();
        each(&section, OF_THE_PROJECT, entries, |text| {
            origins.allow(text).map_err(|error| (error, error.hint()))
        })?;
        edge.allowed_origins = Some(origins);
    }
    let config = &mut edge.config;
    let proxies = &mut config.proxies;
    if let Some(entries) = section.strings(NETWORKS)? {
        proxies.tell_rooms();
        each(&section, NETWORKS, entries, |text| proxies.trust(text).map_err(|error| (error, error.hint())))?;
    }
    if let Some(entries) = section.strings(HEADERS)? {
        each(&section, HEADERS, entries, |text| {
            proxies.trust_header(text).map_err(|error| (error, error.hint()))
        })?;
    }
    if let Some(entry) = section.string(ADDRESS_HEADER)? {
        each(&section, ADDRESS_HEADER, vec![entry], |text| {
            proxies.read_address_from(text).map_err(|error| (error, error.hint()))
        })?;
    }
    for setting in &SETTINGS {
        if let Some(value) = section.integer(setting.name, setting.min, setting.max)? {
            (setting.set)(config, value);
        }
    }
    section.finish(&known)?;
    Ok(edge)
}

/// Takes every entry, or says what is wrong with the first that cannot be taken.
pub(super) fn each<E: Display>(
    section: &Section<'_>,
    key: &str,
    entries: Vec<Found<String>>,
    mut take: impl FnMut(&str) -> Result<(), (E, &'static str)>,
) -> Result<(), ConfigError> {
    for Found { value, at } in entries {
        if let Err((error, hint)) = take(&value) {
            let problem = Problem::BadEntry { key: section.full(key), value, why: error.to_string(), hint };
            return Err(section.error(at, problem));
        }
    }
    Ok(())
}
