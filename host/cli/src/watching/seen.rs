//! What the files of a project were like when they were last looked at.
//!
//! An event says that something has happened to a path, not that a file differs: cargo makes its `target` under another
//! name and moves it to its place, editors write drafts, a link changes what the system keeps of a file. So an event
//! only asks for a look, and a change is what differs from the last look.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Files that are looked at, at most: beyond, looking would take longer than building.
const FILES_MAX: usize = 50_000;

/// When a file was last written, and how many bytes it has.
type Stamp = (Option<SystemTime>, u64);

/// A look at files.
#[derive(Debug, Default)]
pub(super) struct Seen {
    files: BTreeMap<PathBuf, Stamp>,
    /// Directories, each by its real path, so that links in a circle come to an end.
    entered: BTreeSet<PathBuf>,
}

/// There are more files than [`FILES_MAX`].
#[derive(Debug)]
pub(super) struct TooMany;

impl Seen {
    /// Looks at a file. One that is not there, or is a directory, is not seen.
    pub(super) fn look_at(&mut self, path: &Path) -> Result<(), TooMany> {
        let Ok(found) = fs::metadata(path) else { return Ok(()) };
        if found.is_dir() {
            return Ok(());
        }
        if self.files.len() >= FILES_MAX {
            return Err(TooMany);
        }
        self.files.insert(path.to_path_buf(), (found.modified().ok(), found.len()));
        Ok(())
    }

    /// Looks at the files below a directory for which `matters` holds, and into such directories.
    pub(super) fn look_into(&mut self, dir: &Path, matters: &dyn Fn(&Path) -> bool) -> Result<(), TooMany> {
        let mut left = vec![dir.to_path_buf()];
        while let Some(dir) = left.pop() {
            let Ok(real) = dir.canonicalize() else { continue };
            if !self.entered.insert(real) {
                continue;
            }
            // One that cannot be read cannot be built from either, and the build says so.
            let Ok(entries) = fs::read_dir(&dir) else { continue };
            for path in entries.flatten().map(|entry| entry.path()).filter(|path| matters(path)) {
                match path.is_dir() {
                    true => left.push(path),
                    false => self.look_at(&path)?,
                }
            }
        }
        Ok(())
    }

    /// The files that have come, gone or changed since an earlier look.
    pub(super) fn since<'a>(&'a self, earlier: &'a Seen) -> impl Iterator<Item = &'a Path> {
        let other = |path: &&PathBuf| self.files.get(*path) != earlier.files.get(*path);
        let gone = earlier.files.keys().filter(|path| !self.files.contains_key(*path));
        self.files.keys().chain(gone).filter(other).map(PathBuf::as_path)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::Seen;

    fn look(dir: &Path) -> Seen {
        let mut seen = Seen::default();
        seen.look_into(dir, &|path| !path.ends_with("target")).expect("there are few files");
        seen
    }

    fn changed(dir: &Path, earlier: &Seen) -> Vec<String> {
        let now = look(dir);
        now.since(earlier).map(|path| path.strip_prefix(dir).expect("below").display().to_string()).collect()
    }

    #[test]
    fn what_has_come_gone_or_changed_is_told() {
        let dir = tempfile::tempdir().expect("the system has a place");
        let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).expect("written");
        fs::create_dir(dir.path().join("src")).expect("written");
        write("src/lib.rs", "one");
        write("old.rs", "");
        let earlier = look(dir.path());
        assert_eq!(changed(dir.path(), &earlier), [""; 0]);
        fs::create_dir(dir.path().join("empty")).expect("written");
        fs::create_dir(dir.path().join("target")).expect("written");
        write("target/lib.rs", "built");
        fs::hard_link(dir.path().join("old.rs"), dir.path().join("target/linked")).expect("written");
        assert_eq!(changed(dir.path(), &earlier), [""; 0], "none of these is a source that differs");
        write("src/lib.rs", "three");
        write("src/new.rs", "");
        fs::remove_file(dir.path().join("old.rs")).expect("removed");
        assert_eq!(changed(dir.path(), &earlier), ["src/lib.rs", "src/new.rs", "old.rs"]);
    }

    #[test]
    fn links_are_followed_and_those_in_a_circle_come_to_an_end() {
        let (dir, other) = (tempfile::tempdir().expect("a place"), tempfile::tempdir().expect("a place"));
        for name in ["a", "b"] {
            std::os::unix::fs::symlink(dir.path(), dir.path().join(name)).expect("written");
        }
        std::os::unix::fs::symlink(other.path(), dir.path().join("shared")).expect("written");
        let earlier = look(dir.path());
        fs::write(other.path().join("lib.rs"), "").expect("written");
        assert_eq!(changed(dir.path(), &earlier), ["shared/lib.rs"]);
    }
}
