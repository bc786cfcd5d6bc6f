//! One file per command.

pub(crate) mod build;
pub(crate) mod check;
pub(crate) mod checkpoint;
pub(crate) mod deploy;
pub(crate) mod dev;
pub(crate) mod fork;
pub(crate) mod inspect;
pub(crate) mod new;
pub(crate) mod project;
pub(crate) mod replay;
pub(crate) mod room;
pub(crate) mod rooms;
pub(crate) mod serve;
pub(crate) mod test;
