//! Watching a project: which of its files have changed, and what that means.
//!
//! Whatever cargo, git or this host write is no source, or building would begin again because of its own output. What
//! happens to a source is a change only if the source then differs ([`seen`]).

mod seen;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use party_server::config::{FILE_NAME, PartySource, ProjectConfig};
use tokio::sync::mpsc as async_mpsc;

use seen::{Seen, TooMany};

/// Changes that come closer together than this are one: editors write in several steps.
const QUIET: Duration = Duration::from_millis(150);
/// What cargo, this host, git and npm write.
const NOT_SOURCES: [&str; 5] = ["target", "Cargo.lock", ".party", ".git", "node_modules"];
/// What editors write beside a file while they save it, and rooms that were taken out, by their end.
const NOT_SAVED: [&str; 4] = ["~", ".swp", ".swx", ".room"];

/// What has changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Change {
    /// The code of a party, or a component.
    Sources(Changed),
    /// The project's party.toml.
    Settings,
}

/// Files that have changed. Prints as `src/lib.rs has changed`.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Changed {
    /// One of them, as a person in the project would name it; none if it is not known which.
    one: Option<PathBuf>,
    /// How many more there are.
    more: usize,
}

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.one, self.more) {
            (None, _) => f.write_str("something has changed"),
            (Some(one), 0) => write!(f, "{} has changed", one.display()),
            (Some(one), more) => write!(f, "{} and {more} more have changed", one.display()),
        }
    }
}

/// Watches a project and the code of its parties, for as long as the receiver is there. What a host writes to `data` is no change.
pub(crate) fn watch(config: &ProjectConfig, data: Option<&Path>) -> Result<async_mpsc::Receiver<Change>> {
    let (sender, receiver) = async_mpsc::channel(1);
    let (event_sender, events) = mpsc::channel();
    let mut watcher = notify::recommended_watcher(event_sender).context("changes cannot be watched")?;
    let watched = Watched::of(config, data);
    for root in &watched.roots {
        watcher
            .watch(root, RecursiveMode::Recursive)
            .with_context(|| format!("{} cannot be watched", root.display()))?;
    }
    let watching = std::thread::Builder::new().name("watch".into());
    // After the watch has begun and before anything is built: what changes from now on is a change.
    let seen = watched.look();
    watching.spawn(move || {
        forward(&events, &sender, &watched, seen);
        // Its end closes `events`.
        drop::<RecommendedWatcher>(watcher);
    })?;
    Ok(receiver)
}

/// Tells changes until nobody listens any more.
fn forward(
    events: &mpsc::Receiver<notify::Result<Event>>,
    changes: &async_mpsc::Sender<Change>,
    watched: &Watched,
    mut seen: Result<Seen, TooMany>,
) {
    while let Ok(first) = events.recv() {
        let mut found = watched.changes_in(first);
        while let Ok(more) = events.recv_timeout(QUIET) {
            found.add(watched.changes_in(more));
        }
        if found == Found::default() {
            continue;
        }
        let now = watched.look();
        let mut changed = Changed::default();
        if let (Ok(now), Ok(earlier)) = (&now, &seen) {
            found = watched.changes_of(now.since(earlier));
            changed = watched.sources_of(now.since(earlier));
        }
        seen = now;
        let settings = found.settings.then_some(Change::Settings);
        let sources = found.sources.then_some(Change::Sources(changed));
        for change in settings.into_iter().chain(sources) {
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

/// What a file is to a project.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Source,
    Settings,
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
    /// Where rooms are kept, if that is not below `.party`.
    data: Option<PathBuf>,
}

impl Watched {
    fn of(config: &ProjectConfig, data: Option<&Path>) -> Watched {
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
        // Where rooms are kept in the midst of sources, those are still watched.
        let is_apart = |data: &PathBuf| !roots.iter().any(|root| root.starts_with(data));
        let data = data.map(absolute).filter(is_apart);
        Watched { roots, components, settings, assets, data }
    }

    /// Looks at all files that matter.
    fn look(&self) -> Result<Seen, TooMany> {
        let mut seen = Seen::default();
        for root in &self.roots {
            seen.look_into(root, &|path| self.kind_of(path).is_some())?;
        }
        self.components.iter().try_for_each(|component| seen.look_at(component))?;
        Ok(seen)
    }

    fn changes_in(&self, event: notify::Result<Event>) -> Found {
        match event {
            Ok(event) => match event.kind {
                EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_) => {
                    self.changes_of(event.paths.iter().map(PathBuf::as_path))
                }
                EventKind::Access(_) | EventKind::Any | EventKind::Other => Found::default(),
            },
            // Some events were lost: whatever it was, a look tells.
            Err(_) => Found { settings: true, sources: true },
        }
    }

    fn changes_of<'a>(&self, paths: impl Iterator<Item = &'a Path>) -> Found {
        let mut found = Found::default();
        for path in paths {
            match self.kind_of(path) {
                Some(Kind::Settings) => found.settings = true,
                Some(Kind::Source) => found.sources = true,
                None => {}
            }
        }
        found
    }

    fn sources_of<'a>(&self, paths: impl Iterator<Item = &'a Path>) -> Changed {
        let mut sources = paths.filter(|path| self.kind_of(path) == Some(Kind::Source));
        let project = self.settings.parent().unwrap_or(&self.settings);
        let one = sources.next().map(|one| one.strip_prefix(project).unwrap_or(one).to_path_buf());
        Changed { one, more: sources.count() }
    }

    fn kind_of(&self, path: &Path) -> Option<Kind> {
        if path == self.settings {
            return Some(Kind::Settings);
        }
        if self.components.iter().any(|component| component == path) {
            return Some(Kind::Source);
        }
        if [&self.assets, &self.data].into_iter().flatten().any(|apart| path.starts_with(apart)) {
            return None;
        }
        let below = self.roots.iter().find_map(|root| path.strip_prefix(root).ok())?;
        let is_source = below.components().all(|part| {
            let part = part.as_os_str().to_string_lossy();
            !NOT_SOURCES.contains(&part.as_ref()) && !NOT_SAVED.iter().any(|end| part.ends_with(end))
        });
        (is_source && !is_rust_test(below)).then_some(Kind::Source)
    }
}

/// Whether a file below a crate is of its own tests or benches, which are no part of a party.
fn is_rust_test(below: &Path) -> bool {
    let is_rust = below.extension().is_some_and(|extension| extension == "rs");
    is_rust && ["tests", "benches"].iter().any(|dir| below.starts_with(dir))
}

fn absolute(path: &Path) -> PathBuf {
    if let Ok(path) = path.canonicalize() {
        return path;
    }
    // Of one that is not there yet, what there is of its way.
    let Ok(path) = std::path::absolute(path) else { return path.to_path_buf() };
    let real = |above: &Path| Some(above.canonicalize().ok()?.join(path.strip_prefix(above).ok()?));
    path.ancestors().find_map(real).unwrap_or_else(|| path.clone())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::sync::mpsc;

    use notify::event::{CreateKind, ModifyKind, RenameMode};
    use notify::{Event, EventKind};
    use tokio::sync::mpsc as async_mpsc;

    use super::{Change, Kind, Watched, forward};

    #[test]
    fn only_what_is_built_or_read_at_the_start_is_a_change() {
        let watched = Watched {
            roots: vec!["/p".into(), "/elsewhere/target/wasm".into()],
            components: vec!["/elsewhere/target/wasm/lobby.wasm".into(), "/p/target/main.wasm".into()],
            settings: "/p/party.toml".into(),
            assets: Some("/p/public".into()),
            data: Some("/p/rooms".into()),
        };
        let cases = [
            ("/p/src/lib.rs", Some(Kind::Source)),
            ("/p/Cargo.toml", Some(Kind::Source)),
            ("/p/party-sdk/guest-sdk/rust/src/room.rs", Some(Kind::Source)),
            ("/p/party.toml", Some(Kind::Settings)),
            ("/p/src/party.toml", Some(Kind::Source)),
            ("/p/target/main.wasm", Some(Kind::Source)),
            ("/elsewhere/target/wasm/lobby.wasm", Some(Kind::Source)),
            ("/p/public/index.html", None),
            ("/p/rooms/rooms.store", None),
            ("/p/rooms.rs", Some(Kind::Source)),
            ("/p/Cargo.lock", None),
            ("/p/target/release/deps/hello.d", None),
            ("/p/.party/data/rooms.store", None),
            ("/p/.git/index.lock", None),
            ("/p/src/lib.rs~", None),
            ("/p/src/.lib.rs.swp", None),
            ("/p/lobby.room", None),
            ("/q/src/lib.rs", None),
        ];
        for (path, expected) in cases {
            assert_eq!(watched.kind_of(Path::new(path)), expected, "{path}");
        }
    }

    /// What is told of these events, which have come since a look, in one go.
    fn told(watched: &Watched, happen: impl FnOnce(&mut dyn FnMut(EventKind, &Path))) -> Vec<String> {
        let seen = watched.look();
        let (sender, events) = mpsc::channel();
        let (changes, mut hear) = async_mpsc::channel(2);
        happen(&mut |kind, path| sender.send(Ok(Event::new(kind).add_path(path.into()))).expect("heard"));
        drop(sender);
        forward(&events, &changes, watched, seen);
        let in_words = |change: Change| match change {
            Change::Settings => "settings".to_owned(),
            Change::Sources(changed) => changed.to_string(),
        };
        std::iter::from_fn(|| hear.try_recv().ok()).map(in_words).collect()
    }

    #[test]
    fn cargo_making_its_target_is_no_change_and_a_source_that_differs_is() {
        // `dev` once built twice at its first start: cargo makes `target` as `targetXXXXXX` and moves it to its place.
        const MOVED: EventKind = EventKind::Modify(ModifyKind::Name(RenameMode::From));
        const MADE: EventKind = EventKind::Create(CreateKind::Any);
        const WRITTEN: EventKind = EventKind::Modify(ModifyKind::Any);
        let dir = tempfile::tempdir().expect("the system has a place");
        let root = dir.path().canonicalize().expect("it is there");
        let at = |name: &str| -> PathBuf { root.join(name) };
        let settings = at("party.toml");
        let watched =
            Watched { roots: vec![root.clone()], components: Vec::new(), settings, assets: None, data: None };
        fs::create_dir(at("src")).expect("written");
        fs::write(at("src/lib.rs"), "one").expect("written");
        let by_cargo = told(&watched, |event| {
            fs::create_dir(at("targetAbCdEf")).expect("written");
            fs::write(at("targetAbCdEf/CACHEDIR.TAG"), "").expect("written");
            fs::rename(at("targetAbCdEf"), at("target")).expect("moved");
            event(MADE, &at("targetAbCdEf"));
            event(MADE, &at("targetAbCdEf/CACHEDIR.TAG"));
            event(MOVED, &at("targetAbCdEf"));
            event(WRITTEN, &root);
            event(WRITTEN, &at("src/lib.rs"));
        });
        assert_eq!(by_cargo, [""; 0]);
        let by_person = told(&watched, |event| {
            fs::write(at("src/lib.rs"), "two and more").expect("written");
            event(WRITTEN, &at("src/lib.rs"));
        });
        assert_eq!(by_person, ["src/lib.rs has changed"]);
        let both = told(&watched, |event| {
            fs::remove_file(at("src/lib.rs")).expect("removed");
            fs::write(at("notes.md"), "").expect("written");
            fs::write(at("party.toml"), "").expect("written");
            event(WRITTEN, &at("src/lib.rs"));
        });
        assert_eq!(
            both,
            ["settings", "notes.md and 1 more have changed"],
            "a look finds what no event has told, too"
        );
    }
}
