//! What the room is told to store, and to read.

use party::{Result, Room};

use crate::{attempted, decoded, value};

/// The answer to a path about storage, if it is one.
pub(crate) fn answer(room: &Room, path: &str, about: &str, query: &str) -> Result<Option<String>> {
    let storage = room.storage();
    let done = |done: &str| done.to_owned();
    Ok(Some(match path {
        "key" => done(attempted(storage.put_bytes("k".repeat(about.parse()?), [1]))),
        "value" => done(attempted(storage.put_bytes("value", vec![0; about.parse()?]))),
        "get-many" => {
            let keys: Vec<String> = (0..about.parse::<u32>()?).map(|index| index.to_string()).collect();
            done(attempted(storage.get_many::<u8>(&lent(&keys)).map(drop)))
        }
        "get-these" => {
            let keys: Vec<&[u8]> = about.split(' ').map(str::as_bytes).collect();
            let found = storage.get_many::<u8>(&keys)?;
            let there = about.split(' ').zip(found).filter_map(|(key, value)| value.map(|_| key));
            there.collect::<Vec<_>>().join(" ")
        }
        "put-many" => {
            let keys = names(about)?;
            let entries: Vec<(&[u8], u8)> = lent(&keys).into_iter().map(|key| (key, 1)).collect();
            done(attempted(storage.put_many(&entries)))
        }
        "delete-many" => done(attempted(storage.delete_many(&lent(&names(about)?)).map(drop))),
        "delete-these" => {
            let keys: Vec<&[u8]> = about.split(' ').map(str::as_bytes).collect();
            storage.delete_many(&keys)?.to_string()
        }
        "delete-all" => {
            storage.delete_all()?;
            done("done")
        }
        "put" => done(attempted(storage.put(about, &1_u8))),
        "delete" => storage.delete(about)?.to_string(),
        "list" => list(room, query)?,
        _ => return Ok(None),
    }))
}

fn list(room: &Room, query: &str) -> Result<String> {
    let value = |name| value(query, name).map(decoded);
    let prefix = value("prefix").unwrap_or_default();
    let (start, after, end) = (value("start"), value("after"), value("end"));
    let storage = room.storage();
    let mut list = storage.list(&prefix);
    if let Some(start) = &start {
        list = list.start(start);
    }
    if let Some(after) = &after {
        list = list.start_after(after);
    }
    if let Some(end) = &end {
        list = list.end(end);
    }
    if let Some(limit) = value("limit") {
        // There is no limit below zero.
        let Ok(limit) = limit.parse() else { return Ok("refused".into()) };
        list = list.limit(limit);
    }
    if value("reverse").is_some() {
        list = list.reverse();
    }
    let Ok(keys) = list.keys() else { return Ok("refused".into()) };
    let keys: Vec<_> = keys.iter().map(|key| String::from_utf8_lossy(key)).collect();
    Ok(keys.join(" "))
}

/// So many names.
fn names(count: &str) -> Result<Vec<String>> {
    Ok((0..count.parse::<u32>()?).map(|index| format!("name-{index}")).collect())
}

fn lent(keys: &[String]) -> Vec<&[u8]> {
    keys.iter().map(String::as_bytes).collect()
}
