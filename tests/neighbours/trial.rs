//! Windows of time with and without a misdeed, and what they say.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::house::{House, Memory};
use crate::machine;
use crate::misdeeds::Misdeed;
use crate::pace::{Felt, Neighbour, talk};
use crate::scene::Scene;

/// How long the neighbours are listened to at once.
const WINDOW: Duration = Duration::from_millis(120);
/// Windows in a row in which nothing was done, after which it is not tried again: six seconds in which others had the machine.
const VOID_MAX: usize = 50;
/// What a neighbour may wait for beside a busy room when all is well, in milliseconds: a guest that runs yields after one,
/// and a room with much to do steps aside after one. A p99 below it is not told apart from it.
pub(crate) const QUANTUM_MS: f64 = 1.0;
/// Neighbours wait less than so many times longer: section 6 of what reliable means here.
pub(crate) const RATIO_MAX: f64 = 2.0;

/// What one misdeed did to the neighbours, over several windows.
#[derive(Default)]
pub(crate) struct Trial {
    base: Vec<f64>,
    beside: Vec<f64>,
    away: Vec<f64>,
    ratio_beside: Vec<f64>,
    ratio_away: Vec<f64>,
    /// How often it was done.
    pub(crate) done: u64,
    /// By how much the host's memory grew at most, in MiB.
    pub(crate) growth_mib: u64,
}

/// Listens to the neighbours of a host at rest.
pub(crate) fn listen(house: &House, neighbours: &mut [Neighbour]) -> Result<Felt> {
    house.rest()?;
    talk(neighbours, WINDOW)
}

/// Listens to them while so many clients do something. Those get only the time that nobody else wants; a window in which
/// they got none says nothing and is repeated, a bounded number of times.
pub(crate) fn listen_beside(
    house: &House,
    neighbours: &mut [Neighbour],
    clients: usize,
    commit: impl Fn(&Scene) -> Result<()> + Sync,
) -> Result<(Felt, Scene)> {
    for _ in 0..VOID_MAX {
        house.rest()?;
        let scene = Scene::new(house.port());
        let (felt, meanwhile) = act(&scene, neighbours, clients, &commit)?;
        if meanwhile > 0 {
            return Ok((felt, scene));
        }
    }
    bail!("nothing was done while the neighbours talked, in {VOID_MAX} windows")
}

/// What the neighbours felt, and how much was done while they were listened to.
fn act(
    scene: &Scene,
    neighbours: &mut [Neighbour],
    clients: usize,
    commit: impl Fn(&Scene) -> Result<()> + Sync,
) -> Result<(Felt, u64)> {
    thread::scope(|scope| {
        let commit = || {
            let done = machine::stand_back().and_then(|()| commit(scene));
            scene.begin();
            done
        };
        let culprits: Vec<_> = (0..clients).map(|_| scope.spawn(commit)).collect();
        scene.wait_for_the_first();
        let before = scene.done();
        let felt = talk(neighbours, WINDOW);
        let meanwhile = scene.done() - before;
        scene.end();
        for culprit in culprits {
            culprit.join().expect("a client does not panic")?;
        }
        Ok((felt?, meanwhile))
    })
}

impl Trial {
    /// One window more, to be held against one without.
    pub(crate) fn add(
        &mut self,
        house: &House,
        neighbours: &mut [Neighbour],
        misdeed: &Misdeed,
        base: &Felt,
    ) -> Result<()> {
        house.forget_peak()?;
        let Memory { resident, .. } = house.memory()?;
        let said_before = misdeed.said.map(|said| house.said(said));
        let (felt, scene) = listen_beside(house, neighbours, 1, misdeed.commit).context(misdeed.name)?;
        let said_after = misdeed.said.map(|said| house.said(said));
        ensure!(
            said_before.is_none() || said_after > said_before,
            "{}: the host does not say {:?}",
            misdeed.name,
            misdeed.said
        );
        self.growth_mib = self.growth_mib.max(house.memory()?.peak.saturating_sub(resident));
        self.done += scene.done();
        self.compare(base, &felt);
        Ok(())
    }

    /// Holds a window with a misdeed against one without.
    pub(crate) fn compare(&mut self, base: &Felt, felt: &Felt) {
        let p99 = |felt: &Felt| (felt.beside.percentile(99), felt.away.percentile(99));
        let ((base_beside, base_away), (beside, away)) = (p99(base), p99(felt));
        self.base.push(base_beside);
        self.beside.push(beside);
        self.away.push(away);
        self.ratio_beside.push(beside / base_beside.max(QUANTUM_MS));
        self.ratio_away.push(away / base_away.max(QUANTUM_MS));
    }

    /// How many times longer the neighbours waited, the median: those on the same worker, and those on the other.
    pub(crate) fn ratios(&self) -> (f64, f64) {
        (median(&self.ratio_beside), median(&self.ratio_away))
    }

    /// Whether the neighbours wait less than so many times longer.
    pub(crate) fn is_below(&self, ratio_max: f64) -> bool {
        let (beside, away) = self.ratios();
        beside < ratio_max && away < ratio_max
    }

    /// The row of docs/neighbours.md: times in milliseconds, memory in MiB.
    pub(crate) fn row(&self, name: &str) -> String {
        let (beside, away) = self.ratios();
        let times = [&self.base, &self.beside, &self.away].map(|times| format!("{:.2}", median(times)));
        let Trial { done, growth_mib, .. } = self;
        format!("| {name} | {} | {beside:.2} | {away:.2} | {growth_mib} | {done} |", times.join(" | "))
    }
}

/// The middle one, or the lesser of the two.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[(sorted.len() - 1) / 2]
}
