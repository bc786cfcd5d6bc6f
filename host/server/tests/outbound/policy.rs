//! Where nothing goes: what is not public and not allowed is not even dialled.

use party_core::operation::OperationError;

use crate::servers::{Server, answer, at_home, check, get, network, ok};

async fn check_refused(allow: &[&str], url: &str, why: &str) {
    match get(&network(allow, None), url).await {
        Err(OperationError::RefusedByPolicy(text)) => assert!(text.contains(why), "{url}: {text}"),
        other => panic!("{url}: {other:?}"),
    }
}

#[test]
fn this_machine_is_not_dialled_however_it_is_written() {
    check(async {
        let mut server = Server::start(vec![ok("secret")]).await;
        let port = server.port;
        for host in [
            "127.0.0.1",
            "127.1",
            "0x7f.1",
            "2130706433",
            "017700000001",
            "localhost",
            "LOCALHOST",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[64:ff9b::127.0.0.1]",
        ] {
            check_refused(&[], &format!("http://{host}:{port}/"), "this machine").await;
        }
        for host in ["0.0.0.0", "[::]", "[::127.0.0.1]", "169.254.169.254", "[fd00::1]", "10.0.0.1"] {
            check_refused(&[], &format!("http://{host}:{port}/"), "is not public but").await;
        }
        assert!(server.was_left_alone());
    });
}

#[test]
fn what_is_allowed_is_dialled_and_nothing_beside_it() {
    check(async {
        let mut allowed = Server::start(vec![ok("allowed")]).await;
        let mut other = Server::start(vec![ok("secret")]).await;
        let rule = format!("127.0.0.1:{}", allowed.port);
        assert_eq!(get(&network(&[&rule], None), &allowed.url("/")).await.unwrap(), "200 allowed");
        check_refused(&[&rule], &other.url("/"), "this machine").await;
        let by_name = format!("localhost:{}", allowed.port);
        let url = format!("http://localhost:{}/", allowed.port);
        assert_eq!(get(&network(&[&by_name], None), &url).await.unwrap(), "200 allowed");
        check_refused(&[&by_name], &allowed.url("/"), "this machine").await;
        assert!(other.was_left_alone());
        allowed.request().await;
    });
}

#[test]
fn a_redirect_to_what_is_not_allowed_is_not_followed() {
    check(async {
        let mut secret = Server::start(vec![ok("secret")]).await;
        for leads_to in [
            secret.url("/"),
            format!("http://localhost:{}/", secret.port),
            format!("//[::ffff:127.0.0.1]:{}/", secret.port),
        ] {
            let moved = answer("302 Found", &format!("location: {leads_to}\r\n"), "");
            let allowed = Server::start(vec![moved]).await;
            let rule = format!("127.0.0.1:{}", allowed.port);
            check_refused(&[&rule], &allowed.url("/"), "this machine").await;
        }
        assert!(secret.was_left_alone());
        let moved = answer("302 Found", "location: file:///etc/passwd\r\n", "");
        let allowed = Server::start(vec![moved]).await;
        let refused = get(&at_home(), &allowed.url("/")).await;
        assert_eq!(refused, Err(OperationError::RefusedByPolicy("file: is neither https nor http".into())));
    });
}
