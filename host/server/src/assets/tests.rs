//! What is served, and what is not.

use std::fs;
use std::os::unix::fs::symlink;

use http_body_util::BodyExt;
use hyper::Request;

use super::{AssetReads, Assets};
use crate::config::ServeConfig;

/// A directory of assets, beside a file that must not be seen.
struct Site {
    _outer: tempfile::TempDir,
    assets: Assets,
}

fn site(single_page_app: bool) -> Site {
    let outer = tempfile::tempdir().unwrap();
    let root = outer.path().join("public");
    fs::write(outer.path().join("secret.txt"), "secret").unwrap();
    for directory in ["", "docs", "empty", "node_modules", "only.html"] {
        fs::create_dir_all(root.join(directory)).unwrap();
    }
    let files = [
        ("index.html", "<h1>home"),
        ("app.js", "run()"),
        ("docs/index.html", "docs"),
        ("docs/a b.txt", "spaced"),
        ("empty.txt", ""),
        (".env", "KEY=1"),
        ("node_modules/x.js", "x"),
    ];
    for (name, text) in files {
        fs::write(root.join(name), text).unwrap();
    }
    fs::write(root.join("large.bin"), vec![7; 200_000]).unwrap();
    symlink("../secret.txt", root.join("leak.txt")).unwrap();
    symlink("..", root.join("up")).unwrap();
    symlink("app.js", root.join("alias.js")).unwrap();
    let assets = Assets::open(&ServeConfig { path: root, single_page_app }, &AssetReads::default()).unwrap();
    Site { _outer: outer, assets }
}

/// Status, headers of interest and body; `None` for nothing.
struct Answer {
    status: u16,
    headers: hyper::HeaderMap,
    announced: Option<u64>,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

fn ask(site: &Site, method: &str, path: &str, headers: &[(&str, &str)]) -> Option<Answer> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (parts, ()) = request.body(()).unwrap().into_parts();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let found = match site.assets.answer(&parts).await {
            Some(found) => found,
            None => site.assets.page_of_nothing(&parts).await?,
        };
        let (head, body) = found.into_parts();
        let announced = hyper::body::Body::size_hint(&body).exact();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Some(Answer { status: head.status.as_u16(), headers: head.headers, announced, body })
    })
}

#[track_caller]
fn check(site: &Site, path: &str, expected: Option<(u16, &str)>) {
    let answer = ask(site, "GET", path, &[]);
    let found = answer.as_ref().map(|answer| (answer.status, std::str::from_utf8(&answer.body).unwrap()));
    assert_eq!(found, expected, "{path}");
}

#[test]
fn files_and_indexes_are_served() {
    let site = site(false);
    check(&site, "/", Some((200, "<h1>home")));
    check(&site, "/?query", Some((200, "<h1>home")));
    check(&site, "/app.js", Some((200, "run()")));
    check(&site, "/docs/", Some((200, "docs")));
    check(&site, "/docs/a%20b.txt", Some((200, "spaced")));
    check(&site, "/empty.txt", Some((200, "")));
    check(&site, "/alias.js", Some((200, "run()")));
}

#[test]
fn nothing_else_is_served() {
    let site = site(false);
    for path in [
        "/missing",
        "/app.js/",
        "/empty/",
        "/.env",
        "/node_modules/x.js",
        "/leak.txt",
        "/up/secret.txt",
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/docs/../app.js",
        "//app.js",
        "/only.html/",
        "/up/",
    ] {
        check(&site, path, None);
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        assert!(ask(&site, method, "/app.js", &[]).is_none(), "{method}");
    }
}

#[test]
fn a_directory_without_its_slash_is_sent_there() {
    let answer = ask(&site(false), "GET", "/docs?a=b", &[]).unwrap();
    assert_eq!((answer.status, answer.header("location")), (308, "/docs/?a=b"));
}

#[test]
fn a_large_file_comes_in_chunks_and_whole() {
    let answer = ask(&site(false), "GET", "/large.bin", &[]).unwrap();
    assert_eq!(answer.announced, Some(200_000));
    assert_eq!(answer.body, vec![7; 200_000]);
    assert_eq!(answer.header("content-type"), "application/octet-stream");
}

#[test]
fn head_announces_the_length_and_sends_nothing() {
    let answer = ask(&site(false), "HEAD", "/large.bin", &[]).unwrap();
    assert_eq!((answer.status, answer.announced, answer.body.len()), (200, Some(200_000), 0));
}

#[test]
fn a_fresh_copy_is_not_sent_again() {
    let site = site(false);
    let first = ask(&site, "GET", "/app.js", &[]).unwrap();
    assert_eq!(first.header("content-type"), "text/javascript; charset=utf-8");
    assert_eq!(first.header("cache-control"), "no-cache");
    let conditions =
        [("if-none-match", first.header("etag")), ("if-modified-since", first.header("last-modified"))];
    for condition in conditions {
        let again = ask(&site, "GET", "/app.js", &[condition]).unwrap();
        assert_eq!((again.status, again.body.len()), (304, 0), "{condition:?}");
        assert_eq!(again.header("etag"), first.header("etag"));
    }
    let other = ask(&site, "GET", "/docs/", &[conditions[0]]).unwrap();
    assert_eq!(other.status, 200);
}

#[test]
fn the_page_for_what_is_missing_has_its_status() {
    let outer = tempfile::tempdir().unwrap();
    fs::write(outer.path().join("404.html"), "lost?").unwrap();
    let config = ServeConfig { path: outer.path().into(), single_page_app: false };
    let site = Site { assets: Assets::open(&config, &AssetReads::default()).unwrap(), _outer: outer };
    check(&site, "/missing", Some((404, "lost?")));
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let answer = ask(&site, method, "/404.html", &[]).unwrap();
        assert_eq!((answer.status, &answer.body[..]), (404, &b"lost?"[..]), "{method}");
    }
    check(&site, "/", Some((404, "lost?")));
    let etag = ask(&site, "GET", "/missing", &[]).unwrap();
    let again = ask(&site, "GET", "/missing", &[("if-none-match", etag.header("etag"))]).unwrap();
    assert_eq!(again.status, 404, "what is missing is never fresh");
}

#[test]
fn a_single_page_app_answers_navigation_only() {
    let site = site(true);
    let navigate = [("sec-fetch-mode", "navigate")];
    let answer = ask(&site, "GET", "/some/view", &navigate).unwrap();
    assert_eq!((answer.status, &answer.body[..]), (200, &b"<h1>home"[..]));
    assert!(ask(&site, "GET", "/some/view", &[("sec-fetch-mode", "cors")]).is_none());
    assert!(ask(&site, "GET", "/missing.js", &[]).is_none());
    assert!(ask(&site, "POST", "/some/view", &navigate).is_none());
}

#[test]
fn a_file_that_shrinks_while_it_is_sent_ends_in_an_error() {
    let outer = tempfile::tempdir().unwrap();
    let path = outer.path().join("log.txt");
    fs::write(&path, vec![b'x'; 200_000]).unwrap();
    let config = ServeConfig { path: outer.path().into(), single_page_app: false };
    let assets = Assets::open(&config, &AssetReads::default()).unwrap();
    let (parts, ()) = Request::get("/log.txt").body(()).unwrap().into_parts();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let error = runtime.block_on(async {
        let mut body = assets.answer(&parts).await.unwrap().into_body();
        body.frame().await.unwrap().unwrap();
        fs::write(&path, "short").unwrap();
        body.frame().await.unwrap().unwrap_err()
    });
    assert_eq!(error.to_string(), "the file has become shorter; 134464 bytes are missing");
}
