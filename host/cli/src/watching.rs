//! Watching a project: which of its files have changed, and what that means.
//!
//! Whatever cargo, git or this host write is no source, or building would begin again because of its own output.

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use party_server::config::{FILE_NAME, PartySource, ProjectConfig};
use tokio::sync::mpsc as async_mpsc;

/// Changes that come closer together than this are one: editors write in several steps.
const QUIET: Duration = Duration::from_millis(150);
/// What cargo, this host, git and npm write.
const NOT_SOURCES: [&str; 5] = ["target", "Cargo.lock", ".party", ".git", "node_modules"];
/// What editors write beside a file while they save it, by its end.
const NOT_SAVED: [&str; 3] = ["~", ".swp", ".swx"];

/// What has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Change {
    /// The code of a party, or a component.
    Sources,
    /// The project's party.toml.
    Settings,
}

/// Watches a project and the code of its parties, for as long as the receiver is there.
pub(crate) fn watch(config: &ProjectConfig) -> Result<async_mpsc::Receiver<Change>> {
    let (sender, receiver) = async_mpsc::channel(1);
    let (event_sender, events) = mpsc::channel();
    let mut watcher = notify::recommended_watcher(event_sender).context("changes cannot be watched")?;
    let watched = Watched::of(config);
    for root in &watched.roots {
        watcher
            .watch(root, RecursiveMode::Recursive)
            .with_context(|| format!("{} cannot be watched", root.display()))?;
    }
    let watching = std::thread::Builder::new().name("watch".into());
    watching.spawn(move || forward(&events, &sender, &watched, &watcher))?;
    Ok(receiver)
}

/// Tells changes until nobody listens any more. Holds the watcher, which ends with this.
fn forward(
    events: &mpsc::Receiver<notify::Result<Event>>,
    changes: &async_mpsc::Sender<Change>,
    watched: &Watched,
    _watcher: &RecommendedWatcher,
) {
    while let Ok(first) = events.recv() {
        let mut found = watched.changes_in(first);
        while let Ok(more) = events.recv_timeout(QUIET) {
            found.add(watched.changes_in(more));
        }
        let told = [(found.settings, Change::Settings), (found.sources, Change::Sources)];
        for (_, change) in told.into_iter().filter(|(is_found, _)| *is_found) {
            if changes.blocking_send(change).is_err() {
                return;
            }
        }
    }
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
struct Found {
    settings: bool,
    sources: bool,
}

impl Found {
    fn add(&mut self, more: Found) {
        self.settings |= more.settings;
        self.sources |= more.sources;
    }
}

/// Where a project's files are. All paths are absolute, as those of events are.
struct Watched {
    /// No one is below another.
    roots: Vec<PathBuf>,
    /// Components that somebody else builds, be it below a `target`.
    components: Vec<PathBuf>,
    settings: PathBuf,
    /// Read at every request: a change needs nothing.
    assets: Option<PathBuf>,
}

impl Watched {
    fn of(config: &ProjectConfig) -> Watched {
        let directory = absolute(&config.directory);
        let settings = directory.join(FILE_NAME);
        let (mut roots, mut components) = (vec![directory], Vec::new());
        for source in config.parties.values() {
            let root = match source {
                PartySource::Crate(dir) => absolute(dir),
                PartySource::Component(file) => {
                    let file = absolute(file);
                    // Not the file itself: the one that is put in its place would not be watched.
                    let dir = file.parent().unwrap_or(&file).to_path_buf();
                    components.push(file);
                    dir
                }
            };
            if !roots.iter().any(|above| root.starts_with(above)) {
                roots.retain(|below| !below.starts_with(&root));
                roots.push(root);
            }
        }
        let assets = config.serve.as_ref().map(|serve| absolute(&serve.path));
        Watched { roots, components, settings, assets }
    }

    fn changes_in(&self, event: notify::Result<Event>) -> Found {
        let mut found = Found::default();
        let Ok(event) = event else { return found };
        if matches!(event.kind, EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_)) {
            for path in &event.paths {
                match self.change_of(path) {
                    Some(Change::Settings) => found.settings = true,
                    Some(Change::Sources) => found.sources = true,
                    None => {}
                }
            }
        }
        found
    }

    fn change_of(&self, path: &Path) -> Option<Change> {
        if path == self.settings {
            return Some(Change::Settings);
        }
        if self.components.iter().any(|component| component == path) {
            return Some(Change::Sources);
        }
        if self.assets.as_ref().is_some_and(|assets| path.starts_with(assets)) {
            return None;
        }
        let below = self.roots.iter().find_map(|root| path.strip_prefix(root).ok())?;
        let is_source = below.components().all(|part| {
            let part = part.as_os_str().to_string_lossy();
            !NOT_SOURCES.contains(&part.as_ref()) && !NOT_SAVED.iter().any(|end| part.ends_with(end))
        });
        is_source.then_some(Change::Sources)
    }
}

fn absolute(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_path_buf())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Change, Watched};

    #[test]
    fn only_what_is_built_or_read_at_the_start_is_a_change() {
        let watched = Watched {
            roots: vec!["/p".into(), "/elsewhere/target/wasm".into()],
            components: vec!["/elsewhere/target/wasm/lobby.wasm".into(), "/p/target/main.wasm".into()],
            settings: "/p/party.toml".into(),
            assets: Some("/p/public".into()),
        };
        let cases = [
            ("/p/src/lib.rs", Some(Change::Sources)),
            ("/p/Cargo.toml", Some(Change::Sources)),
            ("/p/party-sdk/guest-sdk/rust/src/room.rs", Some(Change::Sources)),
            ("/p/party.toml", Some(Change::Settings)),
            ("/p/src/party.toml", Some(Change::Sources)),
            ("/p/target/main.wasm", Some(Change::Sources)),
            ("/elsewhere/target/wasm/lobby.wasm", Some(Change::Sources)),
            ("/p/public/index.html", None),
            ("/p/Cargo.lock", None),
            ("/p/target/release/deps/hello.d", None),
            ("/p/.party/data/rooms.store", None),
            ("/p/.git/index.lock", None),
            ("/p/src/lib.rs~", None),
            ("/p/src/.lib.rs.swp", None),
            ("/q/src/lib.rs", None),
        ];
        for (path, expected) in cases {
            assert_eq!(watched.change_of(Path::new(path)), expected, "{path}");
        }
    }
}
