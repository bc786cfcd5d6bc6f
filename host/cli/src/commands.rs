//! One file per command.

pub(crate) mod build;
pub(crate) mod dev;
pub(crate) mod new;
pub(crate) mod project;
pub(crate) mod serve;
