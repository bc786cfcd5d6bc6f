//! Whom the tables are played against: the real `party-host`, npm's `partykit dev`, and npm's `partyserver` on workerd, the
//! first serving the same projects as one of the others.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use party_tests::guests::party_path;
use party_tests::host::{Host, free_port, temporary};
use party_tests::program::{BOUND, Program};
use party_tests::root;
use rustix::process::Signal;
use tempfile::TempDir;

use crate::table::{Column, Original};
use crate::wire::{Asked, Wire};

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

/// Those whose host is ended and whose party is changed.
const RESTARTED: &str = "restarted";

const PROJECTS: [Project; 11] = [
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
    Project { name: WITH_A_LOBBY, parties: &[("main", "lobby"), ("asking", "main")], ..PLAIN },
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
    Project {
        name: "with a lobby and assets",
        parties: &[("main", "lobby")],
        assets: Some("public"),
        ..PLAIN
    },
    Project { name: RESTARTED, parties: &[("main", "main"), ("hibernating", "hibernating")], ..PLAIN },
    Project {
        name: "javascript",
        parties: &[
            ("main", "javascript"),
            ("main_party", "main"),
            ("module", "module"),
            ("sleeper", "sleeper"),
        ],
        ..PLAIN
    },
];

/// What every project has as variables, as each side takes them.
const VARS_HERE: &str = "[vars]\nGREETING = \"hello\"\nNESTED = '{\"a\":[1,2]}'\n";
/// What the party says of itself, and how it does when it has changed. Both are as long, so that they can change in a component.
const VERSIONS: [&str; 2] = ["this is version 1", "this is version 2"];
/// How long it is waited for a change to be served.
const CHANGE_BOUND: Duration = Duration::from_secs(60);
/// How often it is asked for meanwhile.
const ASK_AGAIN: Duration = Duration::from_millis(50);

/// Somebody who serves a project.
pub(crate) struct Side {
    pub(crate) port: u16,
    program: Served,
    dir: TempDir,
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

    /// Ends it as whoever looks after it does, and starts it again with the same data.
    pub(crate) fn start_again(&mut self) -> Result<()> {
        match &mut self.program {
            Served::Here(host) => {
                host.stop(Signal::TERM)?;
                host.start()
            }
            Served::Original(program) => {
                program.signal(Signal::TERM)?;
                // What it has started goes with it, which it does not see to itself.
                program.end_all()?;
                // No row of partyserver asks for that.
                *program = partykit_dev(self.dir.path(), self.port)?;
                Ok(())
            }
        }
    }

    /// Changes the party's source, or its component, and waits until that is served.
    pub(crate) fn change_the_party(&mut self) -> Result<()> {
        let file = match &self.program {
            Served::Here(_) => self.dir.path().join(COMPONENT),
            Served::Original(_) => self.dir.path().join("party/main.ts"),
        };
        let mut bytes = fs::read(&file)?;
        let [old, new] = VERSIONS.map(str::as_bytes);
        let (from, to) = if position(&bytes, old).is_some() { (old, new) } else { (new, old) };
        let at = position(&bytes, from).context("the party says which version it is")?;
        bytes[at..at + from.len()].copy_from_slice(to);
        // A component that is half written is none.
        let whole = file.with_extension("new");
        fs::write(&whole, &bytes)?;
        fs::rename(&whole, &file)?;
        let asked = Asked::get("/party/which-version/version");
        let end = Instant::now() + CHANGE_BOUND;
        while Instant::now() < end {
            // Nobody may be there for a moment.
            let answered = Wire::connect(self.port).and_then(|mut wire| {
                wire.ask(&asked)?;
                wire.answer(&asked.method, BOUND)
            });
            if let Ok(Ok(answered)) = answered
                && answered.body == to
            {
                return Ok(());
            }
            sleep(ASK_AGAIN);
        }
        bail!("the change is not served within {CHANGE_BOUND:?}\n{}", self.said())
    }

    /// All that it has said, for the message of a failure.
    pub(crate) fn said(&self) -> String {
        match &self.program {
            Served::Here(host) => host.program.said(),
            Served::Original(program) => program.said(),
        }
    }
}

fn position(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

/// The component that is changed.
const COMPONENT: &str = "main.wasm";

fn here(project: &Project, dir: TempDir) -> Result<Side> {
    let component = |program: &str| match program {
        // PartyKit's two ways to keep sockets are one here.
        "hibernating" => party_path("profile_main"),
        program => party_path(&format!("profile_{program}")),
    };
    let mut main = component(project.parties[0].1);
    if project.name == RESTARTED {
        let copy = dir.path().join(COMPONENT);
        fs::copy(main, &copy)?;
        main = copy;
    }
    let mut settings = format!("name = \"profile\"\nmain = {main:?}\n{}{VARS_HERE}", project.settings);
    settings += "[parties]\n";
    for (name, program) in &project.parties[1..] {
        settings += &format!("{name} = {:?}\n", component(program));
    }
    if let Some(assets) = project.assets {
        let single_page_app = project.single_page_app;
        settings += &format!("[serve]\npath = {assets:?}\nsinglePageApp = {single_page_app}\n");
    }
    if project.parties[0].1 == "lobby" {
        settings += "[crons]\nhourly = \"0 * * * *\"\n";
    }
    fs::write(dir.path().join("party.toml"), settings)?;
    // Where nobody looks for changes.
    let data = dir.path().join(".party/data");
    let host = match project.name {
        // There scheduled runs are begun by whoever asks, and a change is served at once.
        WITH_A_LOBBY | RESTARTED => Host::develop(dir.path(), &data)?,
        _ => Host::serve(dir.path(), &data)?,
    };
    Ok(Side { port: host.port, program: Served::Here(Box::new(host)), dir })
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
        "vars": {"GREETING": "hello", "NESTED": {"a": [1, 2]}},
    });
    if let Some(assets) = project.assets {
        settings["serve"] = serde_json::json!({"path": assets, "singlePageApp": project.single_page_app});
    }
    if project.parties[0].1 == "lobby" {
        settings["crons"] = serde_json::json!({"hourly": "0 * * * *"});
    }
    fs::write(dir.path().join("partykit.json"), settings.to_string())?;
    let port = free_port();
    let program = partykit_dev(dir.path(), port)?;
    Ok(Side { port, program: Served::Original(program), dir })
}

fn partykit_dev(dir: &Path, port: u16) -> Result<Program> {
    let mut command = Command::new("node");
    command.current_dir(dir).arg(root().join("tests/npm/node_modules/partykit/dist/bin.mjs"));
    command.args(["dev", "--port", &port.to_string(), "--persist", "state"]);
    command.args(["--disable-request-cf-fetch", "--no-hotkeys"]);
    let mut program = Program::start(&mut command)?;
    program.wait_for("Ready on", BOUND)?;
    Ok(program)
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
