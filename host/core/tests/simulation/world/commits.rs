//! The store's side: what the room has decided is carried out, commits are written, reported, lost.

use std::collections::VecDeque;

use party_core::commit::{MemoryChange, RoomCommit};
use party_core::ids::CommitSeq;
use party_core::message::CloseFrame;
use party_core::room::Action;

use crate::model::Snapshot;
use crate::world::World;

/// Commits between the room and its knowledge of their end.
#[derive(Default)]
pub(crate) struct Flight {
    /// On their way to the disk, with what they must make of it.
    asked: VecDeque<(RoomCommit, Snapshot)>,
    /// On the disk; the room has not been told.
    written: VecDeque<CommitSeq>,
    /// One has failed: none is written any more, and the room is told when it is home.
    has_failed: bool,
}

impl Flight {
    pub(crate) fn is_empty(&self) -> bool {
        self.asked.is_empty() && self.written.is_empty()
    }
}

impl World {
    /// Takes the room's actions, in order, and compares them with what the model wants.
    pub(crate) fn carry_out(&mut self) {
        for action in self.room.take_actions() {
            self.log.say(|| format!("    -> {action:?}"));
            self.tally.count(&action);
            match action {
                Action::Commit(commit) => self.ask(commit),
                Action::Output(output) => {
                    self.model.ledger.see(&output);
                    self.see_work(&output);
                }
                Action::DropInstance => {
                    let lost = self.model.instances_lost.checked_sub(1);
                    self.model.instances_lost = lost.expect("an instance was dropped for no reason");
                }
                Action::Report(_) => {}
            }
        }
        assert_eq!(self.model.instances_lost, 0, "an instance whose memory is lost was not dropped");
        assert!(self.model.snapshots.is_empty(), "a turn that must persist something did not commit");
        self.model.ledger.check_seen();
        if self.model.ledger.holds_work_back() {
            self.tally.meet("work", "waits for a commit");
        }
        if let Some(at_the_edge) = self.model.ledger.settled_auto_response() {
            assert_eq!(at_the_edge, self.model.state.auto_response.as_ref(), "the auto-response at the edge");
        }
    }

    fn ask(&mut self, commit: RoomCommit) {
        let snapshot = self.model.snapshots.pop_front().expect("a commit that no turn has asked for");
        let record = commit.record;
        assert_eq!(record.seq, snapshot.seq, "commits are numbered without gaps");
        assert_eq!(
            record.memory_due, snapshot.memory_due,
            "when the memory that is kept has something to do"
        );
        assert_eq!(record.moved_at, snapshot.moved, "the last commit that moved the storage");
        assert_eq!(record.alarm, snapshot.alarm, "the alarm that commit {} remembers", record.seq);
        let bytes: usize = snapshot.entries.iter().map(|(key, value)| key.len() + value.len()).sum();
        assert_eq!(record.storage_bytes, bytes as u64, "the bytes that commit {} counts", record.seq);
        self.ids.remember(record.seq, record.ids_reserved);
        if !self.flight.has_failed {
            self.flight.asked.push_back((commit, snapshot));
        }
    }

    /// The oldest commit reaches the disk.
    fn write(&mut self) {
        let Some((commit, snapshot)) = self.flight.asked.pop_front() else { return };
        self.log.say(|| format!("commit {} is durable", commit.record.seq));
        self.disk.write(&commit).expect("commits come in order");
        if snapshot.destroys {
            self.tally.meet("room", "destroyed");
            let durable = self.disk.durable();
            assert!(durable.record.is_none() && durable.entries.is_empty(), "nothing is left of the room");
            drop(durable);
            self.durable = Snapshot::of_no_room();
            self.durable_kept = None;
            self.flight.written.push_back(commit.record.seq);
            return;
        }
        let durable = self.disk.durable();
        assert_eq!(durable.entries, snapshot.entries, "the disk after commit {}", commit.record.seq);
        let has_memory = durable.checkpoint.is_some();
        drop(durable);
        if snapshot.forgets {
            self.tally.meet("sleep", "a life that was kept is over");
            self.durable_kept = None;
        }
        self.durable = snapshot;
        if let Some(kept) = self.kept.remove(&commit.record.seq) {
            self.durable_kept = Some(kept);
        }
        assert_eq!(has_memory, self.durable_kept.is_some(), "whether a memory is kept");
        self.flight.written.push_back(commit.record.seq);
    }

    /// The room hears of the oldest commit that has reached the disk.
    fn report(&mut self) {
        let Some(seq) = self.flight.written.pop_front() else { return };
        self.log.say(|| format!("committed {seq}"));
        self.model.committed(seq);
        self.room.committed(seq);
    }

    pub(crate) fn write_or_report(&mut self) {
        let is_written = !self.flight.written.is_empty();
        if is_written && self.random.percent(70) {
            return self.report();
        }
        self.write();
        if self.random.percent(60) {
            self.report();
        }
    }

    /// Every commit becomes durable and the room hears of it.
    pub(crate) fn write_and_report_all(&mut self) {
        self.carry_out();
        while !self.flight.is_empty() {
            self.write();
            self.report();
            self.carry_out();
        }
    }

    /// The oldest commit fails. Whether it is on the disk all the same is anybody's guess; later ones are not.
    pub(crate) fn fail_commit(&mut self) {
        if self.flight.asked.is_empty() {
            return;
        }
        self.log.say(|| "a commit fails".into());
        let failed = self.flight.asked.front().map(|(commit, _)| commit.clone()).expect("there is one");
        let is_there = self.random.percent(30);
        if is_there {
            self.tally.meet("commit", "failed but durable");
            self.write();
            self.flight.written.pop_back();
        }
        self.flight.asked.clear();
        self.flight.has_failed = true;
        if self.out.is_some() {
            self.end_turn();
        }
        while !self.flight.written.is_empty() {
            self.report();
        }
        self.carry_out();
        let only_saves = failed.changes.is_empty()
            && matches!(failed.memory.as_deref(), Some(MemoryChange::Checkpoint(_)))
            && self.room.uncommitted() == 1;
        if self.room.goes_on_unsaved() {
            assert!(only_saves, "more than a checkpoint was lost");
            return self.go_on_unsaved(&failed, is_there);
        }
        if !self.model.ledger.is_empty() {
            self.tally.meet("commit", "failed with answers held back");
        }
        self.meet_end("failed commit");
        if self.model.ledger.holds_work_back() {
            self.tally.meet("work", "waited for a commit that failed");
        }
        let frame = CloseFrame::new(1011, "the room could not be written");
        let here = self.clients.iter().filter(|(_, client)| !client.is_gone).map(|(id, _)| *id);
        let open = self.requests.iter().filter(|(_, is_gone)| !**is_gone).map(|(id, _)| *id);
        self.model.ledger.fail(here, open, &frame);
        self.model.snapshots.clear();
        self.model.instances_lost += 1;
        self.room.commit_failed();
        self.room.commit_failed();
        self.carry_out();
        self.check_everyone_was_told();
        self.begin_life();
    }

    /// The room goes on as if it had not been tried to save it; if it is saved all the same, it hears of that before its next
    /// commit.
    fn go_on_unsaved(&mut self, failed: &RoomCommit, is_there: bool) {
        self.tally.meet("commit", "failed, and was only to save");
        self.flight.has_failed = false;
        self.model.not_saved();
        self.carry_out();
        if is_there {
            self.tally.meet("commit", "saved all the same");
            assert!(self.room.was_saved(&failed.record), "its number is free");
            self.model.saved_after_all(failed.record.memory_due);
        } else {
            self.kept.remove(&failed.record.seq);
        }
    }

    /// The process ends. Some of what was on its way may have reached the disk.
    pub(crate) fn crash(&mut self) {
        let asked = self.flight.asked.len() as u64;
        let reached = self.random.below(asked + 1);
        self.tally.meet(
            "crash",
            match (reached, asked - reached) {
                (0, _) => "before any commit",
                (_, 0) => "after all commits",
                (_, _) => "between two commits",
            },
        );
        self.meet_end("crash");
        self.log.say(|| format!("crash; {reached} commits reach the disk"));
        for _ in 0..reached {
            self.write();
        }
        self.begin_life();
    }
}
