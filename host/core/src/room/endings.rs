//! A finished turn: its changes become the room's, its outputs go to the gate, its event ends or goes on.

use crate::commit::{Alarm, KvChanges, MemoryChange, RoomCommit, RoomRecord};
use crate::event::{DropCause, Failure, Output, TurnEnd};
use crate::ids::{EventId, Timestamp};
use crate::mailbox::Lane;
use crate::planted::{self, PlantedBug};
use crate::room::pending::PendingEvent;
use crate::room::{Action, Phase, Report, Room};
use crate::session::ReadyState;
use crate::storage::StorageReadError;
use crate::turn::{Changes, HoldsChange, Subject, Turn};

impl Room {
    /// Takes a turn back, with how it ended.
    pub fn end_turn(&mut self, mut turn: Box<Turn>, end: TurnEnd) {
        assert!(self.state.is_none(), "one turn at a time");
        self.state = Some(turn.state);
        self.hear_answers();
        // The rest stays in its box: it is large, and moving it would cost as much as applying it.
        let (event_id, subject, now, changes) = (turn.event_id, turn.subject, turn.now, &mut turn.changes);
        changes.take_out_what_was_withdrawn();
        let durable = self.gate.durable();
        self.home().overlay.settle(durable);
        let end = match &turn.fault {
            Some(StorageReadError::NoMemory(refused)) => {
                TurnEnd::Dropped(DropCause::NoMemory(refused.to_string()))
            }
            Some(fault @ StorageReadError::Damaged(_)) => {
                TurnEnd::Dropped(DropCause::Storage(fault.to_string()))
            }
            Some(fault @ StorageReadError::Io(why)) => {
                return self.give_turn_up(subject, DropCause::Storage(fault.to_string()), why);
            }
            None => self.check_pending(end, changes),
        };
        self.trace_turn(changes, &end);
        match end {
            TurnEnd::Dropped(cause) => {
                self.hears = None;
                self.show_planted_bugs(changes);
                self.drop_turn(subject, cause, now);
            }
            TurnEnd::Done => self.keep_turn(event_id, subject, Some(Ok(())), changes, now),
            TurnEnd::Failed(failure) => self.keep_turn(event_id, subject, Some(Err(failure)), changes, now),
            TurnEnd::Pending => self.keep_turn(event_id, subject, None, changes, now),
        }
    }

    /// The store could not be read in the midst of a turn, which is no fault of the guest's. Nothing of the turn is to be, and
    /// the instance has gone with it; so the room goes back to what is kept of it, as one that could not be read between two
    /// turns ([`Room::unreadable`]). To begin a new life would lose more.
    fn give_turn_up(&mut self, subject: Subject, cause: DropCause, why: &str) {
        self.report(Report::Dropped { event: self.config.name_of(subject), cause });
        if let Some(recording) = &mut self.recording {
            recording.take_open();
        }
        self.actions.push(Action::DropInstance);
        self.unreadable(why);
    }

    /// A turn that leaves too many events pending is dropped.
    fn check_pending(&mut self, end: TurnEnd, changes: &Changes) -> TurnEnd {
        let pending_max = self.config.limits.events_pending_max;
        let leaves = (self.home().pending.len() + 1).saturating_sub(changes.settled.len());
        match end {
            TurnEnd::Pending if leaves > pending_max as usize => {
                TurnEnd::Dropped(DropCause::PendingEvents { pending_max })
            }
            TurnEnd::Pending | TurnEnd::Done | TurnEnd::Failed(_) | TurnEnd::Dropped(_) => end,
        }
    }

    /// What a dropped turn leaves behind: nothing.
    fn show_planted_bugs(&mut self, changes: &mut Changes) {
        if planted::is(PlantedBug::DroppedOutputSent) {
            changes.outputs.drain(..).for_each(|output| self.output(output));
        }
        if planted::is(PlantedBug::DroppedAttachmentKept) {
            for (connection, change) in std::mem::take(&mut changes.sessions) {
                if let (Some(session), Some(attachment)) =
                    (self.home().sessions.get_mut(&connection), change.attachment)
                {
                    session.attachment = attachment;
                }
            }
        }
        if planted::is(PlantedBug::DroppedAutoResponseHolds)
            && let Some(pair) = changes.auto_response.take()
        {
            self.output(Output::AutoResponse(pair));
        }
    }

    /// Applies a turn's changes. `ended` is how its event ended, if it has.
    fn keep_turn(
        &mut self,
        event_id: EventId,
        subject: Subject,
        ended: Option<Result<(), Failure>>,
        changes: &mut Changes,
        now: Timestamp,
    ) {
        let alarm_before = self.home().alarm.record();
        let kv = std::mem::take(&mut changes.kv);
        let settled = std::mem::take(&mut changes.settled);
        let storage_bytes_delta = changes.storage_bytes_delta;
        let mut outputs = self.apply(changes, now);
        let mut own_end = ended;
        for (event, outcome) in settled {
            if event == event_id {
                // An error that the guest has told of is not lost because its export then returns in order.
                own_end = match own_end {
                    Some(Err(failure)) => Some(Err(failure)),
                    Some(Ok(())) | None => Some(outcome),
                };
            } else if let Some(subject) = self.home().pending.remove(event) {
                outputs.extend(self.end_event(subject, outcome, now));
            }
        }
        match own_end {
            Some(outcome) => outputs.extend(self.end_event(subject, outcome, now)),
            None => {
                let deadline_ms = self.deadline_ms(subject);
                self.home().pending.add(event_id, PendingEvent { subject, deadline_ms }, now);
            }
        }
        let state = self.home();
        state.storage_bytes = state.storage_bytes.saturating_add_signed(storage_bytes_delta);
        if changes.destroys {
            return self.destroy(outputs);
        }
        let moves = !kv.is_empty() || state.alarm.record() != alarm_before;
        if self.record_turn(&kv) || moves || self.runs_out_of_ids() {
            self.commit(kv, None);
        }
        self.answer_calls(&mut outputs);
        if let Some(id) = self.hears.take().filter(|_| !planted::is(PlantedBug::AnswerNeverForgotten)) {
            // It has the answer for good when this leaves.
            outputs.push(Output::Forget(id));
        }
        self.tell(outputs);
        if let Some(failure) = self.start_failure.take() {
            self.fail_start(&failure, now);
        }
    }

    /// Applies everything but writes, settlements and the event's own end.
    pub(super) fn apply(&mut self, changes: &mut Changes, now: Timestamp) -> Vec<Output> {
        let hold_deadline_ms = self.config.limits.hold_deadline_ms;
        self.apply_answers(changes);
        self.apply_streams(changes);
        let state = self.home();
        for (connection, change) in std::mem::take(&mut changes.sessions) {
            let Some(session) = state.sessions.get_mut(&connection) else { continue };
            if let Some(tags) = change.accepted_with {
                session.accepted = true;
                session.tags = tags;
            }
            if let Some(attachment) = change.attachment {
                session.attachment = attachment;
            }
            if change.closed && session.ready_state != ReadyState::Closed {
                session.ready_state = ReadyState::Closing;
            }
        }
        if let Some(alarm) = changes.alarm {
            state.alarm.set(alarm);
        }
        state.next_operation += changes.started_ids;
        for (id, operation) in std::mem::take(&mut changes.started) {
            state.operations.start(id, operation);
        }
        for id in &changes.cancelled {
            if state.operations.is_worked_on(*id) && !planted::is(PlantedBug::CancelForgetsNothing) {
                changes.outputs.push(Output::Forget(*id));
            }
            state.operations.end(*id);
        }
        if let Some(HoldsChange { count, begins }) = changes.holds {
            state.holds = count;
            if count == 0 {
                state.hold_until = Timestamp::NEVER;
            } else if begins {
                state.hold_until = now.after_ms(hold_deadline_ms);
            }
        }
        let mut outputs = std::mem::take(&mut changes.outputs);
        if let Some(pair) = changes.auto_response.take()
            && pair != state.auto_response
        {
            state.auto_response.clone_from(&pair);
            // First, so that whoever has seen what the turn sent finds it in force.
            outputs.insert(0, Output::AutoResponse(pair));
        }
        outputs
    }

    /// Applies what the turn says to those who wait for an answer: clients that it turns away, and requests.
    pub(super) fn apply_answers(&mut self, changes: &Changes) {
        for (connection, _) in changes.sessions.iter().filter(|(_, change)| change.rejected) {
            let Some(session) = self.home().sessions.get_mut(connection) else { continue };
            session.ready_state = ReadyState::Closed;
            let opened_at = session.opened_at;
            self.drop_accept_deadline(opened_at, *connection);
        }
        for request in &changes.answered {
            self.home().forget_request(*request);
        }
    }

    /// How long an event may take to settle, if that is bounded.
    fn deadline_ms(&self, subject: Subject) -> Option<u64> {
        let limits = &self.config.limits;
        match subject {
            Subject::Start => Some(limits.hold_deadline_ms),
            Subject::Connect(_) => Some(limits.connect_deadline_ms),
            Subject::Request(_) => Some(limits.request_deadline_ms),
            Subject::Alarm => Some(limits.alarm_deadline_ms),
            Subject::Close(_) => Some(limits.close_deadline_ms),
            Subject::Resume
            | Subject::Message(_)
            | Subject::Error(_)
            | Subject::ResponseClosed
            | Subject::Stream(_)
            | Subject::Drain
            | Subject::Completed => None,
        }
    }

    /// Takes the next commit number for these changes and the record as it now is.
    pub(crate) fn commit(&mut self, changes: KvChanges, memory: Option<Box<MemoryChange>>) {
        if self.commits_again(&changes) {
            return;
        }
        let only_saves = self.only_saves();
        let ids_reserved = match only_saves && self.home().ids_are_bounded {
            // Outputs with ids that it reserved would have to wait for it.
            true => self.home().ids_reserved,
            false => self.reserve_ids(),
        };
        let seq = match only_saves {
            true => self.gate.issue_unneeded(),
            false => self.gate.issue(),
        };
        let is_durable = self.recording.is_some();
        let is_checkpoint = matches!(memory.as_deref(), Some(MemoryChange::Checkpoint(_)));
        let completion_waits =
            self.mailbox.has(Lane::Completions) && !planted::is(PlantedBug::DueForgottenInMailbox);
        let (table_changes, memory) = self.recorded(seq, &changes, memory);
        match memory.as_deref() {
            Some(MemoryChange::Checkpoint(_)) => self.store_has_memory = true,
            Some(MemoryChange::Forget { .. } | MemoryChange::Destroy) => self.store_has_memory = false,
            Some(MemoryChange::Append(_)) | None => {}
        }
        let recorded_bytes = memory.as_deref().map_or(0, MemoryChange::recorded_bytes);
        let is_repeatable = !is_durable && self.has_checkpoint_of_now() && changes.is_empty();
        let state = self.home();
        let alarm = state.alarm.record();
        if is_repeatable {
            // Time has ended an alarm that rang. Whoever goes on with the checkpoint comes to the same again.
            state.alarm_committed = alarm;
        } else if !changes.is_empty() || alarm != state.alarm_committed {
            (state.moved_at, state.alarm_committed) = (seq, alarm);
            // A memory that goes with this commit fits to it.
            state.memory_due = state.memory_due.filter(|_| is_checkpoint);
        }
        if is_durable {
            // The store must know, too, of what is over and waits for its turn: nothing but the clock asks for that again.
            let waits = completion_waits.then_some(state.last_now);
            state.memory_due = state.next_due().into_iter().chain(waits).min();
        }
        let (storage_bytes, moved_at, memory_due) = (state.storage_bytes, state.moved_at, state.memory_due);
        let record = RoomRecord { seq, alarm, storage_bytes, ids_reserved, moved_at, memory_due };
        state.overlay.push(seq, changes, recorded_bytes);
        let address = self.config.address.clone();
        self.actions.push(Action::Commit(RoomCommit { address, record, changes: table_changes, memory }));
    }

    pub(crate) fn commit_record_if_changed(&mut self, before: Option<Alarm>) {
        if self.home().alarm.record() != before {
            self.commit(KvChanges::default(), None);
        }
    }

    /// Ends an event outside a turn.
    pub(crate) fn finish_event(&mut self, subject: Subject, outcome: Result<(), Failure>, now: Timestamp) {
        for output in self.end_event(subject, outcome, now) {
            self.output(output);
        }
    }

    /// What the end of an event means for what it is about.
    fn end_event(&mut self, subject: Subject, outcome: Result<(), Failure>, now: Timestamp) -> Vec<Output> {
        if let Err(failure) = &outcome {
            self.report(Report::Failed { event: self.config.name_of(subject), failure: failure.clone() });
        }
        match subject {
            Subject::Start => {
                match outcome {
                    Ok(()) => self.phase = Phase::Running,
                    Err(failure) => self.start_failure = Some(failure),
                }
                Vec::new()
            }
            Subject::Connect(connection) => self.end_connect(connection, outcome),
            Subject::Request(request) => {
                if !self.home().forget_request(request) {
                    return Vec::new();
                }
                let profile = self.config.profile;
                let response = match outcome {
                    Ok(()) => profile.no_response(),
                    Err(failure) => profile.request_failed(&failure),
                };
                vec![Output::Respond(request, response)]
            }
            Subject::Alarm => {
                match outcome {
                    Ok(()) => self.home().alarm.settle(),
                    Err(_) => self.fail_alarm(now),
                }
                Vec::new()
            }
            Subject::Close(connection) => {
                self.home().sessions.remove(&connection);
                Vec::new()
            }
            Subject::Resume
            | Subject::Message(_)
            | Subject::Error(_)
            | Subject::ResponseClosed
            | Subject::Stream(_)
            | Subject::Drain
            | Subject::Completed => Vec::new(),
        }
    }

    pub(crate) fn fail_alarm(&mut self, now: Timestamp) {
        if self.home().alarm.fail(now) {
            self.report(Report::AlarmGivenUp);
        }
    }

    /// The turn leaves no trace, and the instance goes with it.
    fn drop_turn(&mut self, subject: Subject, cause: DropCause, now: Timestamp) {
        let stack = Some(cause.to_string());
        self.report(Report::Dropped { event: self.config.name_of(subject), cause: cause.clone() });
        if let DropCause::Aborted(reason) = cause {
            return self.abort(subject, reason, now);
        }
        if self.goes_back(now) {
            return;
        }
        self.start_afresh(Some(subject), &Failure { message: String::new(), stack, status: None }, now);
    }
}
