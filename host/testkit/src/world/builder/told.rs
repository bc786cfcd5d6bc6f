//! What a world's transcript says before its first step.

use party_core::limits::Limits;
use party_server::config::differing_limits;

use super::{Builder, memory_word};
use crate::clock::BEGINNING;

impl Builder {
    /// What a transcript says before its first step.
    pub(super) fn told(&self) -> Vec<String> {
        let mut told = vec![
            format!("seed {}", self.seed),
            format!("memory {}", memory_word(self.memory)),
            format!("profile {}", self.routing.profile.name()),
        ];
        if self.begins_at != BEGINNING {
            told.push(format!("time {}", self.begins_at));
        }
        let limits = differing_limits(&self.limits, &Limits::default());
        told.extend(limits.into_iter().map(|(name, value)| format!("limit {name} {value}")));
        told.extend(self.vars.iter().map(|(name, value)| format!("var {name} {value}")));
        told.extend(self.crons.iter().map(|cron| format!("cron {} {}", cron.name(), cron.expression())));
        told
    }
}
