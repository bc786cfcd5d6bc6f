//! Rooms of a real host that ask a real server: as `[http]` allows, and once more when the host was killed.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use anyhow::{Context, Result, ensure};
use party_tests::guests::guest_path;
use party_tests::host::{Host, temporary};
use party_tests::http::Socket;
use rustix::process::Signal;

/// Writes the party.toml of a project with durable rooms.
fn write(project: &Path, http: &str) -> Result<()> {
    let component = guest_path("test_guests");
    let settings = format!("name = \"askers\"\nmain = {component:?}\nmemory = \"durable\"\n[http]\n{http}\n");
    Ok(fs::write(project.join("party.toml"), settings)?)
}

/// A request that waits for its answer: the lines of its head, in lower case.
struct Asked {
    head: Vec<String>,
    socket: TcpStream,
}

impl Asked {
    fn answer(mut self, text: &str) -> Result<()> {
        let length = text.len();
        Ok(write!(self.socket, "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{text}")?)
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// A server that asks its test what to answer.
fn server() -> Result<(u16, Receiver<Asked>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let (sender, asked) = channel();
    thread::spawn(move || {
        for socket in listener.incoming().map_while(Result::ok) {
            let lines = BufReader::new(&socket).lines().map_while(Result::ok);
            let head = lines.take_while(|line| !line.is_empty()).map(|line| line.to_lowercase()).collect();
            // A test that has ended does not look.
            let _ = sender.send(Asked { head, socket });
        }
    });
    Ok((port, asked))
}

#[test]
fn only_what_is_allowed_is_asked() -> Result<()> {
    let (project, data) = (temporary()?, temporary()?);
    let (port, asked) = server()?;
    write(project.path(), "")?;
    let mut host = Host::serve(project.path(), data.path())?;
    let mut alice = Socket::connect(host.port, "room")?;
    alice.send(&format!("fetch GET http://127.0.0.1:{port}/"))?;
    let told = alice.text()?;
    ensure!(told.contains("forbid it") && told.contains("this machine (RFC 1122)"), "{told}");
    host.stop(Signal::TERM)?;
    write(project.path(), &format!("allow = [\"127.0.0.1:{port}\"]"))?;
    host.start()?;
    let mut alice = Socket::connect(host.port, "room")?;
    alice.send(&format!("fetch GET http://127.0.0.1:{port}/hello"))?;
    let first = asked.recv()?;
    ensure!(first.head[0] == "get /hello http/1.1", "{:?}: it was asked before", first.head);
    first.answer("good day")?;
    ensure!(alice.text()? == "200 good day");
    host.stop(Signal::TERM)?;
    Ok(())
}

#[test]
fn a_host_that_is_killed_sends_again_what_may_be_and_nothing_else() -> Result<()> {
    let (project, data) = (temporary()?, temporary()?);
    let (port, asked) = server()?;
    write(project.path(), &format!("allow = [\"127.0.0.1:{port}\"]"))?;
    let mut host = Host::serve(project.path(), data.path())?;
    let mut alice = Socket::connect(host.port, "again")?;
    alice.send(&format!("fetch again POST http://127.0.0.1:{port}/again"))?;
    let first = asked.recv()?;
    let mut bob = Socket::connect(host.port, "once")?;
    bob.send(&format!("fetch POST http://127.0.0.1:{port}/once"))?;
    let once = asked.recv()?;
    ensure!(once.head[0] == "post /once http/1.1" && once.header("idempotency-key").is_none());
    host.kill()?;
    host.start()?;
    let second = asked.recv()?;
    ensure!(second.head[0] == "post /again http/1.1", "{:?}", second.head);
    let key = first.header("idempotency-key").context("it may be sent again")?;
    ensure!(second.header("idempotency-key") == Some(key), "{:?} and {:?}", first.head, second.head);
    second.answer("done")?;
    // What comes of both is kept by the rooms, whose clients have gone; nobody asks anything else.
    for (room, outcome) in
        [("again", "200 done"), ("once", "failed: the host or the room was restarted meanwhile")]
    {
        let path = format!("/parties/main/{room}/get?fetched");
        loop {
            let kept = party_tests::http::request(host.port, "GET", &path)?.body;
            if kept == outcome {
                break;
            }
            ensure!(kept.is_empty() || kept == "none", "{room}: {kept}");
            thread::yield_now();
        }
    }
    ensure!(asked.try_recv().is_err(), "something was asked once more");
    host.stop(Signal::TERM)?;
    Ok(())
}
