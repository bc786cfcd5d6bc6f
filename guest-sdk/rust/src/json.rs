//! JSON, for messages, requests and responses.

use std::any::type_name;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::shown::shown;

/// Why something could not be written or read as JSON: what, as which type, and serde's own words.
pub struct JsonError {
    /// As rustc names it: with its path.
    wanted: &'static str,
    /// What was read; none if something was to be written.
    read: Option<Read>,
    cause: serde_json::Error,
}

struct Read {
    what: &'static str,
    beginning: String,
    bytes: usize,
}

impl fmt::Display for JsonError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { wanted, read, cause } = self;
        match read {
            Some(Read { what, beginning, bytes }) => {
                write!(formatter, "{what} {beginning} ({bytes} bytes) is no {wanted} in JSON: {cause}")
            }
            None => write!(formatter, "a {wanted} cannot be written as JSON: {cause}"),
        }
    }
}

/// As [`Display`](fmt::Display): what `unwrap` shows is for people, too, and the names of fields would be a tenth of a
/// small component.
impl fmt::Debug for JsonError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl std::error::Error for JsonError {}

pub(crate) fn to_text<T: Serialize + ?Sized>(value: &T) -> Result<String, JsonError> {
    serde_json::to_string(value).map_err(|cause| JsonError { wanted: type_name::<T>(), read: None, cause })
}

/// `what` begins the error: `the message`.
pub(crate) fn from_bytes<'a, T: Deserialize<'a>>(
    what: &'static str,
    bytes: &'a [u8],
) -> Result<T, JsonError> {
    serde_json::from_slice(bytes).map_err(|cause| unread(what, bytes, type_name::<T>(), cause))
}

#[cold]
fn unread(what: &'static str, bytes: &[u8], wanted: &'static str, cause: serde_json::Error) -> JsonError {
    JsonError { wanted, read: Some(Read { what, beginning: shown(bytes), bytes: bytes.len() }), cause }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{from_bytes, to_text};

    #[derive(Debug, serde::Deserialize)]
    struct Said {
        _text: String,
    }

    #[test]
    fn an_error_says_what_was_read_the_wanted_type_and_serdes_words() {
        let told = |text: &str| {
            from_bytes::<Said>("the message", text.as_bytes()).expect_err("it is none").to_string()
        };
        assert_eq!(
            told("{\"txt\":\"hi\"}"),
            "the message \"{\"txt\":\"hi\"}\" (12 bytes) is no party::json::tests::Said in JSON: missing field \
             `_text` at line 1 column 12"
        );
        let long = told(&"x".repeat(100_000));
        assert!(long.len() < 300 && long.contains("(100000 bytes)"), "{long}");
        let unwritten = to_text(&BTreeMap::from([((1, 2), 3)])).expect_err("a key is no text");
        assert!(
            unwritten.to_string().ends_with(" cannot be written as JSON: key must be a string"),
            "{unwritten}"
        );
    }
}
