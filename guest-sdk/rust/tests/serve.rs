//! `#[party::serve]` announces the handlers that are written and compiled, and no others.

use party::glue::{Capable, Handlers, NEEDED};
use party::{
    Close, Connection, Cron, Decision, Lobby, Message, Party, Reply, Request, Response, Result, ResumeReason,
    Room, StartReason, Talk,
};

/// A party per component; here each has a module of its own.
mod silent {
    #[derive(Default)]
    pub(crate) struct Silent;

    #[party::serve]
    impl party::Party for Silent {}
}

mod choosy {
    use super::{Connection, Message, Party, Result, Room};

    #[derive(Default)]
    pub(crate) struct Choosy {
        pub(crate) heard: usize,
    }

    #[party::serve]
    impl Party for Choosy {
        /// The word fn on_request in a comment is no handler, nor is one that is not compiled.
        fn on_message(&mut self, room: &Room, _: &Connection, message: Message) -> Result<()> {
            fn on_close(heard: &mut usize, bytes: &[u8]) {
                *heard += bytes.len();
            }
            let _ = room;
            on_close(&mut self.heard, message.as_bytes());
            Ok(())
        }

        #[cfg(not(test))]
        fn on_alarm(&mut self, _: &Room) -> Result<()> {
            Ok(())
        }

        #[cfg(test)]
        #[inline]
        fn on_error(&mut self, _: &Room, _: &Connection, _: &str) -> Result<()> {
            Ok(())
        }
    }
}

mod whole {
    use super::{
        Close, Connection, Cron, Decision, Lobby, Message, Party, Reply, Request, Response, Result,
        ResumeReason, Room, StartReason, Talk,
    };

    #[derive(Default)]
    pub(crate) struct Whole;

    #[party::serve]
    impl Party for Whole {
        fn on_start(&mut self, _: &Room, _: StartReason) -> Result<()> {
            Ok(())
        }
        fn on_resume(&mut self, _: &Room, _: ResumeReason) -> Result<()> {
            Ok(())
        }
        fn on_connect(&mut self, _: &Room, _: &Connection) -> Result<()> {
            Ok(())
        }
        fn on_message(&mut self, _: &Room, _: &Connection, _: Message) -> Result<()> {
            Ok(())
        }
        fn on_close(&mut self, _: &Room, _: &Connection, _: Close) -> Result<()> {
            Ok(())
        }
        fn on_error(&mut self, _: &Room, _: &Connection, _: &str) -> Result<()> {
            Ok(())
        }
        fn on_request(&mut self, _: &Room, _: Request) -> Result<Reply> {
            Ok(Response::status(204).into())
        }
        fn on_alarm(&mut self, _: &Room) -> Result<()> {
            Ok(())
        }
        fn before_connect(_: &Lobby, _: &str, _: &Request) -> Result<Decision> {
            Ok(Decision::proceed().into())
        }
        fn before_request(_: &Lobby, _: &str, _: &Request) -> Result<Decision> {
            Ok(Decision::proceed().into())
        }
        fn on_fetch(_: &Lobby, _: Request) -> Result<Decision> {
            Ok(Response::status(204).into())
        }
        fn on_socket(_: &Lobby, _: &Request) -> Result<Talk> {
            Ok(Response::status(404).into())
        }
        fn on_cron(_: &Lobby, _: &Cron) -> Result<()> {
            Ok(())
        }
        fn save(&mut self, _: &Room) -> Result<Vec<u8>> {
            Ok(Vec::new())
        }
        fn restore(&mut self, _: &Room, _: &[u8]) -> Result<()> {
            Ok(())
        }
    }
}

fn announced<P: Capable>() -> Handlers {
    P::HANDLERS
}

#[test]
fn a_party_without_handlers_announces_what_tasks_need() {
    assert_eq!(announced::<silent::Silent>(), NEEDED);
    for needed in
        [Handlers::ON_COMPLETED, Handlers::ON_STREAM, Handlers::ON_DRAIN, Handlers::ON_RESPONSE_CLOSED]
    {
        assert!(NEEDED.contains(needed));
    }
}

#[test]
fn handlers_that_are_not_compiled_are_not_announced() {
    let expected = NEEDED | Handlers::ON_MESSAGE | Handlers::ON_ERROR;
    assert_eq!(announced::<choosy::Choosy>(), expected);
    assert_eq!(choosy::Choosy::default().heard, 0);
}

#[test]
fn every_handler_can_be_announced() {
    let expected = NEEDED
        | Handlers::ON_START
        | Handlers::SAVE
        | Handlers::RESTORE
        | Handlers::ON_RESUME
        | Handlers::ON_CONNECT
        | Handlers::ON_MESSAGE
        | Handlers::ON_CLOSE
        | Handlers::ON_ERROR
        | Handlers::ON_REQUEST
        | Handlers::ON_ALARM
        | Handlers::BEFORE_CONNECT
        | Handlers::BEFORE_REQUEST
        | Handlers::ON_FETCH
        | Handlers::ON_SOCKET
        | Handlers::ON_CRON;
    assert_eq!(announced::<whole::Whole>(), expected);
}
