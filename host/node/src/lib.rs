//! The driver: it carries events to rooms and their outputs away, and decides nothing about either.
//!
//! A node is one process. Its rooms are spread over workers, each one thread with a single-threaded runtime; a
//! room, its instance and its sockets live on one worker, so that a message crosses no thread. Only commits do:
//! one committer gathers those of all rooms into groups.

pub mod answer_body;
mod apart;
pub mod assets;
mod awake_instance;
pub mod bedtime;
pub mod canary;
mod carrying;
pub mod chance;
mod changed_setting;
pub mod clock;
pub mod committer;
pub mod connection;
pub mod cron;
pub mod ending;
mod farewell;
pub mod giving_up;
mod hibernation;
pub mod inspection;
pub mod lobby;
pub mod node;
pub mod outbound;
pub mod outbox;
mod panics;
pub mod party;
pub mod pressure;
mod progress;
mod recovery;
mod registry;
pub mod request_body;
pub mod room_log;
mod room_task;
mod rooms_count;
mod row;
mod signal;
pub mod tallies;
mod timers;
mod together;
pub mod transfer;
mod unsaved;
mod upgrade;
pub mod versions;
mod visits;
mod worker;
mod working;
