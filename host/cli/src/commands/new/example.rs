//! What a new project begins with when it begins with an example: the example, standing by itself.
//!
//! In the repository an example takes versions and lints from the workspace around it. Here its sources are written as
//! they are, beside the manifest that every new project has, with the example's own dependencies in it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use include_dir::{Dir, include_dir};
use toml::{Table, Value};

use super::{TEMPLATE, WORKSPACE, write_tree};
use crate::args::Example;

/// An example as it stands in the repository. Only its sources: what a host leaves beside them is nobody's business.
struct Source {
    name: &'static str,
    src: Dir<'static>,
    public: Dir<'static>,
    tests: Dir<'static>,
    manifest: &'static str,
    settings: &'static str,
    readme: &'static str,
}

static COUNTER: Source = Source {
    name: "counter",
    src: include_dir!("$CARGO_MANIFEST_DIR/../../examples/counter/src"),
    public: include_dir!("$CARGO_MANIFEST_DIR/../../examples/counter/public"),
    tests: include_dir!("$CARGO_MANIFEST_DIR/../../examples/counter/tests"),
    manifest: include_str!("../../../../../examples/counter/Cargo.toml"),
    settings: include_str!("../../../../../examples/counter/party.toml"),
    readme: include_str!("../../../../../examples/counter/README.md"),
};

static CHAT: Source = Source {
    name: "chat",
    src: include_dir!("$CARGO_MANIFEST_DIR/../../examples/chat/src"),
    public: include_dir!("$CARGO_MANIFEST_DIR/../../examples/chat/public"),
    tests: include_dir!("$CARGO_MANIFEST_DIR/../../examples/chat/tests"),
    manifest: include_str!("../../../../../examples/chat/Cargo.toml"),
    settings: include_str!("../../../../../examples/chat/party.toml"),
    readme: include_str!("../../../../../examples/chat/README.md"),
};

static WORKFLOW: Source = Source {
    name: "workflow",
    src: include_dir!("$CARGO_MANIFEST_DIR/../../examples/workflow/src"),
    public: include_dir!("$CARGO_MANIFEST_DIR/../../examples/workflow/public"),
    tests: include_dir!("$CARGO_MANIFEST_DIR/../../examples/workflow/tests"),
    manifest: include_str!("../../../../../examples/workflow/Cargo.toml"),
    settings: include_str!("../../../../../examples/workflow/party.toml"),
    readme: include_str!("../../../../../examples/workflow/README.md"),
};

static CURSORS: Source = Source {
    name: "cursors",
    src: include_dir!("$CARGO_MANIFEST_DIR/../../examples/cursors/src"),
    public: include_dir!("$CARGO_MANIFEST_DIR/../../examples/cursors/public"),
    tests: include_dir!("$CARGO_MANIFEST_DIR/../../examples/cursors/tests"),
    manifest: include_str!("../../../../../examples/cursors/Cargo.toml"),
    settings: include_str!("../../../../../examples/cursors/party.toml"),
    readme: include_str!("../../../../../examples/cursors/README.md"),
};

static TICTACTOE: Source = Source {
    name: "tictactoe",
    src: include_dir!("$CARGO_MANIFEST_DIR/../../examples/tictactoe/src"),
    public: include_dir!("$CARGO_MANIFEST_DIR/../../examples/tictactoe/public"),
    tests: include_dir!("$CARGO_MANIFEST_DIR/../../examples/tictactoe/tests"),
    manifest: include_str!("../../../../../examples/tictactoe/Cargo.toml"),
    settings: include_str!("../../../../../examples/tictactoe/party.toml"),
    readme: include_str!("../../../../../examples/tictactoe/README.md"),
};

static POLL: Source = Source {
    name: "poll",
    src: include_dir!("$CARGO_MANIFEST_DIR/../../examples/poll/src"),
    public: include_dir!("$CARGO_MANIFEST_DIR/../../examples/poll/public"),
    tests: include_dir!("$CARGO_MANIFEST_DIR/../../examples/poll/tests"),
    manifest: include_str!("../../../../../examples/poll/Cargo.toml"),
    settings: include_str!("../../../../../examples/poll/party.toml"),
    readme: include_str!("../../../../../examples/poll/README.md"),
};

static LOOKUP: Source = Source {
    name: "lookup",
    src: include_dir!("$CARGO_MANIFEST_DIR/../../examples/lookup/src"),
    public: include_dir!("$CARGO_MANIFEST_DIR/../../examples/lookup/public"),
    tests: include_dir!("$CARGO_MANIFEST_DIR/../../examples/lookup/tests"),
    manifest: include_str!("../../../../../examples/lookup/Cargo.toml"),
    settings: include_str!("../../../../../examples/lookup/party.toml"),
    readme: include_str!("../../../../../examples/lookup/README.md"),
};

static BOTS: Source = Source {
    name: "bots",
    src: include_dir!("$CARGO_MANIFEST_DIR/../../examples/bots/src"),
    public: include_dir!("$CARGO_MANIFEST_DIR/../../examples/bots/public"),
    tests: include_dir!("$CARGO_MANIFEST_DIR/../../examples/bots/tests"),
    manifest: include_str!("../../../../../examples/bots/Cargo.toml"),
    settings: include_str!("../../../../../examples/bots/party.toml"),
    readme: include_str!("../../../../../examples/bots/README.md"),
};

/// Writes an example as a project of this name, with the SDK at a path.
pub(super) fn write(example: Example, draft: &Path, name: &str, sdk: &str) -> Result<()> {
    let source = match example {
        Example::Counter => &COUNTER,
        Example::Chat => &CHAT,
        Example::Workflow => &WORKFLOW,
        Example::Cursors => &CURSORS,
        Example::Tictactoe => &TICTACTOE,
        Example::Poll => &POLL,
        Example::Lookup => &LOOKUP,
        Example::Bots => &BOTS,
    };
    write_tree(&source.src, &draft.join("src"), &[], &|text| text)?;
    write_tree(&source.public, &draft.join("public"), &[], &|text| text)?;
    write_tree(&source.tests, &draft.join("tests"), &[], &|text| text)?;
    let called = |name: &str| format!("name = \"{name}\"");
    fs::write(draft.join("party.toml"), source.settings.replacen(&called(source.name), &called(name), 1))?;
    let title = |name: &str| format!("# {name}\n");
    let readme = source.readme.replacen(&title(source.name), &title(name), 1);
    // Its commands are given in the repository; here the project is where one is.
    fs::write(draft.join("README.md"), readme.replace(&format!(" examples/{}", source.name), ""))?;
    fs::write(draft.join("Cargo.toml"), manifest(source, name, sdk)?)?;
    fs::write(draft.join(".gitignore"), template("dot-gitignore")?)?;
    Ok(())
}

fn template(name: &str) -> Result<&'static str> {
    TEMPLATE.get_file(name).and_then(|file| file.contents_utf8()).context("the template has this file")
}

/// The manifest of every new project, with what this example depends on beside the SDK.
fn manifest(source: &Source, name: &str, sdk: &str) -> Result<String> {
    let theirs: Table = source.manifest.parse()?;
    let ours: Table = WORKSPACE.parse()?;
    let theirs = theirs.get("dependencies").and_then(Value::as_table).context("it depends on the SDK")?;
    let ours = ours["workspace"]["dependencies"].as_table().context("ours has dependencies")?;
    let mut manifest = String::new();
    for line in template("Cargo.toml.template")?.replace("{{name}}", name).lines() {
        manifest += &line.replace("{{sdk}}", sdk);
        manifest += "\n";
        if line.starts_with("party = ") {
            for dependency in theirs.keys().filter(|dependency| *dependency != "party") {
                let version = ours.get(dependency).context("an example takes versions from our workspace")?;
                manifest += &format!("{dependency} = {version}\n");
            }
        }
    }
    Ok(manifest)
}
