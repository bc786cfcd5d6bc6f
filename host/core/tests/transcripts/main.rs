//! Every rule of a room as a transcript: what comes in and what the guest does about it, and, line for line, what
//! comes out. The notation is told in `notation.rs`.

mod aborting;
mod alarms;
mod auto_responses;
mod burying;
mod called;
mod calls;
mod connecting;
mod destroying;
#[path = "../shared/disk.rs"]
mod disk;
mod dropping;
mod durable;
mod ending;
mod fetches;
mod forking;
mod gate;
mod guest;
mod handlers;
mod handshakes;
mod ids_and_time;
mod messages;
mod notation;
mod pages;
mod requests;
mod reserving;
mod settling;
mod show;
mod sleeping;
mod sleeps;
mod starting;
mod storage;
mod streams;
mod streams_dropped;
mod streams_ending;
mod streams_meanwhile;
mod streams_refused;
mod suspension;
mod switching;
mod twins;
mod uploads;
mod works;
mod works_meanwhile;
