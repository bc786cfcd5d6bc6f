//! The attribute `#[party::serve]`: the one line that makes a component of an `impl Party`.
//!
//! It leaves the implementation as it is and adds two things: a list of the handlers that the author wrote (a
//! trait's default methods cannot be told from written ones by any other means, and the host answers for those
//! that are missing), and the component's exports. It reads tokens itself, because a parser crate would take
//! longer to build than the rest of the SDK. What must hold: a handler is listed exactly if it is compiled, so
//! `#[cfg]` attributes are carried over.

use std::fmt::Write;

use proc_macro::{Delimiter, Group, TokenStream, TokenTree};

/// The handlers of `Party`, as the trait spells them.
const HANDLERS: [&str; 14] = [
    "on_start",
    "on_resume",
    "on_connect",
    "on_message",
    "on_close",
    "on_error",
    "on_request",
    "on_alarm",
    "before_connect",
    "before_request",
    "on_fetch",
    "on_cron",
    "save",
    "restore",
];

/// Serve the party that this `impl Party for …` describes: one per component.
///
/// The handlers written in the block are announced to the host; the others are answered by the host. With the argument
/// `request_bodies`, bodies of requests that are too large to come along, or whose size nobody knows, are read piece by piece.
#[proc_macro_attribute]
pub fn serve(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let options = match arguments.to_string().as_str() {
        "" => Ok(""),
        "request_bodies" => Ok("let handlers = handlers.union(::party::glue::Handlers::REQUEST_BODIES);"),
        _ => Err("`#[party::serve]` takes no argument but `request_bodies`"),
    };
    let glue = options.and_then(|options| glue(item.clone(), options));
    let addition = glue.unwrap_or_else(|message| format!("::core::compile_error!({message:?});"));
    let addition: TokenStream = addition.parse().expect("the added code is well formed");
    [item, addition].into_iter().collect()
}

/// The code that is added to `item`. Elsewhere than on wasm32 there is nothing to export (a native linker refuses
/// such names), and the type is only kept from being called unused.
fn glue(item: TokenStream, options: &str) -> Result<String, &'static str> {
    let (party, body) = party_and_body(item)?;
    let mut steps = String::new();
    for handler in handlers(body.stream()) {
        let (name, conditions) = (handler.name.to_ascii_uppercase(), handler.conditions);
        write!(steps, "{conditions} let handlers = handlers.union(::party::glue::Handlers::{name});")
            .expect("a string takes all");
    }
    Ok(format!(
        "const _: () = {{
            impl ::party::glue::Capable for {party} {{
                const HANDLERS: ::party::glue::Handlers = {{
                    let handlers = ::party::glue::NEEDED;
                    {steps}
                    {options}
                    handlers
                }};
            }}
            #[cfg(not(target_arch = \"wasm32\"))]
            const _: fn() -> {party} = <{party} as ::core::default::Default>::default;
            #[cfg(target_arch = \"wasm32\")]
            type Exports = ::party::glue::Exports<{party}>;
            #[cfg(target_arch = \"wasm32\")]
            ::party::bindings::export_party!(Exports with_types_in ::party::bindings);
        }};"
    ))
}

/// The type behind `for`, and the block of the `impl`.
fn party_and_body(item: TokenStream) -> Result<(TokenStream, Group), &'static str> {
    const NOT_AN_IMPL: &str = "`#[party::serve]` belongs on an `impl Party for …` block";
    const GENERIC: &str = "the party of a component is one type: `impl Party for …` without parameters";
    let mut tokens = item.into_iter().skip_while(|token| !is_word(token, "impl"));
    tokens.next().ok_or(NOT_AN_IMPL)?;
    let mut tokens = tokens.peekable();
    if tokens.peek().is_some_and(|token| is_mark(token, '<')) {
        return Err(GENERIC);
    }
    let mut tokens = tokens.skip_while(|token| !is_word(token, "for"));
    tokens.next().ok_or(NOT_AN_IMPL)?;
    let mut party = Vec::new();
    for token in tokens {
        match token {
            TokenTree::Group(body) if body.delimiter() == Delimiter::Brace => {
                return Ok((party.into_iter().collect(), body));
            }
            word if is_word(&word, "where") => return Err(GENERIC),
            part => party.push(part),
        }
    }
    Err(NOT_AN_IMPL)
}

/// A handler that the author wrote.
struct Handler {
    name: &'static str,
    /// Its `#[cfg]` attributes.
    conditions: TokenStream,
}

/// The handlers in the block of an `impl`.
fn handlers(body: TokenStream) -> Vec<Handler> {
    let mut found = Vec::new();
    let mut conditions = Vec::new();
    let mut tokens = body.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match (&token, tokens.peek()) {
            (mark, Some(TokenTree::Group(attribute))) if is_mark(mark, '#') => {
                if attribute.stream().into_iter().next().is_some_and(|first| is_word(&first, "cfg")) {
                    conditions.extend([token, TokenTree::Group(attribute.clone())]);
                }
                tokens.next();
            }
            (word, Some(TokenTree::Ident(name))) if is_word(word, "fn") => {
                let name = name.to_string();
                let conditions = conditions.drain(..).collect();
                if let Some(name) = HANDLERS.into_iter().find(|handler| *handler == name) {
                    found.push(Handler { name, conditions });
                }
            }
            // The end of an item: its conditions are not those of the next.
            (TokenTree::Group(group), _) if group.delimiter() == Delimiter::Brace => conditions.clear(),
            (mark, _) if is_mark(mark, ';') => conditions.clear(),
            _ => {}
        }
    }
    found
}

fn is_word(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident.to_string() == word)
}

fn is_mark(token: &TokenTree, mark: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == mark)
}
