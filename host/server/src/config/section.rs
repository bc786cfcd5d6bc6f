//! Strict reading of one table: every key is taken by name and checked; a key that nobody takes is refused.

use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{ConfigError, Problem};

/// How alike two words must be for one to be offered in place of the other (0 to 1, Jaro-Winkler).
const LIKENESS_MIN: f64 = 0.8;

/// The one of some known words (all in lower case) that looks most like this one, if any does; for "did you mean …?".
pub fn nearest(word: &str, known: &[&'static str]) -> Option<&'static str> {
    let word = word.to_lowercase();
    let likeness = |candidate: &&'static str| strsim::jaro_winkler(&word, candidate);
    let nearest = known.iter().copied().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    nearest.filter(|candidate| likeness(candidate) >= LIKENESS_MIN)
}

/// The text that is read, for the lines in errors.
pub(super) struct Source<'a> {
    pub(super) path: &'a Path,
    pub(super) text: &'a str,
}

impl Source<'_> {
    /// Something is wrong at a place in the text.
    pub(super) fn error(&self, at: Range<usize>, problem: Problem) -> ConfigError {
        let line = 1 + self.text.bytes().take(at.start).filter(|&byte| byte == b'\n').count();
        ConfigError { path: PathBuf::from(self.path), line: Some(line), problem }
    }

    /// The whole text as a section.
    pub(super) fn parse(&self) -> Result<Section<'_>, ConfigError> {
        match DeTable::parse(self.text) {
            Ok(table) => Ok(Section { source: self, name: "", at: 0..0, table: table.into_inner() }),
            Err(error) => {
                let problem = Problem::Syntax { message: error.message().to_owned() };
                Err(self.error(error.span().unwrap_or(0..0), problem))
            }
        }
    }
}

/// A value and where it stands.
pub(super) struct Found<T> {
    pub(super) value: T,
    pub(super) at: Range<usize>,
}

/// One table of the file, less the keys that were taken.
pub(super) struct Section<'a> {
    source: &'a Source<'a>,
    name: &'static str,
    at: Range<usize>,
    table: DeTable<'a>,
}

impl<'a> Section<'a> {
    /// Something is wrong at a place in this section's text.
    pub(super) fn error(&self, at: Range<usize>, problem: Problem) -> ConfigError {
        self.source.error(at, problem)
    }

    /// The section itself is wrong.
    pub(super) fn error_here(&self, problem: Problem) -> ConfigError {
        self.source.error(self.at.clone(), problem)
    }

    /// A key as it is named in errors.
    pub(super) fn full(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }

    fn wrong_type(&self, key: &str, expected: &'static str, value: &Spanned<DeValue<'_>>) -> ConfigError {
        let found = match value.get_ref() {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a float",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        };
        self.error(value.span(), Problem::WrongType { key: self.full(key), expected, found })
    }

    /// Takes a string.
    pub(super) fn string(&mut self, key: &str) -> Result<Option<Found<String>>, ConfigError> {
        let Some(value) = self.table.remove(key) else { return Ok(None) };
        match value.get_ref() {
            DeValue::String(text) => Ok(Some(Found { value: text.to_string(), at: value.span() })),
            _ => Err(self.wrong_type(key, "a string", &value)),
        }
    }

    /// Takes an array of strings.
    pub(super) fn strings(&mut self, key: &str) -> Result<Option<Vec<Found<String>>>, ConfigError> {
        const EXPECTED: &str = "an array of strings";
        let Some(value) = self.table.remove(key) else { return Ok(None) };
        let DeValue::Array(entries) = value.get_ref() else {
            return Err(self.wrong_type(key, EXPECTED, &value));
        };
        let string = |entry: &Spanned<DeValue<'_>>| match entry.get_ref() {
            DeValue::String(text) => Ok(Found { value: text.to_string(), at: entry.span() }),
            _ => Err(self.wrong_type(key, EXPECTED, entry)),
        };
        entries.iter().map(string).collect::<Result<_, _>>().map(Some)
    }

    /// Takes `true` or `false`.
    pub(super) fn boolean(&mut self, key: &str) -> Result<Option<bool>, ConfigError> {
        let Some(value) = self.table.remove(key) else { return Ok(None) };
        match value.get_ref() {
            DeValue::Boolean(yes) => Ok(Some(*yes)),
            _ => Err(self.wrong_type(key, "true or false", &value)),
        }
    }

    /// Takes an integer between two bounds, both allowed.
    pub(super) fn integer(&mut self, key: &str, min: u64, max: u64) -> Result<Option<u64>, ConfigError> {
        let Some(value) = self.table.remove(key) else { return Ok(None) };
        let DeValue::Integer(digits) = value.get_ref() else {
            return Err(self.wrong_type(key, "an integer", &value));
        };
        match u64::from_str_radix(digits.as_str(), digits.radix()) {
            Ok(number) if (min..=max).contains(&number) => Ok(Some(number)),
            _ => {
                let problem =
                    Problem::OutOfBounds { key: self.full(key), value: digits.to_string(), min, max };
                Err(self.error(value.span(), problem))
            }
        }
    }

    /// Takes a table.
    pub(super) fn section(&mut self, key: &'static str) -> Result<Option<Section<'a>>, ConfigError> {
        let Some(value) = self.table.remove(key) else { return Ok(None) };
        let at = value.span();
        if !value.get_ref().is_table() {
            return Err(self.wrong_type(key, "a table", &value));
        }
        let DeValue::Table(table) = value.into_inner() else {
            unreachable!("it was seen to be a table");
        };
        Ok(Some(Section { source: self.source, name: key, at, table }))
    }

    /// Whether a key is there and is a table.
    pub(super) fn is_table(&self, key: &str) -> bool {
        self.table.get(key).is_some_and(|value| value.get_ref().is_table())
    }

    /// The names of all keys that are left, each with its place.
    pub(super) fn keys(&self) -> Vec<Found<String>> {
        self.table.keys().map(|key| Found { value: key.get_ref().to_string(), at: key.span() }).collect()
    }

    /// Nothing may be left. `known` are the keys that could have been taken.
    pub(super) fn finish(self, known: &[&'static str]) -> Result<(), ConfigError> {
        let Some(first) = self.keys().into_iter().min_by_key(|key| key.at.start) else {
            return Ok(());
        };
        let nearest = nearest(&first.value, known);
        let problem = Problem::UnknownKey { key: self.full(&first.value), nearest, known: known.to_vec() };
        Err(self.error(first.at, problem))
    }
}
