//! The room's own key-value store.

use anyhow::Result;

use crate::{probe, with_probe};

#[test]
fn what_was_stored_is_read_and_listed_in_order() {
    with_probe(1, async |world| -> Result<()> {
        let mut alice = world.connect("main/lobby").await?;
        for text in ["put b 2", "put a 1", "put ba 3", "put c 4", "get b", "list b", "list ", "get x"] {
            alice.send(text).await?;
        }
        for text in ["2", "b ba", "a b ba c", "none"] {
            alice.expect_text(text).await?;
        }
        for text in ["delete b", "delete b", "list b", "clear", "list "] {
            alice.send(text).await?;
        }
        for text in ["true", "false", "ba", ""] {
            alice.expect_text(text).await?;
        }
        Ok(())
    });
}

#[test]
fn rooms_and_parties_do_not_see_each_other_s_keys() {
    let other = party_tests::guests::guest("test_guests");
    probe(2).party("other", &other).run(async |world| -> Result<()> {
        world.expect("PUT", "/parties/main/a/put?key", b"one", 200, "stored").await?;
        world.expect("GET", "/parties/main/ab/get?key", b"", 404, "none").await?;
        world.expect("GET", "/parties/other/a/get?key", b"", 404, "none").await?;
        world.expect("GET", "/parties/main/a/get?key", b"", 200, "one").await
    });
}

#[test]
fn limits_hold_exactly_and_say_so() {
    probe(3).limits(|limits| limits.storage_bytes_max = 200_000).run(async |world| -> Result<()> {
        let mut alice = world.connect("main/lobby").await?;
        alice.send("put-bytes a 131106").await?;
        alice.expect_text("ok").await?;
        alice.send("put-bytes a 131107").await?;
        alice.expect_text("the value is too large; the limit is 131106 bytes").await?;
        alice.send("put-bytes b 68892").await?;
        alice.expect_text("ok").await?;
        alice.send("put-bytes c 1").await?;
        alice.expect_text("the storage of the room is full; the limit is 200000 bytes").await?;
        let long_key = "k".repeat(2_049);
        alice.send(&format!("put-bytes {long_key} 1")).await?;
        alice.expect_text("the key is too long; the limit is 2048 bytes").await
    });
}
