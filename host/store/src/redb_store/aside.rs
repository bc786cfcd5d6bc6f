//! How a thread that writes much lets others have its processor.
//!
//! A commit of many MiB copies and checksums each of them several times and sleeps nowhere before its sync, so the kernel
//! lets whoever shares the processor wait for a whole slice of time, some milliseconds: a room's turn takes a hundredth
//! of that. A thread that yields after every few pages is taken from the processor at once when somebody else wants it,
//! and goes on at once when nobody does. Small commits never come to that.

use std::cell::Cell;
use std::thread;

/// How many bytes a thread handles before it yields. 128 KiB are copied and checksummed in some tens of microseconds.
const BYTES_MAX: usize = 128 << 10;

thread_local! {
    static HANDLED: Cell<usize> = const { Cell::new(0) };
}

/// This thread has handled so many bytes more.
pub(crate) fn step_aside_after(bytes: usize) {
    let handled = HANDLED.get() + bytes;
    if handled < BYTES_MAX {
        HANDLED.set(handled);
    } else {
        HANDLED.set(0);
        thread::yield_now();
    }
}
