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
    an_unrecorded_turn_is_found: TurnNotRecorded,
    tables_that_run_ahead_are_found: TablesRunAhead,
    unrecorded_time_is_found: TimeNotRecorded,
    an_unrecorded_event_without_its_guest_is_found: UnheardNotRecorded,
    an_unrecorded_drop_is_found: DropNotRecorded,
    an_unrecorded_decision_to_try_again_is_found: RetryNotRecorded,
    unrecorded_settings_are_found: SettingsNotRecorded,
    a_restart_that_is_only_recorded_is_found: RestartNotDone,
    ids_that_are_given_out_again_are_found: IdsNotRestored,
    a_forgotten_size_of_the_storage_is_found: StorageSizeForgotten,
    tables_caught_up_early_are_found: TablesCaughtUpEarly,
    a_forgotten_sleep_in_the_mailbox_is_found: DueForgottenInMailbox,
    an_accept_deadline_of_today_is_found: AcceptDeadlineOfToday,
    a_close_told_twice_is_found: CloseToldTwice,
    a_dead_life_that_is_kept_is_found: DeadLifeKept,
    a_journal_that_is_full_for_good_is_found: JournalFullForGood,
    an_old_sleep_that_goes_on_is_found: OldSleepsGoOn,
    a_switch_in_two_halves_is_found: SwitchInTwoHalves,
    a_journal_of_the_old_version_is_found: OldVersionsJournal,
    a_switch_that_is_seen_early_is_found: SwitchSeenEarly,
    a_client_that_a_switch_forgets_is_found: CutClientForgotten,
    a_switch_that_answers_twice_is_found: SwitchAnswersTwice,
    a_start_over_that_leaves_the_old_life_is_found: StartOverNotBuried,
    work_that_is_not_begun_again_is_found: WorkNotBegunAgain,
    work_that_is_begun_for_a_copy_is_found: WorkBegunForACopy,
    work_that_is_due_at_its_deadline_is_found: WorkDueAtItsDeadline,
    an_answer_taken_for_given_is_found: AnswerTakenForGiven,
    an_interruption_that_forgets_nothing_is_found: InterruptForgetsNothing,
    an_answer_in_a_turn_that_is_overdue_all_the_same_is_found: AnswerInATurnOverdue,
    a_durable_room_forgotten_while_it_is_worked_for_is_found: ForgottenWhileWorkedFor,
    a_timeout_that_leaves_work_under_way_is_found: TimeoutForgetsNothing,
    a_life_that_leaves_work_under_way_is_found: LifeForgetsNothing,
    a_fetch_that_is_sent_twice_is_found: FetchSentTwice,
    a_key_that_is_not_kept_is_found: KeyNotKept,
    a_journal_that_is_given_up_early_is_found: JournalGivenUpEarly,
}
