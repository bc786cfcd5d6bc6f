//! Entries are listed in the order of their keys' bytes: by prefix, from and up to keys, in either direction, in pages whose
//! `next` goes on.
//! covers: storage.list, storage.storage-error.bad-range

use party::bindings::party::server::storage::{ListOptions, list, put_many};
use party::{Party, Reply, Request, Result, Room};
use test_facts::tell;

#[derive(Default)]
struct Fact {}

const ALL: ListOptions<'_> = ListOptions {
    prefix: b"",
    start: None,
    start_after: None,
    end: None,
    reverse: false,
    limit: 0,
    bytes_max: 0,
};

/// The keys of a page, and its `next`.
fn keys(options: ListOptions<'_>) -> std::result::Result<String, String> {
    let page = list(options).map_err(|error| format!("{error:?}"))?;
    let keys: Vec<_> = page.entries.iter().map(|(key, _)| String::from_utf8_lossy(key)).collect();
    Ok(keys.join(" ")
        + &page.next.map(|next| format!(" > {}", String::from_utf8_lossy(&next))).unwrap_or_default())
}

#[party::serve]
impl Party for Fact {
    fn on_request(&mut self, _room: &Room, request: Request) -> Result<Reply> {
        match request.path_in_room() {
            "/put" => tell(put_many(&[
                (b"b2", b""),
                (b"a", b""),
                (b"b", b""),
                ("é".as_bytes(), b""),
                (b"b10", b""),
            ])),
            "/all" => tell((keys(ALL), keys(ListOptions { reverse: true, ..ALL }))),
            "/b" => tell((
                keys(ListOptions { prefix: b"b", limit: 2, ..ALL }),
                keys(ListOptions { prefix: b"b", start_after: Some(b"b10"), ..ALL }),
                keys(ListOptions { start: Some(b"b"), end: Some(b"b2"), ..ALL }),
            )),
            "/back" => tell((
                keys(ListOptions { prefix: b"b", reverse: true, bytes_max: 1, ..ALL }),
                keys(ListOptions { prefix: b"b", reverse: true, end: Some(b"b2"), ..ALL }),
            )),
            _ => tell((
                keys(ListOptions { start: Some(b"b"), start_after: Some(b"b"), ..ALL }),
                keys(ListOptions { start: Some(b"b"), end: Some(b"b"), ..ALL }),
            )),
        }
    }
}
