//! Large buffers: those whose size follows what a room has, or what comes from outside, up to gigabytes.
//!
//! A system can refuse memory (a bound on the process, a kernel that promises no more than it has). Of a small allocation
//! nobody can be told that: the process ends there, with all its rooms. So whatever is large asks first, and has an answer
//! for no, which says nothing of the room: it waits, and tries again. And it asks for more than it takes, so that the next
//! small allocation finds some where a large one has just found enough.

use std::hint::black_box;

use thiserror::Error;

/// Whatever takes so many bytes or more asks first: 256 KiB.
pub const LARGE_BYTES: usize = 256 << 10;
/// What must be left behind everything large, for all that is small: 8 MiB.
pub const SPARE_BYTES: usize = 8 << 20;

/// The system does not give so much memory at this moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("the system has no memory left: {bytes} bytes were refused")]
pub struct NoMemory {
    /// How many bytes were wanted.
    pub bytes: usize,
}

/// Whether the system would give so many bytes now and have [`SPARE_BYTES`] left, where they are [`LARGE_BYTES`] or more.
/// It gives them to whoever asks next, so this is for those who cannot ask otherwise: what takes its memory in many pieces,
/// or inside of a crate that does not ask. Takes microseconds; no page is touched.
pub fn claim(bytes: usize) -> Result<(), NoMemory> {
    if bytes < LARGE_BYTES {
        return Ok(());
    }
    let mut probe: Vec<u8> = Vec::new();
    probe.try_reserve_exact(bytes.saturating_add(SPARE_BYTES)).map_err(|_| NoMemory { bytes })?;
    // Otherwise the compiler sees that nobody uses it, and does not ask.
    black_box(&mut probe);
    Ok(())
}

/// As [`claim`], of a size that may be more than this machine can address.
pub fn claim_u64(bytes: u64) -> Result<(), NoMemory> {
    claim(usize::try_from(bytes).unwrap_or(usize::MAX))
}

/// An empty list with place for exactly so many items, and memory left behind it.
pub fn list<T>(count: usize) -> Result<Vec<T>, NoMemory> {
    let mut list = Vec::new();
    reserve(&mut list, count)?;
    Ok(list)
}

/// Makes place for exactly so many more items, if there is less.
pub fn reserve<T>(list: &mut Vec<T>, more: usize) -> Result<(), NoMemory> {
    if list.capacity() - list.len() >= more {
        return Ok(());
    }
    let bytes = list.len().saturating_add(more).saturating_mul(size_of::<T>());
    claim(bytes)?;
    list.try_reserve_exact(more).map_err(|_| NoMemory { bytes })
}

/// Makes place for so many more items, and for about as many again, so that what grows in many steps is seldom moved.
pub fn reserve_ahead<T>(list: &mut Vec<T>, more: usize) -> Result<(), NoMemory> {
    if list.capacity() - list.len() >= more {
        return Ok(());
    }
    reserve(list, more.max(list.len()))
}

/// A copy.
pub fn copy(bytes: &[u8]) -> Result<Vec<u8>, NoMemory> {
    let mut copy = list(bytes.len())?;
    copy.extend_from_slice(bytes);
    Ok(copy)
}

/// So many zeros.
pub fn zeros(bytes: usize) -> Result<Vec<u8>, NoMemory> {
    let mut zeros = list(bytes)?;
    zeros.resize(bytes, 0);
    Ok(zeros)
}

#[cfg(test)]
mod tests {
    use super::{NoMemory, claim, claim_u64, copy, list, reserve, reserve_ahead, zeros};

    /// More than any system gives.
    const TOO_MUCH: usize = 1 << 60;

    #[test]
    fn what_no_system_gives_is_refused_and_harms_nothing() {
        let refused = NoMemory { bytes: TOO_MUCH };
        assert_eq!(claim(TOO_MUCH), Err(refused));
        assert_eq!(claim_u64(u64::MAX), Err(NoMemory { bytes: usize::MAX }));
        assert_eq!(list::<u8>(TOO_MUCH), Err(refused));
        assert_eq!(list::<u64>(TOO_MUCH >> 3), Err(refused));
        assert_eq!(zeros(TOO_MUCH), Err(refused));
        let mut kept = copy(b"kept").unwrap();
        assert_eq!(reserve(&mut kept, TOO_MUCH), Err(NoMemory { bytes: TOO_MUCH + 4 }));
        assert!(reserve_ahead(&mut kept, usize::MAX).is_err());
        assert_eq!(kept, b"kept");
        assert_eq!(
            refused.to_string(),
            format!("the system has no memory left: {TOO_MUCH} bytes were refused")
        );
    }

    #[test]
    fn a_list_has_place_for_exactly_what_was_asked_for() {
        assert_eq!(list::<u64>(1_000).unwrap().capacity(), 1_000);
        assert_eq!(zeros(1 << 20).unwrap(), vec![0; 1 << 20]);
        assert_eq!((claim(0), claim(1 << 20)), (Ok(()), Ok(())));
    }

    #[test]
    fn what_grows_in_steps_is_seldom_moved() {
        let (mut list, mut moves) = (Vec::new(), 0);
        for n in 0..10_000 {
            let before = list.capacity();
            reserve_ahead(&mut list, 1).unwrap();
            moves += u32::from(list.capacity() != before);
            list.push(n);
        }
        assert!(moves < 16, "{moves}");
    }
}
