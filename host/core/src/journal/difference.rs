//! How the writes of a turn that is taken again differ from those that were recorded, for a person to read.

use bytes::Bytes;

use crate::commit::KvChanges;

/// So many bytes of a key or value are shown.
const SHOWN_BYTES_MAX: usize = 64;

/// The first difference between what was recorded and what the turn did now, if there is one.
pub(crate) fn difference(recorded: &KvChanges, now: &KvChanges) -> Option<String> {
    match (recorded.cleared, now.cleared) {
        (true, false) => return Some("it had deleted every key, and does not now".into()),
        (false, true) => return Some("it deletes every key now, and had not".into()),
        (true, true) | (false, false) => {}
    }
    let keys = recorded.entries.keys().chain(now.entries.keys());
    let key = keys.filter(|key| recorded.entries.get(*key) != now.entries.get(*key)).min()?;
    let (before, now) = (did(recorded.entries.get(key)), did(now.entries.get(key)));
    Some(format!("key \"{}\": recorded is {before}, now {now}", shown(key)))
}

fn did(entry: Option<&Option<Bytes>>) -> String {
    match entry {
        None => "nothing".into(),
        Some(None) => "its deletion".into(),
        Some(Some(value)) => format!("\"{}\" ({} bytes)", shown(value), value.len()),
    }
}

fn shown(bytes: &Bytes) -> String {
    bytes[..bytes.len().min(SHOWN_BYTES_MAX)].escape_ascii().to_string()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::difference;
    use crate::commit::KvChanges;

    fn writes(entries: &[(&'static str, Option<&'static str>)]) -> KvChanges {
        let entry = |(key, value): &(&'static str, Option<&'static str>)| {
            (Bytes::from_static(key.as_bytes()), value.map(|value| Bytes::from_static(value.as_bytes())))
        };
        KvChanges { cleared: false, entries: entries.iter().map(entry).collect() }
    }

    #[test]
    fn the_first_key_that_differs_is_told_with_both_values() {
        let recorded = writes(&[("a", Some("1")), ("b", Some("2\n")), ("c", None)]);
        assert_eq!(difference(&recorded, &recorded), None);
        let told = |now: &[_]| difference(&recorded, &writes(now)).unwrap();
        assert_eq!(
            told(&[("a", Some("1")), ("b", None)]),
            "key \"b\": recorded is \"2\\n\" (2 bytes), now its deletion"
        );
        assert_eq!(
            told(&[("a", Some("1")), ("aa", Some("")), ("b", Some("2\n"))]),
            "key \"aa\": recorded is nothing, now \"\" (0 bytes)"
        );
        let cleared = KvChanges { cleared: true, ..writes(&[]) };
        assert_eq!(difference(&cleared, &writes(&[])).unwrap(), "it had deleted every key, and does not now");
        let long: &str = "x".repeat(1_000).leak();
        assert!(told(&[("a", Some(long))]).len() < 200);
    }
}
