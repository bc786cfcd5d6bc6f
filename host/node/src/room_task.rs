//! The task of one room: takes turns, runs the guest, carries out what the room decides.

use std::rc::Rc;

use bytes::Bytes;
use party_core::event::{LogLevel, TurnEnd};
use party_core::room::{Action, Report};
use party_core::turn::Turn;
use party_runtime::instance::Instance;

use crate::registry::RoomEntry;
use crate::worker::Worker;

/// How many turns a room takes before the others of its thread have theirs.
const TURNS_IN_A_ROW_MAX: u32 = 16;

/// Runs a room from its first event to its end.
pub(crate) async fn run(worker: Rc<Worker>, entry: Rc<RoomEntry>) {
    let mut instance: Option<Instance> = None;
    let mut turns_in_a_row = 0;
    loop {
        if !still_awake(&worker, &entry) {
            return;
        }
        if entry.drop_instance.replace(false) {
            instance = None;
        }
        let Some(turn) = next_turn(&worker, &entry) else {
            turns_in_a_row = 0;
            rest(&worker, &entry);
            entry.wake.wait().await;
            continue;
        };
        let (turn, end) = run_guest(&mut instance, &entry, turn).await;
        end_turn(&worker, &entry, turn, end);
        turns_in_a_row += 1;
        if turns_in_a_row >= TURNS_IN_A_ROW_MAX {
            turns_in_a_row = 0;
            tokio::task::yield_now().await;
        }
    }
}

/// What happened to the room while it was not looking: a failed commit, a farewell, its removal.
fn still_awake(worker: &Worker, entry: &RoomEntry) -> bool {
    if entry.ended.get() {
        return false;
    }
    if entry.commit_failed.get() {
        entry.core.borrow_mut().commit_failed();
        carry(worker, entry);
        worker.end_failed_room(entry);
        return false;
    }
    let farewell = entry.farewell.borrow().clone();
    if let Some(frame) = farewell {
        entry.core.borrow_mut().shut_down(&frame);
        carry(worker, entry);
        if entry.core.borrow().uncommitted() == 0 {
            worker.end_room(entry);
            return false;
        }
    }
    true
}

fn next_turn(worker: &Worker, entry: &RoomEntry) -> Option<Box<Turn>> {
    let now = worker.now();
    let mut core = entry.core.borrow_mut();
    core.on_time(now);
    let turn = if core.wants_a_turn(now) {
        entry.active_at.set(now);
        core.begin_turn(worker.moment(now))
    } else {
        None
    };
    drop(core);
    carry(worker, entry);
    entry.feed();
    turn
}

/// Nothing to do now: says when to be woken. A room that has nothing and nobody ends after a while.
fn rest(worker: &Worker, entry: &RoomEntry) {
    let core = entry.core.borrow();
    let mut deadline = core.next_deadline();
    if core.is_quiet() {
        let idle_until = entry.active_at.get().after_ms(worker.node().idle_ms());
        if idle_until <= worker.now() {
            drop(core);
            worker.end_room(entry);
            return;
        }
        deadline = Some(deadline.map_or(idle_until, |deadline| deadline.min(idle_until)));
    }
    drop(core);
    worker.set_deadline(entry, deadline);
}

async fn run_guest(
    instance: &mut Option<Instance>,
    entry: &RoomEntry,
    turn: Box<Turn>,
) -> (Box<Turn>, TurnEnd) {
    if instance.is_none() {
        match entry.party().component.instantiate().await {
            Ok(fresh) => *instance = Some(fresh),
            Err(cause) => return (turn, TurnEnd::Dropped(cause)),
        }
    }
    let awake = instance.as_mut().expect("made above if there was none");
    awake.run(turn).await
}

fn end_turn(worker: &Worker, entry: &RoomEntry, mut turn: Box<Turn>, end: TurnEnd) {
    let (lines, left_out) = turn.take_logs();
    for line in lines {
        log_guest(entry, line.level, &line.text);
    }
    if left_out > 0 {
        log_guest(entry, LogLevel::Warn, format!("{left_out} more lines in one turn left out").as_bytes());
    }
    entry.core.borrow_mut().end_turn(turn, end);
    carry(worker, entry);
}

/// Carries out what the room has decided, in order.
pub(crate) fn carry(worker: &Worker, entry: &RoomEntry) {
    let actions = entry.core.borrow_mut().take_actions();
    for action in actions {
        match action {
            Action::Commit(commit) => worker.commit(entry.number, commit),
            Action::Output(output) => entry.perform(output),
            Action::DropInstance => entry.drop_instance.set(true),
            Action::Report(report) => log_report(entry, report),
        }
    }
}

fn log_guest(entry: &RoomEntry, level: LogLevel, text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    let (party, room) = (entry.address().party(), entry.address().room());
    match level {
        LogLevel::Trace => tracing::trace!(target: "guest", party, room, "{text}"),
        LogLevel::Debug => tracing::debug!(target: "guest", party, room, "{text}"),
        LogLevel::Info => tracing::info!(target: "guest", party, room, "{text}"),
        LogLevel::Warn => tracing::warn!(target: "guest", party, room, "{text}"),
        LogLevel::Error => tracing::error!(target: "guest", party, room, "{text}"),
    }
}

fn log_report(entry: &RoomEntry, report: Report) {
    let (party, room) = (entry.address().party(), entry.address().room());
    match report {
        Report::Failed { event, failure } => {
            let stack = failure.stack.map_or_else(Bytes::new, Bytes::from);
            let stack = String::from_utf8_lossy(&stack);
            tracing::warn!(party, room, event, "the handler failed: {} {stack}", failure.message);
        }
        Report::Dropped { event, cause } => {
            tracing::error!(party, room, event, "the turn was dropped: {cause}");
        }
        Report::Suspended { drops, until } => {
            tracing::error!(party, room, drops, "the room is suspended until {until}");
        }
        Report::Overdue { event, deadline_ms } => {
            tracing::warn!(party, room, event, "it did not settle within {deadline_ms} ms");
        }
        Report::AlarmGivenUp => {
            tracing::error!(party, room, "the alarm has failed too often and is given up")
        }
        Report::CommitFailed => {
            tracing::error!(party, room, "a commit failed: the room starts from what is durable");
        }
    }
}
