//! What a replayed seed prints. When no seed is replayed nothing is put into words.

/// Where the transcript goes, if anywhere.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Log {
    pub(crate) is_on: bool,
}

impl Log {
    pub(crate) fn say(&self, line: impl FnOnce() -> String) {
        if self.is_on {
            println!("{}", line());
        }
    }
}
