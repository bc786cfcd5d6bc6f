//! The body of an answer, read within bounds.

use std::future::poll_fn;
use std::sync::Arc;

use bytes::Bytes;
use party_core::large;
use party_core::operation::OperationError;

use crate::edge::count::Count;
use crate::outbound::arriving::Arriving;
use crate::outbound::broke;

/// Reads all of it.
pub(super) async fn read(
    bodies: &Arc<Count>,
    mut body: Arriving,
    bytes_max: u64,
) -> Result<Bytes, OperationError> {
    if body.bytes_min() > bytes_max {
        return Err(OperationError::TooLarge(bytes_max));
    }
    let Some(mut share) = bodies.take(0) else { return Err(no_room()) };
    let (mut first, mut rest) = (Bytes::new(), Vec::new());
    while let Some(data) = poll_fn(|cx| body.poll_bytes(cx)).await {
        let data = data.map_err(broke)?;
        if (first.len() + rest.len() + data.len()) as u64 > bytes_max {
            return Err(OperationError::TooLarge(bytes_max));
        }
        if !share.grow(data.len()) {
            return Err(no_room());
        }
        // Most bodies come in one piece.
        if first.is_empty() && rest.is_empty() {
            first = data;
            continue;
        }
        if let Err(refused) = large::reserve_ahead(&mut rest, first.len() + data.len()) {
            return Err(OperationError::Connect(refused.to_string()));
        }
        rest.extend_from_slice(&std::mem::take(&mut first));
        rest.extend_from_slice(&data);
    }
    // One piece is copied, or it would keep the buffer that it was read into.
    Ok(if rest.is_empty() { Bytes::copy_from_slice(&first) } else { rest.into() })
}

fn no_room() -> OperationError {
    OperationError::Connect("the host reads as many bodies of answers as it may".into())
}
