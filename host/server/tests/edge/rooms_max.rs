//! Rooms that are as they began leave nothing, however many are asked for.

use party_store::store::{RoomsQuery, RoomsScope};

use crate::wire::Wire;
use crate::world::{World, upgrade, with_edge};

/// Longer than a room of this node has nothing to do before it goes.
const LONG_MS: u64 = 1_200_000;

fn rooms_kept(world: &World) -> usize {
    let query = RoomsQuery { scope: RoomsScope::Everything, after: None, limit: 100 };
    world.store.rooms(&query).expect("the store can be read").len()
}

async fn knock<'w>(world: &'w World, path: &str) -> (Wire<'w>, String, String) {
    let mut wire = world.dial().await;
    wire.send(upgrade(path)).await;
    let (head, body) = wire.response().await;
    (wire, head, body)
}

#[test]
fn a_flood_of_names_ends_at_the_bound_and_what_is_as_it_began_leaves_nothing_behind() {
    with_edge("rooms_max = 3", async |world| {
        // Rooms that would be kept when they sleep, if there were anything to keep.
        for round in 0..4 {
            let mut clients = Vec::new();
            for number in 0..3 {
                let (wire, head, _) = knock(world, &format!("/parties/mute/{round}-{number}")).await;
                assert!(head.starts_with("HTTP/1.1 101 "), "{round}-{number}: {head}");
                clients.push(wire);
            }
            let (_, head, body) = knock(world, "/parties/mute/one-more").await;
            assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
            assert_eq!(
                body,
                "there are 3 rooms, which is the limit of this host: a new one cannot be opened"
            );
            let (_, head, _) = knock(world, &format!("/parties/mute/{round}-0")).await;
            assert!(head.starts_with("HTTP/1.1 101 "), "who is here is reached: {head}");
            drop(clients);
            world.advance(LONG_MS).await;
            assert_eq!(rooms_kept(world), 0);
        }
    });
}
