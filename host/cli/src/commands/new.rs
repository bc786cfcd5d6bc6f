//! `party-host new`: a party that runs, small enough to read at once.
//!
//! The SDK is written into the project, because that is what makes it build anywhere with nothing to look up. It
//! is embedded in this binary as it stands in the repository; its manifest's workspace is rebuilt from ours.

mod example;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use include_dir::{Dir, include_dir};
use party_core::address::check_name;
use party_server::config::FILE_NAME;

use crate::args::{Example, New};
use crate::problem::{usage, with_hint};

static TEMPLATE: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/template");
static SDK: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../guest-sdk/rust");
static WORKSPACE: &str = include_str!("../../../../Cargo.toml");

const HINT_NAME: &str =
    "the directory's name becomes the party's name, which stands in URLs; for example: party-host new hello";
/// As many names as are told of what is in the way.
const IN_THE_WAY_SHOWN: usize = 3;
/// Where the SDK goes in a new project.
const SDK_FOLDER: &str = "party-sdk";
/// The packages of the SDK that a party is built with, below its root.
const SDK_PACKAGES: [&str; 2] = ["", "macros"];
/// What those packages are called; cargo would confuse a project of the same name with them.
const SDK_NAMES: [&str; 2] = ["party", "party-macros"];
/// What stands beside them and only the SDK's own development needs.
const SDK_LEFT_OUT: [&str; 2] = ["bindgen", "tests"];

pub(crate) fn run(new: &New) -> Result<()> {
    let name = name_in(&new.path)?;
    check(&name)?;
    check_place(&new.path)?;
    let sdk = new.sdk.as_deref().map(find_sdk).transpose()?;
    let parent = new.path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    let unwritable = || {
        let message = format!("{} cannot be written", new.path.display());
        with_hint(&message, "give a place that this user can write, for example: party-host new ~/hello")
    };
    fs::create_dir_all(parent).with_context(unwritable)?;
    // Everything is written beside its place and moved there at the end, so that nothing is left half written.
    let draft = parent.join(format!(".{name}.{}", std::process::id()));
    let written = write_project(&draft, &name, sdk.as_deref(), new.example)
        .and_then(|()| Ok(fs::rename(&draft, &new.path)?));
    if let Err(error) = written {
        let error = error.context(unwritable());
        // What was written so far is of no use; that it cannot be removed changes nothing about the error.
        let _ = fs::remove_dir_all(&draft);
        return Err(error);
    }
    println!("{name} is in {}. Now:", new.path.display());
    println!("  cd {}", new.path.display());
    println!("  party-host dev        then open http://127.0.0.1:1999/ and change src/lib.rs");
    println!("  party-host test       plays tests/*.party");
    Ok(())
}

/// A place is nothing, or an empty directory, and not inside of another project.
fn check_place(path: &Path) -> Result<()> {
    let hint = "choose another name, or remove it first";
    if let Ok(found) = path.symlink_metadata() {
        let what = match fs::read_dir(path) {
            _ if !found.is_dir() => Some("it is no directory".into()),
            Ok(entries) => in_the_way(entries.flatten().map(|entry| entry.file_name())),
            Err(error) => Some(format!("it cannot be read: {error}")),
        };
        if let Some(what) = what {
            return Err(usage(format!("{} exists already: {what}", path.display()), hint));
        }
    }
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    // As much of the way there as exists, without the `..` of ../hello.
    let real = whole.ancestors().skip(1).find_map(|above| above.canonicalize().ok()).unwrap_or_default();
    let Some(project) = real.ancestors().find(|above| above.join(FILE_NAME).is_file()) else {
        return Ok(());
    };
    let name = path.file_name().unwrap_or_default().display();
    Err(usage(
        format!(
            "{} would lie inside of the project {}, which has a {FILE_NAME}",
            path.display(),
            project.display()
        ),
        format!(
            "go out of it first; beside it, {name} can be another party of that project: write \
             {name} = \"../{name}\" below [parties] in its {FILE_NAME}"
        ),
    ))
}

/// What a directory holds, by the first names; nothing if it is empty.
fn in_the_way(names: impl Iterator<Item = OsString>) -> Option<String> {
    let mut names: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort();
    let more = names.len().saturating_sub(IN_THE_WAY_SHOWN);
    names.truncate(IN_THE_WAY_SHOWN);
    match (names.is_empty(), more) {
        (true, _) => None,
        (false, 0) => Some(format!("it holds {}", names.join(", "))),
        (false, more) => Some(format!("it holds {} and {more} more", names.join(", "))),
    }
}

/// What the party is called: the last part of the path.
fn name_in(path: &Path) -> Result<String> {
    let name = path.file_name().and_then(|name| name.to_str());
    let message = || format!("{} does not say what the party is called", path.display());
    Ok(name.ok_or_else(|| usage(message(), HINT_NAME))?.to_owned())
}

/// Whether a party, and the Rust package that it is, can have this name.
fn check(name: &str) -> Result<()> {
    check_name("party", name).map_err(|error| usage(error.to_string(), HINT_NAME))?;
    let unfit = match name.chars().next() {
        _ if SDK_NAMES.contains(&name) => Some("a part of the SDK has this name"),
        Some('a'..='z' | '_') => None,
        _ => Some("it does not begin with a letter"),
    };
    match unfit {
        None => Ok(()),
        Some(why) => Err(usage(
            format!("a Rust package cannot be called {name:?}: {why}"),
            "choose another name; for example: party-host new hello",
        )),
    }
}

fn find_sdk(sdk: &Path) -> Result<PathBuf> {
    let manifest = sdk.join("Cargo.toml");
    let found = sdk.canonicalize().ok().filter(|_| manifest.is_file());
    found.ok_or_else(|| {
        usage(
            format!("--sdk {} is no SDK: {} is not there", sdk.display(), manifest.display()),
            "leave --sdk out: the SDK is then written into the project",
        )
    })
}

fn write_project(draft: &Path, name: &str, sdk: Option<&Path>, example: Option<Example>) -> Result<()> {
    let sdk_path =
        sdk.map_or_else(|| format!("{SDK_FOLDER}/guest-sdk/rust"), |sdk| sdk.display().to_string());
    match example {
        Some(example) => example::write(example, draft, name, &sdk_path)?,
        None => {
            write_tree(&TEMPLATE, draft, &[], &|text| {
                text.replace("{{name}}", name).replace("{{sdk}}", &sdk_path)
            })?;
        }
    }
    if sdk.is_none() {
        let root = draft.join(SDK_FOLDER);
        write_tree(&SDK, &root.join("guest-sdk/rust"), &SDK_LEFT_OUT, &|text| text)?;
        fs::write(root.join("Cargo.toml"), sdk_workspace()?)?;
    }
    Ok(())
}

fn write_tree(tree: &Dir<'_>, to: &Path, left_out: &[&str], edit: &dyn Fn(String) -> String) -> Result<()> {
    fs::create_dir_all(to)?;
    for file in tree.files() {
        let name = file.path().file_name().context("a file has a name")?.to_string_lossy();
        // Cargo and git would read these inside our own repository, so there they have other names.
        let name = name.replace(".template", "").replace("dot-", ".");
        let path: PathBuf = to.join(name);
        let text = file.contents_utf8().context("the template is text")?.to_owned();
        fs::write(&path, edit(text))?;
    }
    for dir in tree.dirs() {
        let name = dir.path().file_name().context("a directory has a name")?;
        if left_out.iter().any(|left_out| name == *left_out) {
            continue;
        }
        write_tree(dir, &to.join(name), left_out, edit)?;
    }
    Ok(())
}

/// The dependencies that the SDK's packages take from our workspace.
fn sdk_dependencies() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for package in SDK_PACKAGES {
        let path = Path::new(package).join("Cargo.toml");
        let manifest = SDK.get_file(&path).and_then(|file| file.contents_utf8());
        let manifest: toml::Table = manifest.context("the SDK's packages have manifests")?.parse()?;
        for section in ["dependencies", "dev-dependencies"] {
            if let Some(dependencies) = manifest.get(section).and_then(toml::Value::as_table) {
                names.extend(dependencies.keys().cloned());
            }
        }
    }
    Ok(names)
}

/// The manifest of the workspace that the SDK's packages inherit from, with only what they need.
fn sdk_workspace() -> Result<String> {
    let ours: toml::Table = WORKSPACE.parse()?;
    let workspace = ours["workspace"].as_table().context("ours is a workspace")?;
    let mut theirs = toml::Table::new();
    theirs.insert("resolver".into(), "3".into());
    let members = SDK_PACKAGES.map(|package| toml::Value::from(format!("guest-sdk/rust/{package}")));
    theirs.insert("members".into(), toml::Value::Array(members.to_vec()));
    for key in ["package", "lints"] {
        theirs.insert(key.into(), workspace[key].clone());
    }
    let needed = sdk_dependencies()?;
    let all = workspace["dependencies"].as_table().context("ours has dependencies")?;
    let dependencies = all
        .iter()
        .filter(|(name, _)| needed.contains(name))
        .map(|(name, value)| (name.clone(), value.clone()));
    theirs.insert("dependencies".into(), toml::Value::Table(dependencies.collect()));
    let mut root = toml::Table::new();
    root.insert("workspace".into(), toml::Value::Table(theirs));
    Ok(format!("# The Rust SDK of party-host, as it was when this project was made.\n\n{root}"))
}
