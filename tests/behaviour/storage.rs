//! The room's own key-value store.

use anyhow::Result;

use crate::{probe, with_probe};

#[test]
fn what_was_stored_is_read_and_listed_in_order() {
    with_probe(1, async |world| -> Result<()> {
        let mut alice = world.connect("main", "lobby").await?;
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

/// An error of two parts.
fn told(beginning: &str, end: &str) -> String {
    [beginning, end].concat()
}

#[test]
fn limits_hold_exactly_and_say_so() {
    probe(3).limits(|limits| limits.storage_bytes_max = 200_000).run(async |world| -> Result<()> {
        let mut alice = world.connect("main", "lobby").await?;
        alice.send("put-bytes a 131106").await?;
        alice.expect_text("ok").await?;
        alice.send("put-bytes a 131107").await?;
        alice
            .expect_text(&told(
                "the value of key \"a\" is 131107 bytes; the limit is 131106 (limits.value_bytes_max): ",
                "spread it over several keys",
            ))
            .await?;
        alice.send("put-bytes b 68892").await?;
        alice.expect_text("ok").await?;
        alice.send("put-bytes c 1").await?;
        alice
            .expect_text(&told(
                "the storage of the room has no place for the 2 bytes of key \"c\"; the limit is 200000 ",
                "(limits.storage_bytes_max): delete what is no longer needed",
            ))
            .await?;
        let long_key = "k".repeat(2_049);
        alice.send(&format!("put-bytes {long_key} 1")).await?;
        alice
            .expect_text(&told(
                &format!("key \"{}…\" is 2049 bytes; the limit is 2048 ", "k".repeat(64)),
                "(limits.key_bytes_max): take a shorter one",
            ))
            .await
    });
}

#[test]
fn what_cannot_be_read_or_sent_is_told_with_its_name_type_and_size() {
    with_probe(4, async |world| -> Result<()> {
        world.expect("GET", "/parties/main/r/count", b"", 200, "1").await?;
        let text = "key \"count\": its 1 bytes are no alloc::string::String: they end in the middle of it";
        world.expect("GET", "/parties/main/r/misread?count", b"", 500, text).await?;
        world.expect("POST", "/parties/main/r/json", b"[1, 2]", 200, "[1,2]").await?;
        let text = "the body \"[1, two]\" (8 bytes) is no alloc::vec::Vec<u64> in JSON: expected ident at line 1 column 6";
        world.expect("POST", "/parties/main/r/json", b"[1, two]", 500, text).await?;
        let text = told(
            "the message is 33554433 bytes; the limit is 33554432 (limits.message_out_bytes_max): ",
            "send it in parts",
        );
        world.expect("GET", "/parties/main/r/send-all?33554433", b"", 500, &text).await
    });
}
