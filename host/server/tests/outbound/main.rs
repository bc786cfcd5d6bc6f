//! Fetches by the real client, from real servers on this machine.

mod failing;
mod policy;
mod redirects;
mod secret;
mod servers;
mod streams;
mod whole;
