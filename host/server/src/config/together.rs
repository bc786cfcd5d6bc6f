//! Several projects on one host: what must differ among them, and what belongs to the host and is said once.
//!
//! The port and `[edge]`, but for `allowed_origins`, belong to the host. They are read from the first project. Another may
//! repeat them, so that it can be served alone too, and may not say anything else: which of the two would count would be
//! known only to whoever has read this.

use std::path::Path;

use super::ProjectConfig;
use super::edge::{SETTINGS, Setting, proxy_part};
use super::problem::{ConfigError, Problem};

/// The key of the port.
pub(super) const PORT: &str = "port";

/// A project, and the path by which whoever serves it knows it: of its `party.toml`, or of a component.
pub type Told<'a> = (&'a Path, &'a ProjectConfig);

/// Whether projects can be served on one host. `is_port_given`: none of theirs is asked for.
pub fn check_together(projects: &[Told<'_>], is_port_given: bool) -> Result<(), ConfigError> {
    for (index, other) in projects.iter().enumerate() {
        for before in &projects[..index] {
            check_names(*before, *other)?;
        }
    }
    let Some((first, others)) = projects.split_first() else { return Ok(()) };
    others.iter().try_for_each(|other| check_host(*first, *other, is_port_given))
}

fn check_names((first, before): Told<'_>, (path, other): Told<'_>) -> Result<(), ConfigError> {
    let failed = |problem| Err(ConfigError { path: path.into(), line: None, problem });
    if before.name == other.name {
        return failed(Problem::SameName { name: other.name.clone(), first: first.into() });
    }
    match other.hosts.iter().find(|host| before.hosts.contains(host)) {
        Some(host) => failed(Problem::SameHost { host: host.as_str().into(), first: first.into() }),
        None => Ok(()),
    }
}

fn check_host(
    (first, of_first): Told<'_>,
    (path, other): Told<'_>,
    is_port_given: bool,
) -> Result<(), ConfigError> {
    let is_same = |key: &str| match SETTINGS.iter().find(|setting| setting.name == key) {
        Some(Setting { get, .. }) => get(&of_first.edge) == get(&other.edge),
        None if key == PORT => is_port_given || of_first.port == other.port,
        None => {
            let agrees = |part| of_first.edge.proxies.agrees_on(part, &other.edge.proxies);
            proxy_part(key).is_none_or(agrees)
        }
    };
    match other.host_keys.iter().find(|key| !is_same(key)) {
        Some(key) => {
            let key = if *key == PORT { PORT.into() } else { format!("edge.{key}") };
            let problem = Problem::OfTheHost { key, first: first.into() };
            Err(ConfigError { path: path.into(), line: None, problem })
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::{Told, check_together};
    use crate::config::{FILE_NAME, ProjectConfig};

    /// What is said of projects with these settings, with the names of their directories instead of whole paths.
    fn told(all: &[(&str, &str)], is_port_given: bool) -> Result<(), String> {
        let home = tempfile::tempdir().unwrap();
        let load = |(name, text): &(&str, &str)| {
            let directory = home.path().join(name);
            fs::create_dir(&directory).unwrap();
            fs::write(directory.join(FILE_NAME), text).unwrap();
            (directory.join(FILE_NAME), ProjectConfig::load(&directory).unwrap())
        };
        let projects: Vec<(PathBuf, ProjectConfig)> = all.iter().map(load).collect();
        let projects: Vec<Told<'_>> =
            projects.iter().map(|(path, config)| (path.as_path(), config)).collect();
        let checked = check_together(&projects, is_port_given);
        checked.map_err(|error| error.to_string().replace(&format!("{}/", home.path().display()), ""))
    }

    #[track_caller]
    fn refused(all: &[(&str, &str)], expected: &str) {
        let error = told(all, false).unwrap_err();
        assert!(error.starts_with(expected), "{error}");
        assert!(error.contains("\nhint: "), "{error}");
    }

    #[test]
    fn two_of_one_name_or_host_are_refused_with_both_paths() {
        assert_eq!(told(&[("a", ""), ("b", ""), ("c", "hosts = [\"c.example\"]")], false), Ok(()));
        refused(
            &[("a", "name = \"chat\""), ("b", ""), ("c", "name = \"chat\"")],
            "c/party.toml: the project is called \"chat\", and so is that of a/party.toml\n",
        );
        refused(
            &[("a", "hosts = [\"x\", \"Chat.Example.\"]"), ("b", "hosts = [\"chat.example\"]")],
            "b/party.toml: \"hosts\" holds \"chat.example\", and so does that of a/party.toml\n",
        );
    }

    #[test]
    fn what_belongs_to_the_host_is_said_once_or_the_same() {
        let edge = |text: &str| format!("port = 80\n[edge]\n{text}\n");
        let whole =
            edge("rooms_max = 5\ntrusted_proxies = [\"10.0.0.0/8\"]\nclient_address_header = \"forwarded\"");
        assert_eq!(told(&[("a", &whole), ("b", ""), ("c", &whole)], false), Ok(()));
        assert_eq!(told(&[("a", &whole), ("b", "port = 81")], true), Ok(()));
        let part = "[edge]\nclient_address_header = \"forwarded\"";
        assert_eq!(told(&[("a", &whole), ("b", part)], false), Ok(()), "it may leave out the rest");
        let own = "[edge]\nallowed_origins = [\"https://b.example\"]";
        assert_eq!(told(&[("a", &whole), ("b", own)], false), Ok(()));
        let cases = [
            ("port = 81", "port"),
            ("[edge]\nrooms_max = 6", "edge.rooms_max"),
            ("[edge]\nmessages_per_second_max = 6", "edge.messages_per_second_max"),
            ("[edge]\ntrusted_proxies = [\"10.0.0.0/8\", \"192.0.2.1\"]", "edge.trusted_proxies"),
            ("[edge]\ntrusted_headers = [\"cf-ipcountry\"]", "edge.trusted_headers"),
        ];
        for (text, key) in cases {
            let expected = format!(
                "b/party.toml: \"{key}\" is another than in a/party.toml, and belongs to the host, which has one\n"
            );
            refused(&[("a", &whole), ("b", text)], &expected);
        }
        refused(&[("a", ""), ("b", "port = 81")], "b/party.toml: \"port\" is another than in a/party.toml");
    }
}
