//! What stands before the first step.

use std::path::PathBuf;

use party_core::profile::Profile;

use crate::transcript::parse::{Read, number, room, shown, two, word};
use crate::transcript::step::Settings;
use crate::world::Memory;

/// What a setting begins with, for whoever wrote something else.
pub(super) const SETTINGS: [&str; 9] =
    ["party", "memory", "profile", "limit", "var", "cron", "room", "seed", "time"];

impl Settings {
    /// Takes a line, if it is a setting.
    pub(super) fn take(&mut self, setting: &str, rest: &str) -> Read<bool> {
        match setting {
            "party" => {
                let (name, file) = two(rest, "party NAME FILE")?;
                self.parties.push((name.to_owned(), PathBuf::from(file)));
            }
            "memory" => {
                self.memory = Some(match rest {
                    "volatile" => Memory::Volatile,
                    "hibernate" => Memory::Hibernate,
                    "durable" => Memory::Durable,
                    other => {
                        return Err(format!(
                            "memory {} is not known: volatile, hibernate or durable",
                            shown(other)
                        ));
                    }
                });
            }
            "profile" => {
                let unknown = || format!("profile {} is not known: partykit or partyserver", shown(rest));
                self.profile = Some(Profile::of_name(rest).ok_or_else(unknown)?);
            }
            "limit" => {
                let (name, value) = two(rest, "limit NAME NUMBER")?;
                self.limits.push((name.to_owned(), number(value, "a limit", 0, u64::MAX)?));
            }
            "var" => {
                let (name, value) = word(rest);
                if name.is_empty() {
                    return Err("it is written as: var NAME VALUE".into());
                }
                self.vars.push((name.to_owned(), value.to_owned()));
            }
            "cron" => {
                let (name, expression) = word(rest);
                if expression.is_empty() {
                    return Err("it is written as: cron NAME EXPRESSION".into());
                }
                self.crons.push((name.to_owned(), expression.to_owned()));
            }
            "room" => self.room = Some(room(rest)?),
            "seed" => self.seed = Some(number(rest, "a seed", 0, u64::MAX)?),
            "time" => self.time = Some(number(rest, "a time in milliseconds since 1970", 0, 1 << 53)?),
            _ => return Ok(false),
        }
        Ok(true)
    }
}
