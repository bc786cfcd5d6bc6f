//! Carrying out what a room has decided: its commits, what it tells its clients, what it has to report.

use party_core::event::Output;
use party_core::room::{Action, Report};

use crate::registry::RoomEntry;
use crate::room_log::log_report;
use crate::unsaved;
use crate::worker::Worker;
use crate::working;

/// How many of a room's decisions are carried out before the others of its thread have their turns: as many as take some
/// hundred microseconds. Only a turn that sends many messages one by one, or large ones, has more.
const ACTIONS_IN_A_ROW_MAX: u64 = 512;
/// So many bytes of a message, whose memory is to be given back, count as one decision more.
const BYTES_PER_ACTION: u64 = 2 << 10;

/// Carries out what the room has decided, in order: all, or as much as the others of its thread can wait for. The rest is
/// left to the room's task, which does nothing else before.
pub(crate) fn carry(worker: &Worker, entry: &RoomEntry) {
    let actions = entry.core.borrow_mut().take_actions();
    let all: u64 = actions.iter().map(weight).sum();
    if all <= ACTIONS_IN_A_ROW_MAX && !entry.has_undone() {
        return actions.into_iter().for_each(|action| carry_one(worker, entry, action));
    }
    entry.put_off(actions);
    let mut carried = 0;
    while carried < ACTIONS_IN_A_ROW_MAX {
        let Some(action) = entry.next_undone() else { return };
        carried += weight(&action);
        carry_one(worker, entry, action);
    }
    entry.wake.set();
}

/// How many decisions one counts for.
fn weight(action: &Action) -> u64 {
    match action {
        Action::Output(output) => 1 + output.payload_bytes() / BYTES_PER_ACTION,
        Action::Commit(_) | Action::DropInstance | Action::Report(_) => 1,
    }
}

/// Carries out all that the room has decided, because it ends.
pub(crate) fn carry_all(worker: &Worker, entry: &RoomEntry) {
    carry(worker, entry);
    while let Some(action) = entry.next_undone() {
        carry_one(worker, entry, action);
    }
}

fn carry_one(worker: &Worker, entry: &RoomEntry, action: Action) {
    match action {
        Action::Commit(commit) if unsaved::settle_now(worker, entry) => worker.commit(entry, commit),
        // The store cannot be written either, or has a commit of this number.
        Action::Commit(_) => {
            entry.commit_failed.set(true);
            entry.wake.set();
        }
        Action::Output(Output::Begin(id, work, attempt)) => {
            working::begin(worker, entry, id, work, attempt);
        }
        Action::Output(Output::ReadBody(request, stream)) => working::read_body(entry, request, stream),
        Action::Output(Output::Forget(id)) => working::forget(worker, entry, id),
        Action::Output(output) => entry.perform(output),
        Action::DropInstance => entry.drop_instance.set(true),
        Action::Report(report) => {
            if let Report::Damaged { reason } = &report {
                entry.damage.replace(Some(reason.as_str().into()));
            }
            log_report(worker, entry, report);
        }
    }
}
