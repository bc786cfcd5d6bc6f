//! Clients that ask for a connection, and what they are told.

use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Result;

use crate::client::Client;
use crate::host::Host;

/// What a client got that asked for a connection.
pub enum Answer {
    /// A connection.
    Connected(Client),
    /// A response instead: its status and its body.
    Refused(u16, String),
    /// Nothing yet, when everything was quiet.
    Nothing(Knocking),
}

/// A client that has not been answered yet.
pub struct Knocking {
    host: Rc<Host>,
    answer: Pin<Box<dyn Future<Output = Result<Answer>>>>,
}

impl Knocking {
    pub(super) fn new(host: Rc<Host>, answer: Pin<Box<dyn Future<Output = Result<Answer>>>>) -> Knocking {
        Knocking { host, answer }
    }

    /// The answer, if there is one when everything is quiet.
    pub async fn answer(mut self) -> Result<Answer> {
        self.host.settle().await;
        let host = Rc::clone(&self.host);
        let waited = async {
            tokio::select! {
                biased;
                answer = &mut self.answer => Some(answer),
                () = tokio::time::sleep(Duration::from_millis(1)) => None,
            }
        };
        match host.during(waited).await {
            Some(answer) => answer,
            None => Ok(Answer::Nothing(self)),
        }
    }
}
