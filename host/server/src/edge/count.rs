//! What the whole host holds at once, counted over all workers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// So much of something, of which there is a most.
#[derive(Debug)]
pub(crate) struct Count {
    held: AtomicUsize,
    max: usize,
    /// Told when nothing is held any more.
    empty: Notify,
}

impl Count {
    pub(crate) fn new(max: usize) -> Arc<Count> {
        Arc::new(Count { held: AtomicUsize::new(0), max, empty: Notify::new() })
    }

    /// Takes some, if there is room.
    pub(crate) fn take(self: &Arc<Count>, amount: usize) -> Option<Share> {
        let mut share = Share { count: Arc::clone(self), amount: 0 };
        share.grow(amount).then_some(share)
    }

    /// How much is held.
    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::Acquire)
    }

    /// Waits until nothing is held.
    pub(crate) async fn until_empty(&self) {
        loop {
            let empty = self.empty.notified();
            if self.held() == 0 {
                return;
            }
            empty.await;
        }
    }
}

/// A part that is held until it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    count: Arc<Count>,
    amount: usize,
}

impl Share {
    /// Takes more, if there is room.
    pub(crate) fn grow(&mut self, amount: usize) -> bool {
        let fits = |held: usize| held.checked_add(amount).filter(|held| *held <= self.count.max);
        let grown = self.count.held.fetch_update(Ordering::AcqRel, Ordering::Acquire, fits).is_ok();
        if grown {
            self.amount += amount;
        }
        grown
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if self.amount > 0 && self.count.held.fetch_sub(self.amount, Ordering::AcqRel) == self.amount {
            self.count.empty.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Count;

    #[test]
    fn no_more_is_held_than_the_most() {
        let count = Count::new(10);
        let mut first = count.take(6).unwrap();
        assert!(count.take(5).is_none());
        assert!(first.grow(4) && !first.grow(1));
        assert_eq!(count.held(), 10);
        drop(first);
        assert_eq!(count.held(), 0);
    }
}
