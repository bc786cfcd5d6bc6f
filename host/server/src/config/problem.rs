//! What can be wrong with a project's configuration, said with the place, the value, the bound and what to do.

use std::fmt;
use std::path::PathBuf;

use party_node::cron::{CRONS_MAX, ScheduleError};
use thiserror::Error;

/// A project that cannot be served as it is configured.
///
/// Prints as `party.toml:3: unknown key "prot"`, followed by a `hint:` line that says what to do.
#[derive(Debug)]
pub struct ConfigError {
    /// The file, or the directory, that it is about.
    pub path: PathBuf,
    /// The line in the file, from 1.
    pub line: Option<usize>,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong.
#[derive(Debug, Error)]
pub enum Problem {
    /// The file or directory cannot be read.
    #[error("it cannot be read")]
    Unreadable(#[source] std::io::Error),
    /// The directory is none.
    #[error("it is not a directory")]
    NotADirectory,
    /// The file is larger than [`super::FILE_BYTES_MAX`].
    #[error("the file is {bytes} bytes; the limit is {}", super::FILE_BYTES_MAX)]
    TooLarge {
        /// Its size.
        bytes: u64,
    },
    /// The file is not TOML.
    #[error("{message}")]
    Syntax {
        /// What the parser says.
        message: String,
    },
    /// A key that means nothing.
    #[error("unknown key {key:?}")]
    UnknownKey {
        /// The key, with its section.
        key: String,
        /// The known key that looks most like it.
        nearest: Option<&'static str>,
        /// All keys that are known there.
        known: Vec<&'static str>,
    },
    /// A value of the wrong type.
    #[error("{key:?} must be {expected}, not {found}")]
    WrongType {
        /// The key, with its section.
        key: String,
        /// What it must be.
        expected: &'static str,
        /// What stands there.
        found: &'static str,
    },
    /// A number that is too small or too large.
    #[error("{key:?} is {value}; it must be between {min} and {max}")]
    OutOfBounds {
        /// The key, with its section.
        key: String,
        /// What stands there.
        value: String,
        /// The smallest allowed.
        min: u64,
        /// The largest allowed.
        max: u64,
    },
    /// A name that cannot stand in a URL.
    #[error(transparent)]
    BadName(#[from] party_core::address::AddressError),
    /// A party that is called `main` under `[parties]`.
    #[error("[parties] names a party \"main\", which is the party that the key \"main\" names")]
    ReservedParty,
    /// Neither `volatile`, `hibernate` nor `durable`.
    #[error("\"memory\" is {value:?}; it must be \"volatile\", \"hibernate\" or \"durable\"")]
    BadMemory {
        /// What stands there.
        value: String,
        /// The allowed value that looks most like it.
        nearest: Option<&'static str>,
    },
    /// No profile is called so.
    #[error("\"profile\" is {value:?}; it must be \"partykit\" or \"partyserver\"")]
    BadProfile {
        /// What stands there.
        value: String,
        /// The allowed value that looks most like it.
        nearest: Option<&'static str>,
    },
    /// A key that the classic profile has no use for.
    #[error("{key:?} is there only with the profile \"partyserver\"")]
    OnlyOfPartyServer {
        /// The key.
        key: String,
    },
    /// Two parties of one name in URLs.
    #[error("[parties] names {one:?} and {other:?}, which are both {name:?} in URLs")]
    SameParty {
        /// The first of them.
        one: String,
        /// The other.
        other: String,
        /// What both become.
        name: String,
    },
    /// A variable whose name cannot stand in an environment.
    #[error("[vars] names a variable {name:?}; a name must not be empty and not hold \"=\" or a zero byte")]
    BadVariable {
        /// The name.
        name: String,
    },
    /// A party's code that is neither a crate nor a component.
    #[error("{key:?} is {value:?}, which is {found}")]
    NoParty {
        /// The key, with its section.
        key: String,
        /// What stands there.
        value: String,
        /// What is found there.
        found: &'static str,
    },
    /// A directory of assets that is none.
    #[error("\"serve.path\" is {value:?}, which is no directory")]
    NoAssets {
        /// What stands there.
        value: String,
    },
    /// A value, or an entry of an array, that cannot stand there.
    #[error("{key:?} holds {value:?}, which {why}")]
    BadEntry {
        /// The key, with its section.
        key: String,
        /// What stands there.
        value: String,
        /// What is wrong with it.
        why: String,
        /// What to write instead.
        hint: &'static str,
    },
    /// Two projects of one name on one host.
    #[error("the project is called {name:?}, and so is that of {}", first.display())]
    SameName {
        /// The name.
        name: String,
        /// Of the other.
        first: PathBuf,
    },
    /// A host's name that two projects have.
    #[error("\"hosts\" holds {host:?}, and so does that of {}", first.display())]
    SameHost {
        /// The name.
        host: String,
        /// Of the other.
        first: PathBuf,
    },
    /// Something that belongs to the host is said in another way than in the first project.
    #[error("{key:?} is another than in {}, and belongs to the host, which has one", first.display())]
    OfTheHost {
        /// The key, with its section.
        key: String,
        /// Of the first project.
        first: PathBuf,
    },
    /// An entry of `[http] allow` that is none.
    #[error(transparent)]
    BadAllow(#[from] party_core::outbound_policy::BadRule),
    /// More entries of `[http] allow` than there may be.
    #[error("\"http.allow\" has more than {} entries", party_core::outbound_policy::ALLOW_RULES_MAX)]
    TooManyAllowed,
    /// A file of certificates that is none.
    #[error("\"http.ca_file\" is {value:?}, which is no file")]
    NoCertificates {
        /// What stands there.
        value: String,
    },
    /// A scheduled run that is none.
    #[error("\"crons.{name}\": {error}")]
    BadCron {
        /// Its name.
        name: String,
        /// Why.
        error: ScheduleError,
    },
    /// More scheduled runs than there may be.
    #[error("there are more than {CRONS_MAX} scheduled runs")]
    TooManyCrons,
    /// A section that lacks a key.
    #[error("[{section}] lacks the key {key:?}")]
    MissingKey {
        /// The section.
        section: &'static str,
        /// The key.
        key: &'static str,
    },
}

impl Problem {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Problem::Unreadable(_) => "it must be a file of UTF-8 text that this user can read".into(),
            Problem::Syntax { .. } => "a value is a number, true, false, or a text in double quotes".into(),
            Problem::NotADirectory => {
                "give the directory of a project, or a component: a file that ends in .wasm".into()
            }
            Problem::TooLarge { .. } => "a party.toml says how a project is served, and nothing else".into(),
            Problem::UnknownKey { nearest: Some(nearest), .. } => format!("did you mean {nearest:?}?"),
            Problem::UnknownKey { nearest: None, known, .. } => format!("known here: {}", known.join(", ")),
            Problem::WrongType { expected, .. } => match *expected {
                "a string" => "write it in double quotes".into(),
                "an integer" => "write it in digits, without quotes".into(),
                "true or false" => "write one of them, without quotes".into(),
                "an array of strings" => "write it in brackets, each in double quotes: [\"…\", \"…\"]".into(),
                _ => "write it as [section], with its keys on lines of their own".into(),
            },
            Problem::OutOfBounds { key, .. } if key.starts_with("limits.") || key.starts_with("edge.") => {
                "docs/limits.md says what it bounds; leave it out for the default".into()
            }
            Problem::OutOfBounds { .. } => "leave it out for the default".into(),
            Problem::BadName(_) => "the name stands in URLs, as in /parties/chat/my-room".into(),
            Problem::ReservedParty => "write main = \"path\" at the top of the file instead".into(),
            Problem::BadMemory { nearest: Some(nearest), .. } => format!("did you mean {nearest:?}?"),
            Problem::BadProfile { nearest: Some(nearest), .. } => format!("did you mean {nearest:?}?"),
            Problem::BadProfile { nearest: None, .. } => {
                "leave it out for \"partykit\", the classic one, or write \"partyserver\" for the later".into()
            }
            Problem::OnlyOfPartyServer { .. } => {
                "write profile = \"partyserver\" (docs/partyserver.md), or leave it out".into()
            }
            Problem::SameParty { .. } => "give one of them another name".into(),
            Problem::BadMemory { nearest: None, .. } => {
                "write \"hibernate\", which is the default, \"durable\" if kill -9 must take nothing, or \"volatile\""
                    .into()
            }
            Problem::BadVariable { .. } => "use letters, digits and _".into(),
            Problem::NoParty { .. } => {
                "give a directory with a Cargo.toml, or a component: a file that ends in .wasm".into()
            }
            Problem::NoAssets { .. } => "it is taken from the directory of the party.toml on".into(),
            Problem::SameName { first, .. } if first.extension().is_some_and(|is| is == "wasm") => {
                "a component by itself is a project of that name: give one of them a directory with a party.toml".into()
            }
            Problem::SameName { .. } => "say name = \"…\" in one of them: it is part of the address of every room".into(),
            Problem::SameHost { .. } => "list it in the project that is to be served there".into(),
            Problem::OfTheHost { .. } => "it is read from the first project: say it there, and leave it out here".into(),
            Problem::BadEntry { hint, .. } => (*hint).into(),
            Problem::BadAllow(_) => "as in allow = [\"db.internal:8080\", \"10.1.0.0/16\", \"[fd00::1]:443\"]".into(),
            Problem::TooManyAllowed => "ADDRESS/BITS says many at once: 10.1.0.0/16".into(),
            Problem::NoCertificates { .. } => "it is taken from the directory of the party.toml on".into(),
            Problem::BadCron { .. } => {
                "write minute, hour, day of month, month and day of week, in UTC: \"0 3 * * MON\"".into()
            }
            Problem::TooManyCrons => "let one run do the work of several".into(),
            Problem::MissingKey { section, key } => format!("write {key} = … below [{section}]"),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        write!(f, " {}\nhint: {}", self.problem, self.problem.hint())
    }
}

impl std::error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.problem)
    }
}
