//! A request body that does not come along: it stays with its client until the room reads it, and then goes to the room piece by
//! piece, as fast as the room takes it.

use std::rc::Rc;

use hyper::body::{Body, Incoming};
use party_node::request_body::{BodySender, Unwanted, WaitingBody};

use super::body::{before, next_frame};
use super::http::Progress;
use super::worker::EdgeWorker;

/// Whether this body is one that waits where the room reads bodies: its length is not known, or is more than may come along.
pub(crate) fn waits(body: &Incoming, bytes_max: u32) -> bool {
    !body.is_end_stream() && body.size_hint().exact().is_none_or(|bytes| bytes > u64::from(bytes_max))
}

/// Keeps a body for its room, and brings it when that asks for it.
pub(crate) fn keep(worker: &Rc<EdgeWorker>, progress: &Rc<Progress>, body: Incoming) -> WaitingBody {
    let (sender, waiting) = WaitingBody::pair();
    let (worker, progress) = (Rc::clone(worker), Rc::clone(progress));
    tokio::task::spawn_local(async move {
        if bring(&worker, &progress, body, sender).await.is_err() {
            // What its client still sends is read away for a while, so that it gets to see the answer.
            progress.refuse();
        }
    });
    waiting
}

async fn bring(
    worker: &EdgeWorker,
    progress: &Progress,
    mut body: Incoming,
    mut sender: BodySender,
) -> Result<(), Unwanted> {
    sender.begun().await?;
    let ms_max = worker.limits.body_ms_max;
    loop {
        sender.ready().await?;
        let due = worker.clock().now().after_ms(ms_max);
        let frame = tokio::select! {
            biased;
            () = sender.unwanted() => return Err(Unwanted),
            frame = before(worker.clock(), due, next_frame(progress, &mut body)) => frame,
        };
        match frame {
            Some(Ok(Some(frame))) => match frame.into_data() {
                Ok(data) if !data.is_empty() => sender.send(data).await?,
                Ok(_) | Err(_) => {}
            },
            Some(Ok(None)) => {
                sender.finish().await;
                return Ok(());
            }
            Some(Err(why)) => {
                sender.break_off(why).await;
                return Ok(());
            }
            None => {
                sender.break_off(format!("nothing of it has come within {ms_max} ms")).await;
                return Err(Unwanted);
            }
        }
    }
}
