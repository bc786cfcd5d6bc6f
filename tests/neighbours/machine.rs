//! Clients on the machine of their host: they stand for other machines, and must not take what the host would have there.
//!
//! A client that floods uses as much time as the host itself; so those that misbehave get only the time that nobody else
//! wants. That is asked of the kernel by a tool that every Linux has (chrt of util-linux): the call is not in the
//! libraries that we use, and we write no unsafe code.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// From now on this thread, and those that it starts, run on processors that no other wants.
pub(crate) fn stand_back() -> Result<()> {
    let link = fs::read_link("/proc/thread-self").context("proc(5) has it")?;
    let thread = link.file_name().context("it ends with the thread's number")?;
    // The policy, its priority, which is none, and the thread.
    let output = Command::new("chrt").args(["--idle", "--pid", "0"]).arg(thread).output();
    let output = output.context("chrt of util-linux is needed")?;
    ensure!(output.status.success(), "chrt: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
