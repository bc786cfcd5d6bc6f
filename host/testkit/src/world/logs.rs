//! What guests log in a world, for its test to look at, and what the host complains of.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Registry;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use crate::world::World;

/// The target of lines that guests log.
const GUEST: &str = "guest";
/// Lines that are kept; of more, the oldest go.
const LINES_MAX: usize = 10_000;

/// What was said since the last look.
#[derive(Clone, Default)]
pub(super) struct Logs {
    said: Arc<Mutex<Said>>,
}

#[derive(Default)]
struct Said {
    by_guests: VecDeque<String>,
    complaints: VecDeque<String>,
}

/// For as long as this is held, what is logged on this thread is heard.
pub(super) struct Listening {
    _guard: DefaultGuard,
}

impl Logs {
    /// Listens to what is logged on this thread: a world has one.
    pub(super) fn listen() -> (Logs, Listening) {
        let logs = Logs::default();
        let subscriber = Registry::default().with(logs.clone());
        (logs, Listening { _guard: tracing::subscriber::set_default(subscriber) })
    }
}

impl<S: Subscriber> Layer<S> for Logs {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = match event.metadata() {
            data if data.target() == GUEST => &mut said.by_guests,
            data if *data.level() <= Level::WARN => &mut said.complaints,
            _ => return,
        };
        let mut text = Text::default();
        event.record(&mut text);
        if lines.len() == LINES_MAX {
            lines.pop_front();
        }
        lines.push_back(text.0);
    }
}

/// The message of an event.
#[derive(Default)]
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

impl World {
    /// What guests have logged since this was last asked, oldest first.
    pub fn take_logs(&self) -> Vec<String> {
        self.logs.said.lock().unwrap_or_else(PoisonError::into_inner).by_guests.drain(..).collect()
    }

    /// What the host has warned of since this was last asked, oldest first: dropped turns, say.
    pub fn take_complaints(&self) -> Vec<String> {
        self.logs.said.lock().unwrap_or_else(PoisonError::into_inner).complaints.drain(..).collect()
    }
}
