//! A WebSocket that is not read while it is over its rate.
//!
//! Nothing is lost and nobody is closed: what the client sends waits in the kernel, and in the end with the client. What was
//! read is taken, so a connection is over by one read at most, and then waits until that has been made up for.
//!
//! Without rates it is one pointer that is not there.

use std::sync::Arc;
use std::task::Context;

use party_node::clock::{Clock, Sleep, Ticks};

use super::rates::{Bucket, Rates};

/// How fast one WebSocket is.
pub(crate) struct Throttle(Option<Box<Buckets>>);

struct Buckets {
    messages: Option<Bucket>,
    bytes: Option<Bucket>,
    now: Ticks,
    /// Until when it is not read.
    until: Ticks,
    sleep: Option<Sleep>,
}

impl Throttle {
    /// For a WebSocket that begins now.
    pub(crate) fn new(rates: &Rates, clock: &Arc<dyn Clock>) -> Throttle {
        if (rates.messages_per_second_max, rates.bytes_per_second_max) == (0, 0) {
            return Throttle(None);
        }
        let now = clock.ticks();
        let bucket = |per_second: u64| (per_second > 0).then(|| Bucket::new(per_second, now));
        Throttle(Some(Box::new(Buckets {
            messages: bucket(rates.messages_per_second_max),
            bytes: bucket(rates.bytes_per_second_max),
            now,
            until: now,
            sleep: None,
        })))
    }

    /// A wake begins.
    pub(crate) fn begin(&mut self, clock: &Arc<dyn Clock>) {
        if let Some(buckets) = &mut self.0 {
            buckets.now = clock.ticks();
        }
    }

    /// Whether it is not to be read.
    pub(crate) fn is_pausing(&self) -> bool {
        self.0.as_ref().is_some_and(|buckets| buckets.until > buckets.now)
    }

    /// So many bytes were read.
    pub(crate) fn read(&mut self, bytes: usize) {
        if let Some(buckets) = &mut self.0 {
            let wait = buckets.bytes.as_mut().map_or(0, |bucket| bucket.spend(buckets.now, bytes as u64));
            buckets.until = buckets.until.max(buckets.now.after_ms(wait));
        }
    }

    /// A message or a control frame was taken.
    pub(crate) fn took(&mut self) {
        if let Some(buckets) = &mut self.0 {
            let wait = buckets.messages.as_mut().map_or(0, |bucket| bucket.spend(buckets.now, 1));
            buckets.until = buckets.until.max(buckets.now.after_ms(wait));
        }
    }

    /// A wake ends: the task is woken when it may read again.
    pub(crate) fn wait(&mut self, clock: &Arc<dyn Clock>, cx: &mut Context<'_>) {
        let is_pausing = self.is_pausing();
        let Some(buckets) = &mut self.0 else { return };
        if !is_pausing {
            buckets.sleep = None;
            return;
        }
        let sleep = buckets.sleep.get_or_insert_with(|| clock.sleep_until_ticks(buckets.until));
        if sleep.as_mut().poll(cx).is_ready() {
            buckets.sleep = None;
            cx.waker().wake_by_ref();
        }
    }
}
