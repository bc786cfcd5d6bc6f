//! A request body that does not come along: it stays with its client until the room reads it, and then goes to the room piece by
//! piece, as fast as the room takes it.
//!
//! What the room does not want is read away, within bounds: while nobody reads a body, nobody would learn that its client has gone.

use std::rc::Rc;

use hyper::body::{Body, Incoming};
use party_node::request_body::{BodySender, WaitingBody};

use super::body::{before, next_frame};
use super::http::Progress;
use super::worker::EdgeWorker;

/// Bytes of a body that are read away when nobody wants them; with more, the connection ends with the answer.
const UNWANTED_BYTES_MAX: usize = 1 << 20;

/// Whether this body is one that waits where the room reads bodies: its length is not known, or is more than may come along.
pub(crate) fn waits(body: &Incoming, bytes_max: u32) -> bool {
    !body.is_end_stream() && body.size_hint().exact().is_none_or(|bytes| bytes > u64::from(bytes_max))
}

/// Keeps a body for its room, and brings it when that asks for it.
pub(crate) fn keep(worker: &Rc<EdgeWorker>, progress: &Rc<Progress>, mut body: Incoming) -> WaitingBody {
    let (sender, waiting) = WaitingBody::pair();
    let (worker, progress) = (Rc::clone(worker), Rc::clone(progress));
    tokio::task::spawn_local(async move {
        match bring(&worker, &progress, &mut body, sender).await {
            End::Whole => {}
            End::Broken => progress.ends(worker.clock().now()),
            End::Unwanted => read_away(&worker, &progress, body).await,
        }
    });
    waiting
}

/// How the bringing of a body has ended.
enum End {
    /// With the body.
    Whole,
    /// Its client sends no more of it, or nothing that could be understood: the connection can carry nothing else.
    Broken,
    /// The room wants no more of it, or has not begun to read it in time.
    Unwanted,
}

async fn bring(worker: &EdgeWorker, progress: &Progress, body: &mut Incoming, mut sender: BodySender) -> End {
    let ms_max = worker.limits.body_ms_max;
    let due = || worker.clock().now().after_ms(ms_max);
    match before(worker.clock(), due(), sender.begun()).await {
        Some(Ok(())) => {}
        Some(Err(_)) | None => return End::Unwanted,
    }
    loop {
        if sender.ready().await.is_err() {
            return End::Unwanted;
        }
        let frame = tokio::select! {
            biased;
            () = sender.unwanted() => return End::Unwanted,
            frame = before(worker.clock(), due(), next_frame(progress, body)) => frame,
        };
        match frame {
            Some(Ok(Some(frame))) => match frame.into_data() {
                Ok(data) if !data.is_empty() => {
                    if sender.send(data).await.is_err() {
                        return End::Unwanted;
                    }
                }
                Ok(_) | Err(_) => {}
            },
            Some(Ok(None)) => {
                sender.finish().await;
                return End::Whole;
            }
            Some(Err(why)) => {
                sender.break_off(why).await;
                return End::Broken;
            }
            None => {
                sender.break_off(format!("nothing of it has come within {ms_max} ms")).await;
                return End::Broken;
            }
        }
    }
}

/// Reads what nobody wants. A client that sends more is cut off behind its answer, and gets to see that.
async fn read_away(worker: &EdgeWorker, progress: &Progress, mut body: Incoming) {
    let mut left = UNWANTED_BYTES_MAX;
    loop {
        match next_frame(progress, &mut body).await {
            Ok(Some(frame)) => {
                let bytes = frame.data_ref().map_or(0, |data| data.len());
                match left.checked_sub(bytes) {
                    Some(rest) => left = rest,
                    None => return progress.refuse(),
                }
            }
            Ok(None) => return,
            Err(_) => return progress.ends(worker.clock().now()),
        }
    }
}
