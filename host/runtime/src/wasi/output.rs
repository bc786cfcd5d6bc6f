//! Standard output and error, cut into lines for the log.
//!
//! A stream is a value in WASI's table and cannot see the store, so all of an instance's streams write into one
//! [`Output`], which the store empties into the turn after every write. A line that has no end yet waits for it
//! until the turn ends.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use party_core::event::LogLevel;
use party_core::turn::Turn;
use wasmtime_wasi_io::async_trait;
use wasmtime_wasi_io::poll::Pollable;
use wasmtime_wasi_io::streams::{OutputStream, StreamError, StreamResult};

/// Bytes that one write may bring.
const WRITE_BYTES_MAX: usize = 64 << 10;
/// The longest line; a longer one becomes several.
const LINE_BYTES_MAX: usize = 8 << 10;

/// What was written and has not reached the log.
#[derive(Default)]
pub(crate) struct Output(Mutex<Written>);

#[derive(Default)]
struct Written {
    lines: Vec<(LogLevel, Vec<u8>)>,
    open_line: Option<(LogLevel, Vec<u8>)>,
}

impl Output {
    fn written(&self) -> MutexGuard<'_, Written> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands finished lines to the turn, if there is one.
    pub(crate) fn drain(&self, turn: Option<&mut Turn>) {
        let lines = mem::take(&mut self.written().lines);
        let Some(turn) = turn else { return };
        for (level, line) in lines {
            turn.log(level, line.into());
        }
    }

    /// Hands everything to the turn, if there is one.
    pub(crate) fn flush(&self, turn: Option<&mut Turn>) {
        self.written().end_line();
        self.drain(turn);
    }
}

impl Written {
    fn end_line(&mut self) {
        self.lines.extend(self.open_line.take());
    }

    fn write(&mut self, level: LogLevel, bytes: &[u8]) {
        if self.open_line.as_ref().is_some_and(|(open, _)| *open != level) {
            self.end_line();
        }
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let (piece, ended) = match piece.strip_suffix(b"\n") {
                Some(piece) => (piece, true),
                None => (piece, false),
            };
            self.append(level, piece);
            if ended {
                self.open_line.get_or_insert_with(|| (level, Vec::new()));
                self.end_line();
            }
        }
    }

    fn append(&mut self, level: LogLevel, mut piece: &[u8]) {
        while !piece.is_empty() {
            let (_, line) = self.open_line.get_or_insert_with(|| (level, Vec::new()));
            let (part, rest) = piece.split_at(piece.len().min(LINE_BYTES_MAX - line.len()));
            line.extend_from_slice(part);
            piece = rest;
            if line.len() == LINE_BYTES_MAX {
                self.end_line();
            }
        }
    }
}

/// One standard stream.
pub(crate) struct OutputToLog {
    output: Arc<Output>,
    level: LogLevel,
}

impl OutputToLog {
    /// A stream that is logged at this level.
    pub(crate) fn new(output: Arc<Output>, level: LogLevel) -> OutputToLog {
        OutputToLog { output, level }
    }
}

impl OutputStream for OutputToLog {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if bytes.len() > WRITE_BYTES_MAX {
            return Err(StreamError::trap("more was written to an output stream than check-write allows"));
        }
        self.output.written().write(self.level, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES_MAX)
    }
}

#[async_trait]
impl Pollable for OutputToLog {
    async fn ready(&mut self) {}
}

#[cfg(test)]
mod tests {
    use party_core::event::LogLevel;

    use super::{LINE_BYTES_MAX, Written};

    fn lines(writes: &[(LogLevel, &[u8])]) -> Vec<(LogLevel, Vec<u8>)> {
        let mut written = Written::default();
        for (level, bytes) in writes {
            written.write(*level, bytes);
        }
        written.end_line();
        written.lines
    }

    #[test]
    fn writes_become_lines() {
        let (info, warn) = (LogLevel::Info, LogLevel::Warn);
        let found = lines(&[(info, b"a"), (info, b"b\n\nc"), (warn, b"d\n"), (info, b"e")]);
        let expected: [(LogLevel, &[u8]); 5] =
            [(info, b"ab"), (info, b""), (info, b"c"), (warn, b"d"), (info, b"e")];
        assert_eq!(found, expected.map(|(level, line)| (level, line.to_vec())));
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let long = vec![b'x'; LINE_BYTES_MAX * 2 + 1];
        let found = lines(&[(LogLevel::Info, &long[..10]), (LogLevel::Info, &long[10..])]);
        let lengths: Vec<usize> = found.iter().map(|(_, line)| line.len()).collect();
        assert_eq!(lengths, [LINE_BYTES_MAX, LINE_BYTES_MAX, 1]);
    }
}
