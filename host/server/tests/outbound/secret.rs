//! TLS: who is trusted, and who is not.

use std::fs;
use std::sync::Arc;

use party_core::operation::OperationError;
use party_node::clock::SystemClock;
use party_server::outbound::{Network, OutboundOptions};

use crate::servers::{Says, Server, answer, check, get, network, ok};

const HOME: [&str; 2] = ["127.0.0.0/8", "localhost"];

async fn check_untrusted(network: &Network, url: &str, why: &str) {
    match get(network, url).await {
        Err(OperationError::Tls(text)) => assert!(text.contains(why), "{url}: {text}"),
        other => panic!("{url}: {other:?}"),
    }
}

#[test]
fn a_server_is_trusted_by_its_certificate_and_for_its_name() {
    check(async {
        let directory = tempfile::tempdir().unwrap();
        let (ca_file, another) = (directory.path().join("ca.pem"), directory.path().join("another.pem"));
        let mut server = Server::start_secret(vec![ok("secret")], &ca_file).await;
        Server::start_secret(vec![ok("another")], &another).await;
        let url = format!("https://localhost:{}/x", server.port);
        let trusting = network(&HOME, Some(&ca_file));
        assert_eq!(get(&trusting, &url).await.unwrap(), "200 secret");
        assert!(server.request().await.starts_with("GET /x HTTP/1.1\r\n"));
        // It has no certificate for this name.
        check_untrusted(&trusting, &format!("https://127.0.0.1:{}/", server.port), "not valid for name")
            .await;
        check_untrusted(&network(&HOME, Some(&another)), &url, "").await;
        check_untrusted(&network(&HOME, None), &url, "").await;
    });
}

#[test]
fn a_server_that_speaks_no_tls_is_not_asked() {
    check(async {
        let directory = tempfile::tempdir().unwrap();
        let ca_file = directory.path().join("ca.pem");
        Server::start_secret(vec![ok("")], &ca_file).await;
        let plain = Server::start(vec![Says::AtOnce("HTTP/1.1 400 Bad Request\r\n\r\n")]).await;
        let url = format!("https://localhost:{}/", plain.port);
        check_untrusted(&network(&HOME, Some(&ca_file)), &url, &format!("localhost:{}: ", plain.port)).await;
    });
}

#[test]
fn a_redirect_from_the_one_to_the_other_loses_secrets_and_is_judged() {
    check(async {
        let directory = tempfile::tempdir().unwrap();
        let ca_file = directory.path().join("ca.pem");
        let mut plain = Server::start(vec![ok("plain")]).await;
        let location = format!("location: http://localhost:{}/\r\n", plain.port);
        let secret = Server::start_secret(vec![answer("302 Found", &location, "")], &ca_file).await;
        let url = format!("https://localhost:{}/", secret.port);
        assert_eq!(get(&network(&HOME, Some(&ca_file)), &url).await.unwrap(), "200 plain");
        plain.request().await;
        plain.connection_ended().await;
        let only = format!("localhost:{}", secret.port);
        let refused = get(&network(&[&only], Some(&ca_file)), &url).await;
        assert!(matches!(refused, Err(OperationError::RefusedByPolicy(_))), "{refused:?}");
        assert!(plain.was_left_alone());
    });
}

#[test]
fn a_file_of_certificates_that_is_none_is_refused_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ca.pem");
    let open = || {
        let options = OutboundOptions { ca_file: Some(path.clone()), ..OutboundOptions::default() };
        Network::new(options, Arc::new(SystemClock)).map(drop).map_err(|error| error.to_string())
    };
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (text, why) in [("", "there is none in it"), ("no certificate", "there is none in it"), (broken, "")]
    {
        fs::write(&path, text).unwrap();
        let told = open().unwrap_err();
        assert!(
            told.starts_with(&format!(
                "the certificates in {} (http.ca_file) cannot be used: ",
                path.display()
            )),
            "{told}"
        );
        assert!(told.contains(why) && told.contains("\nhint: "), "{told}");
    }
    fs::remove_file(&path).unwrap();
    assert!(open().is_err());
}
