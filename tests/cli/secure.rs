//! A host that speaks TLS, from the command line.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use party_tests::guests::guest_path;
use party_tests::host::{free_port, party_host, temporary};
use party_tests::program::{BOUND, BUILD_BOUND, Program};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustix::process::Signal;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// Writes a certificate of `localhost` and its key.
fn certificate(dir: &Path) -> Result<CertificateDer<'static>> {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".into()])?;
    fs::write(dir.join("cert.pem"), cert.pem())?;
    fs::write(dir.join("key.pem"), signing_key.serialize_pem())?;
    Ok(cert.der().clone())
}

/// What a client is answered that trusts this certificate only.
fn get(port: u16, trusted: CertificateDer<'static>, path: &str) -> Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted)?;
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let socket = TcpStream::connect(("127.0.0.1", port))?;
    socket.set_read_timeout(Some(BOUND))?;
    let mut stream =
        StreamOwned::new(ClientConnection::new(Arc::new(config), "localhost".try_into()?)?, socket);
    stream.write_all(
        format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").as_bytes(),
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[test]
fn a_host_with_a_certificate_serves_https_and_says_so() -> Result<()> {
    let (dir, port) = (temporary()?, free_port());
    let trusted = certificate(dir.path())?;
    let mut command = party_host();
    command.current_dir(dir.path()).arg("serve").arg(guest_path("test_guests"));
    command.args(["--data", "data", "--tls-cert", "cert.pem", "--tls-key", "key.pem"]);
    let mut host = Program::start(command.args(["--host", "127.0.0.1", "--port", &port.to_string()]))?;
    host.wait_for(&format!("on https://127.0.0.1:{port}"), BUILD_BOUND)?;
    let answer = get(port, trusted, "/parties/main/lobby/said").context("it is trusted")?;
    ensure!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    host.signal(Signal::TERM)?;
    let ended = host.end(BOUND)?;
    ensure!(ended.code == Some(0), "{ended:?}");
    ensure!(
        ended
            .out
            .contains(&format!("party  https://127.0.0.1:{port}/parties/main/ROOM   (WebSocket: wss://…)")),
        "{ended:?}"
    );
    Ok(())
}

#[test]
fn a_certificate_that_cannot_be_used_is_told_before_anything_is_built() -> Result<()> {
    let dir = temporary()?;
    certificate(dir.path())?;
    let other = temporary()?;
    certificate(other.path())?;
    let other_key = other.path().join("key.pem");
    for (cert, key, error, hint) in [
        ("nowhere.pem", "key.pem", "nowhere.pem cannot be read", "that this user can read"),
        ("key.pem", "cert.pem", "key.pem holds no certificate", "fullchain.pem"),
        ("cert.pem", "cert.pem", "cert.pem holds no key", "privkey.pem"),
        ("cert.pem", &other_key.display().to_string(), "is not that of the certificate", "made together"),
    ] {
        let mut command = party_host();
        command.current_dir(dir.path()).arg("serve").arg(guest_path("test_guests"));
        let ended = Program::run(command.args(["--tls-cert", cert, "--tls-key", key]), BOUND)?;
        ensure!(ended.code == Some(2) && ended.out.is_empty(), "{cert} {key}: {ended:?}");
        ensure!(ended.err.starts_with("error: ") && ended.err.contains(error), "{cert} {key}: {}", ended.err);
        ensure!(
            ended.err.lines().any(|line| line.starts_with("hint: ") && line.contains(hint)),
            "{}",
            ended.err
        );
    }
    Ok(())
}
