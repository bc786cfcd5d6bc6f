//! What the system refuses for the moment: memory, a mapping, a thread, a file, a place of the pool. That says nothing of the
//! component or the memory that it was for, and a moment later it may be there: so it is told apart, by type, from all that
//! would fail again.

use std::error::Error as StdError;
use std::io;

use party_core::large::NoMemory;
use rustix::io::Errno;
use wasmtime::{Error, OutOfMemory, PoolConcurrencyLimitError};

use crate::traps::GuestFault;

/// What the kernel says when it has none left of something.
const NONE_LEFT: [Errno; 6] =
    [Errno::NOMEM, Errno::AGAIN, Errno::MFILE, Errno::NFILE, Errno::NOSPC, Errno::DQUOT];

/// Whether an error of the engine is such, in whatever it is wrapped.
pub(crate) fn is_refusal(error: &Error) -> bool {
    error.is::<PoolConcurrencyLimitError>()
        || error.is::<OutOfMemory>()
        || error.is::<NoMemory>()
        || matches!(error.downcast_ref::<GuestFault>(), Some(GuestFault::NoMemory(_)))
        || error.chain().any(|cause| errno(cause).is_some_and(|errno| NONE_LEFT.contains(&errno)))
}

fn errno(cause: &(dyn StdError + 'static)) -> Option<Errno> {
    let of_the_library = || cause.downcast_ref::<io::Error>().and_then(Errno::from_io_error);
    cause.downcast_ref::<Errno>().copied().or_else(of_the_library)
}

#[cfg(test)]
mod tests {
    use std::io;

    use party_core::large::NoMemory;
    use rustix::io::Errno;
    use wasmtime::{Error, OutOfMemory, format_err};

    use super::is_refusal;
    use crate::traps::GuestFault;

    #[test]
    fn what_the_system_has_none_of_is_a_refusal_in_whatever_it_is_wrapped() {
        let refusals = [
            Error::from(OutOfMemory::new(100)),
            Error::from(NoMemory { bytes: 100 }).context("while it was read"),
            Error::new(Errno::NOMEM).context("mmap failed to allocate 0x1000 bytes"),
            Error::new(io::Error::from(Errno::MFILE))
                .context("failed to open file")
                .context("it is not loaded"),
            Error::new(GuestFault::NoMemory("too much".into())),
        ];
        for error in refusals {
            assert!(is_refusal(&error), "{error:#}");
        }
    }

    #[test]
    fn all_else_is_none() {
        let others = [
            Error::new(Errno::NOENT).context("failed to open file"),
            Error::new(io::Error::other("out of memory")),
            Error::new(GuestFault::Deadline),
            format_err!("Cannot allocate memory (os error 12)"),
        ];
        for error in others {
            assert!(!is_refusal(&error), "{error:#}");
        }
    }
}
