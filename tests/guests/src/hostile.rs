//! What a guest must not get away with.

use std::hint::black_box;
use std::time::Duration;

use party::{Connection, Error, Result, Room};

/// Misbehaves in the manner of `word`, as far as the host lets it.
pub(crate) fn misbehave(room: &Room, from: &Connection, word: &str, about: &str) -> Result<()> {
    match word {
        "trap" => panic!("the message was told to trap"),
        "loop" => {
            let mut turns = 0u64;
            while black_box(true) {
                turns = black_box(turns.wrapping_add(1));
            }
            Err(Error::new(format!("the loop ended after {turns}")))
        }
        "allocate" => {
            let mut hoard = Vec::new();
            loop {
                hoard.push(black_box(vec![1u8; 1 << 20]));
            }
        }
        "recurse" => Err(Error::new(format!("{} deep", recurse(1)))),
        "flood" => {
            let message = vec![b'x'; about.parse()?];
            loop {
                from.send(&message)?;
            }
        }
        "flood-log" => {
            for line in 0..about.parse::<u64>()? {
                party::info!("line {line}");
            }
            Ok(())
        }
        "flood-storage" => {
            for number in 0u64.. {
                room.storage().put_bytes(number.to_string(), vec![b'x'; 100_000])?;
            }
            Ok(())
        }
        "exit" => std::process::exit(3),
        _ => {
            std::thread::sleep(Duration::from_secs(5));
            Err(Error::new("the turn was blocked for five seconds"))
        }
    }
}

fn recurse(depth: u64) -> u64 {
    let here = black_box([depth; 64]);
    if black_box(true) { recurse(depth + 1) + here[0] } else { here[63] }
}
