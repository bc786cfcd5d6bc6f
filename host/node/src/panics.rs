//! Bugs of the host's own, as far as they show by a panic: in what carries one room they cost that room a restart from the
//! store, in what carries all of them the host ends in order, so that whoever looks after it starts it again.
//!
//! If it is the writer that has panicked, nothing is handed to the store any more: whatever is to be written, or was on its way,
//! has failed. So nobody waits for it, and the host ends as soon as its clients have gone.
//!
//! A room whose task has panicked is in nobody knows which state, so nothing of it is used any more: its clients are closed,
//! its requests answered, and when the commits that it has asked for are answered it can be opened again. A durable room
//! has lost nothing then; any other goes on as after a crash of the host.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt;
use party_core::message::CloseFrame;
use party_core::profile::CLOSE_ERROR;
use tokio::sync::watch;

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

/// What all rooms of a node need and has panicked, if anything. Cheap to clone; all clones are one.
#[derive(Clone)]
pub(crate) struct Breakdown {
    told: watch::Sender<Option<String>>,
    cannot_write: Arc<AtomicBool>,
}

impl Default for Breakdown {
    fn default() -> Breakdown {
        Breakdown { told: watch::Sender::new(None), cannot_write: Arc::default() }
    }
}

impl Breakdown {
    /// Something that all rooms need has panicked.
    pub(crate) fn begin(&self, what: &str, words: &str) {
        tracing::error!("an error of the host in {what}, without which no room goes on: {words}");
        self.told.send_replace(Some(format!("{what}: {words}")));
    }

    /// The writer has panicked: nobody knows what the store is in the middle of.
    pub(crate) fn begin_in_writing(&self, words: &str) {
        self.cannot_write.store(true, Ordering::SeqCst);
        self.begin("writing", words);
    }

    /// Whether it was the writer.
    pub(crate) fn is_in_writing(&self) -> bool {
        self.cannot_write.load(Ordering::SeqCst)
    }

    /// Waits for it; says what it is.
    pub(crate) async fn told(&self) -> String {
        let mut told = self.told.subscribe();
        let words = told.wait_for(Option::is_some).await.ok().and_then(|words| words.clone());
        // Whoever would say so is this one itself.
        words.unwrap_or_default()
    }
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
        let (project, party, room) = entry.address().names();
        let words = entry.broken.borrow().clone().unwrap_or_default();
        tracing::error!(
            project,
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
            self.node().breakdown().begin(name, &words);
        }
    }
}
