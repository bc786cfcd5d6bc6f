//! `party-host fork`: a copy of a room, beside it.

use std::sync::Arc;

use anyhow::Result;
use party_core::event::ResumeReason;
use party_server::admin::question::encode;

use crate::args::admin::Fork;
use crate::asking::{Knows, who_knows};
use crate::commands::checkpoint::{bring, take_out, tell};

pub(crate) fn run(fork: &Fork) -> Result<()> {
    let knows = who_knows(&fork.at.data)?;
    let projects = knows.projects()?;
    let (from, to) = (projects.room(&fork.room)?, projects.room(&fork.new)?);
    let arrived = match knows {
        Knows::Host(asked) => {
            let target = format!("/fork?room={}&to={}", encode(&from.to_string()), encode(&to.to_string()));
            asked.wait(asked.host.json("POST", &target))?
        }
        Knows::Store(store) => {
            let file = take_out(store.as_ref(), &Arc::new(from), &fork.at.data)?;
            bring(store.as_ref(), file, &to, ResumeReason::Forked)?
        }
    };
    tell(&arrived, &projects);
    Ok(())
}
