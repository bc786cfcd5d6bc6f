//! What kind of thing a file is, by its name.

use mime_guess::mime;

/// The content type, with the charset where there is text: files are taken to be UTF-8.
pub(crate) fn of(name: &str) -> String {
    let guess = mime_guess::from_path(name).first_or_octet_stream();
    if guess.subtype() == mime::JAVASCRIPT {
        // The one name that is left for it (RFC 9239).
        return "text/javascript; charset=utf-8".into();
    }
    let is_xml = guess.suffix() == Some(mime::XML) || guess.subtype() == mime::XML;
    let is_json = guess.suffix() == Some(mime::JSON) || guess.subtype() == mime::JSON;
    if (guess.type_() == mime::TEXT || is_xml || is_json) && guess.get_param(mime::CHARSET).is_none() {
        format!("{}; charset=utf-8", guess.essence_str())
    } else {
        guess.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn common_names_have_their_types() {
        let cases = [
            ("index.html", "text/html; charset=utf-8"),
            ("a/b.CSS", "text/css; charset=utf-8"),
            ("app.js", "text/javascript; charset=utf-8"),
            ("app.mjs", "text/javascript; charset=utf-8"),
            ("notes.txt", "text/plain; charset=utf-8"),
            ("logo.svg", "image/svg+xml; charset=utf-8"),
            ("data.json", "application/json; charset=utf-8"),
            ("module.wasm", "application/wasm"),
            ("photo.jpg", "image/jpeg"),
            ("font.woff2", "font/woff2"),
            ("no-ending", "application/octet-stream"),
        ];
        for (name, expected) in cases {
            assert_eq!(of(name), expected, "{name}");
        }
    }
}
