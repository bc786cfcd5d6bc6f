//! What is left of rooms when their host is killed, or when what it kept is damaged: the real binary, a real directory.

mod clients;
mod damaged;
mod killed;
mod ledger;
