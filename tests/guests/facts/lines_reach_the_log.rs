//! Lines reach the host's log when their turn has ended, with what is not UTF-8 replaced, and as many as a turn may log.
//! covers: logging.log

use party::{Level, Party, Reply, Request, Response, Result, Room};

#[derive(Default)]
struct Fact {}

#[party::serve]
impl Party for Fact {
    fn on_request(&mut self, _room: &Room, request: Request) -> Result<Reply> {
        match request.path_in_room() {
            "/levels" => [Level::Trace, Level::Debug, Level::Info, Level::Warn, Level::Error]
                .into_iter()
                .for_each(|level| party::log(level, format_args!("a line at {level:?}"))),
            "/bytes" => party::log_bytes(Level::Info, b"caf\xe9"),
            "/many" => (1..=10).for_each(|line| party::info!("line {line}.")),
            _ => {
                party::info!("before the trap");
                panic!("told to");
            }
        }
        Ok(Response::status(204).into())
    }
}
