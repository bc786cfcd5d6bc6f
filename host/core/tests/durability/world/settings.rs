//! The party asks for durable rooms no more, and later again. A journal that was left is taken again first, and goes when a
//! checkpoint takes its place or its life ends, whatever happens until then. In that moment the setting is changed back: so
//! what the room left must be, as ever, what it was with its last durable commit.

use party_core::room::Rebuild;

use crate::world::World;

impl World {
    /// Perhaps the next process does not ask for durable rooms any more. One that has left no journal is none then.
    pub(crate) fn change_the_setting(&mut self) {
        if !self.disk.durable().journal.is_empty() && self.random.percent(20) {
            self.log.say(|| "durable no more".into());
            self.tally.meet("durable no more", "with a journal");
            self.room.durable_until_saved();
        }
    }

    /// If the room records nothing any more, the process ends here, and the next one asks for durable rooms again. Not before
    /// it has been read: what it makes of its journal is to be seen.
    pub(crate) fn change_the_setting_back(&mut self) {
        let is_unread = self.room.rebuild() == Some(Rebuild::Unread);
        if self.room.config().durable.is_some() || self.out.is_some() || is_unread {
            return;
        }
        self.log.say(|| "durable again".into());
        let has_begun = self.notes.last_key_value().is_some_and(|(_, note)| note.has_begun);
        self.tally.meet("durable no more", if has_begun { "saved" } else { "its life has ended" });
        self.carry_out();
        if self.random.percent(50) {
            self.write_and_report_all();
        }
        self.crash();
    }
}
