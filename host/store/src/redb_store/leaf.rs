//! A damaged leaf: whether the damage is confined to one row of ours.
//!
//! redb trusts the structure of a page: offsets that point elsewhere make it panic, sometimes while it cleans up
//! after a panic, which ends the process. So a damaged leaf is shown to redb only if its structure is proved sound
//! by its contents: every row but one fits the checksum that it carries, and all keys ascend. Then what is damaged
//! is the key or the value of that one row.
//!
//! The layout of a leaf is redb's (its file format 3, `docs/design.md`), for keys and values of variable length:
//!
//! ```text
//! 1 byte    1, a leaf
//! 1 byte    not used
//! 2 bytes   n, how many rows
//! 4 bytes   where the key ends     } n times each, counted from the start of the page
//! 4 bytes   where the value ends   }
//! keys, one after the other, then values
//! ```

use crate::redb_store::layout::memory_rows::is_memory_key;
use crate::redb_store::layout::{open, parse_prefix, parse_room_row};

/// How redb marks a leaf.
const LEAF: u8 = 1;
const HEAD_BYTES: usize = 4;
const OFFSET_BYTES: usize = 4;

/// What a damaged page is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Damaged {
    /// A leaf of ours, all of whose rows are sound: what changed is not used.
    Nothing,
    /// A leaf of ours, of which one row is damaged.
    OneRow,
    /// Anything else.
    Structure,
}

/// Looks at a page that does not match its checksum.
pub(crate) fn examine(page: &[u8]) -> Damaged {
    let Some(rows) = rows(page) else { return Damaged::Structure };
    let ascending = rows.is_sorted_by(|(key, _), (next, _)| key < next);
    let damaged: Vec<&[u8]> =
        rows.iter().filter(|(key, value)| open(key, value).is_err()).map(|(key, _)| *key).collect();
    match damaged.as_slice() {
        _ if !ascending => Damaged::Structure,
        [] if rows.is_empty() => Damaged::Structure,
        [] => Damaged::Nothing,
        // Other rows show whose leaf it is, or the key alone has to.
        [key] if rows.len() > 1 || is_ours(key) => Damaged::OneRow,
        [..] => Damaged::Structure,
    }
}

/// Whether a leaf's only key has the form of one of ours. If the leaf has more rows and its count is what is damaged,
/// that key begins with at least sixteen bytes of their offsets, and has not.
fn is_ours(key: &[u8]) -> bool {
    parse_room_row(key).is_ok_and(|(prefix, _)| parse_prefix(prefix).is_ok()) || is_memory_key(key)
}

/// The rows of a leaf, if its offsets ascend and stay within the page.
fn rows(page: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let (&[kind, _, low, high], _) = page.split_first_chunk::<HEAD_BYTES>()?;
    let count = usize::from(u16::from_le_bytes([low, high]));
    if kind != LEAF {
        return None;
    }
    let keys_at = HEAD_BYTES + 2 * count * OFFSET_BYTES;
    let offsets = page.get(HEAD_BYTES..keys_at)?.as_chunks().0;
    let (key_ends, value_ends) = offsets.split_at(count);
    let (keys, values_at) = cut(page, keys_at, key_ends)?;
    let (values, _) = cut(page, values_at, value_ends)?;
    Some(keys.into_iter().zip(values).collect())
}

/// Cuts a page from `start` on where its parts end; also says where the last one does.
fn cut<'a>(page: &'a [u8], start: usize, ends: &[[u8; OFFSET_BYTES]]) -> Option<(Vec<&'a [u8]>, usize)> {
    let mut at = start;
    let mut parts = Vec::with_capacity(ends.len());
    for &end in ends {
        let end = usize::try_from(u32::from_le_bytes(end)).ok()?;
        parts.push(page.get(at..end)?);
        at = end;
    }
    Some((parts, at))
}

#[cfg(test)]
mod tests {
    use party_core::commit::ComponentDigest;

    use crate::redb_store::layout::memory_rows::{chunk_key, component_key};
    use crate::redb_store::layout::seal;
    use crate::redb_store::leaf::{Damaged, examine};

    fn leaf(keys: &[&[u8]]) -> Vec<u8> {
        let values: Vec<Vec<u8>> = keys
            .iter()
            .map(|key| {
                let mut sealed = Vec::new();
                seal(&mut sealed, key, &[b'v'; 20]);
                sealed
            })
            .collect();
        let mut page = vec![1, 0];
        page.extend((keys.len() as u16).to_le_bytes());
        let mut end = page.len() + 8 * keys.len();
        for part in keys.iter().copied().chain(values.iter().map(Vec::as_slice)) {
            end += part.len();
            page.extend((end as u32).to_le_bytes());
        }
        page.extend(keys.concat());
        page.extend(values.concat());
        page.resize(4_096, 0);
        page
    }

    #[test]
    fn every_flipped_bit_is_in_one_row_or_in_the_structure() {
        let keys: [&[u8]; 4] = [b"p\0m\0a\0\0", b"p\0m\0a\0\x01k", b"p\0m\0a\0\x01l", b"p\0m\0b\0\0"];
        let page = leaf(&keys);
        let keys_at = 4 + 8 * keys.len();
        let used = keys_at + keys.concat().len() + keys.len() * 24;
        assert_eq!(examine(&page), Damaged::Nothing);
        for bit in 0..page.len() * 8 {
            let mut flipped = page.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let found = examine(&flipped);
            match bit / 8 {
                1 => assert_eq!(found, Damaged::Nothing, "bit {bit} is not used"),
                // A key that no longer ascends is damage of the structure.
                byte if (keys_at..keys_at + keys.concat().len()).contains(&byte) => {
                    assert_ne!(found, Damaged::Nothing, "bit {bit}");
                }
                byte if byte < used && byte >= keys_at => assert_eq!(found, Damaged::OneRow, "bit {bit}"),
                // The end of the last value concerns no other row.
                byte if (keys_at - 4..keys_at).contains(&byte) => {
                    assert_ne!(found, Damaged::Nothing, "bit {bit}")
                }
                byte if byte < keys_at => assert_eq!(found, Damaged::Structure, "bit {bit}"),
                _ => assert_eq!(found, Damaged::Nothing, "bit {bit} is behind the rows"),
            }
        }
    }

    #[test]
    fn what_is_not_a_leaf_of_ours_is_structure() {
        let mut branch = leaf(&[b"p\0m\0a\0\0", b"p\0m\0b\0\0"]);
        branch[0] = 2;
        for page in
            [&branch[..], &[], &[1, 0, 0], &[1, 0, 0, 0], &[1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0], &[1; 4_096]]
        {
            assert_eq!(examine(page), Damaged::Structure);
        }
        let mut alone = leaf(&[b"not a room"]);
        alone[40] ^= 1;
        assert_eq!(examine(&alone), Damaged::Structure);
        let mut alone = leaf(&[b"p\0m\0a\0\0"]);
        alone[40] ^= 1;
        assert_eq!(examine(&alone), Damaged::OneRow);
    }

    /// Chunks of 4,000 bytes lie alone in their leaves: their damage must not be taken for the store's.
    #[test]
    fn a_row_of_a_memory_that_lies_alone_is_one_row() {
        let chunk = chunk_key(b"p\0m\0a\0", 7, 1);
        let component = component_key(ComponentDigest([0xcd; 32]));
        let component_chunk = chunk_key(&component, 7, 0);
        let number = 7u64.to_be_bytes();
        for key in [chunk.as_slice(), &component, &component_chunk, &number] {
            let mut alone = leaf(&[key]);
            let value_at = 12 + key.len();
            alone[value_at] ^= 1;
            assert_eq!(examine(&alone), Damaged::OneRow, "{key:?}");
            // Three or five rows whose count says one are not a row of one.
            for rows in [3u8, 5] {
                let keys: Vec<Vec<u8>> = (0..rows).map(|row| [key, &[row]].concat()).collect();
                let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
                let mut more = leaf(&keys);
                more[2] = 1;
                assert_eq!(examine(&more), Damaged::Structure, "{key:?}, {rows} rows");
            }
        }
    }
}
