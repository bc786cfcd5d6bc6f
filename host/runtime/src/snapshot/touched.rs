//! Which pages of a memory can differ from the base image: those that were written since the instance was made.
//!
//! A page that nobody wrote to is either still the file's of which the engine maps it, or not there at all. The
//! kernel tells which pages are neither (`PAGEMAP_SCAN`, Linux 6.7), without a privilege and in microseconds, where
//! reading a whole memory would take long and fill it with pages. It may name too many: each is compared. It never
//! names too few: a page that was written is the process's own from then on, in memory or swapped out, as long as
//! the mapping stays. Pages that were only read, or that the kernel found to be all zeros, are told apart: they need
//! no look where the base is zero, too.
//!
//! Where the kernel cannot tell, every page is compared. The result is the same.

use std::ops::Range;

use party_core::large::NoMemory;

/// Pages that follow each other.
pub(crate) struct Stretch {
    /// Bytes of the memory.
    pub(crate) range: Range<usize>,
    /// The kernel knows that they are all zeros.
    pub(crate) is_zero: bool,
}

/// Finds pages that were written. One for all instances of a process.
pub(crate) struct Touched {
    #[cfg(target_os = "linux")]
    pagemap: Option<linux::Pagemap>,
}

impl Touched {
    /// Asks the kernel, if it can tell.
    pub(crate) fn new() -> Touched {
        Touched {
            #[cfg(target_os = "linux")]
            pagemap: linux::Pagemap::open(),
        }
    }

    /// Ascending stretches of this memory, outside of which it is as it was when it was mapped.
    pub(crate) fn stretches(&self, memory: &[u8]) -> Result<Vec<Stretch>, NoMemory> {
        #[cfg(target_os = "linux")]
        if let Some(stretches) = self.pagemap.as_ref().and_then(|pagemap| pagemap.touched(memory)) {
            return stretches;
        }
        Ok(everything(memory))
    }
}

/// Without the kernel's help.
pub(crate) fn everything(memory: &[u8]) -> Vec<Stretch> {
    vec![Stretch { range: 0..memory.len(), is_zero: false }]
}

#[cfg(target_os = "linux")]
mod linux {
    use std::ffi::{c_int, c_void};
    use std::fs::File;
    use std::ptr;

    use party_core::large::{self, NoMemory};
    use rustix::io::Errno;
    use rustix::ioctl::{Ioctl, IoctlOutput, Opcode, ioctl, opcode};

    use super::Stretch;

    /// Ranges in one answer of the kernel.
    const REGIONS: usize = 256;
    /// The largest pages of any system that runs this.
    const PAGE_BYTES_MAX: u64 = 65_536;

    // `include/uapi/linux/fs.h`.
    const PAGE_IS_FILE: u64 = 1 << 2;
    const PAGE_IS_PRESENT: u64 = 1 << 3;
    const PAGE_IS_SWAPPED: u64 = 1 << 4;
    const PAGE_IS_PFNZERO: u64 = 1 << 5;

    /// `struct page_region`.
    #[repr(C)]
    #[derive(Clone, Copy, Default)]
    struct Region {
        start: u64,
        end: u64,
        categories: u64,
    }

    /// `struct pm_scan_arg`.
    #[repr(C)]
    struct Arguments {
        size: u64,
        flags: u64,
        start: u64,
        end: u64,
        walk_end: u64,
        vec: u64,
        vec_len: u64,
        max_pages: u64,
        category_inverted: u64,
        category_mask: u64,
        category_anyof_mask: u64,
        return_mask: u64,
    }

    /// `/proc/self/pagemap`.
    pub(super) struct Pagemap(File);

    impl Pagemap {
        /// Opens it, and tries whether the kernel has the call.
        pub(super) fn open() -> Option<Pagemap> {
            let pagemap = Pagemap(File::open("/proc/self/pagemap").ok()?);
            let probe = [0; 1];
            // Whole pages, however large they are, around something that is certainly there.
            let start = probe.as_ptr() as u64 / PAGE_BYTES_MAX * PAGE_BYTES_MAX;
            match pagemap.scan(start, start + PAGE_BYTES_MAX, &mut [Region::default(); 1]) {
                Ok(_) => Some(pagemap),
                Err(error) => {
                    tracing::debug!(%error, "the kernel cannot tell which pages were written");
                    None
                }
            }
        }

        /// Stretches of a memory that may have been written to.
        pub(super) fn touched(&self, memory: &[u8]) -> Option<Result<Vec<Stretch>, NoMemory>> {
            let first = memory.as_ptr() as u64;
            let (mut start, end) = (first, first + memory.len() as u64);
            let (mut found, mut regions) = (Vec::new(), [Region::default(); REGIONS]);
            while start < end {
                let (count, walked_to) = match self.scan(start, end, &mut regions) {
                    Ok(scanned) => scanned,
                    Err(error) => {
                        tracing::debug!(%error, "the kernel did not tell which pages were written");
                        return None;
                    }
                };
                if let Err(refused) = large::reserve_ahead(&mut found, count) {
                    return Some(Err(refused));
                }
                let offset = |address: u64| (address - first) as usize;
                found.extend(regions.iter().take(count).map(|one| Stretch {
                    range: offset(one.start)..offset(one.end),
                    is_zero: one.categories & PAGE_IS_PFNZERO != 0,
                }));
                // It always moves on, but a loop has its own bound.
                if walked_to <= start {
                    return None;
                }
                start = walked_to;
            }
            Some(Ok(found))
        }

        /// Pages of an address range that are in memory or swapped out, and no file's: how many ranges of them were
        /// written to `regions`, and how far the kernel went.
        fn scan(&self, start: u64, end: u64, regions: &mut [Region]) -> Result<(usize, u64), Errno> {
            let mut arguments = Arguments {
                size: size_of::<Arguments>() as u64,
                flags: 0,
                start,
                end,
                walk_end: 0,
                vec: regions.as_mut_ptr() as u64,
                vec_len: regions.len() as u64,
                max_pages: 0,
                category_inverted: PAGE_IS_FILE,
                category_mask: PAGE_IS_FILE,
                category_anyof_mask: PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
                return_mask: PAGE_IS_PFNZERO,
            };
            let scan = Scan(&mut arguments);
            #[expect(unsafe_code, reason = "rustix has no safe form of this call")]
            // SAFETY: the arguments are what the kernel's header says, `size` included, and `vec` and `vec_len` are
            // a slice that is borrowed mutably for the time of the call. The range that is asked about is only
            // looked up in the page tables; with no flags set, nothing in it is read or changed.
            let count = unsafe { ioctl(&self.0, scan) }?;
            Ok((count, arguments.walk_end))
        }
    }

    /// The call `PAGEMAP_SCAN`.
    struct Scan<'a>(&'a mut Arguments);

    #[expect(unsafe_code, reason = "the only way to name a call that rustix does not know")]
    // SAFETY: `PAGEMAP_SCAN` is `_IOWR('f', 16, struct pm_scan_arg)`; it takes a pointer to that structure, writes
    // into it, and returns how many ranges it wrote. The opcode is the kernel's own and means nothing else on a
    // pagemap, the only file that it is used with.
    unsafe impl Ioctl for Scan<'_> {
        type Output = usize;

        const IS_MUTATING: bool = true;

        fn opcode(&self) -> Opcode {
            opcode::read_write::<Arguments>(b'f', 16)
        }

        fn as_ptr(&mut self) -> *mut c_void {
            ptr::from_mut(self.0).cast()
        }

        #[expect(unsafe_code, reason = "the trait says so; nothing is read through the pointer")]
        unsafe fn output_from_ptr(count: IoctlOutput, _: *mut c_void) -> rustix::io::Result<usize> {
            let count: c_int = count;
            usize::try_from(count).map_err(|_| Errno::INVAL)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Stretch, Touched};
    use crate::image::BLOCK_BYTES;

    /// Whole pages of the system, as memories of guests are.
    const PAGE_BYTES: usize = 65_536;
    const PAGES: usize = 600;

    #[test]
    fn no_page_that_was_written_is_missed_and_stretches_ascend() {
        let mut memory = vec![0_u8; (PAGES + 1) * PAGE_BYTES];
        let first = memory.as_ptr().align_offset(PAGE_BYTES);
        let memory = &mut memory[first..first + PAGES * PAGE_BYTES];
        // More stretches than the kernel gives in one answer.
        let written: Vec<usize> =
            (0..PAGES).map(|page| page * PAGE_BYTES + page * 100 % PAGE_BYTES).collect();
        for at in &written {
            memory[*at] = 1;
        }
        let stretches = Touched::new().stretches(memory).unwrap();
        for at in &written {
            let found = stretches.iter().find(|stretch| stretch.range.contains(at));
            assert!(found.is_some_and(|stretch| !stretch.is_zero), "{at}");
        }
        assert!(stretches.windows(2).all(|two| two[0].range.end <= two[1].range.start));
        let whole = |one: &Stretch| (one.range.start | one.range.end).is_multiple_of(BLOCK_BYTES);
        assert!(stretches.iter().all(whole));
    }
}
