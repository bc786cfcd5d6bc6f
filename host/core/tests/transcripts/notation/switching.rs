//! `switch send a hi | rooms o party`: the room goes on with another version, in one turn of which the old one has
//! the part before the bar, and the new one the part behind it.

use std::sync::Arc;

use party_core::commit::{CheckpointBytes, ComponentDigest};
use party_core::ids::{Incarnation, Seed};
use party_core::room::{Moment, RoomConfig};

use crate::guest;
use crate::notation::Stage;

impl Stage {
    /// What was cut off is shown before the switch itself.
    pub(super) fn switch(&mut self, script: &str) {
        let (old, new) = script.split_once('|').unwrap_or((script, ""));
        let (now, lives) = (self.now, self.lives);
        let moment = Moment { now, seed: Seed([7; 32]), incarnation: Incarnation(lives) };
        let mut turn = self.room().begin_upgrade(moment);
        let mut found = vec!["switch".to_owned()];
        guest::run(old, &mut turn, &mut self.names, &mut found);
        turn.hand_over();
        guest::run(new, &mut turn, &mut self.names, &mut found);
        self.shown.append(&mut found);
        let component = ComponentDigest([2; 32]);
        let RoomConfig { address, limits, handlers, vars, storage, duplicate_keys, profile, durable } =
            &**self.room().config();
        let config = RoomConfig {
            address: Arc::clone(address),
            limits: Arc::clone(limits),
            handlers: *handlers,
            vars: Arc::clone(vars),
            storage: Arc::clone(storage),
            duplicate_keys: *duplicate_keys,
            profile: *profile,
            durable: durable.map(|_| component),
        };
        let upgraded = self.room().upgraded(turn, Arc::new(config), Some((component, "new".into())));
        self.carry_out();
        let bytes = upgraded.encode().unwrap().map(CheckpointBytes::Inline);
        self.room().goes_on(upgraded, bytes);
    }
}
