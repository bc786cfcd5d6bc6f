//! The names of a component's functions, readable and in few bytes.
//!
//! A trap is told with the functions that it happened in, so components keep the names that a compiler gave them. As
//! compilers write them they are a fifth of a small component: mangled, with a hash each, and long where types are
//! generic. Here each becomes what a person would say, cut at a bound, and names that only tools read (of locals, of
//! the component's own parts) go. So a small component with names is as large as one without was.
//!
//! What must hold: nothing but names changes, so the result does what the component does; the same component gives
//! the same bytes every time, because their digest is what rooms that sleep are kept with.

use std::fmt::{self, Write};

use rustc_demangle::try_demangle;
use thiserror::Error;
use wasm_encoder::{Component, ComponentSectionId, NameMap, NameSection, RawSection};
use wasmparser::{BinaryReaderError, CustomSectionReader, Encoding, KnownCustom, Name, Parser, Payload};

use crate::config::wasm_features;

/// The longest name that is kept, in bytes. Longer ones are of generic types inside each other, and begin with what
/// matters.
const NAME_BYTES_MAX: usize = 80;
/// How much of a name is read, in bytes: a few hundred can stand for a million, where types refer to each other.
const NAME_READ_BYTES_MAX: usize = 1_024;
/// The section that holds names of a component's own parts.
const COMPONENT_NAMES: &str = "component-name";
/// How the exports of the contract begin: what follows is the handler.
const GUEST: &str = "party:server/guest@0.1.0#";

/// Why names cannot be shortened.
#[derive(Debug, Error)]
pub enum NamesError {
    /// It is no component, or not a valid one; the text is the parser's.
    #[error("the component cannot be read: {0}")]
    Malformed(String),
}

impl From<BinaryReaderError> for NamesError {
    fn from(error: BinaryReaderError) -> NamesError {
        NamesError::Malformed(error.to_string())
    }
}

/// The same component with short, readable names of its functions.
///
/// Modules inside of components inside of it keep the names that they have: compilers make none.
pub fn shorten(component: &[u8]) -> Result<Vec<u8>, NamesError> {
    let mut result = Component::new();
    // How deep the parser is: 1 is the component itself.
    let mut depth = 0;
    for payload in parser().parse_all(component) {
        let payload = payload?;
        match payload {
            Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                return Err(NamesError::Malformed("it is a core module".into()));
            }
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            _ if depth > 1 => {}
            Payload::ModuleSection { unchecked_range, .. } => {
                let data = &shorten_module(&component[unchecked_range])?;
                result.section(&RawSection { id: ComponentSectionId::CoreModule as u8, data });
            }
            Payload::CustomSection(custom) if custom.name() == COMPONENT_NAMES => {}
            other => {
                if let Some((id, range)) = other.as_section() {
                    result.section(&RawSection { id, data: &component[range] });
                }
            }
        }
    }
    Ok(result.finish())
}

fn shorten_module(module: &[u8]) -> Result<Vec<u8>, NamesError> {
    let mut result = wasm_encoder::Module::new();
    for payload in parser().parse_all(module) {
        let payload = payload?;
        if let Payload::CustomSection(custom) = &payload
            && let Some(names) = function_names(custom)?
        {
            let mut section = NameSection::new();
            section.functions(&names);
            result.section(&section);
        } else if let Some((id, range)) = payload.as_section() {
            result.section(&RawSection { id, data: &module[range] });
        }
    }
    Ok(result.finish())
}

/// The names in a name section, made short; `None` if it is another section.
fn function_names(custom: &CustomSectionReader<'_>) -> Result<Option<NameMap>, NamesError> {
    let KnownCustom::Name(names) = custom.as_known() else { return Ok(None) };
    let mut short = NameMap::new();
    for name in names {
        if let Name::Function(functions) = name? {
            for function in functions {
                let function = function?;
                short.append(function.index, &readable(function.name));
            }
        }
    }
    Ok(Some(short))
}

/// A function's name as a person would say it, at most [`NAME_BYTES_MAX`] long: without the hash that rustc adds, and
/// with the last part of each path alone where types stand in angle brackets. What was made readable stays as it is.
pub(crate) fn readable(name: &str) -> String {
    let mut name = match try_demangle(name) {
        Ok(demangled) => without_paths_in_brackets(&beginning(format_args!("{demangled:#}"))),
        Err(_) => beginning(format_args!("{}", name.strip_prefix(GUEST).unwrap_or(name))),
    };
    cut(&mut name, NAME_BYTES_MAX);
    // It stands in a line of the log, and whoever wrote the component chose it.
    if name.contains(char::is_control) { name.replace(char::is_control, "?") } else { name }
}

/// The beginning of what would be printed.
fn beginning(text: fmt::Arguments<'_>) -> String {
    let mut beginning = Beginning(String::new());
    // An error is the bound: what came before it is what is wanted.
    let _ = beginning.write_fmt(text);
    beginning.0
}

/// Takes [`NAME_READ_BYTES_MAX`], then refuses, so that nothing more is made.
struct Beginning(String);

impl Write for Beginning {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = text.floor_char_boundary(NAME_READ_BYTES_MAX - self.0.len());
        self.0.push_str(&text[..end]);
        if end < text.len() { Err(fmt::Error) } else { Ok(()) }
    }
}

/// `<chat::Chat as party::Party>::on_message` becomes `<Chat as Party>::on_message`.
fn without_paths_in_brackets(name: &str) -> String {
    let mut short = String::with_capacity(name.len());
    let mut depth = 0_u32;
    let mut rest = name;
    while let Some(character) = rest.chars().next() {
        if depth > 0
            && let Some(after) = rest.strip_prefix("::")
            && !short.ends_with('>')
        {
            let word = short.trim_end_matches(|c: char| c.is_alphanumeric() || "_{}#".contains(c)).len();
            short.truncate(word);
            rest = after;
            continue;
        }
        let is_arrow = character == '>' && short.ends_with('-');
        match character {
            '<' => depth += 1,
            '>' if !is_arrow => depth = depth.saturating_sub(1),
            _ => {}
        }
        short.push(character);
        rest = &rest[character.len_utf8()..];
    }
    short
}

/// Cuts on a character boundary.
pub(crate) fn cut(text: &mut String, bytes_max: usize) {
    if text.len() > bytes_max {
        text.truncate(text.floor_char_boundary(bytes_max.saturating_sub('…'.len_utf8())));
        text.push('…');
    }
}

fn parser() -> Parser {
    let mut parser = Parser::new(0);
    parser.set_features(wasm_features());
    parser
}

#[cfg(test)]
mod tests {
    use rustc_demangle::try_demangle;
    use wasmparser::Validator;

    use super::{
        NAME_BYTES_MAX, NAME_READ_BYTES_MAX, NamesError, beginning, cut, readable, shorten,
        without_paths_in_brackets,
    };

    #[test]
    fn a_name_is_what_a_person_would_say() {
        let cases = [
            ("_ZN4chat4Chat3say17h0123456789abcdefE", "chat::Chat::say"),
            (
                "_ZN50_$LT$chat..Chat$u20$as$u20$party..party..Party$GT$10on_message17h0123456789abcdefE",
                "<Chat as Party>::on_message",
            ),
            ("_RNvMsa_NtCs9pv848UzQwQ_4core3fmtNtB5_9Formatter12pad_integral", "<Formatter>::pad_integral"),
            ("party:server/guest@0.1.0#on-message", "on-message"),
            ("chat::Chat::say", "chat::Chat::say"),
            ("main.(*Room).OnMessage", "main.(*Room).OnMessage"),
            ("operator<(a::B const&, a::B const&)", "operator<(a::B const&, a::B const&)"),
        ];
        for (name, expected) in cases {
            assert_eq!(readable(name), expected, "{name}");
            assert_eq!(readable(expected), expected, "what was made readable stays as it is");
        }
    }

    #[test]
    fn a_hostile_name_costs_little_and_stays_one_line() {
        assert!(readable(&"x".repeat(1_000_000)).len() <= NAME_BYTES_MAX);
        assert_eq!(readable("a\n\x1b[1mERROR"), "a??[1mERROR");
        // Each tuple holds the one before it twice: 20 of them are a million letters, and 60 would take for ever.
        let mut hostile = String::from("_RIC1aTh");
        let mut last = 5;
        for _ in 0..60 {
            let start = hostile.len() - 2;
            let back = format!("B{}_", base_62(last));
            hostile += &format!("T{back}{back}E");
            last = start;
        }
        hostile += "EE";
        let demangled = try_demangle(&hostile).expect("it is a name");
        assert!(format!("{demangled:#}").len() > 500_000, "it stands for much more than it is");
        assert!(beginning(format_args!("{demangled:#}")).len() <= NAME_READ_BYTES_MAX);
        assert!(readable(&hostile).starts_with("a::<(u8"), "{}", readable(&hostile));
    }

    /// A reference to a place, as v0 names write it: 0 is `_`, 1 is `0_`; the caller adds the `_`.
    fn base_62(place: usize) -> String {
        const DIGITS: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
        let (mut left, mut digits) = (place - 1, Vec::new());
        loop {
            digits.push(DIGITS[left % 62]);
            left /= 62;
            if left == 0 {
                break;
            }
        }
        digits.reverse();
        String::from_utf8(digits).expect("digits are ASCII")
    }

    #[test]
    fn paths_in_brackets_are_their_last_part() {
        let cases = [
            ("a::b::c", "a::b::c"),
            ("a::drop_in_place<b::c::D>", "a::drop_in_place<D>"),
            ("<[a::B] as c::D<fn(e::F) -> g::H>>::i::{closure#0}", "<[B] as D<fn(F) -> H>>::i::{closure#0}"),
            ("a::<<b::C as d::E>::f::{{closure}} as g::H>::i", "a::<<C as E>::{{closure}} as H>::i"),
            ("a::B<c::Д::é>::f", "a::B<é>::f"),
        ];
        for (name, expected) in cases {
            assert_eq!(without_paths_in_brackets(name), expected, "{name}");
        }
    }

    #[test]
    fn only_names_change() {
        let component = wat::parse_str(
            r#"(component (core module $m
                 (func $_ZN4chat4Chat3say17h0123456789abcdefE (export "say") (param $who i32)))
               (core instance $i (instantiate $m)))"#,
        );
        let component = component.expect("it is well formed");
        let short = shorten(&component).expect("it is a component");
        Validator::new().validate_all(&short).expect("it is valid");
        let holds = |bytes: &[u8], text: &str| bytes.windows(text.len()).any(|part| part == text.as_bytes());
        assert!(holds(&short, "chat::Chat::say") && !holds(&short, "_ZN4chat"));
        assert!(holds(&component, "component-name") && !holds(&short, "component-name"));
        assert!(holds(&component, "who") && !holds(&short, "who"), "names of locals go");
        assert_eq!(shorten(&short).expect("it is a component"), short, "nothing is left to be done");
    }

    #[test]
    fn what_is_no_component_is_refused() {
        for bytes in [&b"\0asm\x01\0\0\0"[..], b"", b"\0asm", b"text"] {
            assert!(matches!(shorten(bytes), Err(NamesError::Malformed(_))), "{bytes:?}");
        }
    }

    #[test]
    fn a_long_text_is_cut_on_a_character_boundary() {
        let mut text = "é".repeat(100);
        cut(&mut text, 20);
        assert_eq!(text, format!("{}…", "é".repeat(8)));
    }
}
