//! A room that reads the project's static assets from a real directory.

use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};
use party_server::config::ServeConfig;
use party_testkit::world::{Builder, Memory, Response, World};
use party_tests::guests::{party_path, scratch};

/// Room to move: more than one chunk of a file, and not a whole number of them.
const LARGE_BYTES: usize = 300_001;

/// A world whose rooms read the assets in a directory, and answer with them.
fn reading(seed: u64, directory: &Path) -> Builder {
    World::new(seed)
        .compile_cache(scratch("compiled"))
        .party("main", party_path("a_room_reads_an_asset"))
        .serve(ServeConfig { path: directory.to_owned(), single_page_app: false })
}

fn large() -> Vec<u8> {
    (0..LARGE_BYTES).map(|at| (at % 251) as u8).collect()
}

/// What a room has read, and what a client gets of the same path.
async fn both(world: &World, path: &str) -> Result<(Response, Response)> {
    let of_room = world.request("GET", &format!("/parties/main/room{path}"), b"").await?;
    let of_client = world.request("GET", path, b"").await?;
    Ok((of_room, of_client))
}

#[test]
fn a_room_reads_what_a_client_gets() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("words.txt"), "alpha").unwrap();
    fs::write(directory.path().join("large.bin"), large()).unwrap();
    fs::write(directory.path().join("empty.js"), "").unwrap();
    fs::create_dir(directory.path().join("a b")).unwrap();
    fs::write(directory.path().join("a b/index.html"), "index").unwrap();
    for (seed, memory) in (1..).zip([Memory::Volatile, Memory::Hibernate, Memory::Durable]) {
        reading(seed, directory.path()).memory(memory).run(async |world| -> Result<()> {
            for path in ["/words.txt", "/large.bin", "/empty.js", "/a%20b/"] {
                let (of_room, of_client) = both(world, path).await?;
                ensure!(of_room.status == 200 && of_room.bytes == of_client.bytes, "{path}: {of_room:?}");
                for name in ["content-type", "etag", "last-modified", "cache-control"] {
                    let (found, expected) = (of_room.headers.get(name), of_client.headers.get(name));
                    ensure!(found.is_some() && found == expected, "{path}: {name}: {found:?} {expected:?}");
                }
            }
            ensure!(both(world, "/large.bin").await?.0.bytes == large());
            // What has changed is read as it is now, also by a room that has slept, and after the host has died.
            fs::write(directory.path().join("words.txt"), format!("beta {seed}"))?;
            world.crash().await?;
            ensure!(both(world, "/words.txt").await?.0.body == format!("beta {seed}"));
            Ok(())
        });
    }
}

#[test]
fn what_leads_out_of_the_directory_is_not_there() {
    let directory = tempfile::tempdir().unwrap();
    let public = directory.path().join("public");
    fs::create_dir_all(public.join("node_modules")).unwrap();
    for secret in ["secret.txt", "public/.env", "public/node_modules/a.js"] {
        fs::write(directory.path().join(secret), "secret").unwrap();
    }
    std::os::unix::fs::symlink(directory.path().join("secret.txt"), public.join("link.txt")).unwrap();
    reading(1, &public).run(async |world| -> Result<()> {
        for path in
            ["/..%2fsecret.txt", "/%2e%2e%2fsecret.txt", "/link.txt", "/.env", "/node_modules/a.js", "/%00"]
        {
            let read = world.request("GET", &format!("/parties/main/room{path}"), b"").await?;
            ensure!((read.status, &read.body[..]) == (200, "none"), "{path}: {read:?}");
        }
        Ok(())
    });
}

#[test]
fn many_rooms_read_at_once_and_what_is_too_large_says_the_bound() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("large.bin"), large()).unwrap();
    reading(1, directory.path()).run(async |world| -> Result<()> {
        let paths: Vec<String> = (0..50).map(|room| format!("/parties/main/{room}/large.bin")).collect();
        let asked = paths.iter().map(|path| world.request("GET", path, b""));
        for read in futures_util::future::join_all(asked).await {
            ensure!(read?.bytes == large());
        }
        Ok(())
    });
    let small =
        |limits: &mut party_core::limits::Limits| limits.response_body_bytes_max = LARGE_BYTES as u32 - 1;
    reading(2, directory.path()).limits(small).run(async |world| -> Result<()> {
        let read = world.request("GET", "/parties/main/room/large.bin", b"").await?;
        ensure!(read.body == format!("TooLarge({})", LARGE_BYTES - 1), "{read:?}");
        Ok(())
    });
}
