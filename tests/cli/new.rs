//! `party-host new`: names, places, and nothing left behind.

use std::fs;
use std::path::Path;

use anyhow::Result;
use party_tests::guests::scratch;
use party_tests::host::party_host;
use party_tests::program::{BOUND, BUILD_BOUND, Ended, Program};
use party_tests::root;

fn new_in(dir: &Path, arguments: &[&str]) -> Result<Ended> {
    Program::run(party_host().arg("new").args(arguments).current_dir(dir), BOUND)
}

fn names_in(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("it can be read");
    let name =
        |entry: std::io::Result<fs::DirEntry>| entry.expect("read").file_name().into_string().expect("UTF-8");
    let mut names: Vec<_> = entries.map(name).collect();
    names.sort();
    names
}

/// Refused with exit code 2 and these two lines, with nothing written.
#[track_caller]
fn check_refused(arguments: &[&str], error: &str, hint: &str) {
    let dir = tempfile::tempdir().expect("the system has a place");
    fs::create_dir(dir.path().join("taken")).expect("written");
    for name in ["src", "Cargo.toml", "README.md", ".git", "notes"] {
        fs::write(dir.path().join("taken").join(name), "mine").expect("written");
    }
    fs::write(dir.path().join("file"), "mine").expect("written");
    let ended = new_in(dir.path(), arguments).expect("it runs");
    assert_eq!(ended.code, Some(2), "{}", ended.err);
    assert_eq!(ended.err, format!("error: {error}\nhint: {hint}\n"));
    assert_eq!(ended.out, "");
    assert_eq!(names_in(dir.path()), ["file", "taken"], "nothing is left behind");
    assert_eq!(names_in(&dir.path().join("taken")), [".git", "Cargo.toml", "README.md", "notes", "src"]);
    assert_eq!(fs::read_to_string(dir.path().join("file")).expect("read"), "mine");
}

#[test]
fn a_name_that_cannot_stand_in_a_url_is_refused() {
    let hint = "the directory's name becomes the party's name, which stands in URLs; for example: party-host new hello";
    let rule = "is not allowed: use 1 to 64 of a-z, 0-9, _ and -";
    for name in ["Hello", "héllo", "hel lo", "hello.wasm", "$x", "a:b"] {
        check_refused(&[name], &format!("party name {name:?} {rule}"), hint);
    }
    check_refused(&[&"x".repeat(65)], &format!("party name {:?} {rule}", "x".repeat(64)), hint);
    check_refused(&["deep/.."], "deep/.. does not say what the party is called", hint);
    check_refused(&["/"], "/ does not say what the party is called", hint);
}

#[test]
fn a_name_that_cargo_would_refuse_is_refused_at_once() {
    // `new 2048` and `new party` once wrote projects that cargo would not build.
    let hint = "choose another name; for example: party-host new hello";
    for name in ["2048", "-", "-x"] {
        let error = format!("a Rust package cannot be called {name:?}: it does not begin with a letter");
        check_refused(&["--", name], &error, hint);
    }
    for name in ["party", "party-macros"] {
        let error = format!("a Rust package cannot be called {name:?}: a part of the SDK has this name");
        check_refused(&[name], &error, hint);
    }
}

#[test]
fn what_exists_already_is_left_alone_and_says_what_is_in_the_way() {
    let hint = "choose another name, or remove it first";
    let held = "it holds .git, Cargo.toml, README.md and 2 more";
    check_refused(&["taken"], &format!("taken exists already: {held}"), hint);
    check_refused(&["taken/"], &format!("taken/ exists already: {held}"), hint);
    check_refused(&["file"], "file exists already: it is no directory", hint);
}

#[test]
fn an_empty_directory_is_filled() -> Result<()> {
    let dir = tempfile::tempdir()?;
    fs::create_dir(dir.path().join("hello"))?;
    let ended = new_in(dir.path(), &["hello"])?;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(names_in(&dir.path().join("hello")).contains(&"party.toml".into()));
    assert_eq!(names_in(dir.path()), ["hello"], "no draft is left");
    Ok(())
}

#[test]
fn a_party_inside_of_another_is_refused() -> Result<()> {
    // A second `party-host new` without a `cd ..` once made a project in a project.
    let dir = tempfile::tempdir()?;
    assert_eq!(new_in(dir.path(), &["hello"])?.code, Some(0));
    let project = dir.path().join("hello");
    let before = names_in(&project);
    for (from, path) in
        [(project.clone(), "again"), (project.join("src"), "again"), (dir.path().into(), "hello/deep/again")]
    {
        let ended = new_in(&from, &[path])?;
        assert_eq!(ended.code, Some(2), "{}", ended.err);
        let error = format!("error: {path} would lie inside of the project ");
        assert!(
            ended.err.starts_with(&error) && ended.err.contains("hello, which has a party.toml"),
            "{}",
            ended.err
        );
        assert!(ended.err.contains("\nhint: go out of it first; "), "{}", ended.err);
        assert!(ended.err.contains("again = \"../again\" below [parties]"), "{}", ended.err);
    }
    assert_eq!(names_in(&project), before, "nothing is left behind");
    assert_eq!(new_in(&project, &["../again"])?.code, Some(0), "beside it is another place");
    Ok(())
}

#[test]
fn a_place_that_cannot_be_written_is_told_and_nothing_is_left() -> Result<()> {
    let dir = tempfile::tempdir()?;
    fs::write(dir.path().join("file"), "mine")?;
    let ended = new_in(dir.path(), &["file/hello"])?;
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert!(ended.err.starts_with("error: file/hello cannot be written\n  because: "), "{}", ended.err);
    assert!(ended.err.contains("\nhint: give a place that this user can write"), "{}", ended.err);
    assert_eq!(names_in(dir.path()), ["file"]);
    let ended = new_in(dir.path(), &["/proc/hello"])?;
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert!(ended.err.starts_with("error: /proc/hello cannot be written\n  because: "), "{}", ended.err);
    Ok(())
}

#[test]
fn an_sdk_that_is_not_there_is_refused() {
    check_refused(
        &["hello", "--sdk", "nowhere"],
        "--sdk nowhere is no SDK: nowhere/Cargo.toml is not there",
        "leave --sdk out: the SDK is then written into the project",
    );
}

#[test]
fn a_new_project_holds_what_it_says_and_can_lie_deep() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let ended = new_in(dir.path(), &["deep/er/hello-2"])?;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(
        ended.out.contains("cd deep/er/hello-2\n") && ended.out.contains("party-host dev"),
        "{}",
        ended.out
    );
    let project = dir.path().join("deep/er/hello-2");
    assert_eq!(names_in(&dir.path().join("deep/er")), ["hello-2"], "no draft is left");
    assert_eq!(
        names_in(&project),
        [".gitignore", "Cargo.toml", "README.md", "party-sdk", "party.toml", "public", "src", "tests"]
    );
    for file in ["Cargo.toml", "README.md", "party.toml", "public/index.html", "src/lib.rs"] {
        let text = fs::read_to_string(project.join(file))?;
        assert!(!text.contains("{{"), "{file} has a place that was not filled in");
    }
    assert!(fs::read_to_string(project.join("party.toml"))?.contains("name = \"hello-2\""));
    assert!(fs::read_to_string(project.join(".gitignore"))?.contains("/.party"));
    let sdk = names_in(&project.join("party-sdk/guest-sdk/rust"));
    assert!(sdk.contains(&"README.md".into()) && !sdk.contains(&"tests".into()), "{sdk:?}");
    Ok(())
}

#[test]
fn a_new_project_can_begin_with_an_example_and_builds_where_it_is() -> Result<()> {
    // An example copied out of the repository does not build: it takes versions from the workspace around it.
    let dir = scratch("new-from-examples");
    fs::create_dir_all(&dir)?;
    for (example, dependencies) in [
        ("counter", 1),
        ("chat", 2),
        ("workflow", 2),
        ("cursors", 2),
        ("tictactoe", 2),
        ("poll", 2),
        ("lookup", 2),
        ("bots", 2),
    ] {
        let name = format!("my-{example}");
        let project = dir.join(&name);
        if project.exists() {
            fs::remove_dir_all(&project)?;
        }
        let ended = new_in(&dir, &[&name, "--example", example])?;
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        let read = |file: &str| fs::read_to_string(project.join(file));
        assert_eq!(
            names_in(&project),
            [".gitignore", "Cargo.toml", "README.md", "party-sdk", "party.toml", "public", "src", "tests"]
        );
        let repository = root().join("examples").join(example);
        assert_eq!(names_in(&project.join("src")), names_in(&repository.join("src")));
        assert_eq!(read("src/lib.rs")?, fs::read_to_string(repository.join("src/lib.rs"))?);
        assert_eq!(names_in(&project.join("public")), names_in(&repository.join("public")));
        let manifest = read("Cargo.toml")?;
        assert!(!manifest.contains("workspace = true"), "{manifest}");
        assert!(manifest.contains(&format!("name = \"{name}\"\n")), "{manifest}");
        let section = manifest.split("[dependencies]\n").nth(1).and_then(|rest| rest.split("\n\n").next());
        assert_eq!(section.map(|lines| lines.lines().count()), Some(dependencies), "{manifest}");
        assert!(read("party.toml")?.contains(&format!("name = \"{name}\"\n")));
        let readme = read("README.md")?;
        assert!(readme.starts_with(&format!("# {name}\n")) && !readme.contains("examples/"), "{readme}");
        // One target directory for all, kept from run to run.
        let mut build = party_host();
        build.arg("build").current_dir(&project).env("CARGO_TARGET_DIR", dir.join("target"));
        let ended = Program::run(&mut build, BUILD_BOUND)?;
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        assert!(
            ended.out.lines().any(|line| line.starts_with("main: ")) && !ended.err.contains("warning"),
            "{}{}",
            ended.out,
            ended.err
        );
    }
    check_refused_example(&dir)
}

fn check_refused_example(dir: &Path) -> Result<()> {
    let ended = new_in(dir, &["mine", "--example", "chatt"])?;
    assert_eq!(ended.code, Some(2), "{}", ended.err);
    assert!(
        ended
            .err
            .contains("possible values: counter, chat, workflow, cursors, tictactoe, poll, lookup, bots"),
        "{}",
        ended.err
    );
    assert!(ended.err.contains("a similar value exists: 'chat'"), "{}", ended.err);
    Ok(())
}
