//! What the page and the shop say to each other, in JSON: `{"order": "a blue bicycle"}`, `{"pay": 1}`.

use serde::{Deserialize, Serialize};

use crate::order::Order;

/// From the page.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ToRoom {
    /// I want this.
    Order(String),
    /// I pay the order of this number.
    Pay(u32),
}

/// To the page.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ToClient<'a> {
    /// All orders, the oldest first.
    Orders(Vec<&'a Order>),
    /// An order that is new, or has changed.
    Order(&'a Order),
    /// What you asked for cannot be done, and why.
    Sorry(String),
}
