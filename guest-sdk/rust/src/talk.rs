//! A client that leads to no room, and what is said with it: one function for each, in an instance of its own.
//!
//! What must hold: a message that nobody has taken keeps its event from ending, which holds the client back; and the close is
//! settled when the function has ended, because the instance ends with that.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Poll, Waker};

use crate::connection::{Connection, ConnectionError};
use crate::error::Result;
use crate::http::Response;
use crate::lobby::Lobby;
use crate::logging::{Level, log};
use crate::message::{AsFrame, Message};
use crate::runtime;
use crate::stream::Closed;
use crate::task::{self, BoxFuture, EventHold, TaskOutput};

/// The close code of a function that has failed.
const FAILED: u16 = 1011;
/// The close code of one that has ended.
const ENDED: u16 = 1000;

/// What becomes of a client that leads to no room; given back by [`Party::on_socket`](crate::Party::on_socket).
///
/// A [`Response`] turns it away: `Ok(Response::text("no").with_status(404).into())`.
#[must_use = "it is begun when the handler returns it"]
pub struct Talk(Said);

enum Said {
    With(Box<dyn FnOnce(Caller) -> BoxFuture<Result<()>>>),
    Refused(Response),
    Later(BoxFuture<Result<Talk>>),
}

impl Talk {
    /// Talk with the client in this function, which has it and whatever it keeps in its variables. It begins at once, and what it
    /// sends before its first `await` leaves with the 101. When it ends, the client is closed: with 1000, or with 1011 and the
    /// message of its error. When the client has gone, it has 30 s for what is left to do.
    ///
    /// ```no_run
    /// # use party::{Result, Talk};
    /// # fn example() -> Result<Talk> {
    /// Ok(Talk::with(async |_lobby, mut caller| {
    ///     while let Ok(message) = caller.next().await {
    ///         caller.send(&message)?;
    ///     }
    ///     Ok(())
    /// }))
    /// # }
    /// ```
    pub fn with<F, T>(talk: F) -> Self
    where
        F: AsyncFnOnce(Lobby, Caller) -> T + 'static,
        T: TaskOutput,
    {
        Self(Said::With(Box::new(|caller| {
            Box::pin(async move { talk(Lobby::new(), caller).await.into_result() })
        })))
    }

    /// Decide when `task` has ended, in this turn or a later one, with what it says or its error. The client waits; one of
    /// PartySocket's for 4 s, and after 3.5 s it gets its 101 whatever comes of it.
    pub fn later<F>(task: F) -> Self
    where
        F: AsyncFnOnce(Lobby) -> Result<Self> + 'static,
    {
        Self(Said::Later(Box::pin(async move { task(Lobby::new()).await })))
    }

    /// Begins it, now or when that is known. In the handler.
    pub(crate) fn begin(self, connection: Connection) -> Result<()> {
        match self.0 {
            Said::With(talk) => {
                runtime::line().open(connection);
                task::spawn(async move |_| {
                    let result = talk(Caller { connection }).await;
                    runtime::line().end();
                    hang_up(connection, result)
                });
                Ok(())
            }
            Said::Refused(response) => Ok(connection.reject(&response)?),
            Said::Later(task) => {
                task::hold_event(async move {
                    let mut talk = task.await?;
                    while let Said::Later(next) = talk.0 {
                        talk = next.await?;
                    }
                    talk.begin(connection)
                });
                Ok(())
            }
        }
    }
}

impl From<Response> for Talk {
    fn from(response: Response) -> Self {
        Self(Said::Refused(response))
    }
}

/// The function has ended; the client may have gone before.
fn hang_up(connection: Connection, result: Result<()>) -> Result<()> {
    let (code, reason) = match &result {
        Ok(()) => (ENDED, String::new()),
        Err(error) => (FAILED, error.to_string()),
    };
    match (connection.close(code, &reason), result) {
        (Ok(()), result) => result,
        // Whoever speaks to who has gone fails by that.
        (Err(_), Err(error)) => {
            log(Level::Debug, format_args!("a function ended with its client: {error}"));
            Ok(())
        }
        (Err(_), Ok(())) => Ok(()),
    }
}

/// A client that leads to no room.
#[derive(Debug)]
pub struct Caller {
    connection: Connection,
}

impl Caller {
    /// The next message, or how the client went: always the same from then on. As long as sixteen messages have come and were not
    /// taken, no more are read: the client is held back, and nothing is lost.
    pub async fn next(&mut self) -> Result<Message, Closed> {
        poll_fn(|context| runtime::line().poll_next(context.waker())).await
    }

    /// Send one message. Messages arrive in the order in which they were sent.
    pub fn send(&self, message: impl AsFrame) -> Result<(), ConnectionError> {
        self.connection.send(message)
    }

    /// Close it, as [`Connection::close`] does. What [`next`](Self::next) gives from then on is how it went.
    pub fn close(&self, code: u16, reason: &str) -> Result<(), ConnectionError> {
        self.connection.close(code, reason)
    }

    /// It as a connection: what is known of it, and what is kept with it.
    pub const fn connection(&self) -> Connection {
        self.connection
    }
}

/// The one client of this instance, if it is one of those.
#[derive(Default)]
pub(crate) struct Line(RefCell<Option<Open>>);

struct Open {
    connection: Connection,
    /// What has come and nobody has taken; until then its event goes on.
    came: VecDeque<(Message, EventHold)>,
    closed: Option<Closed>,
    /// The function has ended.
    is_over: bool,
    /// Who waits for what comes next, or for that end.
    waiting: Vec<Waker>,
}

impl Line {
    fn open(&self, connection: Connection) {
        let came = VecDeque::new();
        let open = Open { connection, came, closed: None, is_over: false, waiting: Vec::new() };
        *self.0.borrow_mut() = Some(open);
    }

    /// Whether this is its client.
    pub(crate) fn is_with(&self, connection: Connection) -> bool {
        self.0.borrow().as_ref().is_some_and(|open| open.connection == connection)
    }

    /// A message has come. In its handler.
    pub(crate) fn bring(&self, message: Message) {
        self.change(|open| {
            if !open.is_over {
                open.came.push_back((message, task::hold()));
            }
        });
    }

    /// The client has gone. In its handler, which goes on until the function has ended.
    pub(crate) fn close(&self, closed: Closed) {
        self.change(|open| open.closed = Some(closed));
        task::hold_event(async {
            poll_fn(|context| runtime::line().poll_over(context.waker())).await;
            Ok(())
        });
    }

    /// The function has ended: nobody takes anything any more.
    fn end(&self) {
        let left = self.change(|open| {
            open.is_over = true;
            std::mem::take(&mut open.came)
        });
        left.into_iter().flatten().for_each(|(_, hold)| hold.end(Ok(())));
    }

    fn poll_next(&self, waker: &Waker) -> Poll<Result<Message, Closed>> {
        let taken = {
            let mut open = self.0.borrow_mut();
            let Some(open) = open.as_mut() else { return Poll::Pending };
            match (open.came.pop_front(), &open.closed) {
                (Some(taken), _) => taken,
                (None, Some(closed)) => return Poll::Ready(Err(closed.clone())),
                (None, None) => {
                    open.waiting.push(waker.clone());
                    return Poll::Pending;
                }
            }
        };
        let (message, hold) = taken;
        hold.end(Ok(()));
        Poll::Ready(Ok(message))
    }

    fn poll_over(&self, waker: &Waker) -> Poll<()> {
        match self.0.borrow_mut().as_mut() {
            Some(open) if !open.is_over => {
                open.waiting.push(waker.clone());
                Poll::Pending
            }
            Some(_) | None => Poll::Ready(()),
        }
    }

    /// Changes it and wakes who waits.
    fn change<T>(&self, change: impl FnOnce(&mut Open) -> T) -> Option<T> {
        let (changed, waiting) = {
            let mut open = self.0.borrow_mut();
            let open = open.as_mut()?;
            (change(open), std::mem::take(&mut open.waiting))
        };
        waiting.into_iter().for_each(Waker::wake);
        Some(changed)
    }
}
