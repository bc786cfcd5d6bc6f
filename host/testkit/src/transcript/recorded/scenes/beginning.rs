//! With what a transcript begins: a new room, or one that goes on from a checkpoint with those who were there.
//!
//! A checkpoint says who was there, and not which ids came next: the records say that.

use std::collections::BTreeMap;

use party_core::checkpoint::Checkpoint;
use party_core::event::Event;
use party_core::ids::{CommitSeq, EventId, NextIds};
use party_core::journal::{Fate, Happening, Record};
use party_node::transfer::{RecordedRoom, TakeAgainError};
use party_runtime::component::Digest;
use party_store::kept::JournalEntry;

use crate::transcript::recorded::SaveError;
use crate::transcript::recorded::past::checkpoint;
use crate::transcript::recorded::scenes::scene::Before;
use crate::transcript::recorded::scenes::{Asked, Client, Scenes, State};

impl Scenes {
    /// The transcript before the first record.
    pub(in crate::transcript::recorded) fn begin(
        recorded: &RecordedRoom,
        start_file: &str,
        until: CommitSeq,
    ) -> Result<Scenes, SaveError> {
        let base = &recorded.base;
        let checkpoint = checkpoint(recorded)?;
        let has_start = checkpoint.is_some() || !base.entries.is_empty() || base.alarm.is_some();
        let entries = recorded.journal.iter().take_while(|entry| entry.seq <= until);
        let known = Known::read(entries)?;
        let begins_at = match (&checkpoint, base.alarm) {
            (Some(checkpoint), _) => checkpoint.last_now().0,
            // The room was woken by its alarm.
            (None, Some(alarm)) if known.first_now.is_some_and(|now| alarm.at.0 <= now) => {
                alarm.at.0.saturating_sub(1)
            }
            (None, _) => known.first_now.unwrap_or_default(),
        };
        let mut scenes = Scenes {
            room: format!("{}/{}", base.address.party(), base.address.room()),
            start_file: has_start.then(|| start_file.to_owned()),
            ids_reserved: known.ids_reserved,
            is_taken_up: known.is_taken_up,
            component: Digest::of(&recorded.component).to_string(),
            begins_at,
            clock: begins_at,
            settings: Vec::new(),
            has_settings: false,
            first: None,
            last: CommitSeq(0),
            commits: 0,
            scenes: Vec::new(),
            before: Before::default(),
            clients: BTreeMap::new(),
            requests: BTreeMap::new(),
            fetches: BTreeMap::new(),
            arriving: BTreeMap::new(),
            answers: BTreeMap::new(),
            laid: Vec::new(),
            names: BTreeMap::new(),
            next_client: 1,
            next_request: 1,
            problem: None,
            bytes: 0,
            line_count: 0,
        };
        match checkpoint {
            Some(checkpoint) => scenes.goes_on_from(&checkpoint, start_file, &known),
            None if has_start => scenes.happens(vec![format!("import {start_file}")], None),
            None => {}
        }
        Ok(scenes)
    }

    /// The room goes on from a checkpoint.
    fn goes_on_from(&mut self, checkpoint: &Checkpoint, start_file: &str, known: &Known) {
        let mut lines = vec![format!("continue {start_file}")];
        for (id, session) in checkpoint.clients() {
            if self.is_taken_up {
                // Its host has gone, and it with that.
                self.clients.insert(id, Client { name: String::new(), state: State::Gone });
                continue;
            }
            let name = self.name(id, &session.key);
            lines.push(format!("  > {name} session {id}"));
            let state = if session.upgraded { State::Open } else { State::Connecting(Vec::new(), false) };
            self.clients.insert(id, Client { name, state });
        }
        if !self.is_taken_up {
            for id in checkpoint.open_requests() {
                let name = self.name_request();
                lines.push(format!("  > {name} request {id}"));
                self.requests.insert(id, Asked { name, scene: 0, is_of_scene: false });
            }
            let NextIds { connection, request, operation, event } = known.next(checkpoint);
            lines.push(format!("  > next {connection} {request} {operation} {event}"));
        }
        self.happens(lines, None);
    }
}

/// What the records say of the time before them.
#[derive(Default)]
struct Known {
    /// When the first thing happened.
    first_now: Option<u64>,
    /// The first record is of a host that took the room up.
    is_taken_up: bool,
    /// The ids that came first, in the host that had made the checkpoint.
    connection: Option<u64>,
    request: Option<u64>,
    operation: Option<u64>,
    event: Option<u64>,
    /// Ids below this had been reserved when a host first took the room up, or when its life began.
    ids_reserved: Option<u64>,
}

impl Known {
    fn read<'j>(journal: impl Iterator<Item = &'j JournalEntry>) -> Result<Known, TakeAgainError> {
        let mut known = Known::default();
        // Whether a host has taken the room up, and turns that have an id and stand in no record.
        let (mut is_later, mut dropped) = (false, 0);
        for (index, entry) in journal.enumerate() {
            let record = Record::decode(&entry.bytes)?;
            for happening in record.happenings() {
                match happening {
                    Happening::Life(_) if index == 0 => is_later = true,
                    Happening::Resumed => {
                        known.is_taken_up |= index == 0;
                        // Of those after the first, the one before says which ids come.
                        if !is_later {
                            (is_later, dropped) = (true, 0);
                        }
                    }
                    Happening::Time(now) => _ = known.first_now.get_or_insert(now.0),
                    Happening::Event { event, now, fate, .. } => {
                        known.first_now.get_or_insert(now.0);
                        dropped += u64::from(fate == Fate::Dropped);
                        match event {
                            Event::Connect(id) if !is_later => _ = known.connection.get_or_insert(id.0),
                            Event::Request(id, _) if !is_later => _ = known.request.get_or_insert(id.0),
                            _ => {}
                        }
                    }
                    Happening::Life(_) | Happening::Settings { .. } => {}
                }
            }
            if let Some((EventId(event), operation)) = record.next_ids() {
                let event = event.saturating_sub(dropped);
                match is_later {
                    true => _ = known.ids_reserved.get_or_insert(event),
                    false => {
                        known.event.get_or_insert(event);
                        known.operation.get_or_insert(operation.0);
                    }
                }
            }
        }
        Ok(known)
    }

    /// The ids that come next after a checkpoint. Of what comes no more, any that has not been will do.
    fn next(&self, checkpoint: &Checkpoint) -> NextIds {
        let mut next = checkpoint.next_ids_min();
        let later = |id: &mut u64, known: Option<u64>| *id = (*id).max(known.unwrap_or_default());
        later(&mut next.connection.0, self.connection);
        later(&mut next.request.0, self.request);
        later(&mut next.operation.0, self.operation);
        later(&mut next.event.0, self.event);
        next
    }
}
