//! Text with names in it: `welcome ${name}`.
//!
//! In something that is expected a name takes what stands in its place, and where it has been taken already it stands for
//! that; in something that is sent it always stands for that. `${_}` is anything, each time.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

/// What names stand for.
pub(crate) type Names = BTreeMap<String, Value>;

/// A piece of text with names in it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Piece {
    Text(String),
    Name(String),
    Anything,
}

/// The longest name, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// How many places are tried at which names could end, before it is said that a text does not match.
const TRIES_MAX: u32 = 10_000;

/// Whether this can be a name: of a client, a request or something that was received.
pub(crate) fn is_name(text: &str) -> bool {
    let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    let is_part =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    first && text.len() <= NAME_BYTES_MAX && text.bytes().all(is_part)
}

impl Template {
    /// Reads a template. An error says what is wrong.
    pub(crate) fn parse(text: &str) -> Result<Template, String> {
        let (mut pieces, mut plain, mut rest) = (Vec::new(), String::new(), text);
        while let Some(at) = rest.find("${") {
            let (before, behind) = (&rest[..at], &rest[at + 2..]);
            if let Some(escaped) = before.strip_suffix('$') {
                plain += escaped;
                plain += "${";
                rest = behind;
                continue;
            }
            let (name, after) =
                behind.split_once('}').ok_or("a \"${\" has no \"}\"; for these characters write \"$${\"")?;
            plain += before;
            let follows_a_name = plain.is_empty() && !pieces.is_empty();
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
            }
            if follows_a_name {
                return Err(format!(
                    "${{{name}}} follows another name with nothing between: where does one end?"
                ));
            }
            pieces.push(match name {
                "_" => Piece::Anything,
                name if is_name(name) => Piece::Name(name.to_owned()),
                name => {
                    return Err(format!(
                        "{name:?} is no name: lower-case letters, digits, \"-\" and \"_\", a letter first, at most \
                         {NAME_BYTES_MAX}"
                    ));
                }
            });
            rest = after;
        }
        plain += rest;
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Template { pieces })
    }

    /// The one name that it is, if it is nothing else. `${_}` is the name `_`.
    pub(crate) fn as_name(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [Piece::Name(name)] => Some(name),
            [Piece::Anything] => Some("_"),
            _ => None,
        }
    }

    /// The text, with what the names stand for. An error names one that stands for nothing.
    pub(crate) fn fill(&self, names: &Names) -> Result<String, String> {
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(plain) => text += plain,
                Piece::Anything => return Err("${_} stands for nothing that could be sent".into()),
                Piece::Name(name) => {
                    let value =
                        names.get(name).ok_or_else(|| format!("${{{name}}} has not been taken yet"))?;
                    text += &as_text(value);
                }
            }
        }
        Ok(text)
    }

    /// Whether a text is this, and what its new names take then. A name takes as little as is possible.
    pub(crate) fn matches(&self, text: &str, names: &Names) -> Option<Names> {
        let (mut taken, mut tries) = (Names::new(), TRIES_MAX);
        take(&self.pieces, text, names, &mut taken, &mut tries).then_some(taken)
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pieces.iter().try_for_each(|piece| match piece {
            Piece::Text(plain) => f.write_str(&plain.replace("${", "$${")),
            Piece::Name(name) => write!(f, "${{{name}}}"),
            Piece::Anything => f.write_str("${_}"),
        })
    }
}

/// What a value is in the middle of a text.
pub(crate) fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn take(pieces: &[Piece], text: &str, names: &Names, taken: &mut Names, tries: &mut u32) -> bool {
    let Some((first, rest)) = pieces.split_first() else { return text.is_empty() };
    let known = match first {
        Piece::Text(plain) => Some(plain.clone()),
        Piece::Name(name) => taken.get(name).or_else(|| names.get(name)).map(as_text),
        Piece::Anything => None,
    };
    if let Some(known) = known {
        return text
            .strip_prefix(known.as_str())
            .is_some_and(|behind| take(rest, behind, names, taken, tries));
    }
    // A plain text follows, or nothing: where it is found, the name may end.
    let mut ends: Box<dyn Iterator<Item = usize>> = match rest.first() {
        Some(Piece::Text(plain)) => Box::new(text.match_indices(plain.as_str()).map(|(at, _)| at)),
        Some(_) | None => Box::new(std::iter::once(text.len())),
    };
    ends.any(|end| {
        *tries = tries.saturating_sub(1);
        if *tries == 0 {
            return false;
        }
        let mut further = taken.clone();
        if let Piece::Name(name) = first {
            further.insert(name.clone(), Value::String(text[..end].to_owned()));
        }
        let fits = take(rest, &text[end..], names, &mut further, tries);
        if fits {
            *taken = further;
        }
        fits
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Names, Template};

    fn names(pairs: &[(&str, serde_json::Value)]) -> Names {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    #[test]
    fn names_take_what_stands_in_their_place() {
        let template = Template::parse("welcome ${name}, you are ${number} of ${_}!").unwrap();
        let taken = template.matches("welcome ada, you are 3 of 5!", &Names::new());
        assert_eq!(taken, Some(names(&[("name", json!("ada")), ("number", json!("3"))])));
        assert_eq!(template.matches("welcome ada, you are 3 of 5", &Names::new()), None);
    }

    #[test]
    fn a_name_that_was_taken_stands_for_what_it_took() {
        let template = Template::parse("${a}-${a}").unwrap();
        assert!(template.matches("x-x", &Names::new()).is_some());
        assert!(template.matches("x-y", &Names::new()).is_none());
        let known = names(&[("a", json!(7))]);
        assert_eq!(template.fill(&known).unwrap(), "7-7");
        assert!(template.matches("7-7", &known).is_some() && template.matches("8-8", &known).is_none());
        assert!(template.fill(&Names::new()).unwrap_err().contains("${a} has not been taken yet"));
    }

    #[test]
    fn a_name_that_ends_too_early_ends_later() {
        let template = Template::parse("${a}, ${b}.").unwrap();
        let taken = template.matches("one, two, three.", &Names::new()).unwrap();
        assert_eq!(taken, names(&[("a", json!("one")), ("b", json!("two, three"))]));
        assert!(Template::parse("a${x}a").unwrap().matches("aaaa", &Names::new()).is_some());
    }

    #[test]
    fn what_is_no_template_says_why() {
        assert_eq!(
            Template::parse("costs $5, $${x}").unwrap().fill(&Names::new()).unwrap(),
            "costs $5, ${x}"
        );
        for (text, why) in [("${a", "has no \"}\""), ("${A}", "is no name"), ("${a}${b}", "follows another")]
        {
            assert!(Template::parse(text).unwrap_err().contains(why), "{text}");
        }
    }
}
