//! Bugs of the host's own, as far as they show by a panic: in what carries one room they cost that room a restart from the
//! store, in what carries all of them the host ends in order, so that whoever looks after it starts it again.
//!
//! A room whose task has panicked is in nobody knows which state, so nothing of it is used any more: its clients are closed,
//! its requests answered, and when the commits that it has asked for are answered it can be opened again. A durable room
//! has lost nothing then; any other goes on as after a crash of the host.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;

use futures_util::FutureExt;
use party_core::message::CloseFrame;
use party_core::profile::CLOSE_ERROR;

use crate::hibernation::staging::unstage_all;
use crate::registry::RoomEntry;
use crate::worker::Worker;

/// What the clients of such a room are told.
const REASON: &str = "the room met an error of the host";

/// Runs a future; if it panics, that ends here, with the words of the panic.
pub(crate) async fn caught<T>(future: impl Future<Output = T>) -> Result<T, String> {
    AssertUnwindSafe(future).catch_unwind().await.map_err(|panic| words(&*panic))
}

/// Calls a function; if it panics, that ends here, with the words of the panic.
pub(crate) fn caught_in<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    std::panic::catch_unwind(AssertUnwindSafe(run)).map_err(|panic| words(&*panic))
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a word".into())
}

impl Worker {
    /// Carries a room to its end, and looks after what is left of it if that panics.
    pub(crate) async fn carry_room(self: Rc<Worker>, entry: Rc<RoomEntry>, task: impl Future<Output = ()>) {
        if let Err(words) = caught(task).await {
            entry.broken.replace(Some(words.into()));
        }
        if entry.broken.borrow().is_some() {
            self.give_up(&entry).await;
        }
    }

    /// Takes a room out that must not be used any more, and lets it be opened again when what it has asked to be written is
    /// answered.
    async fn give_up(&self, entry: &Rc<RoomEntry>) {
        let (party, room) = (entry.address().party(), entry.address().room());
        let words = entry.broken.borrow().clone().unwrap_or_default();
        tracing::error!(
            party,
            room,
            "an error of the host met the room, which is made again of the store: {words}"
        );
        self.rooms().unname(entry);
        self.hold_back(entry.address());
        entry.lose_everyone(&CloseFrame::new(CLOSE_ERROR, REASON));
        while entry.commits_open.get() > 0 {
            entry.wake.wait().await;
        }
        unstage_all(self, entry);
        self.release(entry.address());
        // It may meet the same again: not at once for ever.
        self.end_failed_room(entry, false);
    }

    /// Runs one of the worker's own tasks, without which no room goes on.
    pub(crate) async fn carry_all_rooms(
        self: Rc<Worker>,
        name: &'static str,
        task: impl Future<Output = ()>,
    ) {
        if let Err(words) = caught(task).await {
            self.node().break_down(name, &words);
        }
    }
}
