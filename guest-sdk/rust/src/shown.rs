//! Bytes as a person reads them in an error: as text, in quotes, cut at a bound.

/// Characters of a key, a tag or a text that an error shows.
const CHARS_MAX: usize = 64;

/// The beginning of something, in quotes.
pub(crate) fn shown(bytes: &[u8]) -> String {
    // A character is at most four bytes: what is behind cannot be among those that are shown.
    let beginning = &bytes[..bytes.len().min(4 * (CHARS_MAX + 1))];
    let text = String::from_utf8_lossy(beginning);
    let end = text.char_indices().nth(CHARS_MAX).map_or(text.len(), |(end, _)| end);
    let more = if end < text.len() { "…" } else { "" };
    // A line of the log stays one line.
    format!("\"{}{more}\"", text[..end].replace(|c: char| c < ' ', " "))
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn what_is_shown_is_one_short_line() {
        assert_eq!(shown(b"score/ada"), "\"score/ada\"");
        assert_eq!(shown(b""), "\"\"");
        assert_eq!(shown(b"a\n\x1bb\xff"), "\"a  b\u{fffd}\"");
        assert_eq!(shown("é".repeat(64).as_bytes()), format!("\"{}\"", "é".repeat(64)));
        assert_eq!(shown("é".repeat(2_000).as_bytes()), format!("\"{}…\"", "é".repeat(64)));
    }
}
