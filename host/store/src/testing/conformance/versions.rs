//! The part of the suite about versions of parties.

use std::slice::from_ref;

use party_core::commit::ComponentDigest;
use party_core::ids::Epoch;

use crate::kept::KeepError;
use crate::testing::conformance::Rig;
use crate::testing::workload::{LARGE_COMPONENT, SMALL_COMPONENT, put_components};
use crate::versions::{PARTIES_MAX, PartyVersions};

fn versions(party: &str, served: ComponentDigest, before: Option<ComponentDigest>) -> PartyVersions {
    let was_rolled_back = before.is_some();
    PartyVersions { project: "shop".into(), party: party.into(), served, before, was_rolled_back }
}

/// What was told last is known after a restart, all of it and nothing else.
pub fn versions_of_parties_are_known_after_a_restart(rig: &mut dyn Rig) {
    let mut epoch = rig.store().acquire().unwrap();
    assert_eq!(rig.store().versions().unwrap(), []);
    let one = versions("main", SMALL_COMPONENT, None);
    let two = versions("lobby", LARGE_COMPONENT, Some(SMALL_COMPONENT));
    for told in [vec![one.clone(), two.clone()], vec![two.clone()], vec![one, two], vec![]] {
        rig.store().put_versions(epoch, &told).unwrap();
        assert_eq!(rig.store().versions().unwrap(), told);
        rig.restart();
        assert_eq!(rig.store().versions().unwrap(), told);
        epoch = rig.store().acquire().unwrap();
    }
}

/// A version that is known keeps nothing by itself: whoever reclaims says what is needed.
pub fn versions_of_parties_are_kept_by_who_reclaims(rig: &mut dyn Rig) {
    let epoch = rig.store().acquire().unwrap();
    put_components(&*rig.store(), epoch).unwrap();
    let known = versions("main", SMALL_COMPONENT, Some(LARGE_COMPONENT));
    rig.store().put_versions(epoch, from_ref(&known)).unwrap();
    let needed: Vec<ComponentDigest> = known.components().collect();
    assert_eq!(rig.store().reclaim_components(epoch, &needed), Ok(0));
    assert_eq!(rig.store().reclaim_components(epoch, &needed[..1]), Ok(1));
    assert!(rig.store().component(SMALL_COMPONENT).unwrap().is_some());
    assert_eq!(rig.store().component(LARGE_COMPONENT).unwrap(), None);
}

/// An older owner tells nothing, and neither does anybody tell too much.
pub fn versions_of_parties_are_the_owners_and_bounded(rig: &mut dyn Rig) {
    let old = rig.store().acquire().unwrap();
    let epoch = rig.store().acquire().unwrap();
    let one = versions("main", SMALL_COMPONENT, None);
    let stale = rig.store().put_versions(old, from_ref(&one));
    assert_eq!(stale, Err(KeepError::Stale { held: old, current: Epoch(old.0 + 1) }));
    let many = vec![one.clone(); PARTIES_MAX + 1];
    let long = PartyVersions { party: "x".repeat(65), ..one.clone() };
    for told in [&many[..], &[long]] {
        let refused = rig.store().put_versions(epoch, told);
        assert!(matches!(refused, Err(KeepError::TooLarge { .. })), "{refused:?}");
    }
    assert_eq!(rig.store().versions().unwrap(), []);
    rig.store().put_versions(epoch, &many[1..]).unwrap();
    assert_eq!(rig.store().versions().unwrap(), many[1..]);
}
