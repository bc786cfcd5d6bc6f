//! Several projects on one real host: which of them a request is for, what each allows, and how the command line names their
//! rooms.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;

use anyhow::{Result, ensure};
use party_tests::guests::{Version, guest_path};
use party_tests::host::{Host, free_port, party_host, temporary};
use party_tests::http::{Http, Socket, request, request_with};
use party_tests::program::{BOUND, Program};
use rustix::process::Signal;

use crate::asking::{is_refused, on, says};

/// A directory below `home` with a party.toml, the probe as its main party, and a page that says whose it is.
fn project(home: &Path, name: &str, more: &str) -> Result<String> {
    let directory = home.join(name);
    fs::create_dir_all(directory.join("public"))?;
    fs::write(directory.join("public/index.html"), format!("the page of {name}"))?;
    write(&directory, more)?;
    Ok(directory.display().to_string())
}

fn write(directory: &Path, more: &str) -> Result<()> {
    let settings =
        format!("{more}\n[serve]\npath = \"public\"\n[parties]\nprobe = {:?}\n", guest_path("test_guests"));
    Ok(fs::write(
        directory.join("party.toml"),
        format!("main = {:?}\n{settings}", guest_path("test_guests")),
    )?)
}

fn page(port: u16, host: &str) -> Result<String> {
    Ok(request_with(port, "GET", "/", &[("host", host)])?.body)
}

#[test]
fn a_request_is_for_the_project_whose_host_it_names() -> Result<()> {
    let (home, data) = (temporary()?, temporary()?);
    let chat = project(home.path(), "chat", "")?;
    let shop =
        project(home.path(), "shop", "hosts = [\"buy.example\"]\n[limits]\nmessage_in_bytes_max = 10")?;
    let mut host = Host::serve_with(Path::new(&chat), data.path(), &[&shop])?;
    let port = host.port;
    ensure!(page(port, "127.0.0.1")? == "the page of chat");
    ensure!(page(port, "unknown.example")? == "the page of chat");
    ensure!(page(port, &format!("shop.localhost:{port}"))? == "the page of shop");
    ensure!(page(port, "BUY.example")? == "the page of shop");
    // One connection asks for one after the other.
    let mut kept = Http::connect(port)?;
    for (name, asked) in [("shop.localhost", "1"), ("chat.localhost", "1"), ("buy.example", "2")] {
        kept.send_with("GET", "/parties/main/kept/said", &[("host", name)])?;
        let answer = kept.receive()?;
        ensure!(answer.body == asked, "{name}: {answer:?}");
    }
    // The same room of both, over WebSocket, and a bound of one of them.
    let mut mine = Socket::connect_as(port, "chat.localhost", "lobby")?;
    let mut theirs = Socket::connect_as(port, "shop.localhost", "lobby")?;
    mine.send("put key of-chat-alone")?;
    theirs.send("get key")?;
    ensure!(theirs.text()? == "none");
    mine.send("get key")?;
    ensure!(mine.text()? == "of-chat-alone");
    theirs.send("more than ten")?;
    ensure!(theirs.closed()?.0 == 1009);
    host.kill()?;
    host.start()?;
    let mut mine = Socket::connect(port, "lobby")?;
    mine.send("get key")?;
    ensure!(mine.text()? == "of-chat-alone");
    ensure!(host.stop(Signal::TERM)?.code == Some(0));
    Ok(())
}

#[test]
fn each_allows_its_own_origins_and_servers() -> Result<()> {
    let (home, data) = (temporary()?, temporary()?);
    let server = TcpListener::bind("127.0.0.1:0")?;
    let asked = server.local_addr()?.port();
    thread::spawn(move || {
        for mut socket in server.incoming().map_while(Result::ok) {
            let lines = BufReader::new(&socket).lines().map_while(Result::ok);
            lines.take_while(|line| !line.is_empty()).for_each(drop);
            // Whoever asked may have gone.
            let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ngood");
        }
    });
    let chat = project(home.path(), "chat", "[edge]\nallowed_origins = [\"https://chat.example\"]")?;
    let shop = project(home.path(), "shop", &format!("[http]\nallow = [\"127.0.0.1:{asked}\"]"))?;
    let mut host = Host::serve_with(Path::new(&chat), data.path(), &[&shop])?;
    let status = |host_name: &str, origin: &str| {
        let headers = [("host", host_name), ("origin", origin)];
        Ok::<_, anyhow::Error>(request_with(host.port, "GET", "/parties/main/lobby", &headers)?.status)
    };
    ensure!(status("chat.localhost", "https://shop.example")? == 403);
    ensure!(status("chat.localhost", "https://chat.example")? == 200);
    ensure!(status("shop.localhost", "https://shop.example")? == 200);
    for (name, expected) in [("chat.localhost", "forbid it"), ("shop.localhost", "200 good")] {
        let mut client = Socket::connect_as(host.port, name, "asks")?;
        client.send(&format!("fetch GET http://127.0.0.1:{asked}/"))?;
        let told = client.text()?;
        ensure!(told.contains(expected), "{name}: {told}");
    }
    ensure!(host.stop(Signal::TERM)?.code == Some(0));
    Ok(())
}

#[test]
fn a_proxy_that_is_believed_says_which_host_was_asked_for() -> Result<()> {
    let (home, data) = (temporary()?, temporary()?);
    let trusted = "[edge]\ntrusted_proxies = [\"127.0.0.1\"]\ntrusted_headers = [\"x-forwarded-host\"]";
    let (chat, shop) = (project(home.path(), "chat", trusted)?, project(home.path(), "shop", "")?);
    let asks = |host: &Host| {
        let headers = [("host", "internal"), ("x-forwarded-host", "shop.example")];
        Ok::<_, anyhow::Error>(request_with(host.port, "GET", "/", &headers)?.body)
    };
    let mut host = Host::serve_with(Path::new(&chat), data.path(), &[&shop])?;
    ensure!(asks(&host)? == "the page of shop");
    ensure!(host.stop(Signal::TERM)?.code == Some(0));
    write(&home.path().join("chat"), "")?;
    host.start()?;
    ensure!(asks(&host)? == "the page of chat", "nobody is believed");
    ensure!(host.stop(Signal::TERM)?.code == Some(0));
    Ok(())
}

#[test]
fn what_cannot_be_served_together_is_refused_with_both_files() -> Result<()> {
    let home = temporary()?;
    let serve = |paths: &[&str], more: &[&str]| {
        let mut command = party_host();
        command.current_dir(home.path()).arg("serve").args(paths).args(more);
        Program::run(command.args(["--host", "127.0.0.1"]), BOUND)
    };
    project(home.path(), "chat", "port = 80\nhosts = [\"a.example\"]")?;
    project(home.path(), "twin", "name = \"chat\"")?;
    project(home.path(), "host", "hosts = [\"A.example\"]")?;
    project(home.path(), "port", "port = 81")?;
    project(home.path(), "edge", "[edge]\nrooms_max = 5")?;
    let both = |other: &str| [format!("{other}/party.toml: "), "chat/party.toml".to_owned()];
    for (other, word) in [
        ("twin", "\"chat\""),
        ("host", "\"a.example\""),
        ("port", "\"port\""),
        ("edge", "\"edge.rooms_max\""),
    ] {
        let ended = serve(&["chat", other], &["--data", "data"])?;
        let [first, second] = both(other);
        is_refused(&ended, 2, &[&first, &second, word]);
    }
    is_refused(&serve(&["chat", "chat"], &[])?, 2, &["the project is called \"chat\"", "name = "]);
    // Nobody is served beside another without the rooms that they had alone.
    let lone = home.path().join("port");
    let mut alone = Host::serve(&lone, &lone.join(".party/data"))?;
    request(alone.port, "POST", "/parties/main/lobby/add")?;
    ensure!(alone.stop(Signal::TERM)?.code == Some(0));
    let port = free_port().to_string();
    let ended = serve(&["edge", "port"], &["--port", &port])?;
    is_refused(&ended, 2, &["rooms are kept in port/.party/data", "edge/.party/data", "--data"]);
    Ok(())
}

#[test]
fn rooms_are_named_with_their_project_where_there_are_several() -> Result<()> {
    let (home, data) = (temporary()?, temporary()?);
    let (chat, shop) = (project(home.path(), "chat", "")?, project(home.path(), "shop", "")?);
    let mut host = Host::serve_with(Path::new(&chat), data.path(), &[&shop])?;
    for (name, rooms) in [("chat.localhost", ["a", "b"]), ("shop.localhost", ["b", "c"])] {
        for room in rooms {
            let path = format!("/parties/main/{room}/add");
            request_with(host.port, "POST", &path, &[("host", name)])?;
        }
    }
    let data = data.path();
    let file = data.join("b.room").display().to_string();
    // While the host runs, and while it does not.
    for is_running in [true, false] {
        let listed = says(data, &["rooms"]);
        let names: Vec<&str> = listed.lines().skip(1).filter_map(|line| line.split(' ').next()).collect();
        let copy = if is_running { &[][..] } else { &["shop/main/copy"] };
        let expected = ["chat/main/a", "chat/main/b", "shop/main/b", "shop/main/c"];
        ensure!(names == [&expected[..], copy].concat(), "{listed}");
        let of_one = says(data, &["rooms", "--project", "shop", "--prefix", "c", "--json"]);
        ensure!(
            of_one.lines().count() == 1 + copy.len() && of_one.contains("\"project\":\"shop\""),
            "{of_one}"
        );
        is_refused(
            &on(data, &["rooms", "--project", "cellar"])?,
            2,
            &["of a project cellar; there are chat, shop"],
        );
        for arguments in [
            &["inspect", "main/b"][..],
            &["fork", "main/b", "main/copy"],
            &["checkpoint", "export", "main/b", &file],
            &["replay", "main/b", "--save", "b.party"],
        ] {
            let told = ["several projects here: chat, shop", "PROJECT/PARTY/ROOM", "chat/main/b"];
            is_refused(&on(data, arguments)?, 2, &told);
        }
        is_refused(&on(data, &["inspect", "chat/main/c"])?, 2, &["there is no room chat/main/c"]);
        let inspected = says(data, &["inspect", "shop/main/b"]);
        ensure!(inspected.contains("room           shop/main/b\nproject        shop\n"), "{inspected}");
        if is_running {
            is_refused(
                &on(data, &["inspect", "cellar/main/c"])?,
                2,
                &["no project cellar: this host serves chat, shop"],
            );
            is_refused(
                &on(data, &["inspect", "shop/mian/c"])?,
                2,
                &["no party mian in shop, which has main, probe"],
            );
            let copied = says(data, &["fork", "shop/main/b", "shop/main/copy"]);
            ensure!(copied.starts_with("shop/main/copy: "), "{copied}");
            let written = says(data, &["checkpoint", "export", "shop/main/copy", &file]);
            ensure!(written.contains("room shop/main/copy with "), "{written}");
            let mut admin = UnixStream::connect(data.join("admin.sock"))?;
            admin.write_all(b"GET /metrics HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n")?;
            let mut metrics = String::new();
            admin.read_to_string(&mut metrics)?;
            let of =
                |project: &str| metrics.contains(&format!("party_project_rooms{{project=\"{project}\"}} "));
            ensure!(of("chat") && of("shop"), "{metrics}");
            ensure!(host.stop(Signal::TERM)?.code == Some(0));
        }
    }
    // A room may be brought from one to the other by whoever owns the host.
    let brought = says(data, &["checkpoint", "import", &file, "chat/main/brought"]);
    ensure!(brought.starts_with("chat/main/brought: "), "{brought}");
    // Alone, the first names its rooms as ever; the other's are kept.
    let mut host = Host::serve(Path::new(&chat), data)?;
    let listed = says(data, &["rooms"]);
    ensure!(listed.contains("\nmain/brought ") && !listed.contains("shop"), "{listed}");
    let kept = says(data, &["rooms", "--project", "shop"]);
    ensure!(kept.contains("\nshop/main/copy "), "{kept}");
    says(data, &["inspect", "main/a"]);
    ensure!(host.stop(Signal::TERM)?.code == Some(0));
    Ok(())
}

#[test]
fn one_of_several_projects_is_deployed() -> Result<()> {
    let (home, data) = (temporary()?, temporary()?);
    let version = |name: &str, version: char| -> Result<()> {
        Ok(fs::write(home.path().join(name).join("party.wasm"), Version::named(version).component())?)
    };
    for name in ["chat", "shop", "lone"] {
        fs::create_dir_all(home.path().join(name))?;
        fs::write(home.path().join(name).join("party.toml"), "main = \"party.wasm\"\n")?;
        version(name, '1')?;
    }
    let at = |name: &str| home.path().join(name).display().to_string();
    let mut host = Host::serve_with(Path::new(&at("chat")), data.path(), &[&at("shop")])?;
    let told = |name: &str| {
        Ok::<_, anyhow::Error>(request_with(host.port, "GET", "/parties/main/a", &[("host", name)])?.body)
    };
    ensure!((told("chat")?.as_str(), told("shop")?.as_str()) == ("1 1 New", "1 1 New"));
    version("shop", '2')?;
    let data = data.path();
    ensure!(says(data, &["deploy", &at("shop")]).contains("main: "));
    ensure!((told("chat")?.as_str(), told("shop")?.as_str()) == ("1 2 New", "2 2 New+2"));
    says(data, &["deploy", &at("shop"), "--rollback"]);
    ensure!((told("chat")?.as_str(), told("shop")?.as_str()) == ("1 3 New", "1 3 New+2+1"));
    is_refused(
        &on(data, &["deploy", &at("lone")])?,
        2,
        &["the host serves the projects chat, shop, not lone"],
    );
    let component = home.path().join("shop/party.wasm").display().to_string();
    is_refused(
        &on(data, &["deploy", &component])?,
        2,
        &["the projects chat, shop", "directory of the project"],
    );
    ensure!(host.stop(Signal::TERM)?.code == Some(0));
    Ok(())
}
