//! The parts of a request's URL.

use crate::http::Request;

impl Request {
    /// The path of the URL: `/parties/main/lobby/scores`.
    pub fn path(&self) -> &str {
        let after_scheme = self.uri.split_once("://").map_or(self.uri.as_str(), |(_, rest)| rest);
        let path = after_scheme.find('/').map_or("/", |start| &after_scheme[start..]);
        path.split(['?', '#']).next().unwrap_or(path)
    }

    /// The part of the path behind the room, if it is the path of a room, which it need not be where a lobby has changed it: `/scores`, or `/` for the room itself.
    pub fn path_in_room(&self) -> &str {
        let path = self.path();
        if let Some(behind) = self.behind_the_named_room(path) {
            return behind;
        }
        let names = if path.starts_with("/parties/") { 3 } else { 2 };
        match path.match_indices('/').nth(names) {
            Some((start, _)) => &path[start..],
            None => "/",
        }
    }

    /// With the profile partyserver the host says which party a request is for, because anything may stand before it in the path,
    /// and slashes more than once. No prefix of a host begins with `party`, or with `parties` and something behind it, so what a
    /// client of the classic profile says there changes nothing.
    fn behind_the_named_room<'p>(&self, path: &'p str) -> Option<&'p str> {
        let party = std::str::from_utf8(self.header("x-partykit-namespace")?).ok()?;
        let mut ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        let mut start = ends.next()?;
        let mut names = ends.filter_map(|end| {
            let name = (&path[start + 1..end], end);
            start = end;
            (!name.0.is_empty()).then_some(name)
        });
        match names.next()?.0 {
            "party" => return None,
            "parties" => names.next().filter(|(name, _)| *name == party)?,
            _ => names.find(|(name, _)| *name == party)?,
        };
        let (_, end) = names.next()?;
        Some(if end == path.len() { "/" } else { &path[end..] })
    }

    /// What follows the `?` of the URL.
    pub fn query(&self) -> Option<&str> {
        self.uri.split('#').next().and_then(|uri| uri.split_once('?')).map(|(_, query)| query)
    }
}
