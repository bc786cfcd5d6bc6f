//! How something long lets the others of its thread go on.
//!
//! A task that yields once comes back together with the events that were found meanwhile, which is too early for those:
//! a message passes three tasks (its socket puts it into a mailbox, its room takes its turn, its socket writes), each
//! woken by the one before, so a busy guest that yields once stands between the first and the second and takes another
//! millisecond. Who yields once more stands behind all three, because tokio looks at sockets and timers, and wakes who
//! yielded, only when nothing else is left to run (or, under load, after its event interval).

/// Lets everything go on that can, to its end: what is ready, and what this wakes.
pub async fn step_aside() {
    // Comes back with the events that were found.
    tokio::task::yield_now().await;
    // Comes back behind all that they have set going.
    tokio::task::yield_now().await;
}
