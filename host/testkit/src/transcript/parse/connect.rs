//! Clients that ask for a WebSocket.

use crate::transcript::parse::request::OF_HOST;
use crate::transcript::parse::{Parser, Read, header, nothing, shown, word};
use crate::transcript::step::Deed;
use crate::transcript::template::Template;

impl Parser<'_> {
    /// `[ROOM] [?QUERY]` or `host:/PATH [?QUERY]`, and the headers below.
    pub(super) fn connect(&mut self, text: &str) -> Read<Deed> {
        let (first, rest) = word(text);
        let (named, query) = match first.strip_prefix('?') {
            Some(query) => {
                nothing(rest)?;
                ("", Some(query))
            }
            None if rest.is_empty() => (first, None),
            None => (first, Some(rest.strip_prefix('?').ok_or("a query begins with \"?\"")?)),
        };
        if query.is_some_and(|query| query.contains(char::is_whitespace)) {
            return Err("a query has no spaces: write %20".into());
        }
        let to = match named.strip_prefix(OF_HOST) {
            Some(path) if path.starts_with('/') && !path.contains('?') => path.to_owned(),
            Some(path) => {
                return Err(format!(
                    "{} is no path: it begins with /, and \" ?\" begins its query",
                    shown(path)
                ));
            }
            None => self.room_or_own(named)?,
        };
        let query = query.map(Template::parse).transpose()?;
        let headers = self.below(&['>']).into_iter().map(|(_, line)| header(line)).collect::<Read<_>>()?;
        Ok(Deed::Connect { to, query, headers })
    }
}
