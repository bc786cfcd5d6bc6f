//! Whether what the client has is still what there is (RFC 9110, 13).

use hyper::header::{HeaderMap, IF_MODIFIED_SINCE, IF_NONE_MATCH};

use super::file::Facts;

/// Whether the client's copy is fresh. An entity tag, if there is one, decides alone.
pub(crate) fn is_fresh(headers: &HeaderMap, facts: &Facts) -> bool {
    if headers.contains_key(IF_NONE_MATCH) {
        let etag = facts.etag();
        let values = headers.get_all(IF_NONE_MATCH).into_iter().filter_map(|value| value.to_str().ok());
        return values.flat_map(|value| value.split(',')).map(str::trim).any(|candidate| {
            candidate == "*" || candidate.trim_start_matches("W/") == etag.trim_start_matches("W/")
        });
    }
    let since = headers.get(IF_MODIFIED_SINCE).and_then(|value| value.to_str().ok());
    let since = since.and_then(|since| httpdate::parse_http_date(since).ok());
    match (since, facts.modified_whole_seconds()) {
        (Some(since), Some(modified)) => modified <= since,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use hyper::header::{HeaderMap, HeaderName, HeaderValue};

    use super::super::file::Facts;
    use super::is_fresh;

    #[track_caller]
    fn check(headers: &[(&'static str, &str)], expected: bool) {
        let facts = Facts {
            bytes: 0x10,
            modified: Some(UNIX_EPOCH + Duration::from_millis(784_111_777_500)),
            content_type: String::new(),
        };
        assert_eq!(facts.etag(), "W/\"ae1b981da166f00-10\"");
        assert_eq!(facts.last_modified().unwrap(), "Sun, 06 Nov 1994 08:49:37 GMT");
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        assert_eq!(is_fresh(&map, &facts), expected, "{headers:?}");
    }

    #[test]
    fn a_tag_is_compared_weakly_and_in_lists() {
        check(&[("if-none-match", "W/\"ae1b981da166f00-10\"")], true);
        check(&[("if-none-match", "\"x\", \"ae1b981da166f00-10\"")], true);
        check(&[("if-none-match", "\"x\""), ("if-none-match", "*")], true);
        check(&[("if-none-match", "\"ae1b981da166f00-11\"")], false);
    }

    #[test]
    fn a_date_counts_only_without_a_tag() {
        let same = ("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT");
        check(&[same], true);
        check(&[("if-modified-since", "Sun, 06 Nov 1994 08:49:36 GMT")], false);
        check(&[("if-modified-since", "yesterday")], false);
        check(&[same, ("if-none-match", "\"x\"")], false);
        check(&[], false);
    }
}
