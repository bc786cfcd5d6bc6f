//! Each planted bug is found. A simulation that finds none of them would prove nothing by finding nothing.

use party_core::planted::{PlantedBug, plant};

use crate::seeds::{SEEDS, live};

/// Plants a bug and lives seeds until one fails.
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

/// One test for each bug.
macro_rules! planted {
    ($($test:ident: $bug:ident,)*) => {
        $(
            #[test]
            fn $test() {
                check_found(PlantedBug::$bug);
            }
        )*

        /// Every bug there is has its test, or this does not compile.
        #[test]
        fn every_planted_bug_has_a_test() {
            fn test_of(bug: PlantedBug) -> &'static str {
                match bug {
                    $(PlantedBug::$bug => stringify!($test),)*
                    PlantedBug::TurnNotRecorded
                    | PlantedBug::TablesRunAhead
                    | PlantedBug::TimeNotRecorded
                    | PlantedBug::UnheardNotRecorded
                    | PlantedBug::DropNotRecorded
                    | PlantedBug::RetryNotRecorded
                    | PlantedBug::SettingsNotRecorded
                    | PlantedBug::RestartNotDone
                    | PlantedBug::IdsNotRestored
                    | PlantedBug::StorageSizeForgotten
                    | PlantedBug::TablesCaughtUpEarly
                    | PlantedBug::DueForgottenInMailbox
                    | PlantedBug::AcceptDeadlineOfToday
                    | PlantedBug::CloseToldTwice
                    | PlantedBug::JournalFullForGood
                    | PlantedBug::OldSleepsGoOn
                    | PlantedBug::SwitchInTwoHalves
                    | PlantedBug::OldVersionsJournal
                    | PlantedBug::SwitchSeenEarly
                    | PlantedBug::CutClientForgotten
                    | PlantedBug::SwitchAnswersTwice
                    | PlantedBug::WorkBegunForACopy
                    | PlantedBug::WorkDueAtItsDeadline
                    | PlantedBug::AnswerTakenForGiven
                    | PlantedBug::InterruptForgetsNothing
                    | PlantedBug::StartOverNotBuried
                    | PlantedBug::KeyNotKept
                    | PlantedBug::JournalGivenUpEarly => "tests/durability",
                    PlantedBug::StreamsOutliveTheirHost
                    | PlantedBug::ForgottenWhileItStreams
                    | PlantedBug::HeldFinishForgotten
                    | PlantedBug::NewStreamOutlivesItsLife
                    | PlantedBug::StreamOutlivesItsLife
                    | PlantedBug::DroppedChunkLeavesAHole
                    | PlantedBug::CreditGivenTwice
                    | PlantedBug::CreditNotSpent
                    | PlantedBug::DroppedEndNotRetried
                    | PlantedBug::BrokenOffBeforeTheLastWords => "tests/streaming",
                    PlantedBug::CallMadeTwice
                    | PlantedBug::CallOfBeforeMadeAgain
                    | PlantedBug::AnswerNotKept
                    | PlantedBug::AnswerNeverForgotten => "tests/calling",
                }
            }
            assert_eq!(test_of(PlantedBug::GateOpensEarly), "a_gate_that_opens_early_is_found");
        }
    };
}

planted! {
    a_fetch_that_is_sent_twice_is_found: FetchSentTwice,
    a_gate_that_opens_early_is_found: GateOpensEarly,
    a_dropped_turns_output_is_found: DroppedOutputSent,
    a_dropped_turns_attachment_is_found: DroppedAttachmentKept,
    a_completion_delivered_twice_is_found: CompletionTwice,
    a_cancelled_completion_is_found: CancelledCompletionDelivered,
    an_early_sleep_is_found: SleepEarly,
    swapped_commits_are_found: CommitsSwapped,
    an_overlay_forgotten_early_is_found: OverlayForgottenEarly,
    a_deleted_key_that_reappears_is_found: DeletedKeyListed,
    an_alarm_forgotten_while_it_rings_is_found: AlarmForgottenWhileRinging,
    a_dropped_alarm_that_is_not_retried_is_found: DroppedAlarmNotRetried,
    credit_that_is_not_repaid_is_found: CreditNotRepaid,
    an_ignored_hold_is_found: HoldIgnored,
    a_forgotten_request_is_found: OpenRequestForgotten,
    a_handshake_answered_twice_is_found: HandshakeAnsweredTwice,
    ids_given_out_again_are_found: IdsNotReserved,
    a_forgotten_answer_is_found: HeldAnswerForgotten,
    a_sleep_over_a_turn_is_found: SleepOverTurn,
    a_dead_life_that_is_kept_is_found: DeadLifeKept,
    a_destroyed_room_that_stays_is_found: DestroyedRoomStays,
    an_end_that_is_told_before_it_is_buried_is_found: EndToldBeforeItIsBuried,
    stale_memory_is_found: StaleMemoryUsed,
    kept_ghosts_are_found: GhostsKept,
    an_auto_response_of_a_dropped_turn_is_found: DroppedAutoResponseHolds,
    an_auto_response_that_outlives_its_life_is_found: AutoResponseOutlivesItsLife,
    a_forgotten_auto_response_is_found: AutoResponseForgotten,
    work_that_is_not_begun_again_is_found: WorkNotBegunAgain,
    an_answer_delivered_twice_is_found: AnswerTwice,
    an_answer_that_a_turn_loses_is_found: AnswerInATurnLost,
    an_answer_that_is_overdue_all_the_same_is_found: AnswerInATurnOverdue,
    a_timeout_that_forgets_nothing_is_found: TimeoutForgetsNothing,
    a_cancel_that_forgets_nothing_is_found: CancelForgetsNothing,
    a_life_that_forgets_nothing_is_found: LifeForgetsNothing,
    a_room_forgotten_while_it_is_worked_for_is_found: ForgottenWhileWorkedFor,
}
