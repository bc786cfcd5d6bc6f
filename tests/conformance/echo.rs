//! The real binary, serving a party that sends back what it gets.

use std::fs;
use std::path::Path;

use anyhow::Result;
use party_tests::guests::guest_path;
use party_tests::host::Host;

/// A host that echoes messages of up to so many bytes at `/parties/echo/ROOM`.
pub(crate) fn echo(project: &Path, message_bytes_max: u64) -> Result<Host> {
    let settings = format!(
        "name = \"conformance\"\n[parties]\necho = {:?}\n[limits]\nmessage_in_bytes_max = {message_bytes_max}\n\
         outbound_queue_bytes_max = 67_108_864\n",
        guest_path("yardstick")
    );
    fs::write(project.join("party.toml"), settings)?;
    Host::serve(project, &project.join("data"))
}
