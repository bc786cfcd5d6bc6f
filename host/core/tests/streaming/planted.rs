//! Each planted bug that is about streams is found.

use party_core::planted::{PlantedBug, plant};

use crate::seeds::{SEEDS, live};

#[track_caller]
fn check_found(bug: PlantedBug) {
    plant(Some(bug));
    let found = (0..SEEDS).find(|seed| live(*seed).is_none());
    plant(None);
    match found {
        Some(seed) => println!("{bug:?} is found by seed {seed}"),
        None => panic!("{bug:?} is not found within {SEEDS} seeds"),
    }
}

/// One test for each bug. That every bug has its test is shown in `tests/simulation/planted.rs`.
macro_rules! planted {
    ($($test:ident: $bug:ident,)*) => {
        $(
            #[test]
            fn $test() {
                check_found(PlantedBug::$bug);
            }
        )*
    };
}

planted! {
    streams_that_outlive_their_host_are_found: StreamsOutliveTheirHost,
    a_room_that_is_forgotten_while_it_streams_is_found: ForgottenWhileItStreams,
    an_answer_whose_held_end_is_forgotten_is_found: HeldFinishForgotten,
    a_new_stream_that_outlives_its_life_is_found: NewStreamOutlivesItsLife,
    a_stream_that_outlives_its_life_is_found: StreamOutlivesItsLife,
    a_hole_in_a_body_is_found: DroppedChunkLeavesAHole,
    credit_that_is_given_twice_is_found: CreditGivenTwice,
    credit_that_is_not_spent_is_found: CreditNotSpent,
    a_dropped_end_that_is_not_told_again_is_found: DroppedEndNotRetried,
    last_words_behind_the_end_are_found: BrokenOffBeforeTheLastWords,
    an_unrecorded_event_without_its_guest_is_found: UnheardNotRecorded,
    an_unrecorded_drop_is_found: DropNotRecorded,
    a_switch_that_is_seen_early_is_found: SwitchSeenEarly,
    a_gate_that_opens_early_is_found: GateOpensEarly,
    a_dropped_turn_s_writes_that_leave_are_found: DroppedOutputSent,
}
