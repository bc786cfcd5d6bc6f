//! Having an order charged, by a service outside that may be slow, out of order, or cut off.

use std::time::Duration;

use party::{OperationError, Response, Result, Room, warn};
use serde::Serialize;

use crate::order::note;

/// A charge is tried so often, after waits that double, the first one this long.
const ATTEMPTS_MAX: u32 = 5;
const FIRST_WAIT: Duration = Duration::from_secs(2);
/// An answer is waited for so long.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the service is sent.
#[derive(Serialize)]
struct Charge<'a> {
    order: u32,
    wish: &'a str,
}

/// Charge an order at the address that the var `CHARGE_URL` says; without one, whoever pays is believed. Why not, if not.
///
/// All attempts have the same key, those too that the host repeats by itself when it has died in their midst: by it the service
/// knows that they are one charge, also when it was the answer that was lost.
pub(crate) async fn charge(room: &Room, number: u32, wish: &str) -> Result<(), String> {
    let Some(url) = room.var("CHARGE_URL") else { return Ok(()) };
    let key = format!("{}-{number}", room.incarnation());
    let mut wait = FIRST_WAIT;
    let mut attempt = 1;
    loop {
        let why = match attempt_to_charge(room, &url, &key, &Charge { order: number, wish }).await {
            Ok(answer) if (200..300).contains(&answer.status) => return Ok(()),
            // It has been understood and refused: to ask again changes nothing.
            Ok(answer) if (400..500).contains(&answer.status) && ![408, 429].contains(&answer.status) => {
                return Err(format!("cancelled: the payment is refused ({})", answer.status));
            }
            Ok(answer) => format!("it answers {}", answer.status),
            Err(error @ (OperationError::RefusedByPolicy(_) | OperationError::Invalid(_))) => {
                return Err(format!("cancelled: {url} cannot be asked: {error}"));
            }
            Err(error) => error.to_string(),
        };
        if attempt == ATTEMPTS_MAX {
            warn!("order {number}: ask the service what became of the charge {key}");
            return Err(format!("cancelled: nobody knows whether it is charged ({why})"));
        }
        note(room, number, &format!("not charged yet ({why}), again in {} s", wait.as_secs()));
        room.sleep(wait).await;
        wait *= 2;
        attempt += 1;
    }
}

async fn attempt_to_charge(
    room: &Room,
    url: &str,
    key: &str,
    charge: &Charge<'_>,
) -> Result<Response, OperationError> {
    let fetch =
        room.fetch(url).method("POST").header("idempotency-key", key.to_owned()).timeout(PATIENCE).resend();
    let fetch = fetch.json(charge).map_err(|error| OperationError::Invalid(error.to_string()))?;
    fetch.await
}
