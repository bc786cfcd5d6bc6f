//! From the path of a URL to the name of a file.

use party_core::query::decode_bytes;

/// A name beneath the directory of assets. It has no part that leads up, is hidden or is empty.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct AssetName {
    relative: String,
    is_directory: bool,
}

impl AssetName {
    /// The name that a path stands for; `None` if it can stand for no file. Unlike a room's, it is decoded.
    pub(crate) fn of_path(path: &str) -> Option<AssetName> {
        let encoded = path.strip_prefix('/')?;
        let (encoded, is_directory) = match encoded.strip_suffix('/') {
            Some(directory) => (directory, true),
            None => (encoded, encoded.is_empty()),
        };
        let relative = match encoded {
            "" if path == "/" => ".".into(),
            encoded => {
                let parts: Option<Vec<String>> = encoded.split('/').map(part).collect();
                parts?.join("/")
            }
        };
        Some(AssetName { relative, is_directory })
    }

    /// A page of the project itself.
    pub(crate) fn of_page(name: &str) -> AssetName {
        AssetName { relative: name.into(), is_directory: false }
    }

    /// Relative to the directory of assets.
    pub(crate) fn relative(&self) -> &str {
        &self.relative
    }

    /// Whether the path ended in a slash.
    pub(crate) fn is_directory(&self) -> bool {
        self.is_directory
    }
}

fn part(encoded: &str) -> Option<String> {
    let part = String::from_utf8(decode_bytes(encoded)).ok()?;
    let refused = part.is_empty()
        || part.starts_with('.')
        || part == "node_modules"
        || part.contains(|c: char| matches!(c, '/' | '\\' | ':') || c.is_control());
    (!refused).then_some(part)
}

#[cfg(test)]
mod tests {
    use super::AssetName;

    #[track_caller]
    fn check(path: &str, expected: Option<(&str, bool)>) {
        let name = AssetName::of_path(path);
        let found = name.as_ref().map(|name| (name.relative(), name.is_directory()));
        assert_eq!(found, expected, "{path}");
    }

    #[test]
    fn paths_become_names() {
        check("/", Some((".", true)));
        check("/app.js", Some(("app.js", false)));
        check("/a/b/c.txt", Some(("a/b/c.txt", false)));
        check("/docs/", Some(("docs", true)));
        check("/with%20space.txt", Some(("with space.txt", false)));
        check("/%C3%A9.txt", Some(("é.txt", false)));
        check("/100%", Some(("100%", false)));
    }

    #[test]
    fn nothing_leads_out_or_to_what_is_hidden() {
        for path in [
            "",
            "*",
            "x",
            "//",
            "//etc/passwd",
            "/../x",
            "/a/../../x",
            "/a/..",
            "/./x",
            "/%2e%2e/x",
            "/%2E./x",
            "/..%2fx",
            "/a%2fb",
            "/a%2f..%2f..%2fx",
            "/a\\..\\x",
            "/%5c%5cserver",
            "/a//b",
            "/.env",
            "/a/.git/config",
            "/node_modules/x.js",
            "/a/node_modules/x.js",
            "/%6eode_modules/x",
            "/a%00.txt",
            "/a%0a",
            "/C:/x",
            "/x:stream",
            "/%ff",
        ] {
            check(path, None);
        }
    }
}
