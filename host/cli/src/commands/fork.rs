//! `party-host fork`: a copy of a room, beside it.

use std::sync::Arc;

use anyhow::Result;
use party_core::event::ResumeReason;
use party_server::admin::question::encode;

use crate::args::admin::Fork;
use crate::asking::{Knows, project, room, who_knows};
use crate::commands::checkpoint::{bring, take_out, tell};

pub(crate) fn run(fork: &Fork) -> Result<()> {
    let arrived = match who_knows(&fork.at.data)? {
        Knows::Host(asked) => {
            let (from, to) =
                (room(&fork.room, &asked.itself.project)?, room(&fork.new, &asked.itself.project)?);
            let target = format!("/fork?room={}&to={}", encode(&from.to_string()), encode(&to.to_string()));
            asked.wait(asked.host.json("POST", &target))?
        }
        Knows::Store(store) => {
            let project = project(store.as_ref())?.unwrap_or_else(|| "-".into());
            let (from, to) = (Arc::new(room(&fork.room, &project)?), room(&fork.new, &project)?);
            let file = take_out(store.as_ref(), &from, &fork.at.data)?;
            bring(store.as_ref(), file, &to, ResumeReason::Forked)?
        }
    };
    tell(&arrived);
    Ok(())
}
