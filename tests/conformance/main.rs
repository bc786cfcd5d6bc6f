//! What RFC 6455 demands of the wire, asked of the real binary: by the Autobahn|Testsuite, and by random conversations that are
//! held against a reference.

mod autobahn;
mod echo;
mod frames;
mod generate;
mod reference;
