//! Whom the tables are played against: the real `party-host`, npm's `partykit dev`, and npm's `partyserver` on workerd, the
//! first serving the same projects as one of the others.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use party_tests::guests::party_path;
use party_tests::host::{Host, free_port, temporary};
use party_tests::program::{BOUND, Program};
use party_tests::root;
use tempfile::TempDir;

use crate::table::{Column, Original};

mod workerd;

/// What is served.
struct Project {
    original: Original,
    name: &'static str,
    /// Names of parties, and their programs in `partykit/`; ours in `parties/` are called the same.
    parties: &'static [(&'static str, &'static str)],
    assets: Option<&'static str>,
    single_page_app: bool,
    /// Of partyserver: the options of `routePartykitRequest` in JSON, and whether there are `hooks`.
    options: &'static str,
    /// Of this host: what stands in `party.toml` beside the parties.
    settings: &'static str,
}

/// What most of them have.
const PLAIN: Project = Project {
    original: Original::PartyKit,
    name: "",
    parties: &[("main", "main")],
    assets: None,
    single_page_app: false,
    options: "{}",
    settings: "",
};

/// The project that has one.
const WITH_A_LOBBY: &str = "with a lobby";

const PROJECTS: [Project; 8] = [
    Project {
        name: "classic",
        parties: &[
            ("main", "main"),
            ("hibernating", "hibernating"),
            ("requestless", "requestless"),
            ("silent", "silent"),
            ("answerless", "answerless"),
        ],
        assets: Some("public"),
        ..PLAIN
    },
    Project { name: "without assets", ..PLAIN },
    Project { name: "single-page app", assets: Some("app"), single_page_app: true, ..PLAIN },
    Project { name: WITH_A_LOBBY, parties: &[("main", "lobby")], ..PLAIN },
    Project {
        original: Original::PartyServer,
        name: "partyserver",
        parties: &[
            ("main", "main"),
            ("Hibernating", "hibernating"),
            ("Requestless", "requestless"),
            ("Silent", "silent"),
            ("Answerless", "answerless"),
            ("MyAgent", "main"),
            ("ALL_CAPS", "main"),
            ("snake_case", "main"),
            ("HTTPRoom", "main"),
        ],
        settings: "profile = \"partyserver\"\n",
        ..PLAIN
    },
    Project {
        original: Original::PartyServer,
        name: "open to all",
        parties: &[("main", "lobby"), ("Rooms", "main"), ("Requestless", "requestless")],
        options: r#"{"cors": true, "hooks": true}"#,
        settings: "profile = \"partyserver\"\ncors = true\n",
        ..PLAIN
    },
    Project {
        original: Original::PartyServer,
        name: "with a prefix",
        options: r#"{"prefix": "api/v1", "cors": {"Access-Control-Allow-Origin": "https://example.com", "X-Own": "1"}}"#,
        settings: "profile = \"partyserver\"\nprefix = \"api/v1\"\n\
                   cors = { Access-Control-Allow-Origin = \"https://example.com\", X-Own = \"1\" }\n",
        ..PLAIN
    },
    Project {
        original: Original::PartyServer,
        name: "with hooks",
        parties: &[("main", "lobby")],
        options: r#"{"hooks": true}"#,
        settings: "profile = \"partyserver\"\n",
        ..PLAIN
    },
];

/// Somebody who serves a project.
pub(crate) struct Side {
    pub(crate) port: u16,
    program: Served,
    _dir: TempDir,
}

enum Served {
    Here(Box<Host>),
    Original(Program),
}

impl Side {
    /// Serves a project.
    pub(crate) fn serve(column: Column, name: &str) -> Result<Side> {
        let project = PROJECTS.iter().find(|project| project.name == name);
        let project = project.with_context(|| format!("no project is called {name:?}"))?;
        let dir = temporary()?;
        if let Some(assets) = project.assets {
            copy(&root().join("tests/profile").join(assets), &dir.path().join(assets))?;
            // What no repository holds.
            fs::create_dir(dir.path().join(assets).join("node_modules"))?;
            fs::write(dir.path().join(assets).join("node_modules/x.js"), "x")?;
        }
        match column {
            Column::Here => here(project, dir),
            Column::Original => match project.original {
                Original::PartyKit => partykit(project, dir),
                Original::PartyServer => workerd::serve(project, dir),
            },
        }
    }

    /// All that it has said, for the message of a failure.
    pub(crate) fn said(&self) -> String {
        match &self.program {
            Served::Here(host) => host.program.said(),
            Served::Original(program) => program.said(),
        }
    }
}

fn here(project: &Project, dir: TempDir) -> Result<Side> {
    let component = |program: &str| match program {
        // PartyKit's two ways to keep sockets are one here.
        "hibernating" => party_path("profile_main"),
        program => party_path(&format!("profile_{program}")),
    };
    let mut settings = format!("name = \"profile\"\nmain = {:?}\n", component(project.parties[0].1));
    settings += project.settings;
    settings += "[parties]\n";
    for (name, program) in &project.parties[1..] {
        settings += &format!("{name} = {:?}\n", component(program));
    }
    if let Some(assets) = project.assets {
        let single_page_app = project.single_page_app;
        settings += &format!("[serve]\npath = {assets:?}\nsinglePageApp = {single_page_app}\n");
    }
    if project.name == WITH_A_LOBBY {
        settings += "[crons]\nhourly = \"0 * * * *\"\n";
    }
    fs::write(dir.path().join("party.toml"), settings)?;
    let host = match project.name {
        // There scheduled runs are begun by whoever asks.
        WITH_A_LOBBY => Host::develop(dir.path(), &dir.path().join("data"))?,
        _ => Host::serve(dir.path(), &dir.path().join("data"))?,
    };
    Ok(Side { port: host.port, program: Served::Here(Box::new(host)), _dir: dir })
}

fn partykit(project: &Project, dir: TempDir) -> Result<Side> {
    copy(&root().join("tests/profile/partykit"), &dir.path().join("party"))?;
    let file = |program: &str| format!("party/{program}.ts");
    let parties: serde_json::Map<String, serde_json::Value> =
        project.parties[1..].iter().map(|(name, program)| ((*name).into(), file(program).into())).collect();
    let mut settings = serde_json::json!({
        "name": "profile",
        "main": file(project.parties[0].1),
        "parties": parties,
        "compatibilityDate": "2024-07-18",
    });
    if let Some(assets) = project.assets {
        settings["serve"] = serde_json::json!({"path": assets, "singlePageApp": project.single_page_app});
    }
    if project.name == WITH_A_LOBBY {
        settings["crons"] = serde_json::json!({"hourly": "0 * * * *"});
    }
    fs::write(dir.path().join("partykit.json"), settings.to_string())?;
    let port = free_port();
    let mut command = Command::new("node");
    command.current_dir(dir.path()).arg(root().join("tests/npm/node_modules/partykit/dist/bin.mjs"));
    command.args(["dev", "--port", &port.to_string(), "--persist", "state"]);
    command.args(["--disable-request-cf-fetch", "--no-hotkeys"]);
    let mut program = Program::start(&mut command)?;
    program.wait_for("Ready on", BOUND)?;
    Ok(Side { port, program: Served::Original(program), _dir: dir })
}

/// Copies a directory of files and directories.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        match entry.file_type()? {
            kind if kind.is_dir() => copy(&from, &to)?,
            kind if kind.is_file() => drop(fs::copy(&from, &to)?),
            _ => bail!("{} is no file", from.display()),
        }
    }
    Ok(())
}
