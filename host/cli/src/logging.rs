//! Log lines that a person can read, on standard error.
//!
//! The filter is read strictly: to the library, a level that is misspelt is the name of a part that says nothing, and
//! all else would be silent. Whatever is asked for of parts, the rest is told from `info` on unless told otherwise.

use std::env;
use std::io::{IsTerminal, stderr};

use thiserror::Error;
use tracing_subscriber::EnvFilter;

use party_server::config::nearest;

use crate::problem::usage;

/// The variable that says how much is told.
const VARIABLE: &str = "PARTY_LOG";
/// What is told unless it says otherwise.
const LEVEL_DEFAULT: &str = "info";
/// From nothing to everything.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
/// The parts that log: what parties say, then the host's own crates. A library's name is a part, too.
const PARTS: [&str; 6] =
    ["guest", "party_host", "party_server", "party_node", "party_runtime", "party_store"];
/// How all names of our own begin, so that a misspelt one is found.
const OUR_OWN: &str = "party_";

/// Why a filter cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
enum FilterError {
    #[error("{word:?} is no level{}", meant(*.nearest))]
    Level { word: String, nearest: Option<&'static str> },
    #[error("{0:?} says nothing of how much is to be told; write {0}=debug")]
    NoLevel(String),
    #[error("there is no part {word:?}{}", meant(*.nearest))]
    Part { word: String, nearest: Option<&'static str> },
    #[error("{0}")]
    Syntax(String),
}

impl FilterError {
    fn level(word: &str) -> FilterError {
        FilterError::Level { word: word.into(), nearest: nearest(word, &LEVELS) }
    }

    fn part(word: &str) -> FilterError {
        FilterError::Part { word: word.into(), nearest: nearest(word, &PARTS) }
    }
}

fn meant(nearest: Option<&'static str>) -> String {
    nearest.map(|nearest| format!("; did you mean {nearest:?}?")).unwrap_or_default()
}

/// Starts logging. The one place that reads the environment.
pub(crate) fn start() -> anyhow::Result<()> {
    let wanted = env::var_os(VARIABLE).unwrap_or_default();
    let wanted = wanted.to_string_lossy();
    let filter = filter(&wanted).map_err(|error| {
        usage(
            format!("{VARIABLE}={wanted:?} cannot be used: {error}"),
            format!(
                "a level ({}), or PART=LEVEL (parts: {}), or several with commas between them, for example \
                 {VARIABLE}=info,party_node=debug",
                LEVELS.join(", "),
                PARTS.join(", ")
            ),
        )
    })?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr)
        .with_ansi(stderr().is_terminal())
        .init();
    Ok(())
}

fn filter(wanted: &str) -> Result<EnvFilter, FilterError> {
    let mut directives = vec![LEVEL_DEFAULT];
    for directive in wanted.split(',').map(str::trim).filter(|directive| !directive.is_empty()) {
        check(directive)?;
        directives.push(directive);
    }
    // Of two levels for everything the later counts.
    EnvFilter::try_new(directives.join(",")).map_err(|error| FilterError::Syntax(error.to_string()))
}

fn check(directive: &str) -> Result<(), FilterError> {
    let is_level = |text: &str| LEVELS.iter().any(|level| level.eq_ignore_ascii_case(text));
    let Some((part, level)) = directive.split_once('=') else {
        return match directive {
            level if is_level(level) => Ok(()),
            part if PARTS.contains(&part) => Err(FilterError::NoLevel(part.into())),
            other => Err(FilterError::level(other)),
        };
    };
    let name = part.split("::").next().unwrap_or_default();
    if name.is_empty() || (name.starts_with(OUR_OWN) && !PARTS.contains(&name)) {
        return Err(FilterError::part(name));
    }
    if !is_level(level) {
        return Err(FilterError::level(level));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{FilterError, filter};

    #[test]
    fn what_is_not_asked_about_is_told_from_info_on() {
        let cases = [
            ("", "info"),
            (" , ", "info"),
            ("debug", "debug"),
            ("WARN", "warn"),
            ("off", "off"),
            ("guest=debug", "guest=debug,info"),
            ("party_node::worker=trace, error", "party_node::worker=trace,error"),
            ("wasmtime=debug", "wasmtime=debug,info"),
        ];
        for (wanted, expected) in cases {
            assert_eq!(filter(wanted).expect(wanted).to_string(), expected, "{wanted:?}");
        }
    }

    #[test]
    fn what_would_silence_the_rest_is_refused() {
        // `debgu` was once taken for the name of a part, and nothing else was told.
        let cases = [
            ("debgu", FilterError::Level { word: "debgu".into(), nearest: Some("debug") }),
            ("info,verbose", FilterError::Level { word: "verbose".into(), nearest: None }),
            ("party_node=loud", FilterError::Level { word: "loud".into(), nearest: None }),
            ("party_node=", FilterError::Level { word: "".into(), nearest: None }),
            ("party_nod=debug", FilterError::Part { word: "party_nod".into(), nearest: Some("party_node") }),
            ("=debug", FilterError::Part { word: "".into(), nearest: None }),
            ("guest", FilterError::NoLevel("guest".into())),
        ];
        for (wanted, expected) in cases {
            assert_eq!(filter(wanted).expect_err(wanted), expected, "{wanted:?}");
        }
    }
}
