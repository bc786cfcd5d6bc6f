//! What is sent or expected: text, JSON, or bytes.

use std::fmt;

use serde_json::Value;

use crate::transcript::template::{Names, Template, as_text};

/// A message or a body.
#[derive(Clone, PartialEq, Debug)]
pub struct Payload {
    /// As the transcript writes it.
    written: String,
    kind: Kind,
}

#[derive(Clone, PartialEq, Debug)]
enum Kind {
    Text(Template),
    /// Expected: at least this.
    Json(Shape),
    Binary(Vec<u8>),
}

/// JSON with names in its strings. A string that is one name as a whole is any value.
#[derive(Clone, PartialEq, Debug)]
enum Shape {
    /// A number, a truth value or null.
    Plain(Value),
    /// A string, or any value.
    Text(Template),
    /// As many elements.
    Array(Vec<Shape>),
    /// At least these members.
    Object(Vec<(String, Shape)>),
}

/// What was received, or is sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Content {
    /// Text.
    Text(String),
    /// Bytes.
    Binary(Vec<u8>),
}

impl Payload {
    /// Reads a payload as it is written to the end of a line. An error says what is wrong.
    pub(crate) fn parse(text: &str) -> Result<Payload, String> {
        Ok(Payload { written: text.to_owned(), kind: Kind::parse(text)? })
    }

    /// What is to be sent.
    pub(crate) fn fill(&self, names: &Names) -> Result<Content, String> {
        Ok(match &self.kind {
            Kind::Text(template) => Content::Text(template.fill(names)?),
            Kind::Json(shape) => Content::Text(shape.fill(names)?.to_string()),
            Kind::Binary(bytes) => Content::Binary(bytes.clone()),
        })
    }

    /// Whether this is what was expected, and what its new names take then; if it is not, why, where that is not plain to
    /// see.
    pub(crate) fn matches(&self, found: &Content, names: &Names) -> Result<Names, Option<String>> {
        match (&self.kind, found) {
            (Kind::Text(template), Content::Text(text)) => template.matches(text, names).ok_or(None),
            (Kind::Binary(bytes), Content::Binary(found)) if bytes == found => Ok(Names::new()),
            (Kind::Json(shape), Content::Text(text)) => {
                let value: Value =
                    serde_json::from_str(text).map_err(|error| Some(format!("it is no JSON: {error}")))?;
                let mut taken = Names::new();
                shape.take(&value, "", names, &mut taken).map_err(Some)?;
                Ok(taken)
            }
            (Kind::Text(_) | Kind::Json(_), Content::Binary(_))
            | (Kind::Binary(_), Content::Text(_) | Content::Binary(_)) => Err(None),
        }
    }
}

impl fmt::Display for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl Kind {
    fn parse(text: &str) -> Result<Kind, String> {
        if text.starts_with('"') {
            return Ok(Kind::Text(text_of(text)?));
        }
        match text.split_once(' ') {
            Some(("json", json)) => {
                let value: Value =
                    serde_json::from_str(json).map_err(|error| format!("{json} is no JSON: {error}"))?;
                Ok(Kind::Json(Shape::of(value)?))
            }
            Some(("hex", digits)) => Ok(Kind::Binary(bytes(digits)?)),
            Some(_) | None if text == "hex" => Ok(Kind::Binary(Vec::new())),
            Some(_) | None => Ok(Kind::Text(Template::parse(text)?)),
        }
    }
}

/// Bytes in pairs of hexadecimal digits.
pub(crate) fn bytes(digits: &str) -> Result<Vec<u8>, String> {
    let digits: String = digits.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let is_well_formed =
        digits.len().is_multiple_of(2) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_well_formed {
        return Err(format!("{digits:?} are no pairs of hexadecimal digits"));
    }
    let pair = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).map_err(|error| error.to_string());
    (0..digits.len()).step_by(2).map(pair).collect()
}

impl Shape {
    fn of(value: Value) -> Result<Shape, String> {
        Ok(match value {
            Value::String(text) => Shape::Text(Template::parse(&text)?),
            Value::Array(elements) => {
                Shape::Array(elements.into_iter().map(Shape::of).collect::<Result<_, _>>()?)
            }
            Value::Object(members) => {
                let member = |(name, value)| Ok::<_, String>((name, Shape::of(value)?));
                Shape::Object(members.into_iter().map(member).collect::<Result<_, _>>()?)
            }
            plain @ (Value::Null | Value::Bool(_) | Value::Number(_)) => Shape::Plain(plain),
        })
    }

    fn fill(&self, names: &Names) -> Result<Value, String> {
        Ok(match self {
            Shape::Plain(value) => value.clone(),
            Shape::Text(template) => match template.as_name().and_then(|name| names.get(name)) {
                Some(value) => value.clone(),
                None => Value::String(template.fill(names)?),
            },
            Shape::Array(elements) => {
                Value::Array(elements.iter().map(|element| element.fill(names)).collect::<Result<_, _>>()?)
            }
            Shape::Object(members) => {
                let member =
                    |(name, shape): &(String, Shape)| Ok::<_, String>((name.clone(), shape.fill(names)?));
                Value::Object(members.iter().map(member).collect::<Result<_, _>>()?)
            }
        })
    }

    /// Compares a value; `at` is where in the whole it is.
    fn take(&self, value: &Value, at: &str, names: &Names, taken: &mut Names) -> Result<(), String> {
        let here = || if at.is_empty() { "it".to_owned() } else { format!("at {at} it") };
        match (self, value) {
            (Shape::Plain(wanted), found) if is_equal(wanted, found) => Ok(()),
            (Shape::Text(template), found) => take_text(template, found, names, taken)
                .then_some(())
                .ok_or_else(|| format!("{} is {found}", here())),
            (Shape::Array(wanted), Value::Array(found)) => {
                if wanted.len() != found.len() {
                    return Err(format!("{} has {} elements, not {}", here(), found.len(), wanted.len()));
                }
                let mut pairs = wanted.iter().zip(found).enumerate();
                pairs.try_for_each(|(index, (wanted, found))| {
                    wanted.take(found, &format!("{at}[{index}]"), names, taken)
                })
            }
            (Shape::Object(wanted), Value::Object(found)) => wanted.iter().try_for_each(|(name, wanted)| {
                let found = found.get(name).ok_or_else(|| format!("{} has no {name:?}", here()))?;
                wanted.take(found, &format!("{at}.{name}"), names, taken)
            }),
            (Shape::Plain(_) | Shape::Array(_) | Shape::Object(_), found) => {
                Err(format!("{} is {found}", here()))
            }
        }
    }
}

/// Numbers are equal if they are the same number: 1 and 1.0.
fn is_equal(wanted: &Value, found: &Value) -> bool {
    match (wanted, found) {
        (Value::Number(wanted), Value::Number(found)) => wanted == found || wanted.as_f64() == found.as_f64(),
        (wanted, found) => wanted == found,
    }
}

fn take_text(template: &Template, found: &Value, names: &Names, taken: &mut Names) -> bool {
    if let Some(name) = template.as_name() {
        let known = taken.get(name).or_else(|| names.get(name));
        return match known {
            Some(known) => is_equal(known, found),
            None if name == "_" => true,
            None => {
                taken.insert(name.to_owned(), found.clone());
                true
            }
        };
    }
    let Value::String(text) = found else { return false };
    let mut known = names.clone();
    known.extend(taken.clone());
    match template.matches(text, &known) {
        Some(more) => {
            taken.extend(more);
            true
        }
        None => false,
    }
}

impl Content {
    /// Text where it can be, else bytes.
    pub(crate) fn of(bytes: &[u8]) -> Content {
        match std::str::from_utf8(bytes) {
            Ok(text) => Content::Text(text.to_owned()),
            Err(_) => Content::Binary(bytes.to_vec()),
        }
    }

    /// As a transcript writes it.
    pub(crate) fn written(&self) -> String {
        match self {
            Content::Binary(bytes) => {
                let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                format!("hex {}", digits.join(" ")).trim_end().to_owned()
            }
            Content::Text(text) => {
                let escaped = escaped(text);
                match is_plain(&escaped) {
                    true => escaped,
                    false => as_json(&escaped),
                }
            }
        }
    }
}

/// A close as a transcript writes it, behind a client's name.
pub(crate) fn written_close(code: u16, reason: &str) -> String {
    let is_plain =
        reason.trim() == reason && !reason.starts_with('"') && !reason.chars().any(char::is_control);
    let reason = if is_plain { escaped(reason) } else { as_json(&escaped(reason)) };
    format!("close {code} {reason}").trim_end().to_owned()
}

/// The reason of a close, or another text to the end of a line: in quotes, or as it stands.
pub(crate) fn text_of(written: &str) -> Result<Template, String> {
    if !written.starts_with('"') {
        return Template::parse(written);
    }
    let text: String =
        serde_json::from_str(written).map_err(|error| format!("{written} is no text in quotes: {error}"))?;
    Template::parse(&text)
}

/// Text as a template that stands for nothing but itself.
pub(crate) fn escaped(text: &str) -> String {
    text.replace("${", "$${")
}

/// What a capture is, in a report.
pub(crate) fn shown(value: &Value) -> String {
    as_json(&as_text(value))
}

fn as_json(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}

/// The words that stand for something else than text, behind a client's name.
const WORDS: [&str; 6] = ["close", "lost", "refused", "nothing", "json", "hex"];

fn is_plain(text: &str) -> bool {
    let first = text.split(char::is_whitespace).next().unwrap_or_default();
    !text.is_empty()
        && text.trim() == text
        && !text.starts_with('"')
        && !text.contains("->")
        && !WORDS.contains(&first)
        && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Content, Payload};
    use crate::transcript::template::Names;

    fn matches(written: &str, found: &str) -> Result<Names, Option<String>> {
        Payload::parse(written).unwrap().matches(&Content::Text(found.into()), &Names::new())
    }

    #[test]
    fn json_is_matched_by_what_is_written_of_it() {
        let taken =
            matches(r#"json {"you": "${id}", "at": {"x": 1}}"#, r#"{"at":{"y":2,"x":1.0},"you":7,"z":[]}"#);
        assert_eq!(taken.unwrap()["id"], json!(7));
        for (written, found, why) in [
            (r#"json {"a": {"b": 1}}"#, r#"{"a":{"b":2}}"#, "at .a.b it is 2"),
            (r#"json {"a": [1, 2]}"#, r#"{"a":[1]}"#, "at .a it has 1 elements, not 2"),
            (r#"json [{"a": "${x}"}, {"a": "${x}"}]"#, r#"[{"a":1},{"a":2}]"#, "at [1].a it is 2"),
            (r#"json {"a": null}"#, "{}", "it has no \"a\""),
            (r#"json {"a": 1}"#, "{", "it is no JSON"),
        ] {
            let told = matches(written, found).unwrap_err().unwrap();
            assert!(told.contains(why), "{told}");
        }
    }

    #[test]
    fn what_was_received_is_written_so_that_it_is_read_as_the_same() {
        for text in [
            "hello", "", " x", "\"", "json {}", "close 1", "a\nb", "${x}", "$5", "200 ok", "a -> b", "ä",
            "x ->",
        ] {
            let content = Content::Text(text.into());
            let written = content.written();
            let read = Payload::parse(&written).unwrap();
            assert_eq!(read.fill(&Names::new()).unwrap(), content, "{written}");
        }
        let content = Content::Binary(vec![0, 255, 16]);
        assert_eq!(content.written(), "hex 00 ff 10");
        assert_eq!(Payload::parse("hex 00ff 10").unwrap().fill(&Names::new()).unwrap(), content);
        assert!(Payload::parse("hex 0").is_err() && Payload::parse("hex zz").is_err());
    }

    #[test]
    fn what_is_sent_stands_as_it_is_written() {
        let mut names = Names::new();
        names.insert("id".into(), json!(7));
        let sent = |written: &str| Payload::parse(written).unwrap().fill(&names).unwrap();
        assert_eq!(
            sent(r#"json {"b": "${id}", "a": "n${id}"}"#),
            Content::Text(r#"{"a":"n7","b":7}"#.into())
        );
        assert_eq!(sent("hello ${id}"), Content::Text("hello 7".into()));
        assert_eq!(sent(r#""tab\t""#), Content::Text("tab\t".into()));
    }
}
