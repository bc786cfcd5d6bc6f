//! A page of a list ends after so many entries, or with the entry that reaches so many bytes; nobody gets more than the
//! host's own bounds, 1,000 entries and 1 MiB.
//! covers: storage.list

use party::bindings::party::server::storage::{ListOptions, list};
use party::{Party, Reply, Request, Result, Room};
use test_facts::tell;

#[derive(Default)]
struct Fact {}

#[party::serve]
impl Party for Fact {
    fn on_request(&mut self, room: &Room, request: Request) -> Result<Reply> {
        if request.method == "POST" {
            for number in 0..1_100 {
                room.storage().put_bytes(format!("{number:04}"), [])?;
            }
            for number in 0..9 {
                room.storage().put_bytes(format!("large{number}"), [0; 131_106])?;
            }
        }
        let pages =
            [("", 0, 0), ("", u32::MAX, 0), ("", 7, 0), ("", 0, 9), ("large", 0, 0), ("large", 0, u32::MAX)];
        tell(pages.map(|(prefix, limit, bytes_max)| {
            let prefix = prefix.as_bytes();
            let options = ListOptions {
                prefix,
                start: None,
                start_after: None,
                end: None,
                reverse: false,
                limit,
                bytes_max,
            };
            list(options).map(|page| (page.entries.len(), page.next.is_some()))
        }))
    }
}
