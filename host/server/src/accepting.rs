//! Accepting clients on a listening socket, also while that fails.
//!
//! It fails for as long as the process has no file descriptor left. Then nobody is accepted for a moment, because trying
//! again at once would only burn time until some are closed; and it is said once when that begins, and once when it is over,
//! however often it was tried. Where descriptors come and go, one client is accepted and the next is not: that is one trouble.

use std::io;
use std::sync::Arc;

use party_core::ids::Timestamp;
use party_node::clock::Clock;

/// How long nobody is accepted after accepting has failed, in milliseconds.
const PAUSE_MS: u64 = 100;
/// How long it has not failed when it is over, in milliseconds.
const CALM_MS: u64 = 5_000;

/// Who comes to one socket.
pub(crate) struct Accepting {
    /// Who comes, for the log.
    whom: &'static str,
    clock: Arc<dyn Clock>,
    trouble: Option<Trouble>,
}

/// Accepting fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Trouble {
    began: Timestamp,
    last: Timestamp,
    times: u64,
}

impl Accepting {
    pub(crate) fn new(whom: &'static str, clock: Arc<dyn Clock>) -> Accepting {
        Accepting { whom, clock, trouble: None }
    }

    /// Who comes next; `None` if nobody could be accepted now, and the next may be.
    pub(crate) async fn next<T>(&mut self, accept: impl Future<Output = io::Result<T>>) -> Option<T> {
        let accepted = match self.trouble {
            None => accept.await,
            Some(trouble) => tokio::select! {
                biased;
                accepted = accept => accepted,
                () = self.clock.sleep_until(trouble.last.after_ms(CALM_MS)) => {
                    self.is_over(trouble);
                    return None;
                }
            },
        };
        match accepted {
            Ok(client) => Some(client),
            Err(error) if is_of_one_client(&error) => None,
            Err(error) => {
                self.failed(&error);
                self.clock.sleep_until(self.clock.now().after_ms(PAUSE_MS)).await;
                None
            }
        }
    }

    fn failed(&mut self, error: &io::Error) {
        let now = self.clock.now();
        if self.trouble.is_none() {
            tracing::warn!(
                "{} cannot be accepted now; that is tried every {PAUSE_MS} ms: {error}",
                self.whom
            );
        }
        let Trouble { began, times, .. } =
            self.trouble.unwrap_or(Trouble { began: now, last: now, times: 0 });
        self.trouble = Some(Trouble { began, last: now, times: times + 1 });
    }

    fn is_over(&mut self, Trouble { began, last, times }: Trouble) {
        self.trouble = None;
        let ms = last.since_ms(began);
        tracing::warn!("{} can be accepted again: that failed {times} times within {ms} ms", self.whom);
    }
}

/// Whether only the client that came is concerned, and the next one may be accepted at once.
fn is_of_one_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::io;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use party_core::ids::Timestamp;
    use party_node::clock::{Clock, Sleep, Ticks};

    use super::{Accepting, CALM_MS, PAUSE_MS, Trouble};

    /// Its time passes by waiting.
    #[derive(Default)]
    struct Jumping(Arc<AtomicU64>);

    impl Clock for Jumping {
        fn now(&self) -> Timestamp {
            Timestamp(self.0.load(Ordering::SeqCst))
        }

        fn sleep_until(&self, at: Timestamp) -> Sleep {
            let time = Arc::clone(&self.0);
            Box::pin(async move {
                time.fetch_max(at.0, Ordering::SeqCst);
            })
        }

        fn ticks(&self) -> Ticks {
            Ticks(self.now().0)
        }

        fn sleep_until_ticks(&self, at: Ticks) -> Sleep {
            self.sleep_until(Timestamp(at.0))
        }
    }

    async fn fails(accepting: &mut Accepting, kind: io::ErrorKind) {
        assert_eq!(accepting.next(ready(Err::<(), _>(kind.into()))).await, None);
    }

    #[tokio::test]
    async fn a_trouble_is_one_until_nothing_has_failed_for_a_while() {
        let clock = Arc::new(Jumping::default());
        let mut accepting = Accepting::new("nobody", Arc::<Jumping>::clone(&clock));
        for _ in 0..600 {
            fails(&mut accepting, io::ErrorKind::Other).await;
        }
        let last = Timestamp(599 * PAUSE_MS);
        assert_eq!(accepting.trouble, Some(Trouble { began: Timestamp(0), last, times: 600 }));
        assert_eq!(clock.now(), last.after_ms(PAUSE_MS), "nobody is tried in between");
        // Somebody has gone, so that one can come and the next cannot.
        assert_eq!(accepting.next(ready(Ok(1))).await, Some(1));
        fails(&mut accepting, io::ErrorKind::Other).await;
        assert_eq!(accepting.trouble.map(|trouble| trouble.times), Some(601));
        // Nobody comes, and so nothing fails.
        let last = clock.now();
        assert_eq!(accepting.next(pending::<io::Result<()>>()).await, None);
        assert_eq!(accepting.trouble, None);
        assert!(clock.now() <= last.after_ms(CALM_MS));
    }

    #[tokio::test]
    async fn a_client_that_has_gone_is_no_trouble() {
        let clock = Arc::new(Jumping::default());
        let mut accepting = Accepting::new("nobody", Arc::<Jumping>::clone(&clock));
        fails(&mut accepting, io::ErrorKind::ConnectionAborted).await;
        assert_eq!((accepting.trouble, clock.now()), (None, Timestamp(0)));
    }
}
