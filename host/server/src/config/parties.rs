//! `main` and `[parties]`: which parties there are, and what they are called in URLs.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use party_core::address::check_name;
use party_core::profile::Profile;

use super::problem::{ConfigError, Problem};
use super::routing::Routing;
use super::section::{Found, Section};
use super::{MAIN_PARTY, PartySource};

/// What to do about a party that is called like a part of the prefix.
const NAMED_TWICE: &str = "call one of them otherwise: in a URL nobody could tell where the party begins";

/// Reads both.
pub(super) fn read(
    top: &mut Section<'_>,
    directory: &Path,
    routing: &Routing,
) -> Result<BTreeMap<String, PartySource>, ConfigError> {
    let mut parties = BTreeMap::new();
    let holds = |name: &str| routing.prefix.holds_behind_its_beginning(name);
    let why = format!("is a part of the prefix {}", routing.prefix);
    if let Some(found) = top.string("main")? {
        if holds(MAIN_PARTY) {
            let (key, value, hint) = ("prefix".into(), MAIN_PARTY.into(), NAMED_TWICE);
            return Err(top.error(found.at, Problem::BadEntry { key, value, why, hint }));
        }
        parties.insert(MAIN_PARTY.into(), party_source(top, "main", found, directory)?);
    } else if directory.join("Cargo.toml").is_file() {
        if holds(MAIN_PARTY) {
            let (key, value, hint) = ("prefix".into(), MAIN_PARTY.into(), NAMED_TWICE);
            return Err(top.error_here(Problem::BadEntry { key, value, why, hint }));
        }
        parties.insert(MAIN_PARTY.into(), PartySource::Crate(directory.into()));
    }
    let Some(mut section) = top.section("parties")? else { return Ok(parties) };
    let mut written_as: BTreeMap<String, String> = BTreeMap::new();
    let mut keys = section.keys();
    keys.sort_by_key(|key| key.at.start);
    for Found { value: written, at } in keys {
        let name = name_in_urls(routing.profile, &written);
        if name == MAIN_PARTY {
            return Err(section.error(at, Problem::ReservedParty));
        }
        check_name("party", &name).map_err(|error| section.error(at.clone(), Problem::BadName(error)))?;
        if let Some(other) = written_as.insert(name.clone(), written.clone()) {
            return Err(section.error(at, Problem::SameParty { one: other, other: written, name }));
        }
        if holds(&name) {
            let (key, hint) = ("parties".into(), NAMED_TWICE);
            return Err(section.error(at, Problem::BadEntry { key, value: written, why, hint }));
        }
        if let Some(found) = section.string(&written)? {
            let source = party_source(&section, &written, found, directory)?;
            parties.insert(name, source);
        }
    }
    Ok(parties)
}

/// What a party is called in URLs, in logs and by other rooms. partyserver has the names of bindings, and so does whoever writes
/// its configuration: `MyAgent` is `my-agent` there, `ALL_CAPS` is `all-caps`.
pub(super) fn name_in_urls(profile: Profile, written: &str) -> String {
    match profile {
        Profile::PartyKit => written.into(),
        Profile::PartyServer => kebab_case(written),
    }
}

/// As partyserver does it, letter for letter.
fn kebab_case(name: &str) -> String {
    if name == name.to_uppercase() && name != name.to_lowercase() {
        return name.to_lowercase().replace('_', "-");
    }
    let mut kebab = String::new();
    for c in name.chars() {
        match c {
            'A'..='Z' => kebab.extend(['-', c.to_ascii_lowercase()]),
            c => kebab.push(c),
        }
    }
    let kebab = kebab.strip_prefix('-').unwrap_or(&kebab).replace('_', "-");
    kebab.strip_suffix('-').unwrap_or(&kebab).to_owned()
}

fn party_source(
    section: &Section<'_>,
    key: &str,
    Found { value, at }: Found<String>,
    directory: &Path,
) -> Result<PartySource, ConfigError> {
    let path = directory.join(&value);
    let found = match fs::metadata(&path) {
        Ok(found) if found.is_dir() && path.join("Cargo.toml").is_file() => {
            return Ok(PartySource::Crate(path));
        }
        Ok(found) if found.is_file() && path.extension().is_some_and(|ending| ending == "wasm") => {
            return Ok(PartySource::Component(path));
        }
        Ok(found) if found.is_dir() => "a directory without a Cargo.toml",
        Ok(_) => "a file that does not end in .wasm",
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => "not there",
        Err(_) => "not readable",
    };
    Err(section.error(at, Problem::NoParty { key: section.full(key), value, found }))
}

#[cfg(test)]
mod tests {
    use super::kebab_case;

    #[test]
    fn names_become_what_partyserver_makes_of_them() {
        for (written, expected) in [
            ("main", "main"),
            ("MyAgent", "my-agent"),
            ("myAgent", "my-agent"),
            ("ALL_CAPS", "all-caps"),
            ("ALL_CAPS_", "all-caps-"),
            ("snake_case", "snake-case"),
            ("HTTPServer", "h-t-t-p-server"),
            ("My_Agent", "my--agent"),
            ("agent_", "agent"),
            ("Chat2", "chat2"),
            ("2", "2"),
            ("A", "a"),
            ("_", ""),
        ] {
            assert_eq!(kebab_case(written), expected, "{written}");
        }
    }
}
