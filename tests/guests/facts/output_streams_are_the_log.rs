//! What is written to standard output and error reaches the log by lines, one that has no end with the turn; there is nothing
//! to read.
//! covers: wasi:cli/stdout, wasi:cli/stderr, wasi:cli/stdin

use std::io::{Read, Write, stdin, stdout};

use party::{Party, Reply, Request, Result, Room};
use test_facts::tell;

#[derive(Default)]
struct Fact {}

#[party::serve]
impl Party for Fact {
    fn on_request(&mut self, _room: &Room, request: Request) -> Result<Reply> {
        match request.path_in_room() {
            "/out" => println!("to standard output"),
            "/err" => eprintln!("to standard error"),
            _ => {
                stdout().write_all(b"without an end")?;
                stdout().flush()?;
            }
        }
        let mut text = String::new();
        tell(stdin().read_to_string(&mut text)?)
    }
}
