//! The versions of parties: one row of `meta`, so that what is known of all parties changes at once.
//!
//! A store that was made before there were versions has no such row, and a program that knows none leaves it alone.

use party_core::commit::ComponentDigest;
use party_core::ids::Epoch;

use crate::redb_store::engine::Engine;
use crate::redb_store::index::Effects;
use crate::redb_store::layout::{Damage, META, open, seal};
use crate::redb_store::snapshot::Snapshot;
use crate::redb_store::staging::next_batch;
use crate::redb_store::trouble::Trouble;
use crate::store::CommitError;
use crate::versions::{NAME_BYTES_MAX, PARTIES_MAX, PartyVersions};

/// The row of `meta`.
const VERSIONS_KEY: &[u8] = b"versions";
const DIGEST_BYTES: usize = 32;
const FLAG_BEFORE: u8 = 1;
const FLAG_ROLLED_BACK: u8 = 2;

impl Snapshot {
    /// What is known of the versions of all parties.
    pub(crate) fn versions(&self) -> Result<Vec<PartyVersions>, Trouble> {
        let Some(sealed) = self.row_of(META, VERSIONS_KEY)? else { return Ok(Vec::new()) };
        let body = open(VERSIONS_KEY, sealed.value())?;
        Ok(decode(body).ok_or_else(|| Damage("the row \"versions\" is malformed".to_owned()))?)
    }
}

impl Engine {
    /// Replaces all that is known of the versions of parties.
    pub(crate) fn put_versions(&self, held: Epoch, versions: &[PartyVersions]) -> Result<(), CommitError> {
        let mut writer = self.writer_of(held)?;
        self.transact(&mut writer, |transaction, state| {
            let mut sealed = Vec::new();
            seal(&mut sealed, VERSIONS_KEY, &encode(versions));
            transaction.open_table(META)?.insert(VERSIONS_KEY, sealed.as_slice())?;
            next_batch(transaction, state, Effects::default())
        })
    }
}

fn encode(versions: &[PartyVersions]) -> Vec<u8> {
    let mut body = Vec::new();
    for PartyVersions { project, party, served, before, was_rolled_back } in versions {
        for name in [project, party] {
            // Its length was checked when it came in.
            body.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
            body.extend_from_slice(name.as_bytes());
        }
        let before_flag = if before.is_some() { FLAG_BEFORE } else { 0 };
        body.push(before_flag | if *was_rolled_back { FLAG_ROLLED_BACK } else { 0 });
        body.extend_from_slice(&served.0);
        if let Some(before) = before {
            body.extend_from_slice(&before.0);
        }
    }
    body
}

fn decode(mut body: &[u8]) -> Option<Vec<PartyVersions>> {
    let mut versions = Vec::new();
    while !body.is_empty() {
        if versions.len() == PARTIES_MAX {
            return None;
        }
        let project = take_name(&mut body)?;
        let party = take_name(&mut body)?;
        let [flags] = take(&mut body)?;
        if flags & !(FLAG_BEFORE | FLAG_ROLLED_BACK) != 0 {
            return None;
        }
        let served = ComponentDigest(take::<DIGEST_BYTES>(&mut body)?);
        let before = match flags & FLAG_BEFORE != 0 {
            true => Some(ComponentDigest(take(&mut body)?)),
            false => None,
        };
        let was_rolled_back = flags & FLAG_ROLLED_BACK != 0;
        versions.push(PartyVersions { project, party, served, before, was_rolled_back });
    }
    Some(versions)
}

fn take<const N: usize>(body: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = body.split_first_chunk()?;
    *body = rest;
    Some(*taken)
}

fn take_name(body: &mut &[u8]) -> Option<String> {
    let [bytes] = take(body)?;
    let (name, rest) = body.split_at_checked(usize::from(bytes))?;
    *body = rest;
    (name.len() <= NAME_BYTES_MAX).then(|| String::from_utf8(name.to_vec()).ok())?
}

#[cfg(test)]
mod tests {
    use party_core::commit::ComponentDigest;

    use super::{decode, encode};
    use crate::versions::PartyVersions;

    #[test]
    fn the_bytes_are_those_that_are_drawn() {
        let versions = PartyVersions {
            project: "shop".into(),
            party: "main".into(),
            served: ComponentDigest([7; 32]),
            before: Some(ComponentDigest([8; 32])),
            was_rolled_back: true,
        };
        let first = PartyVersions { before: None, was_rolled_back: false, ..versions.clone() };
        let drawn = [&b"\x04shop\x04main\x03"[..], &[7; 32], &[8; 32], b"\x04shop\x04main\x00", &[7; 32]];
        assert_eq!(encode(&[versions.clone(), first.clone()]), drawn.concat());
        assert_eq!(decode(&drawn.concat()), Some(vec![versions, first]));
    }

    #[test]
    fn what_is_cut_or_unknown_is_no_row() {
        let whole = [&b"\x04shop\x04main\x01"[..], &[7; 32], &[8; 32]].concat();
        assert!(decode(&whole).is_some());
        for cut in 1..whole.len() {
            assert_eq!(decode(&whole[..cut]), None, "cut to {cut} bytes");
        }
        let mut newer = whole.clone();
        newer[10] = 4;
        assert_eq!(decode(&newer), None);
        let long = [&[65_u8][..], &[b'a'; 65], b"\x04main\x00", &[7; 32]].concat();
        assert_eq!(decode(&long), None);
    }
}
