//! Each planted bug that is about calls is found.

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

#[test]
fn a_call_that_is_heard_as_often_as_it_is_asked_is_found() {
    check_found(PlantedBug::CallMadeTwice);
}

#[test]
fn a_call_of_before_that_is_heard_again_is_found() {
    check_found(PlantedBug::CallOfBeforeMadeAgain);
}

#[test]
fn an_answer_that_is_not_kept_is_found() {
    check_found(PlantedBug::AnswerNotKept);
}

#[test]
fn answers_that_are_never_forgotten_are_found() {
    check_found(PlantedBug::AnswerNeverForgotten);
}
