//! npm's `partyserver` on workerd, which is what runs it everywhere.
//!
//! No bundler stands between: workerd reads the modules as npm has them.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};
use party_tests::host::free_port;
use party_tests::program::{BOUND, Program};
use party_tests::root;
use tempfile::TempDir;

use super::{Project, Served, Side, copy};

/// What workerd is to do as of this day.
const COMPATIBILITY_DATE: &str = "2026-07-01";
/// Modules: what they are imported as, and where they are in npm's directory.
const MODULES: [(&str, &str); 3] = [
    ("partyserver", "partyserver/dist/index.js"),
    ("nanoid", "nanoid/index.browser.js"),
    ("url-alphabet/index.js", "nanoid/url-alphabet/index.js"),
];
/// Those of the project; the last is written here.
const OWN_MODULES: [&str; 3] = ["worker.js", "party.js", "classes.js"];

/// Serves a project.
pub(super) fn serve(project: &Project, dir: TempDir) -> Result<Side> {
    let npm = root().join("tests/npm/node_modules");
    copy(&root().join("tests/profile/partyserver"), dir.path())?;
    let mut modules = String::new();
    for name in OWN_MODULES {
        modules += &format!("    (name = {name:?}, esModule = embed {name:?}),\n");
    }
    for (index, (name, path)) in MODULES.iter().enumerate() {
        let file = format!("module{index}.js");
        let from = npm.join(path);
        fs::copy(&from, dir.path().join(&file)).with_context(|| from.display().to_string())?;
        modules += &format!("    (name = {name:?}, esModule = embed {file:?}),\n");
    }
    let mut classes = String::from("import * as party from \"./party.js\";\n");
    let (mut bindings, mut namespaces) = (String::new(), String::new());
    for (name, program) in project.parties {
        let mut class = (*program).to_owned();
        class[..1].make_ascii_uppercase();
        classes += &format!("export class {name} extends party.{class} {{}}\n");
        bindings += &format!("    (name = {name:?}, durableObjectNamespace = {name:?}),\n");
        namespaces += &format!("    (className = {name:?}, uniqueKey = {name:?}, enableSql = true),\n");
    }
    fs::write(dir.path().join("classes.js"), classes)?;
    let (port, options) = (free_port(), project.options);
    let config = format!(
        "using Workerd = import \"/workerd/workerd.capnp\";
const config :Workerd.Config = (
  services = [
    (name = \"worker\", worker = .worker),
    (name = \"state\", disk = (path = \"state\", writable = true)),
  ],
  sockets = [(name = \"http\", address = \"127.0.0.1:{port}\", http = (), service = \"worker\")],
);
const worker :Workerd.Worker = (
  modules = [
{modules}  ],
  compatibilityDate = \"{COMPATIBILITY_DATE}\",
  bindings = [
    (name = \"options\", json = {options:?}),
{bindings}  ],
  durableObjectNamespaces = [
{namespaces}  ],
  durableObjectStorage = (localDisk = \"state\"),
);
"
    );
    fs::write(dir.path().join("config.capnp"), config)?;
    fs::create_dir(dir.path().join("state"))?;
    let mut command = Command::new(npm.join("workerd/bin/workerd"));
    command.current_dir(dir.path()).args(["serve", "config.capnp", "--control-fd=1"]);
    let mut program = Program::start(&mut command)?;
    program.wait_for("\"listen\"", BOUND)?;
    Ok(Side { port, program: Served::Original(program), dir })
}
