//! Documents point at what is there.

use std::fs;
use std::path::{Path, PathBuf};

use party_tests::root;

fn documents(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("the tree can be read") {
        let path = entry.expect("the tree can be read").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let left_out = ["target", "node_modules", ".git"].contains(&name.as_str());
        if path.is_dir() && !left_out {
            documents(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

/// The targets of `[text](target)` in a document.
fn targets(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| rest.split(')').next())
}

#[test]
fn no_link_is_dead() {
    let mut found = Vec::new();
    documents(&root(), &mut found);
    assert!(found.len() >= 3, "the walk has found the documents");
    let mut dead = Vec::new();
    for document in found {
        let text = fs::read_to_string(&document).expect("documents are UTF-8");
        for target in targets(&text) {
            let is_elsewhere = ["http:", "https:", "mailto:", "#"].iter().any(|one| target.starts_with(one));
            let path = target.split('#').next().unwrap_or_default();
            let folder = document.parent().expect("a file is in a folder");
            if !is_elsewhere && !folder.join(path).exists() {
                dead.push(format!("{}: {target}", document.display()));
            }
        }
    }
    assert!(dead.is_empty(), "dead links:\n{}", dead.join("\n"));
}
